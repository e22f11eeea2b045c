//! What an address asks for, and how lines look.

use barq_node::api::LogLine;
use barq_node::logs::LinePlace;
use jiff::Timestamp;

use super::line;
use super::question::{LogsPlace, Window};

const NAME: &str = "shop-production";

fn place(query: &str) -> LogsPlace {
    let uri = format!("/services/{NAME}/logs?{query}");
    LogsPlace::of(NAME, &uri.parse().expect("an address")).expect("a place")
}

fn line(severity: &str, text: &str) -> LogLine {
    LogLine {
        at: Timestamp::from_millisecond(1_772_368_205_123).expect("a time"),
        place: "1772368205123.1.2".to_owned(),
        revision: format!("{NAME}-00002"),
        instance: "35b47780a407".to_owned(),
        severity: severity.to_owned(),
        text: text.to_owned(),
    }
}

#[test]
fn addresses_say_the_same_when_they_are_written_again() {
    let check = |query: &str, expect: &str| {
        let place = place(query);
        assert_eq!(place.address(place.window), expect, "of {query}");
    };
    check("", "/services/shop-production/logs");
    check(
        "q=&severity=&revision=&since=",
        "/services/shop-production/logs",
    );
    check(
        "revision=2&severity=warn&q=No%20Such&since=15m",
        "/services/shop-production/logs?revision=shop-production-00002&severity=WARNING&q=No%20Such&since=15m",
    );
    check(
        "since=2026-03-01T12:30:00Z&before=1000",
        "/services/shop-production/logs?since=2026-03-01T12%3A30%3A00Z&before=1000",
    );
    check(
        "before=1000.1f.3a2b",
        "/services/shop-production/logs?before=1000.1f.3a2b",
    );
    check("at=1000", "/services/shop-production/logs?at=1000");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for query in [
        "severity=loud",
        "since=yesterday",
        "revision=x",
        "before=soon",
    ] {
        let uri = format!("/services/{NAME}/logs?{query}");
        let asked = LogsPlace::of(NAME, &uri.parse().expect("an address"));
        assert!(asked.is_err(), "{query}");
    }
}

#[test]
fn only_the_newest_lines_are_live() {
    assert!(place("q=x").is_live());
    assert!(!place("before=1").is_live());
    assert_eq!(
        place("before=1&at=2").window,
        Window::Before(LinePlace::moment(1))
    );
}

#[test]
fn the_node_is_asked_for_what_the_address_asks_for() {
    let parameters = place("q=no%20SUCH&severity=warn&revision=2&before=7.1.2").parameters(5);
    let expect = [
        ("limit", "5"),
        ("revision", "shop-production-00002"),
        ("severity", "WARNING"),
        ("text", "no SUCH"),
    ];
    assert_eq!(parameters, expect.map(|(name, it)| (name, it.to_owned())));
}

#[test]
fn a_structured_line_begins_with_its_message() {
    let text = r#"{"severity":"ERROR","message":"no <such> thing","request_id":"r 1","user":{"id":7},"n":3}"#;
    insta::assert_snapshot!(
        line::item(&place("q=SUCH"), &line("ERROR", text), "l1").into_string(),
        @r##"<li id="l1" class="bad"><a href="?at=1772368205123#l1" title="2026-03-01 12:30:05">03-01 12:30:05.123</a><b>ERROR</b><i title="instance 35b47780a407">00002 35b477</i><span>no &lt;<mark>such</mark>&gt; thing <em>request <a href="?q=r%201&amp;at=1772368205123">r 1</a> n=3 user={&quot;id&quot;:7} </em></span></li>"##
    );
}

#[test]
fn escapes_of_terminals_are_dropped() {
    let text = "\u{1b}[31mred\u{1b}[0m and\u{7} <b>not html</b>";
    insta::assert_snapshot!(
        line::item(&place(""), &line("DEFAULT", text), "l1").into_string(),
        @r##"<li id="l1"><a href="?at=1772368205123#l1" title="2026-03-01 12:30:05">03-01 12:30:05.123</a><b></b><i title="instance 35b47780a407">00002 35b477</i><span>red and &lt;b&gt;not html&lt;/b&gt;</span></li>"##
    );
}

#[test]
fn tracing_nests_its_fields() {
    let text = r#"{"timestamp":"t","level":"INFO","fields":{"message":"listening","port":80},"target":"fleet"}"#;
    insta::assert_snapshot!(
        line::item(&place(""), &line("INFO", text), "l1").into_string(),
        @r##"<li id="l1"><a href="?at=1772368205123#l1" title="2026-03-01 12:30:05">03-01 12:30:05.123</a><b>INFO</b><i title="instance 35b47780a407">00002 35b477</i><span>listening <em>port=80 target=fleet </em></span></li>"##
    );
}

#[test]
fn long_messages_are_cut_where_they_are_not_looked_at() {
    let text = "x".repeat(5000);
    let listed = line::item(&place(""), &line("DEFAULT", &text), "l1").into_string();
    assert!(listed.contains("… and 4000 more characters"), "{listed}");
    let at = line("DEFAULT", "").at.as_millisecond();
    let close = line::item(&place(&format!("at={at}")), &line("DEFAULT", &text), "l1");
    assert!(!close.into_string().contains("more characters"));
}

#[test]
fn lines_that_are_the_same_have_ids_of_their_own() {
    let fingerprint = line::fingerprint(&line("DEFAULT", "same"));
    assert_ne!(line::id(1, fingerprint, 0), line::id(1, fingerprint, 1));
    assert_ne!(fingerprint, line::fingerprint(&line("DEFAULT", "other")));
}
