//! Where a banned word offends, and where it is the tool's own.

use super::super::file;
use super::check;

#[test]
fn a_banned_word_is_named_with_its_line() {
    let host = ["crates", ".io"].concat();
    let undone = ["TO", "DO"].concat();
    for (path, text, expected) in [
        ("README.md", format!("Get it\nfrom {host}."), vec![2]),
        ("scripts/setup", format!("{host}\n{host}"), vec![1, 2]),
        ("Cargo.lock", host.clone(), vec![]),
        ("web/package-lock.json", host, vec![]),
        ("src/a.rs", format!("//! {undone}"), vec![1]),
        ("NOTES.md", undone, vec![]),
        ("src/a.rs", "todo list".to_owned(), vec![]),
    ] {
        let lines: Vec<_> = check(&file(path, &text))
            .into_iter()
            .map(|offence| offence.line)
            .collect();
        assert_eq!(lines, expected, "{path}: {text}");
    }
}
