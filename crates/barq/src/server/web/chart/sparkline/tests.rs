//! An hour as bars: where each minute stands, as numbers, and what is drawn and said of it, as a snapshot.

use super::super::super::super::samples::{Hour, Minute};
use super::{layout, render, sparkline};

fn hour(minutes: &[Option<(u64, u64)>]) -> Hour {
    let minute = |(requests, errors)| Minute { requests, errors };
    Hour(minutes.iter().map(|it| it.map(minute)).collect())
}

#[test]
fn the_highest_minute_is_as_high_as_the_chart_and_a_single_error_is_seen() {
    let geometry = layout(&hour(&[Some((2800, 0)), Some((1400, 1)), Some((0, 0))]));
    let bars: Vec<_> = geometry
        .bars
        .iter()
        .map(|bar| (bar.x, bar.height, bar.errors))
        .collect();
    assert_eq!(bars, [(0, 28, 0), (4, 14, 1), (8, 0, 0)]);
}

#[test]
fn next_to_nothing_is_not_as_high_as_much() {
    let geometry = layout(&hour(&[Some((1, 0)), Some((5, 0))]));
    let heights: Vec<_> = geometry.bars.iter().map(|bar| bar.height).collect();
    assert_eq!(heights, [2, 14]);
}

#[test]
fn what_nobody_watched_is_a_gap() {
    let geometry = layout(&hour(&[None, None, Some((1, 0)), None]));
    assert_eq!(geometry.gaps, [(0, 8), (12, 16)]);
    assert_eq!(geometry.bars.len(), 1);
}

#[test]
fn a_quiet_hour_is_a_line() {
    let geometry = layout(&hour(&[Some((0, 0)), Some((0, 0))]));
    insta::assert_snapshot!(render(&geometry, "nothing").into_string(), @r#"<svg class="sparkline" role="img" aria-label="nothing" viewBox="0 0 8 34" preserveAspectRatio="none"><path class="axis" d="M0 28H8"></path></svg>"#);
}

#[test]
fn it_says_what_it_shows() {
    let markup = sparkline(&hour(&[None, Some((12_345, 0)), Some((2, 1))])).into_string();
    insta::assert_snapshot!(markup, @r#"<figure class="sparkline-figure"><svg class="sparkline" role="img" aria-label="12 347 requests, 1 error in the last hour, minute by minute; at most 12 345 in a minute" viewBox="0 0 12 34" preserveAspectRatio="none"><path class="axis" d="M0 28H12"></path><path class="unwatched" d="M0 28H4"></path><path class="all" d="M4 0h3v28h-3zM8 27h3v1h-3z"></path><path class="errors" d="M8 27h3v1h-3z"></path><path class="errors" d="M8 31h3v3h-3z"></path></svg><figcaption class="small">12 347 requests · <span class="bad">1 error</span><span class="quiet"> in the last hour, at most 12 345/min</span></figcaption></figure>"#);
    let none = sparkline(&hour(&[None, None])).into_string();
    assert!(none.contains("Nothing seen"), "{none}");
}
