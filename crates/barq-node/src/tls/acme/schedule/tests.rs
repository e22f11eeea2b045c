//! The times of renewals and retries.

use jiff::{SignedDuration, Timestamp};

use super::{backoff, renew_at};

#[test]
fn a_renewal_comes_at_two_thirds_or_a_little_before() {
    let from: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let days = |days: i64| SignedDuration::from_hours(24 * days);
    let until = from + days(90);
    assert_eq!(renew_at(from, until, 0), from + days(60));
    for random in [1, 12_345, u64::MAX] {
        let at = renew_at(from, until, random);
        assert!(
            at <= from + days(60) && at > from + days(55),
            "{random}: {at}"
        );
    }
    // A lifetime that makes no sense is renewed at once.
    assert_eq!(renew_at(until, from, 7), until);
}

#[test]
fn waits_grow_to_their_bound() {
    let minutes: Vec<i64> = (1..=9)
        .map(|failures| backoff(failures, 0).as_mins())
        .collect();
    assert_eq!(minutes, [2, 4, 8, 16, 32, 64, 120, 120, 120]);
    assert_eq!(backoff(u32::MAX, 0).as_mins(), 120);
    let first_hour = minutes.iter().scan(0, |at, wait| {
        *at += wait;
        Some(*at)
    });
    assert_eq!(first_hour.take_while(|at| *at < 60).count() + 1, 5);
    for random in [1, 12_345, u64::MAX] {
        let wait = backoff(3, random).as_mins();
        assert!((8..10).contains(&wait), "{random}: {wait}");
    }
}
