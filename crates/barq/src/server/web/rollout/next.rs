//! What goes on, what happens next and when, in words; and when it is over, why, and what to do.

use barq_core::configuration::{GuardAction, Step};
use barq_core::event::RollbackCause;
use barq_core::report::{because, milliseconds};
use barq_core::rollout::{Phase, RollbackRecord};
use maud::{Markup, html};

use super::super::elements;
use super::super::icons::{self, Icon};
use super::hold::Hold;
use super::sight::Sight;
use crate::output::text;

/// The part of the page.
pub(super) fn now(sight: &Sight<'_>) -> Markup {
    html! {
        h2.unseen { "Now" }
        @if let Some((trip, to)) = &sight.taken {
            (notice("bad", Icon::Back, &html! { "All traffic is back on " (to) }, &html! {
                p { "The node took it at " (elements::time(trip.at)) ", within " (milliseconds(trip.shifted_us)) ". That is not recorded yet." }
            }))
        } @else {
            (by_phase(sight))
        }
        @if !sight.rollout.ended() { (troubles(sight)) }
    }
}

fn troubles(sight: &Sight<'_>) -> Markup {
    let warning = icons::icon(Icon::Warning);
    html! {
        @if let Some(error) = &sight.view.data_plane_error {
            p.small.wait { (warning) " " strong { "The node can't be seen: " } (error) ". " (elements::last_seen(sight.view)) }
        }
        @if let Some(error) = &sight.view.storage_error {
            p.small.wait { (warning) " " strong { "Nothing can be recorded: " } (error) }
        }
    }
}

fn by_phase(sight: &Sight<'_>) -> Markup {
    let revision = &sight.rollout.start.revision;
    match &sight.rollout.phase {
        _ if sight.rollout.paused.is_some() && !sight.rollout.ended() => paused(sight),
        Phase::Deploying => going(
            sight,
            &html! { (revision) " is being deployed. No user is served by it." },
            &html! { "When its instances are ready, its smoke tests run at 0 %." },
        ),
        Phase::SmokeTesting => going(
            sight,
            &html! { (revision) " is tested at 0 %. No user is served by it." },
            &html! { "If all smoke tests pass, " (after_proof(sight)) },
        ),
        Phase::ProvingTarget => going(
            sight,
            &html! { "The way back is proven before anything moves." },
            &html! { "When stable has answered that it could take all traffic, " (first_share(sight)) },
        ),
        Phase::Preparing { step } => going(
            sight,
            &html! { "The canary grows to the size of its next share." },
            &html! { "When it is ready, " (share_of(sight, *step)) },
        ),
        Phase::Holding => holding(sight),
        Phase::Verifying { .. } => going(
            sight,
            &html! { "All traffic goes to " (revision) "." },
            &html! { "The version that is served is asked for through the public ingress. If it is this one, and healthy, the rollout has succeeded; else everything goes back." },
        ),
        Phase::Succeeded => succeeded(sight),
        Phase::RollingBack(rollback) => going_back(sight, rollback.prepared),
        Phase::RolledBack | Phase::Aborted => back(sight),
        Phase::Failed => failed(sight),
    }
}

/// What goes on, what it waits for, and what comes then.
fn going(sight: &Sight<'_>, what: &Markup, then: &Markup) -> Markup {
    let more = html! {
        @if let Some(waiting) = &sight.waiting {
            p { "Waits until " (waiting.message) "." @if let Some(until) = waiting.until { " " span.countdown { (elements::until(until)) } } }
        }
        p { strong { "Next: " } (then) }
    };
    notice("move", Icon::Moving, what, &more)
}

fn holding(sight: &Sight<'_>) -> Markup {
    let share = sight.rollout.traffic();
    let hold = Hold::of(sight);
    let no_request = sight.counts.requests == 0;
    let what = html! { (share) " % of the traffic goes to the canary, the rest to stable." };
    let more = html! {
        @if no_request && hold.is_some_and(|hold| hold.left_s() == 0) {
            p { strong { "Not enough evidence: " } "nobody has asked the canary anything. It goes on with the first request, or when somebody promotes it." }
        } @else {
            p {
                strong { "Next: " }
                @if let Some(until) = ends_at(sight) { span.countdown { (elements::until(until)) } ", then " }
                (after_step(sight)) @if no_request { ", given that it has been asked anything by then" } "."
            }
        }
        @if let Some(limit) = sight.max_errors() {
            p { strong { "Or: " } "the canary's error number " (limit) (sight.window()) " in this step takes all traffic back to stable, in the same instant." }
        }
    };
    notice("move", Icon::Moving, &what, &more)
}

