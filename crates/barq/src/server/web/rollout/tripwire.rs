//! How close the tripwire is: a row that fills, error by error.

use barq_core::event::RollbackCause;
use barq_core::rollout::Phase;
use maud::{Markup, html};

use super::super::elements;
use super::super::icons::{self, Icon};
use super::sight::Sight;
use crate::output::text;

/// A limit up to this is shown error by error, a higher one as a bar.
const PIPS_MAX: u64 = 25;

/// The part of the page.
pub(super) fn tripwire(sight: &Sight<'_>) -> Markup {
    let Some(limit) = sight.max_errors() else {
        return html! {
            h2 { "Tripwire" }
            p.quiet { (unarmed(sight)) }
        };
    };
    let errors = errors(sight);
    html! {
        h2 { "Tripwire" }
        p.errors-of-limit {
            span.number-large.bad[errors > 0] { (elements::number(errors)) }
            " of " (text::count(limit, "error")) (sight.window()) " in the step of " (share_of_step(sight)) " %"
        }
        (row(errors, limit))
        p.small.quiet { (standing(sight, errors, limit)) }
        @if !sight.rollout.ended() { (elements::numbers_from(sight.view)) }
        @if let Some(told) = shielded(sight) { p.small { (told) } }
    }
}

/// Its verdict may be ahead of what was counted last.
fn errors(sight: &Sight<'_>) -> u64 {
    let tripped = sight.taken.as_ref().map_or(0, |(trip, _)| trip.errors);
    sight.recent_errors.max(tripped)
}

fn share_of_step(sight: &Sight<'_>) -> u8 {
    sight.rollout.present_step().map_or(0, |step| step.traffic)
}

fn row(errors: u64, limit: u64) -> Markup {
    if limit > PIPS_MAX {
        let percent = (errors * 100 / limit).min(100);
        return html! {
            svg.progress.errors width="100%" height="10" aria-hidden="true" {
                rect.ground width="100%" height="10" rx="3" { }
                @if percent > 0 { rect.served width={ (percent) "%" } height="10" rx="3" { } }
            }
        };
    }
    html! {
        ol.pips aria-hidden="true" {
            @for pip in 1..=limit {
                li.full[pip <= errors].last[pip == limit] {
                    @if pip <= errors { (icons::icon(Icon::Bad)) } @else if pip == limit { (icons::icon(Icon::Back)) }
                }
            }
        }
    }
}

fn standing(sight: &Sight<'_>, errors: u64, limit: u64) -> String {
    let tripped = matches!(
        sight.rollout.rollback.as_ref().map(|record| &record.cause),
        Some(RollbackCause::Tripped(_))
    );
    if tripped || sight.taken.is_some() {
        return "It tripped: the node took the traffic back by itself.".to_owned();
    }
    if sight.rollout.ended() || matches!(sight.rollout.phase, Phase::RollingBack(_)) {
        return "It did not trip.".to_owned();
    }
    if sight.counts.requests == 0 {
        return "Armed. No request has reached the canary in this step: not enough evidence of anything."
            .to_owned();
    }
    match limit.saturating_sub(errors) {
        0 => "At the limit.".to_owned(),
        1 => "Armed. The next error takes all traffic back.".to_owned(),
        left => format!("Armed. {left} more errors take all traffic back."),
    }
}

fn unarmed(sight: &Sight<'_>) -> &'static str {
    match sight.rollout.phase {
        _ if sight.rollout.direct.is_some() => {
            "There is no canary, so there is no tripwire: nothing is there to go back to."
        }
        Phase::Deploying | Phase::SmokeTesting | Phase::ProvingTarget => {
            "Armed when the first traffic reaches the canary."
        }
        Phase::Succeeded => "Over: it has all traffic.",
        Phase::RollingBack(_) | Phase::RolledBack | Phase::Aborted | Phase::Failed => {
            match sight.rollout.step {
                0 => "Over: it was never armed, since no traffic came to the canary.",
                _ => "Over: the step in which it ended had no limit of errors.",
            }
        }
        _ => "This step has no limit of errors.",
    }
}

/// A trip is faster than the counts beside it: all of them are known once the evidence is gathered.
fn shielded(sight: &Sight<'_>) -> Option<String> {
    let evidence = sight
        .incident
        .and_then(|it| it.evidence.as_ref()?.as_ref().ok());
    let count = match (&sight.rollout.rollback, evidence) {
        (Some(_), Some(evidence)) => evidence.shielded,
        (Some(_), None) => return None,
        (None, _) => sight.counts.shielded,
    };
    match count {
        0 => None,
        1 => Some("Stable answered 1 in the canary's place: no user saw it.".to_owned()),
        count => Some(format!(
            "Stable answered {count} in the canary's place: no user saw them."
        )),
    }
}
