//! What counts as a charter: the first lines, and enough of them.

use super::super::file;
use super::check;

#[test]
fn a_file_opens_with_a_charter() {
    for (text, expected) in [
        (
            "//! The tripwire: trips on the error that reaches the limit.\n\nuse a;\n",
            None,
        ),
        (
            "//! The tripwire:\n//!\n//! trips on the error that reaches the limit.\n",
            None,
        ),
        (
            "use a;\n//! The tripwire: trips on the error that reaches the limit.\n",
            Some("does not open"),
        ),
        (
            "\n//! The tripwire: trips on the error that reaches the limit.\n",
            Some("does not open"),
        ),
        (
            "// The tripwire: trips on the error that reaches the limit.\n",
            Some("does not open"),
        ),
        ("", Some("does not open")),
        ("//!\n", Some("does not open")),
        ("//! Tripwire.\n", Some("only 9 characters")),
    ] {
        let offence = check(&file("a.rs", text));
        match expected {
            None => assert_eq!(offence, None, "{text}"),
            Some(expected) => assert!(offence.expect(text).what.contains(expected), "{text}"),
        }
    }
}

#[test]
fn a_test_file_may_be_shorter() {
    let text = "//! Limits of the tripwire.\n";
    assert!(check(&file("src/tripwire.rs", text)).is_some());
    assert_eq!(check(&file("src/tripwire/tests.rs", text)), None);
    assert!(check(&file("src/tripwire/tests.rs", "//! Tests.\n")).is_some());
}
