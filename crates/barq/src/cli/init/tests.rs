//! What init writes is accepted by barq, whatever the repository is.

use super::*;

fn written(files: &[(&str, &str)]) -> String {
    let directory = tempfile::tempdir().expect("temporary directory");
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).expect("written");
    }
    let text = detect::configuration(directory.path(), "shop");
    if let Err(faults) = Configuration::parse(&text, FILE) {
        panic!("{}\n{text}", faults.summary());
    }
    text
}

#[test]
fn every_kind_of_repository_gets_a_good_file() {
    for (files, expected) in [
        (
            &[("Cargo.toml", "[package]\nname = \"till\"\n")][..],
            "\"target/release/till\" = \"till\"",
        ),
        (
            &[(
                "package.json",
                r#"{"main":"src/main.js","scripts":{"test":"x"}}"#,
            )][..],
            r#"command = ["node", "src/main.js"]"#,
        ),
        (
            &[("requirements.txt", ""), ("app.py", "")][..],
            "\"app.py\" = \"app.py\"",
        ),
        (&[][..], "./build.sh"),
    ] {
        let text = written(files);
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn names_become_labels() {
    for (text, expected) in [
        ("My Shop_2", "my-shop-2"),
        ("--x--", "x"),
        ("Übung", "bung"),
    ] {
        assert_eq!(slug(text), expected);
    }
}
