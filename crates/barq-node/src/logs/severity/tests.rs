//! Lines as programs write them, as a table.

use super::Severity;

#[test]
fn of_lines() {
    let cases = [
        (r#"{"severity":"ERROR","message":"x"}"#, Severity::Error),
        (r#"{"level":"warn","msg":"x"}"#, Severity::Warning),
        (
            r#"{"timestamp":"…","level":"INFO","fields":{"message":"x"}}"#,
            Severity::Info,
        ),
        (r#"{"level":30,"msg":"pino"}"#, Severity::Info),
        (r#"{"level":60}"#, Severity::Error),
        (r#"{"level":-4}"#, Severity::Default),
        (r#"{"severity":"odd"}"#, Severity::Default),
        (r#"{"severity":null}"#, Severity::Default),
        (r#"{"message":"ERROR"}"#, Severity::Default),
        (r#"{"severity":"ERROR""#, Severity::Default),
        ("ERROR: plain", Severity::Default),
        ("", Severity::Default),
        ("  {\"severity\":\"Critical\"}  ", Severity::Error),
    ];
    for (line, expect) in cases {
        assert_eq!(Severity::of(line), expect, "{line}");
    }
}

#[test]
fn words_are_ordered_and_come_back() {
    let all = [
        Severity::Default,
        Severity::Debug,
        Severity::Info,
        Severity::Warning,
        Severity::Error,
    ];
    assert!(all.is_sorted());
    for severity in all {
        assert_eq!(severity.as_str().parse(), Ok(severity));
    }
    assert!("loud".parse::<Severity>().is_err());
}
