//! The two revisions over time: requests, errors, latency, with the steps at which something was decided.

use std::ops::Range;

use barq_core::rollout::Phase;
use http::Uri;
use maud::{Markup, html};
use serde::Deserialize;

use super::super::super::problem::Problem;
use super::super::super::samples::{Bin, Series};
use super::super::chart::{Chart, Line, Mark, MarkKind, chart};
use super::super::place;
use super::RolloutPlace;
use super::compare::latency;
use super::sight::Sight;

/// Values of a line: one for two or three pixels.
const VALUES_MAX: usize = 240;
/// Rates are taken over so long, in milliseconds: a single request in a second is no rate.
const WINDOW_MS: i64 = 5_000;
/// Without any request for so long there is no latency, though the node still tells that of the last minute.
const LATENCY_WINDOW_MS: i64 = 15_000;
/// So much before the first step is shown, in milliseconds: how stable did alone.
const BEFORE_MS: i64 = 20_000;
/// So much after a success is shown at least, in milliseconds.
const AFTER_END_MS: i64 = 60_000;
/// A rollback so long after the last sample is none of the chart's, in milliseconds.
const AFTER_MS: i64 = 10_000;

/// Whose latency is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Percentile {
    P50,
    P95,
    P99,
}

/// What is asked of the page.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChartsQuery {
    latency: Option<String>,
}

impl Percentile {
    const ALL: [Self; 3] = [Self::P50, Self::P95, Self::P99];

    /// The one that an address asks for.
    pub(super) fn asked(uri: &Uri) -> Result<Self, Problem> {
        let query: ChartsQuery = place::query(uri)?;
        let Some(asked) = query.latency else {
            return Ok(Self::P95);
        };
        let known = Self::ALL.into_iter().find(|it| it.name() == asked);
        known.ok_or_else(|| Problem::invalid("`latency` is p50, p95 or p99"))
    }

    fn name(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P95 => "p95",
            Self::P99 => "p99",
        }
    }

    fn of(self, bin: &Bin) -> Option<f64> {
        let [p50, p95, p99] = bin.latency_us?;
        let microseconds = match self {
            Self::P50 => p50,
            Self::P95 => p95,
            Self::P99 => p99,
        };
        Some(microseconds as f64)
    }
}

/// The part of the page.
pub(super) fn charts(sight: &Sight<'_>, place: &RolloutPlace) -> Markup {
    html! {
        h2 { "Over time" }
        @match drawn(sight, place.percentile) {
            Some(charts) => {
                div.charts { (charts) }
                (percentiles(place))
            }
            None => p.quiet { (nothing(sight)) },
        }
    }
}

fn nothing(sight: &Sight<'_>) -> &'static str {
    match sight.rollout.ended() {
        true => "What was seen of this rollout is no longer kept; the journal below still is.",
        false => "Nothing was seen yet: charts begin with the first look at the node.",
    }
}

/// The same page with another percentile.
fn percentiles(place: &RolloutPlace) -> Markup {
    html! {
        nav.percentiles.row.small aria-label="Which latency is drawn" {
            span.quiet { "Latency:" }
            @for percentile in Percentile::ALL {
                @let chosen = percentile == place.percentile;
                a href=(format!("/rollouts/{}?latency={}#rollout-charts", place.id, percentile.name())) aria-current=[chosen.then_some("true")] { (percentile.name()) }
            }
        }
    }
}

fn drawn(sight: &Sight<'_>, percentile: Percentile) -> Option<Markup> {
    let whole = sight.series.as_ref()?;
    let series = whole.at_most(VALUES_MAX, is_over(sight));
    if series.canary.is_empty() {
        return None;
    }
    let marks = marks(sight, whole.until_ms);
    let (start_ms, end_ms) = domain(sight, &series, &marks);
    let (canary, stable) = sight.names();
    let has_stable = sight.rollout.start.stable.is_some();
    let back = marks.iter().find(|mark| mark.kind == MarkKind::Back);
    let back_ms = back.map_or(end_ms, |mark| mark.at_ms + series.width_ms);
    let is_watched = !sight.rollout.ended() || sight.guard().is_some();
    let goes_on = is_watched && end_ms >= seen_ms(&series);
    let draw = |title: &str, highest_min: f64, words: fn(f64) -> String, value: &Value<'_>| {
        let line = |name, bins, until_ms, goes_on| Line {
            name,
            values: values(&series, bins, start_ms..until_ms, value),
            goes_on,
        };
        // What the windows of the canary's rates tell when it has no traffic any more is over.
        let until_ms = end_ms.min(back_ms);
        let mut lines = vec![line(
            canary,
            &series.canary,
            until_ms,
            goes_on && back.is_none(),
        )];
        if has_stable {
            lines.push(line(stable, &series.stable, end_ms, goes_on));
        }
        chart(&Chart {
            title,
            start_ms,
            end_ms,
            lines,
            marks: &marks,
            highest_min,
            words,
        })
    };
    let latency_title = format!("Latency {}", percentile.name());
    Some(html! {
        (draw("Requests per second", 1.0, per_second, &|bins, at| requests(&series, bins, at)))
        (draw("Error rate", 1.0, in_percent, &|bins, at| error_rate(&series, bins, at)))
        (draw(&latency_title, 1000.0, latency_words, &|bins, at| latency_of(&series, bins, at, percentile)))
    })
}