/// When the hold is over, to the second: the node's clock and this one differ by less. Nobody knows while it is not seen.
fn ends_at(sight: &Sight<'_>) -> Option<jiff::Timestamp> {
    if sight.is_away() {
        return None;
    }
    let until = sight.waiting.as_ref()?.until?;
    until.round(jiff::Unit::Second).ok()
}

fn paused(sight: &Sight<'_>) -> Markup {
    let share = sight.rollout.traffic();
    let since = sight.rollout.paused;
    let more = html! {
        p { "Paused" @if let Some(since) = since { " " (elements::time(since)) }
            ": the hold's clock stands still. The tripwire stays armed."
        }
        p { strong { "Next: " } "nothing, until somebody resumes, promotes or aborts it." }
    };
    let what = html! { "It stands at " (share) " % of the traffic." };
    notice("wait", Icon::Waiting, &what, &more)
}

fn succeeded(sight: &Sight<'_>) -> Markup {
    let rollout = sight.rollout;
    let direct = rollout.direct.is_some();
    let more = html! {
        p { "Verified through the public ingress"
            @if let Some(at) = rollout.finished_at { " " (elements::time(at)) }
            @if direct { ". There was no canary: nothing was there to compare with or to go back to" }
            "."
        }
        @match sight.guard() {
            Some(guard) if guard.exceeded => p.bad {
                (icons::icon(Icon::Warning)) " " strong { "Since then it made more errors than its guard allows" } " (" (guard.max_errors) "). "
                @if let Some(incident) = sight.incident { (incident_link(&incident.id.to_string())) }
            },
            Some(guard) => p {
                strong { "Next: " } "it is watched, " span.countdown { (elements::until(guard.until)) } ". "
                (text::count(guard.max_errors, "error")) " within " (text::duration_ms(guard.window_ms as f64)) " "
                @match guard.action {
                    GuardAction::Alert => "open an incident and offer the rollback.",
                    GuardAction::Rollback => "take it back.",
                }
            },
            None => {}
        }
    };
    let stable = sight.service.and_then(|service| service.stable.as_ref());
    let now = if stable == Some(&rollout.start.revision) {
        "is stable"
    } else {
        "became stable, and another is by now"
    };
    let what = html! { "Succeeded: " (rollout.start.revision) " " (now) "." };
    notice("good", Icon::Good, &what, &more)
}

fn going_back(sight: &Sight<'_>, prepared: bool) -> Markup {
    let Some(record) = &sight.rollout.rollback else {
        return html! {};
    };
    let more = html! {
        p { strong { "Why: " } (because(&record.cause)) "." }
        @if !prepared {
            @if let Some(waiting) = &sight.waiting { p { "First " (waiting.message) "." } }
        }
    };
    let what = match &record.to {
        Some(to) => html! { "All traffic goes back to " (to) "." },
        None => html! { "Its traffic is taken away: there is nothing to go back to." },
    };
    notice("bad", Icon::Back, &what, &more)
}

fn back(sight: &Sight<'_>) -> Markup {
    let rollout = sight.rollout;
    let aborted = rollout.phase == Phase::Aborted;
    let Some(record) = &rollout.rollback else {
        let what = html! { "Aborted: nothing was shifted, no user met it." };
        return notice("idle", Icon::Idle, &what, &html! {});
    };
    let what = html! {
        @if aborted { "Aborted: " } @else { "Rolled back: " }
        @match &record.to {
            Some(to) if rollout.moved => { "all traffic is on " (to) "." }
            Some(to) => { (to) " served all the time." }
            None => "its traffic was taken away.",
        }
    };
    let more = html! {
        p { strong { "Why: " } (because(&record.cause)) "." }
        p { strong { "When: " } (elements::time(record.detected_at)) (shift(record)) "." }
        @if let Some(incident) = sight.incident {
            p { (incident_link(&incident.id.to_string()))
                @match &incident.resolved {
                    Some((by, _)) => { ", resolved by " (elements::delivery(&by.to_string())) }
                    None => ", open until a later delivery succeeds here",
                }
                "."
            }
        }
        @if !aborted { (what_to_do(sight, record)) }
    };
    match aborted {
        true => notice("idle", Icon::Back, &what, &more),
        false => notice("bad", Icon::Back, &what, &more),
    }
}

