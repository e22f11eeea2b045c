//! Each way to hide a brace or a keyword from a search, and what must stay visible.

use super::code_only;

#[test]
fn only_code_is_left() {
    for (source, expected) in [
        ("a // } fn\nb", "a        \nb"),
        ("a /* } /* { */ fn */ b", "a                    b"),
        (r#"a "}" b"#, "a     b"),
        (r#"a "\"}" b"#, "a       b"),
        (r##"a r#"}"{"# b"##, "a          b"),
        (r#"a br"}\" b"#, "a        b"),
        (r#"a b"}" c"}" b"#, "a           b"),
        ("a '}' b", "a     b"),
        (r"a '\'' b", "a      b"),
        (r"a '\\' { b", "a      { b"),
        (r"a '\u{7d}' b", "a          b"),
        ("a b'{' b", "a      b"),
        ("a 'é' { b", "a      { b"),
        ("fn a<'b>(c: &'b str) {}", "fn a<'b>(c: &'b str) {}"),
        (
            "'outer: loop { break 'outer }",
            "'outer: loop { break 'outer }",
        ),
        ("r#type { }", "r#type { }"),
        ("bar {", "bar {"),
        ("a \"\n}\n\" b", "a  \n \n  b"),
    ] {
        assert_eq!(code_only(source), expected, "{source}");
    }
}

#[test]
fn what_is_not_closed_ends_with_the_text() {
    for source in [
        "\"abc",
        "\"abc\\",
        "r#\"abc\"",
        "/* abc",
        "'\\",
        "'",
        "b'",
        "// abc",
        "r#",
    ] {
        assert_eq!(code_only(source).len(), source.len(), "{source}");
    }
}
