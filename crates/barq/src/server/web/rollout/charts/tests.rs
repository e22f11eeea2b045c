//! What is drawn of the samples.

use super::super::super::super::samples::{Bin, Series};
use super::{WINDOW_MS, error_rate, requests, values};

fn series(canary: Vec<Bin>) -> Series {
    Series {
        start_ms: 10_000,
        width_ms: 1000,
        until_ms: 10_000 + 1000 * canary.len() as i64,
        stable: vec![Bin::default(); canary.len()],
        canary,
    }
}

fn bin(requests: u64, errors: u64) -> Bin {
    Bin {
        watched_ms: 1000,
        requests,
        errors,
        latency_us: None,
    }
}

#[test]
fn rates_are_of_the_seconds_before_that_somebody_watched() {
    assert_eq!(WINDOW_MS, 5000);
    let series = series(vec![bin(10, 0), Bin::default(), bin(20, 3), bin(0, 0)]);
    let bins = &series.canary;
    assert_eq!(requests(&series, bins, 0), Some(10.0));
    assert_eq!(requests(&series, bins, 2), Some(15.0));
    assert_eq!(requests(&series, bins, 3), Some(10.0));
    assert_eq!(error_rate(&series, bins, 0), Some(0.0));
    assert_eq!(error_rate(&series, bins, 2), Some(10.0));
    let drawn = values(&series, bins, 11_000..14_000, &|bins, at| {
        requests(&series, bins, at)
    });
    assert_eq!(
        drawn,
        [(11_500, None), (12_500, Some(15.0)), (13_500, Some(10.0))]
    );
}

#[test]
fn no_requests_have_no_error_rate() {
    let series = series(vec![bin(0, 0), bin(0, 0)]);
    assert_eq!(error_rate(&series, &series.canary, 1), None);
    assert_eq!(requests(&series, &series.canary, 1), Some(0.0));
}

#[test]
fn wide_bins_are_windows_of_their_own() {
    let mut series = series(vec![bin(10, 1), bin(20, 0)]);
    series.width_ms = 16_000;
    series.canary[1].watched_ms = 16_000;
    assert_eq!(requests(&series, &series.canary, 1), Some(1.25));
    assert_eq!(error_rate(&series, &series.canary, 1), Some(0.0));
}
