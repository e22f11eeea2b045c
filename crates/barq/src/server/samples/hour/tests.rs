//! Minutes of a service.

use super::super::look::{Counters, Span};
use super::{Hour, MINUTE_MS, MINUTES, Minute, Minutes};

const AT: i64 = 1_000_000 * MINUTE_MS;

fn record(minutes: &mut Minutes, from_ms: i64, to_ms: i64, requests: u64, errors: u64) -> bool {
    let span = Span { from_ms, to_ms };
    minutes.record(span, Counters { requests, errors })
}

/// The last minutes, as pairs.
fn last(hour: &Hour, count: usize) -> Vec<Option<(u64, u64)>> {
    let pair = |minute: &Minute| (minute.requests, minute.errors);
    hour.0[MINUTES - count..]
        .iter()
        .map(|minute| minute.as_ref().map(pair))
        .collect()
}

#[test]
fn a_quiet_minute_is_zero_and_one_that_nobody_watched_is_none() {
    let mut minutes = Minutes::default();
    record(&mut minutes, AT, AT + 500, 7, 1);
    record(&mut minutes, AT + MINUTE_MS, AT + MINUTE_MS + 500, 0, 0);
    let from = AT + 3 * MINUTE_MS;
    record(&mut minutes, from - 1000, from + 1000, 10, 2);
    let hour = minutes.hour(AT + 4 * MINUTE_MS);
    assert_eq!(
        last(&hour, 6),
        [
            None,
            Some((7, 1)),
            Some((0, 0)),
            Some((5, 1)),
            Some((5, 1)),
            None
        ]
    );
    let sum = hour.sum();
    assert_eq!((sum.requests, sum.errors), (17, 3));
}

#[test]
fn an_hour_is_kept_and_no_more() {
    let mut minutes = Minutes::default();
    for minute in 0..100 {
        let from = AT + minute * MINUTE_MS;
        record(&mut minutes, from, from + 500, 1, 0);
    }
    let end = AT + 99 * MINUTE_MS + 500;
    assert_eq!(minutes.hour(end).sum().requests, 60);
    assert_eq!(minutes.hour(end + 30 * MINUTE_MS).sum().requests, 30);
    assert!(!minutes.is_over(end + 59 * MINUTE_MS));
    assert!(minutes.is_over(end + 60 * MINUTE_MS));
    assert!(minutes.is_sound());
}

#[test]
fn the_present_minute_is_told_every_ten_seconds_and_errors_at_once() {
    let mut minutes = Minutes::default();
    let told = |minutes: &Minutes| last(&minutes.hour(AT), 1)[0];
    record(&mut minutes, AT, AT + 1000, 1, 0);
    record(&mut minutes, AT + 1000, AT + 2000, 10, 0);
    assert_eq!(told(&minutes), Some((1, 0)));
    record(&mut minutes, AT + 2000, AT + 3000, 10, 1);
    assert_eq!(told(&minutes), Some((21, 1)));
    record(&mut minutes, AT + 3000, AT + 12_999, 10, 0);
    assert_eq!(told(&minutes), Some((21, 1)));
    record(&mut minutes, AT + 12_999, AT + 13_000, 10, 0);
    assert_eq!(told(&minutes), Some((41, 1)));
    // A minute that is over is told in full.
    record(&mut minutes, AT + 13_000, AT + 14_000, 10, 0);
    record(&mut minutes, AT + MINUTE_MS, AT + MINUTE_MS + 10, 0, 0);
    assert_eq!(told(&minutes), Some((51, 1)));
}

#[test]
fn only_what_is_new_is_worth_keeping() {
    let mut minutes = Minutes::default();
    assert!(record(&mut minutes, AT, AT + 500, 0, 0));
    assert!(!record(&mut minutes, AT + 500, AT + 1000, 0, 0));
    assert!(record(&mut minutes, AT + 1000, AT + 1500, 1, 0));
}

#[test]
fn what_comes_while_the_clock_is_set_back_is_of_the_newest_minute() {
    let mut minutes = Minutes::default();
    record(&mut minutes, AT, AT + 500, 1, 0);
    record(
        &mut minutes,
        AT - 5 * MINUTE_MS,
        AT - 5 * MINUTE_MS + 500,
        1,
        0,
    );
    assert!(minutes.is_sound());
    assert_eq!(minutes.hour(AT).sum().requests, 2);
}