fn shift(record: &RollbackRecord) -> Markup {
    let judged = matches!(record.cause, RollbackCause::Tripped(_));
    html! {
        @if let Some(shifted_us) = record.shifted_us {
            "; " strong { (milliseconds(shifted_us)) } " later no request started on it any more"
            @if judged { ", by the node's own tripwire" }
        }
    }
}

fn what_to_do(sight: &Sight<'_>, record: &RollbackRecord) -> Markup {
    let environment = &sight.rollout.id.environment;
    let resolved = sight
        .incident
        .is_some_and(|incident| incident.resolved.is_some());
    html! {
        @if !resolved && sight.remembered {
            p {
                strong { "What to do: " }
                @if matches!(record.cause, RollbackCause::Tripped(_)) { "look at the failed requests below and their log lines, " }
                "mend the cause, push."
            }
            p.quiet.small {
                "Until then nothing enters " (environment) " without an approval that is given after this"
                @if record.cause.quarantines() { ", and this release does not come back without being forced" }
                "."
            }
        }
    }
}

fn failed(sight: &Sight<'_>) -> Markup {
    let reason = sight.rollout.failure.as_deref().unwrap_or_default();
    let mut lines = reason.lines();
    let first = lines.next().unwrap_or_default();
    let rest: Vec<&str> = lines.collect();
    let more = html! {
        p { strong { "Why: " } (first) }
        @if !rest.is_empty() { pre.scroll tabindex="0" role="region" aria-label="What was seen" { (rest.join("\n")) } }
        p { strong { "What to do: " } "mend the cause and push; the traffic is where it was." }
    };
    let what = html! { "Failed before any traffic moved: no user met it." };
    notice("bad", Icon::Bad, &what, &more)
}

fn incident_link(id: &str) -> Markup {
    html! { a href=(format!("/incidents/{id}")) { "Incident " (id) } }
}

fn after_proof(sight: &Sight<'_>) -> Markup {
    match &sight.rollout.start.stable {
        Some(stable) => {
            html! { (stable) " proves that it could take all traffic; then " (first_share(sight)) }
        }
        None => html! { "all traffic goes to it: there is nothing to compare with." },
    }
}

fn first_share(sight: &Sight<'_>) -> Markup {
    share_of(sight, 1)
}

/// What happens when a step is entered.
fn share_of(sight: &Sight<'_>, step: u32) -> Markup {
    let steps = &sight.rollout.start.settings.steps;
    let index = (step as usize).saturating_sub(1);
    match steps.get(index) {
        Some(Step { traffic, hold, .. }) if *traffic < 100 => html! {
            (traffic) " % of the traffic goes to it, for " (text::duration_ms(hold.as_millis() as f64)) "."
        },
        _ => html! { "all traffic goes to it, and the version that is served is verified." },
    }
}

/// What happens when the present step's hold is over.
fn after_step(sight: &Sight<'_>) -> Markup {
    let rollout = sight.rollout;
    let steps = &rollout.start.settings.steps;
    let next = steps
        .get(rollout.step as usize)
        .filter(|_| !rollout.full)
        .or(steps.last());
    match next {
        Some(next) if next.traffic < 100 => html! { (next.traffic) " % of the traffic" },
        _ => html! { "all traffic, and the version that is served is verified" },
    }
}

fn notice(class: &str, icon: Icon, what: &Markup, more: &Markup) -> Markup {
    html! {
        div.{ "notice " (class) } {
            p.headline { span.(class) { (icons::icon(icon)) } " " strong { (what) } }
            (more)
        }
    }
}
