//! What a browser is told so that it shows the newest version.

use maud::html;
use serde_json::{Value, json};

use super::super::page::{Fragment, Line, Mood, Page, Section};
use super::message::Message;

fn page(heading: &str, lines: std::ops::Range<u32>) -> Page {
    let line = |number: u32| Line {
        key: number.to_string(),
        markup: format!("<li>{number}</li>"),
    };
    Page {
        kind: "test",
        title: "a page".to_owned(),
        mood: Mood::Calm,
        section: Section::None,
        trail: Vec::new(),
        fragments: vec![
            Fragment::new("still", html! { p { "as ever" } }),
            Fragment::new("heading", html! { h1 { (heading) } }),
            Fragment::lines("lines", lines.map(line).collect()),
        ],
    }
}

fn message(new: &Page, old: Option<&Page>) -> Message {
    let old = old.map(|old| (old, old.version()));
    let old = old.as_ref().map(|(old, version)| (*old, version.as_str()));
    Message::new(new, &new.version(), old)
}

fn told(message: &Message, seen: &str) -> (String, Value) {
    let text = String::from_utf8(message.since(seen).to_vec()).expect("UTF-8");
    let (id, data) = text
        .trim_end()
        .split_once('\n')
        .expect("an id and a document");
    let id = id.strip_prefix("id: ").expect("an id");
    let data = data.strip_prefix("data: ").expect("a document");
    let document = serde_json::from_str(data).expect("JSON");
    (id.to_owned(), document)
}

#[test]
fn a_browser_that_is_up_to_date_hears_the_difference() {
    let (old, new) = (page("1 of 5", 0..3), page("2 of 5", 1..5));
    let (id, document) = told(&message(&new, Some(&old)), &old.version());
    assert_eq!(id, new.version());
    let fragments = document["fragments"].to_string();
    assert_eq!(
        fragments,
        r#"[["heading","<section id=\"heading\" class=\"fragment\"><h1>2 of 5</h1></section>"],["lines",{"add":"<li>3</li><li>4</li>","drop":1}]]"#
    );
}

#[test]
fn any_other_browser_hears_all() {
    let (old, new) = (page("1 of 5", 0..3), page("2 of 5", 0..3));
    for seen in ["", "something else"] {
        let (_, document) = told(&message(&new, Some(&old)), seen);
        assert_eq!(document["fragments"].as_array().map(Vec::len), Some(3));
    }
    let (_, document) = told(&message(&new, None), &old.version());
    assert_eq!(document["fragments"].as_array().map(Vec::len), Some(3));
}

#[test]
fn lines_that_did_not_only_move_are_replaced() {
    let (old, new) = (page("", 5..8), page("", 2..8));
    let (_, document) = told(&message(&new, Some(&old)), &old.version());
    let lines = &document["fragments"][0];
    assert_eq!(lines[0], "lines");
    assert!(lines[1].is_string(), "{lines}");
}

#[test]
fn a_version_changes_with_everything_that_is_shown() {
    let base = page("x", 0..2).version();
    assert_eq!(base, page("x", 0..2).version());
    assert_ne!(base, page("y", 0..2).version());
    assert_ne!(base, page("x", 0..3).version());
    let mut titled = page("x", 0..2);
    titled.title = "another".to_owned();
    assert_ne!(base, titled.version());
    let mut mooded = page("x", 0..2);
    mooded.mood = Mood::Trouble;
    assert_ne!(base, mooded.version());
}

#[test]
fn a_page_that_gets_or_loses_a_fragment_says_where_each_belongs() {
    let old = page("1 of 5", 0..3);
    let mut new = page("1 of 5", 0..3);
    new.fragments.remove(0);
    new.fragments
        .insert(1, Fragment::new("more", html! { p { "more" } }));
    let (_, document) = told(&message(&new, Some(&old)), &old.version());
    assert_eq!(document["order"], json!(["heading", "more", "lines"]));
    assert_eq!(document["fragments"].as_array().map(Vec::len), Some(1));
    assert_eq!(document["fragments"][0][0], "more");
}

#[test]
fn nothing_on_a_page_turns_the_order_of_what_follows() {
    let subject = "Be good \u{202e}txt.exe\u{2066}";
    let fragment = Fragment::new("subject", html! { p { (subject) } });
    assert_eq!(
        fragment.markup().into_string(),
        "<section id=\"subject\" class=\"fragment\"><p>Be good \u{fffd}txt.exe\u{fffd}</p></section>"
    );
}
