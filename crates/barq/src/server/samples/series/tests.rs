//! A series that covers any time with the same memory.

use super::super::look::{Counters, Span};
use super::{BINS_MAX, Bin, Series, Side};

const AT: i64 = 1_700_000_000_000;

fn record(series: &mut Series, side: Side, from_ms: i64, to_ms: i64, requests: u64, errors: u64) {
    let span = Span {
        from_ms: AT + from_ms,
        to_ms: AT + to_ms,
    };
    let latency = (requests > 0).then_some([requests, requests * 2, requests * 3]);
    series.record(side, span, Counters { requests, errors }, latency);
}

fn requests(bins: &[Bin]) -> Vec<Option<u64>> {
    let of = |bin: &Bin| (bin.watched_ms > 0).then_some(bin.requests);
    bins.iter().map(of).collect()
}

#[test]
fn bins_are_seconds_from_a_whole_second_on() {
    let mut series = Series::new(AT + 700);
    assert_eq!((series.start_ms, series.width_ms), (AT, 1000));
    record(&mut series, Side::Canary, 700, 1200, 5, 0);
    record(&mut series, Side::Stable, 700, 1200, 50, 1);
    record(&mut series, Side::Canary, 4000, 4500, 8, 2);
    assert_eq!(
        requests(&series.canary),
        [Some(3), Some(2), None, None, Some(8)]
    );
    assert_eq!(
        requests(&series.stable),
        [Some(30), Some(20), None, None, None]
    );
    assert_eq!(series.canary[0].watched_ms, 300);
    assert_eq!(series.canary[4].errors, 2);
    assert_eq!(series.canary[4].latency_us, Some([8, 16, 24]));
}

#[test]
fn a_full_series_gets_bins_of_twice_the_width_and_loses_nothing() {
    let mut series = Series::new(AT);
    let seconds = 10 * 600 + 1;
    for second in 0..seconds {
        record(
            &mut series,
            Side::Canary,
            second * 1000,
            second * 1000 + 1000,
            3,
            1,
        );
    }
    assert_eq!(series.width_ms, 16_000);
    assert!(series.canary.len() <= BINS_MAX && series.canary.len() == series.stable.len());
    let sum = |of: fn(&Bin) -> u64| series.canary.iter().map(of).sum::<u64>();
    assert_eq!(sum(|bin| bin.requests), 3 * 6001);
    assert_eq!(sum(|bin| bin.errors), 6001);
    assert_eq!(sum(|bin| bin.watched_ms.unsigned_abs()), 6_001_000);
    assert!(series.is_sound());
}

#[test]
fn a_leap_of_the_clock_takes_no_more_memory() {
    let mut series = Series::new(AT);
    record(&mut series, Side::Canary, 0, 500, 1, 0);
    let years = 20 * 365 * 24 * 3600 * 1000;
    record(&mut series, Side::Canary, years, years + 500, 1, 0);
    assert!(series.canary.len() <= BINS_MAX);
    // Set back to before the beginning, it is left out.
    record(&mut series, Side::Canary, -5000, -4500, 1, 0);
    assert_eq!(series.canary.iter().map(|bin| bin.requests).sum::<u64>(), 2);
    assert!(series.is_sound());
}

#[test]
fn what_is_shown_is_coarser_and_without_the_bin_that_is_not_whole() {
    let mut series = Series::new(AT);
    for second in 0..10 {
        record(
            &mut series,
            Side::Canary,
            second * 1000,
            second * 1000 + 1000,
            1,
            0,
        );
    }
    record(&mut series, Side::Canary, 10_000, 10_500, 1, 0);
    let shown = series.at_most(20, false);
    assert_eq!(requests(&shown.canary), vec![Some(1); 10]);
    let shown = series.at_most(20, true);
    assert_eq!(shown.canary.len(), 11);
    let shown = series.at_most(4, true);
    assert_eq!(
        (shown.width_ms, requests(&shown.canary)),
        (4000, vec![Some(4), Some(4), Some(3)])
    );
    let shown = series.at_most(4, false);
    assert_eq!(requests(&shown.canary), [Some(4), Some(4)]);
}

#[test]
fn what_is_written_is_read_again() {
    let mut series = Series::new(AT);
    record(&mut series, Side::Canary, 0, 1500, 9, 1);
    record(&mut series, Side::Stable, 0, 500, 0, 0);
    let written = serde_json::to_string(&series).expect("JSON");
    insta::assert_snapshot!(written, @r#"{"start_ms":1700000000000,"width_ms":1000,"until_ms":1700000001500,"canary":[[1000,6,0,[9,18,27]],[500,3,1,[9,18,27]]],"stable":[[500,0,0,null],[0,0,0,null]]}"#);
    let read: Series = serde_json::from_str(&written).expect("a series");
    assert_eq!(read, series);
    let mut damaged = read;
    damaged.width_ms = 1500;
    assert!(!damaged.is_sound());
}