/// From shortly before the first step to the end of what was seen. After a success it is watched for much longer than it
/// took, which would press the steps together: then as much again is shown, as long as nothing happens.
fn domain(sight: &Sight<'_>, series: &Series, marks: &[Mark]) -> (i64, i64) {
    let first_ms = sight.story.steps.first().map(|(at, _)| at.as_millisecond());
    let start_ms = first_ms.map_or(series.start_ms, |first_ms| {
        series.start_ms.max(first_ms - BEFORE_MS)
    });
    let marked_ms = marks.iter().map(|mark| mark.at_ms);
    let end_ms = marked_ms.fold(seen_ms(series), i64::max);
    let is_calm = sight.incident.is_none() && sight.rollout.rollback.is_none();
    let ended = sight.rollout.finished_at.filter(|_| is_calm);
    let limit_ms = ended.map_or(end_ms, |ended| {
        let ended_ms = ended.as_millisecond();
        ended_ms + (ended_ms - start_ms).max(AFTER_END_MS)
    });
    (start_ms, end_ms.min(limit_ms))
}

/// Until when there are bins.
fn seen_ms(series: &Series) -> i64 {
    series.start_ms + series.width_ms * series.canary.len() as i64
}

/// Whether the last bin is drawn though it is not whole: nothing more comes, or it must be seen at once. Else it would be
/// drawn, and sent, anew with every look.
fn is_over(sight: &Sight<'_>) -> bool {
    match sight.rollout.phase {
        Phase::RollingBack(_) | Phase::RolledBack | Phase::Aborted | Phase::Failed => true,
        Phase::Succeeded => sight.guard().is_none(),
        Phase::Deploying
        | Phase::SmokeTesting
        | Phase::ProvingTarget
        | Phase::Preparing { .. }
        | Phase::Holding
        | Phase::Verifying { .. } => false,
    }
}

/// What is drawn of a bin, given all of them and its place.
type Value<'a> = dyn Fn(&[Bin], usize) -> Option<f64> + 'a;

/// The middle of each bin that is shown, and what is drawn of it.
fn values(
    series: &Series,
    bins: &[Bin],
    shown_ms: Range<i64>,
    value: &Value<'_>,
) -> Vec<(i64, Option<f64>)> {
    let middle = |at: usize| series.start_ms + series.width_ms * at as i64 + series.width_ms / 2;
    (0..bins.len())
        .filter(|at| shown_ms.contains(&middle(*at)))
        .map(|at| {
            let watched = bins[at].watched_ms > 0;
            (middle(at), watched.then(|| value(bins, at)).flatten())
        })
        .collect()
}

/// What was answered in the window that ends with a bin: watched milliseconds, requests, errors.
fn window(series: &Series, bins: &[Bin], at: usize, window_ms: i64) -> (i64, u64, u64) {
    let wide = usize::try_from(window_ms / series.width_ms)
        .unwrap_or(1)
        .max(1);
    let first = (at + 1).saturating_sub(wide);
    bins[first..=at].iter().fold((0, 0, 0), |sum, bin| {
        (
            sum.0 + bin.watched_ms,
            sum.1 + bin.requests,
            sum.2 + bin.errors,
        )
    })
}

fn requests(series: &Series, bins: &[Bin], at: usize) -> Option<f64> {
    let (watched_ms, requests, _) = window(series, bins, at, WINDOW_MS);
    (watched_ms > 0).then(|| requests as f64 * 1000.0 / watched_ms as f64)
}

/// None without requests: no errors of no requests is no evidence.
fn error_rate(series: &Series, bins: &[Bin], at: usize) -> Option<f64> {
    let (_, requests, errors) = window(series, bins, at, WINDOW_MS);
    (requests > 0).then(|| errors as f64 * 100.0 / requests as f64)
}

fn latency_of(series: &Series, bins: &[Bin], at: usize, percentile: Percentile) -> Option<f64> {
    let (_, requests, _) = window(series, bins, at, LATENCY_WINDOW_MS);
    percentile.of(&bins[at]).filter(|_| requests > 0)
}

/// The steps, and how it ended where that is inside of what was seen.
fn marks(sight: &Sight<'_>, until_ms: i64) -> Vec<Mark> {
    let steps = sight.story.steps.iter().map(|(at, entry)| Mark {
        at_ms: at.as_millisecond(),
        words: format!("{} %", entry.traffic),
        kind: MarkKind::Step,
    });
    let mut marks: Vec<Mark> = steps.collect();
    let taken = sight.taken.as_ref().map(|(trip, _)| trip.at);
    let record = sight.rollout.rollback.as_ref();
    if let Some(at) = taken.or(record.map(|record| record.detected_at)) {
        marks.push(Mark {
            at_ms: at.as_millisecond(),
            words: "taken back".to_owned(),
            kind: MarkKind::Back,
        });
    } else if let (Phase::Succeeded, Some(at)) = (&sight.rollout.phase, sight.rollout.finished_at) {
        marks.push(Mark {
            at_ms: at.as_millisecond(),
            words: "succeeded".to_owned(),
            kind: MarkKind::Done,
        });
    }
    marks.retain(|mark| mark.at_ms <= until_ms + AFTER_MS);
    marks
}

fn per_second(value: f64) -> String {
    match value {
        0.0 => "0/s".to_owned(),
        ..10.0 => format!("{value:.1}/s"),
        _ => format!("{value:.0}/s"),
    }
}

fn in_percent(value: f64) -> String {
    match value {
        0.0 => "0 %".to_owned(),
        ..1.0 => format!("{value:.2} %"),
        ..10.0 => format!("{value:.1} %"),
        _ => format!("{value:.0} %"),
    }
}

fn latency_words(microseconds: f64) -> String {
    match microseconds {
        0.0 => "0 ms".to_owned(),
        _ => latency(microseconds.round() as u64),
    }
}

#[cfg(test)]
mod tests;
