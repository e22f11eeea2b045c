//! What people read is what they should.

use jiff::Timestamp;

use super::*;

#[test]
fn durations_read_well() {
    for (milliseconds, expected) in [
        (0.42, "0.4 ms"),
        (850.0, "850 ms"),
        (4_240.0, "4.2 s"),
        (42_400.0, "42 s"),
        (200_000.0, "3 min 20 s"),
        (7_500_000.0, "2 h 5 min"),
        (90_000_000.0, "1 d 1 h"),
    ] {
        assert_eq!(text::duration_ms(milliseconds), expected);
    }
}

#[test]
fn times_are_relative_to_now() {
    let now = Timestamp::from_second(1_000_000).expect("a time");
    let later = Timestamp::from_second(1_000_200).expect("a time");
    assert_eq!(text::relative(later, now), "in 3 min 20 s");
    assert_eq!(text::relative(now, later), "3 min 20 s ago");
    assert_eq!(text::time(now), "1970-01-12 13:46:40Z");
}

#[test]
fn tables_fit_and_have_no_trailing_blanks() {
    let rows = vec![
        vec!["a".to_owned(), "short".to_owned()],
        vec!["b".to_owned(), "long ".repeat(40)],
    ];
    let table = table::lay_out(&["id", "message"], rows.clone(), Some(80));
    assert!(table.starts_with("ID  MESSAGE"), "{table}");
    for line in table.lines() {
        assert!(line.chars().count() <= 80, "{line}");
        assert_eq!(line, line.trim_end());
    }
    let unwrapped = table::lay_out(&["id", "message"], rows, None);
    assert_eq!(unwrapped.lines().count(), 3, "{unwrapped}");
}

#[test]
fn names_in_tables_stay_whole() {
    let name = |letter: &str| format!("{}-production-00012", letter.repeat(40));
    let row = vec![name("a"), name("b"), "a few words ".repeat(9)];
    for columns in [None, Some(80), Some(10)] {
        let table = table::lay_out(&["from", "to", "why"], [row.clone()], columns);
        assert!(table.contains(&name("a")), "{table}");
        assert!(table.contains(&name("b")), "{table}");
    }
}

#[test]
fn what_is_long_is_shortened_at_a_word() {
    for (text, expected) in [
        ("as it is", "as it is"),
        ("exactly 12 c", "exactly 12 c"),
        ("more than twelve", "more than…"),
        ("Donaudampfschiff", "Donaudampfs…"),
    ] {
        assert_eq!(text::shorten(text, 12), expected);
    }
}

#[test]
fn counts_agree_with_their_noun() {
    assert_eq!(text::count(1, "error"), "1 error");
    assert_eq!(text::count(0, "error"), "0 errors");
    assert_eq!(text::count(12, "request"), "12 requests");
}

#[test]
fn a_hash_is_cut_and_a_short_one_is_not() {
    assert_eq!(text::short("sha256:0123456789abcdef"), "0123456789ab");
    assert_eq!(text::short("0123"), "0123");
}
