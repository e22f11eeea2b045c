//! Lines that are wanted and lines that are not.

use barq_shim::output::Stream;

use super::*;

fn check(query: &LogQuery, at_ms: i64, text: &str, expect: bool) {
    let line = Line {
        offset: 0,
        at: Timestamp::from_millisecond(at_ms).expect("a time"),
        stream: Stream::Stdout,
        partial: false,
        text: text.to_owned(),
    };
    let wanted = Filter::of(query).wanted(&line).is_some();
    assert_eq!(wanted, expect, "{text:?} of {query:?}");
}

#[test]
fn text_is_found_however_it_is_written() {
    for (wanted, line, expect) in [
        ("no SUCH", r#"{"message":"No such thing"}"#, true),
        ("no such", "nothing", false),
        ("", "anything", true),
        ("longer than the line", "line", false),
        ("ÄRGER", "großer ärger", true),
        ("ärger", "arger", false),
        ("größe", "GRÖßE", true),
    ] {
        let query = LogQuery {
            text: Some(wanted.to_owned()),
            ..LogQuery::default()
        };
        check(&query, 0, line, expect);
    }
}

#[test]
fn all_that_is_asked_for_must_be_so() {
    let query = LogQuery {
        text: Some("x".to_owned()),
        severity: Some(Severity::Warning),
        since: Timestamp::from_millisecond(10).ok(),
        ..LogQuery::default()
    };
    let severe = r#"{"severity":"ERROR","message":"x"}"#;
    check(&query, 10, severe, true);
    check(&query, 9, severe, false);
    check(&query, 10, r#"{"severity":"ERROR"}"#, false);
    check(&query, 10, r#"{"severity":"INFO","message":"x"}"#, false);
}
