//! Deliveries, their checks and their rollouts, with the counts that the node has now.

use barq_core::delivery::{self, CheckState, End, Phase};
use barq_core::event::{CheckOutcome, Counts, RollbackCause};
use barq_core::report::because;
use barq_core::rollout;
use barq_engine::engine::View;
use jiff::Timestamp;

use super::super::shapes::{Check, Delivery, RolledBack, Rollout, TimelineEntry};
use super::super::story;
use super::{unrecorded, waiting};

/// Microseconds in a millisecond.
const MICROSECONDS: f64 = 1000.0;

/// A delivery with its rollouts and as much of its timeline as is given.
pub(in super::super) fn delivery(
    view: &View,
    delivery: &delivery::Delivery,
    rollouts: &[&rollout::Rollout],
    timeline: Vec<TimelineEntry>,
    now: Timestamp,
) -> Delivery {
    let push = &delivery.push;
    Delivery {
        id: delivery.id.to_string(),
        app: delivery.id.app.to_string(),
        branch: push.branch.clone(),
        commit: push.commit.hash.to_string(),
        author: push.commit.author_name.clone(),
        message: push.commit.subject.clone(),
        state: delivery.state_name().to_owned(),
        reason: reason(delivery, rollouts),
        waiting: waiting(view, delivery, now),
        checks: delivery.checks.iter().map(check).collect(),
        image: delivery.image.as_ref().map(ToString::to_string),
        rollouts: rollouts
            .iter()
            .map(|it| rollout(view, it, Some(delivery), now))
            .collect(),
        created_at: delivery.created_at,
        finished_at: delivery.finished_at,
        timeline,
    }
}

/// The delivery's rollouts that the state remembers, in the order in which they began.
pub(in super::super) fn rollouts_of<'a>(
    view: &'a View,
    delivery: &delivery::Delivery,
) -> Vec<&'a rollout::Rollout> {
    let mut rollouts: Vec<&rollout::Rollout> = view
        .state
        .rollouts
        .values()
        .map(AsRef::as_ref)
        .filter(|rollout| rollout.id.delivery == delivery.id)
        .collect();
    rollouts.sort_by_key(|rollout| rollout.started_at);
    rollouts
}

/// A rollout. Without its delivery nothing is said of what it waits for.
pub(in super::super) fn rollout(
    view: &View,
    rollout: &rollout::Rollout,
    delivery: Option<&delivery::Delivery>,
    now: Timestamp,
) -> Rollout {
    let counts = live_counts(view, rollout);
    let own = |delivery: &&delivery::Delivery| match &delivery.phase {
        Phase::RollingOut { environment } => *environment == rollout.id.environment,
        Phase::Checking
        | Phase::Building
        | Phase::Entering { .. }
        | Phase::AwaitingApproval(_)
        | Phase::Ended(_) => false,
    };
    let step = rollout.present_step();
    Rollout {
        id: rollout.id.to_string(),
        environment: rollout.id.environment.clone(),
        revision: rollout.start.revision.to_string(),
        stable: rollout.start.stable.as_ref().map(ToString::to_string),
        state: rollout.state_name().to_owned(),
        step: rollout.step,
        steps: u32::try_from(rollout.start.settings.steps.len()).unwrap_or(u32::MAX),
        traffic: traffic(view, rollout),
        requests: counts.requests,
        errors: counts.errors,
        max_errors: step.and_then(|step| step.max_errors).map(u64::from),
        recent_errors: live_recent_errors(view, rollout),
        window_ms: step
            .and_then(|step| step.window())
            .map(|window| u64::try_from(window.as_millis()).unwrap_or(u64::MAX)),
        waiting: delivery
            .filter(own)
            .and_then(|delivery| waiting(view, delivery, now)),
        rollback: rollout.rollback.as_ref().map(|record| RolledBack {
            reason: because(&record.cause),
            at: record.decided_at,
            shifted_ms: record.shifted_us.map(in_milliseconds),
        }),
    }
}

