//! What is a function, and how long it is.

use super::super::file;
use super::{check, functions};

fn names_and_lines(source: &str) -> Vec<(String, usize)> {
    functions(source)
        .into_iter()
        .map(|function| (function.name, function.lines))
        .collect()
}

#[test]
fn a_function_is_measured_from_fn_to_its_closing_brace() {
    for (source, expected) in [
        ("fn a() {}", vec![("a", 1)]),
        (
            "/// Doc.\npub async fn a<T>(\n    b: [u8; 4],\n) -> [u8; 2]\nwhere\n    T: Copy,\n{\n    b\n}\n",
            vec![("a", 8)],
        ),
        (
            "fn a() {\n    \"}\" /* } */; // }\n    '}'\n}",
            vec![("a", 4)],
        ),
        ("fn a() {\n    fn b() {\n    }\n}", vec![("a", 4), ("b", 2)]),
        ("trait A {\n    fn b();\n    fn c() {}\n}", vec![("c", 1)]),
        ("type A = fn(u8) -> u8;", vec![]),
        (
            "fn a(b: fn(u8), c: impl Fn() -> [u8; { 1 + 1 }]) {\n}",
            vec![("a", 2)],
        ),
        ("let fnord = a_fn; r#fn x {}", vec![]),
        ("// fn a() {\n}", vec![]),
    ] {
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(name, lines)| (name.to_owned(), lines))
            .collect();
        assert_eq!(names_and_lines(source), expected, "{source}");
    }
}

#[test]
fn seventy_lines_are_too_many() {
    let function = |lines: usize| {
        format!(
            "\n\nfn long() {{\n{}}}\n",
            "    // a line\n".repeat(lines - 2)
        )
    };
    assert!(check(&file("a.rs", &function(69))).is_empty());
    let offences = check(&file("a.rs", &function(70)));
    assert_eq!(offences.len(), 1);
    assert_eq!(
        (offences[0].line, offences[0].what.as_str()),
        (3, "the function `long` has 70 lines")
    );
}
