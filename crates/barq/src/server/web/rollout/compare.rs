//! The canary beside stable, in numbers: of the step and of all, as the node counted them.

use barq_core::identity::RevisionName;
use barq_engine::ports::RevisionDetail;
use jiff::Timestamp;
use maud::{Markup, html};

use super::super::super::samples::{Bin, Series};
use super::super::elements;
use super::super::service::short_name;
use super::sight::Sight;

/// What is compared: a line of the table.
struct Row {
    name: &'static str,
    canary: String,
    stable: String,
    /// Whether the canary's is one to look at.
    bad: bool,
}

/// The part of the page.
pub(super) fn compare(sight: &Sight<'_>) -> Markup {
    let start = &sight.rollout.start;
    let stable = start.stable.as_ref();
    let rows = rows(sight, stable);
    html! {
        h2 { @if sight.names().0 == "canary" { "Canary beside stable" } @else { "New revision beside the one before" } }
        @if rows.is_empty() {
            p.quiet {
                @if sight.rollout.ended() { "What was counted of this rollout is no longer kept." }
                @else { "Neither is seen by the node now." }
            }
        } @else {
            div.scroll tabindex="0" role="region" aria-label="The two revisions in numbers" {
                table.compare {
                    caption.unseen { "What the two revisions answer" }
                    thead { tr {
                        td { }
                        th.number scope="col" { (sight.names().0) br; span.quiet { (short_name(&start.revision)) } }
                        th.number scope="col" { (sight.names().1) br; span.quiet { (stable.map_or("–".to_owned(), short_name)) } }
                    } }
                    tbody {
                        @for row in &rows {
                            tr {
                                th scope="row" { (row.name) }
                                td.number.bad[row.bad] { (row.canary) }
                                td.number { (row.stable) }
                            }
                        }
                    }
                }
            }
            @if !sight.rollout.ended() { (elements::numbers_from(sight.view)) }
            p.small.quiet {
                @if !sight.rollout.ended() { "Latency is of the last minute, by the node. " }
                @else if sight.guard().is_some() { "Latency, in flight and instances are as they are now; all else is of the rollout. " }
                @else { "Until the rollout's end. " }
                "Counted are first attempts."
            }
        }
    }
}

fn rows(sight: &Sight<'_>, stable: Option<&RevisionName>) -> Vec<Row> {
    let mut rows = Vec::new();
    if sight.rollout.step > 0 && !sight.rollout.was_stable {
        of_step(sight, &mut rows);
    }
    whole(sight, &mut rows);
    // What the two do after its end is told by the service's page; but it is still watched for a while.
    if sight.rollout.ended() && sight.guard().is_none() {
        return rows;
    }
    let canary = sight.detail(&sight.rollout.start.revision);
    let stable = stable.and_then(|stable| sight.detail(stable));
    if canary.is_some() || stable.is_some() {
        live(canary, stable, &mut rows);
    }
    rows
}

/// Counted by the node in this step: what the tripwire judges.
fn of_step(sight: &Sight<'_>, rows: &mut Vec<Row>) {
    let counts = sight.counts;
    if counts.requests == 0 && counts.stable_requests == 0 && sight.rollout.ended() {
        return;
    }
    rows.push(Row {
        name: "Requests in this step",
        canary: elements::number(counts.requests),
        stable: elements::number(counts.stable_requests),
        bad: false,
    });
    rows.push(Row {
        name: "Errors in this step",
        canary: elements::number(counts.errors),
        stable: elements::number(counts.stable_errors),
        bad: counts.errors > 0,
    });
    rows.push(Row {
        name: "Error rate in this step",
        canary: rate(counts.errors, counts.requests),
        stable: rate(counts.stable_errors, counts.stable_requests),
        bad: counts.errors > 0,
    });
}

/// Seen since it began, and until it ended.
fn whole(sight: &Sight<'_>, rows: &mut Vec<Row>) {
    let Some(series) = &sight.series else { return };
    let ended = sight.rollout.finished_at;
    let (canary, stable) = in_all(series, ended.map(Timestamp::as_millisecond));
    if canary.0 == 0 && stable.0 == 0 {
        return;
    }
    let words = |(requests, errors): (u64, u64)| {
        format!(
            "{} / {}",
            elements::number(requests),
            elements::number(errors)
        )
    };
    rows.push(Row {
        name: "Requests / errors in all",
        canary: words(canary),
        stable: words(stable),
        bad: false,
    });
}

/// Requests and errors of both until a moment: what is seen after a rollout's end is none of its own.
fn in_all(series: &Series, until_ms: Option<i64>) -> ((u64, u64), (u64, u64)) {
    let begins_ms = |at: usize| series.start_ms + series.width_ms * at as i64;
    let sum = |bins: &[Bin]| {
        bins.iter()
            .enumerate()
            .filter(|(at, _)| until_ms.is_none_or(|until_ms| begins_ms(*at) < until_ms))
            .fold((0, 0), |(requests, errors), (_, bin)| {
                (requests + bin.requests, errors + bin.errors)
            })
    };
    (sum(&series.canary), sum(&series.stable))
}

fn live(canary: Option<&RevisionDetail>, stable: Option<&RevisionDetail>, rows: &mut Vec<Row>) {
    for (at, name) in ["Latency p50", "Latency p95", "Latency p99"]
        .into_iter()
        .enumerate()
    {
        let of = |detail: Option<&RevisionDetail>| {
            let all = detail.and_then(|detail| detail.latency_us);
            all.map_or_else(|| "–".to_owned(), |all| latency(all[at]))
        };
        rows.push(Row {
            name,
            canary: of(canary),
            stable: of(stable),
            bad: false,
        });
    }
    let of = |detail: Option<&RevisionDetail>, number: fn(&RevisionDetail) -> u64| {
        detail.map_or_else(|| "–".to_owned(), |it| elements::number(number(it)))
    };
    let instances = |detail: &RevisionDetail| detail.instances.len() as u64;
    for (name, number) in [
        (
            "In flight",
            (|it: &RevisionDetail| it.in_flight) as fn(&RevisionDetail) -> u64,
        ),
        ("Instances", instances),
    ] {
        rows.push(Row {
            name,
            canary: of(canary, number),
            stable: of(stable, number),
            bad: false,
        });
    }
}

/// A latency as people compare it: `0.84 ms`, `12.3 ms`, `1.2 s`.
pub(super) fn latency(microseconds: u64) -> String {
    let milliseconds = microseconds as f64 / 1000.0;
    match milliseconds {
        ..10.0 => format!("{milliseconds:.2} ms"),
        10.0..100.0 => format!("{milliseconds:.1} ms"),
        100.0..10_000.0 => format!("{milliseconds:.0} ms"),
        _ => format!("{:.1} s", milliseconds / 1000.0),
    }
}

fn rate(errors: u64, requests: u64) -> String {
    match requests {
        0 => "–".to_owned(),
        _ => match errors as f64 * 100.0 / requests as f64 {
            0.0 => "0 %".to_owned(),
            rate if rate < 1.0 => format!("{rate:.2} %"),
            rate if rate < 10.0 => format!("{rate:.1} %"),
            rate => format!("{rate:.0} %"),
        },
    }
}

#[cfg(test)]
mod tests;
