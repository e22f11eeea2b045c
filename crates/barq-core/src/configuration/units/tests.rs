//! Durations and sizes: what is read, what is refused, and what is suggested.

use std::time::Duration;

use proptest::prelude::*;

use super::{format_duration, format_size, parse_duration, parse_size};

#[test]
fn durations_are_read() {
    for (text, milliseconds) in [
        ("0s", 0),
        ("250ms", 250),
        ("10s", 10_000),
        ("5m", 300_000),
        ("24h", 86_400_000),
        ("1h30m", 5_400_000),
        ("7d", 604_800_000),
        ("1s500ms", 1_500),
        ("90s", 90_000),
    ] {
        assert_eq!(
            parse_duration(text),
            Ok(Duration::from_millis(milliseconds)),
            "{text}"
        );
    }
}

#[test]
fn what_is_no_duration_is_refused_with_what_was_meant() {
    for (text, instead) in [
        ("", None),
        ("soon", None),
        ("-5s", None),
        ("30", Some("30s")),
        ("5min", Some("5m")),
        ("10 seconds", Some("10s")),
        ("1 hour", Some("1h")),
        ("5 m", Some("5m")),
        ("1h 30m", Some("1h30m")),
        ("1.5h", Some("1h30m")),
        ("0.5s", Some("500ms")),
        ("30m1h", None),
        ("1m1m", None),
        ("3 fortnights", None),
        ("5µs", None),
        ("99999999999999999999h", None),
        ("999999999999999999d", None),
    ] {
        let fault = parse_duration(text).expect_err(text);
        assert_eq!(
            fault.instead.as_deref(),
            instead,
            "{text}: {}",
            fault.reason
        );
    }
}

#[test]
fn sizes_are_read() {
    for (text, bytes) in [
        ("2GiB", 2 << 30),
        ("512MiB", 512 << 20),
        ("64KiB", 64 << 10),
        ("1TiB", 1_u64 << 40),
    ] {
        assert_eq!(parse_size(text), Ok(bytes), "{text}");
        assert_eq!(format_size(bytes), text);
    }
}

#[test]
fn what_is_no_size_is_refused_with_what_was_meant() {
    for (text, instead) in [
        ("", None),
        ("lots", None),
        ("2048", None),
        ("2GB", Some("2GiB")),
        ("2Gi", Some("2GiB")),
        ("2 gib", Some("2GiB")),
        ("2 GiB", Some("2GiB")),
        ("512m", Some("512MiB")),
        ("1.5GiB", Some("1536MiB")),
        ("0.3GiB", None),
        ("2GiB512MiB", None),
        ("99999999999TiB", None),
    ] {
        let fault = parse_size(text).expect_err(text);
        assert_eq!(
            fault.instead.as_deref(),
            instead,
            "{text}: {}",
            fault.reason
        );
    }
}

proptest! {
    #[test]
    fn durations_survive_the_way_out_and_in(milliseconds in 0..100_000_000_000_u64) {
        let duration = Duration::from_millis(milliseconds);
        prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
    }

    #[test]
    fn sizes_survive_the_way_out_and_in(kibibytes in 1..1_u64 << 40) {
        prop_assert_eq!(parse_size(&format_size(kibibytes << 10)), Ok(kibibytes << 10));
    }

    #[test]
    fn a_suggestion_is_always_right(text in "[0-9. ]{0,6}[a-zA-Zµ ]{0,8}[0-9]{0,3}[a-z]{0,2}") {
        if let Err(fault) = parse_duration(&text) && let Some(instead) = fault.instead {
            prop_assert!(parse_duration(&instead).is_ok(), "{} for {}", instead, text);
        }
        if let Err(fault) = parse_size(&text) && let Some(instead) = fault.instead {
            prop_assert!(parse_size(&instead).is_ok(), "{} for {}", instead, text);
        }
    }
}
