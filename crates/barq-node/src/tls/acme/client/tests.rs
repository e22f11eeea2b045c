//! How an authority asks us to wait.

use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;

use super::Asked;

#[test]
fn a_wait_is_seconds_or_a_date() {
    let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    for (value, expected) in [
        ("120", Some("2026-01-01T00:02:00Z")),
        (
            "Thu, 01 Jan 2026 01:00:00 GMT",
            Some("2026-01-01T01:00:00Z"),
        ),
        ("soon", None),
        ("-5", None),
        ("", None),
    ] {
        let asked = Asked::default();
        let value = HeaderValue::from_static(value);
        asked.note(
            &HeaderMap::from_iter([(super::RETRY_AFTER, value.clone())]),
            now,
        );
        let expected = expected.map(|at| at.parse().unwrap());
        assert_eq!(asked.get(), expected, "{value:?}");
    }
}
