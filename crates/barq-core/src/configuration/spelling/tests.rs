//! Which misspellings are recognised, and which words are left alone.

use super::nearest;

#[test]
fn the_likely_spelling_is_found() {
    let known = [
        "name",
        "run",
        "directory",
        "timeout",
        "needs",
        "cache",
        "requires",
        "max_errors",
    ];
    for (word, expected) in [
        ("tiemout", Some("timeout")),
        ("time_out", Some("timeout")),
        ("Timeout", Some("timeout")),
        ("max-errors", Some("max_errors")),
        ("maxErrors", Some("max_errors")),
        ("need", Some("needs")),
        ("rum", Some("run")),
        ("dir", None),
        ("environment", None),
        ("", None),
    ] {
        assert_eq!(nearest(word, known), expected, "{word}");
    }
}

#[test]
fn a_word_of_any_length_is_compared_in_bounded_time() {
    assert_eq!(nearest(&"x".repeat(1_000_000), ["timeout"]), None);
}