/// Fractional, since a tripwire takes less than one.
pub(in super::super) fn in_milliseconds(microseconds: u64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "spans below 2^52 microseconds, which are 142 years, are exact"
    )]
    let exact = microseconds as f64;
    exact / MICROSECONDS
}

/// What the node counts now, while the step is the one that it counts; else what was recorded last.
pub(in super::super) fn live_counts(view: &View, rollout: &rollout::Rollout) -> Counts {
    live(view, rollout).0
}

/// The errors that count for the limit now: those inside its window.
pub(in super::super) fn live_recent_errors(view: &View, rollout: &rollout::Rollout) -> u64 {
    live(view, rollout).1
}

fn live(view: &View, rollout: &rollout::Rollout) -> (Counts, u64) {
    let mut recorded = rollout.counts();
    let mut recent = rollout.recent_errors();
    // The tripwire is faster than any record: what it counted stands in its verdict.
    if let Some(RollbackCause::Tripped(trip)) = rollout.rollback.as_ref().map(|it| &it.cause) {
        recorded.errors = recorded.errors.max(trip.errors);
        recorded.requests = recorded.requests.max(recorded.errors);
        recent = recent.max(trip.errors);
    }
    if !matches!(rollout.phase, rollout::Phase::Holding) {
        return (recorded, recent);
    }
    let generation = view
        .state
        .service(&rollout.start.service)
        .map(|service| service.generation);
    view.observed
        .get(&rollout.start.service)
        .filter(|seen| Some(seen.generation) == generation)
        .and_then(|seen| seen.canary.as_ref())
        .map_or((recorded, recent), |canary| {
            let counts = rollout.progress.before.plus(canary.counts);
            (counts, canary.recent_errors)
        })
}

fn check(check: &CheckState) -> Check {
    let finished = check.finished.as_ref();
    Check {
        name: check.name.clone(),
        state: check.state_name().to_owned(),
        duration_ms: finished.map(|(_, duration_ms)| in_milliseconds(duration_ms * 1000)),
        reason: finished
            .filter(|(outcome, _)| *outcome != CheckOutcome::Passed)
            .map(|(outcome, _)| story::check_outcome(outcome)),
    }
}

/// Why it ended as it did; none while it runs and where it succeeded.
pub(in super::super) fn reason(
    delivery: &delivery::Delivery,
    rollouts: &[&rollout::Rollout],
) -> Option<String> {
    let Phase::Ended(end) = &delivery.phase else {
        return None;
    };
    Some(match end {
        End::Succeeded => return None,
        End::Failed { reason } => with_checks(delivery, reason),
        End::RolledBack { environment } => rollouts
            .iter()
            .find(|rollout| rollout.id.environment == *environment)
            .and_then(|rollout| rollout.rollback.as_ref())
            .map_or_else(
                || format!("its traffic in {environment} was taken back"),
                |record| format!("{environment}: {}", because(&record.cause)),
            ),
        End::Rejected { message } => said("somebody rejected it", message.as_ref()),
        End::Expired => "nobody approved it in time".to_owned(),
        End::Superseded { by } => format!("{by} took its place"),
        End::Cancelled { message } => said("somebody cancelled it", message.as_ref()),
    })
}

fn with_checks(delivery: &delivery::Delivery, reason: &str) -> String {
    let mut text = reason.to_owned();
    for check in &delivery.checks {
        if let Some((outcome, _)) = check.finished.as_ref().filter(|(it, _)| !it.allows()) {
            text.push_str(&format!(
                "\n{} {}",
                check.name,
                story::check_outcome(outcome)
            ));
        }
    }
    text
}

fn said(what: &str, message: Option<&String>) -> String {
    message.map_or_else(|| what.to_owned(), |message| format!("{what}: {message}"))
}

/// What the rollout gives its revision, unless the node has taken it away.
fn traffic(view: &View, rollout: &rollout::Rollout) -> u32 {
    let service = view.state.service(&rollout.start.service);
    let taken = service
        .and_then(|service| unrecorded(view, service))
        .is_some_and(|(trip, _)| trip.revision == rollout.start.revision);
    match taken {
        true => 0,
        false => u32::from(rollout.traffic()),
    }
}
