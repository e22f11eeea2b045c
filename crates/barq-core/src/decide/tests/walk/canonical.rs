//! One state for all that the rules can't tell apart, so that the walk ends.
//!
//! A state is rewritten into its representative, which is a state again; the walk goes on from there, and compares whole
//! states. So what is not named here counts as a difference: a new field makes the walk longer, never blind. Rewritten are:
//! - times: a deadline is due or not, an approval was given before or after the rollback, a pause began with or after the
//!   last record; everything else is now. Which deadline comes next is a step of the walk, so all orders are walked.
//! - numbers that only grow: generations, trips; and those that count towards a limit: attempts, rounds, entries of a step,
//!   answers that stable is unfit. What the last one before the limit makes of it is a step of the walk (`Step::Last`).
//! - sums beyond the limit that they are compared with: errors, requests, time held.
//! - words, and what has ended and is only told of: why, by whom, with which probes.
//!
//! That this is sound is tested beside it (`sound`): what can happen to a state can happen to its representative, and leads
//! to the same one.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::super::world::World;
use super::known::Known;
use super::{Bounds, HOLD_MS, LIMIT};
use crate::delivery::{self, CheckState, Delivery, End};
use crate::event::{
    CheckOutcome, Counts, DirectReason, Evidence, IncidentCause, RecentErrors, RollbackCause,
};
use crate::incident::Incident;
use crate::rollout::{Phase, RollbackRecord, Rollout, StepProgress};
use crate::service::Service;
use crate::state::State;

/// Now, in every representative.
const NOW: Timestamp = Timestamp::UNIX_EPOCH;
/// The last generation, in every representative.
const GENERATION: u64 = 100;
/// Far enough that no step of the walk gets there by itself.
pub(super) const FAR: SignedDuration = SignedDuration::from_hours(1);

/// The representative of a world, seen from where nothing is observed. What is part of a representative already is left
/// alone; but for an approval, whose age depends on another part.
pub(super) fn canonical(world: &World, known: &Known) -> World {
    let mut state = world.state.clone();
    state.retries.clear();
    for it in state.deliveries.values_mut() {
        let voided = voided(&world.state, it);
        if it.approval.is_some() || !known.deliveries.has(it) {
            delivery(Arc::make_mut(it), voided, world.now);
        }
    }
    for it in state
        .rollouts
        .values_mut()
        .filter(|it| !known.rollouts.has(it))
    {
        rollout(Arc::make_mut(it), world.now);
    }
    for it in state
        .services
        .values_mut()
        .filter(|it| !known.services.has(it))
    {
        service(Arc::make_mut(it), world.now);
    }
    for it in state
        .incidents
        .values_mut()
        .filter(|it| !known.incidents.has(it))
    {
        incident(Arc::make_mut(it));
    }
    World {
        state,
        now: NOW,
        observed: std::collections::BTreeMap::new(),
        // The random walks do that, for the same events.
        journaled: false,
    }
}

/// The world without what can't meet anything else in it, so that it is not walked together with everything else:
/// - a lock, where all deliveries have ended or are in their last environment. The walk comes back to the locked world from
///   here, by locking it, wherever another delivery has begun;
/// - what an incident is told of, where `bounds` say so: no rule reads it.
pub(super) fn apart(mut world: World, bounds: &Bounds) -> World {
    let state = &mut world.state;
    let enters = |it: &Delivery| match it.phase {
        delivery::Phase::Ended(_) => false,
        delivery::Phase::RollingOut { .. } => it.next_environment().is_some(),
        _ => true,
    };
    if !state.deliveries.values().any(|it| enters(it)) {
        for it in state.services.values_mut().filter(|it| it.lock.is_some()) {
            Arc::make_mut(it).lock = None;
        }
    }
    for it in state.incidents.values_mut().filter(|_| bounds.told_at_once) {
        let untold = it.evidence.is_none() || it.resolved.is_some();
        if untold && state.rollouts[&it.rollout].ended() {
            let it = Arc::make_mut(it);
            (it.evidence, it.resolved) = (Some(Ok(Evidence::default())), None);
        }
    }
    world
}

/// A deadline that is due, or not.
fn until(at: Timestamp, now: Timestamp) -> Timestamp {
    if at > now { NOW + FAR } else { NOW - FAR }
}

/// Whether a delivery's approval is older than the rollback at the gate that it was given for.
fn voided(state: &State, delivery: &Delivery) -> bool {
    let service = delivery.approval.as_ref().and_then(|approval| {
        let id = delivery.configuration()?.service_in(&approval.environment);
        state.service(&id.parse().ok()?)
    });
    let rolled_back = service.and_then(|it| it.rolled_back.as_ref());
    delivery
        .approval
        .iter()
        .any(|approval| rolled_back.is_some_and(|it| approval.at <= it.at))
}

fn delivery(it: &mut Delivery, voided: bool, now: Timestamp) {
    (it.phase_since, it.created_at) = (NOW, NOW);
    it.finished_at = it.finished_at.map(|_| NOW);
    it.push.retry_of = None;
    let checking = it.phase == delivery::Phase::Checking;
    it.checks.iter_mut().for_each(|check| ran(check, checking));
    if it.build_to_stop() {
        it.build_started = Some(NOW);
    } else {
        (it.build_started, it.build_ms, it.build_stopped) = (None, None, false);
    }
    match &mut it.phase {
        // Only here it is read.
        delivery::Phase::Entering { .. } => {
            if let Some(approval) = &mut it.approval {
                // The rollback itself is two hours ago.
                approval.at = NOW - if voided { FAR * 3 } else { FAR };
                (approval.by.name, approval.message) = ("lead".to_owned(), None);
                approval.by.role = approval.by.role.min(crate::configuration::Role::TechLead);
            }
        }
        delivery::Phase::AwaitingApproval(gate) => {
            gate.expires_at = until(gate.expires_at, now);
            gate.reasons.clear();
            it.approval = None;
        }
        delivery::Phase::Ended(end) => {
            if !matches!(end, End::Succeeded | End::RolledBack { .. }) {
                *end = End::Cancelled { message: None };
            }
            it.approval = None;
        }
        delivery::Phase::Checking
        | delivery::Phase::Building
        | delivery::Phase::RollingOut { .. } => it.approval = None,
    }
}

/// While checks run, whether each allows the build; later, only whether it must be stopped.
fn ran(check: &mut CheckState, checking: bool) {
    check.started_at = check.started_at.map(|_| NOW);
    if let Some((outcome, duration_ms)) = &mut check.finished {
        *duration_ms = 0;
        let passes = !checking || outcome.allows();
        *outcome = match (&outcome, passes) {
            (CheckOutcome::Skipped { .. }, true) if checking => CheckOutcome::Skipped {
                reason: String::new(),
            },
            (_, true) => CheckOutcome::Passed,
            (_, false) => CheckOutcome::Failed { code: 1 },
        };
        check.started_at = None;
    }
}

fn rollout(it: &mut Rollout, now: Timestamp) {
    let due = crate::deadline(it).is_some_and(|at| at <= now);
    it.phase_since = if due { NOW - FAR } else { NOW };
    it.started_at = NOW;
    it.finished_at = it.finished_at.map(|_| NOW);
    it.target_unfit = 0;
    it.smoke.clear();
    it.verification.clear();
    it.failure = it.failure.take().map(|_| String::new());
    it.direct = it.direct.take().map(|_| DirectReason::NoStable);
    if matches!(it.phase, Phase::RollingBack(_)) {
        it.progress = StepProgress::default();
    }
    progress(&mut it.progress, it.paused);
    it.paused = it.paused.map(|_| NOW);
    if let Phase::Verifying { round, retry_at } = &mut it.phase {
        (*round, *retry_at) = (1, None);
    }
    if let Some(record) = &mut it.rollback {
        (record.detected_at, record.decided_at) = (NOW, NOW);
        record.shifted_us = None;
        record.cause = cause(&record.cause);
    }
    if it.ended() {
        ended(it);
    }
}

/// `paused` is not yet rewritten.
fn progress(it: &mut StepProgress, paused: Option<Timestamp>) {
    let until_pause = paused
        .zip(it.recorded_at)
        .map(|(paused, recorded)| paused.duration_since(recorded).as_millis().clamp(0, 1));
    let before = SignedDuration::from_millis(until_pause.map_or(0, |ms| i64::from(ms > 0)));
    it.recorded_at = it.recorded_at.map(|_| NOW - before);
    it.entry = it.entry.min(1);
    it.before = saturated(it.before);
    it.counts = saturated(it.counts);
    it.recent = it.recent.map(recent);
    it.recent_before = it.recent_before.map(recent);
    it.served_ms = 0;
    it.held_ms = it.held_ms.min(HOLD_MS);
}

/// Up to the limit, whenever it was.
fn recent(it: RecentErrors) -> RecentErrors {
    RecentErrors {
        errors: it.errors.min(LIMIT.into()),
        at: NOW,
    }
}

/// As far as the rules compare it.
fn saturated(counts: Counts) -> Counts {
    Counts {
        requests: counts.requests.min(1),
        errors: counts.errors.min(LIMIT.into()),
        ..Counts::default()
    }
}

/// Whether it quarantines, and whether it is an abort.
fn cause(cause: &RollbackCause) -> RollbackCause {
    match cause {
        RollbackCause::Aborted { .. } => RollbackCause::Aborted { message: None },
        RollbackCause::Interrupted { interruption, .. } => RollbackCause::Interrupted {
            interruption: *interruption,
            times: 0,
        },
        _ => RollbackCause::Guard { errors: 0 },
    }
}

/// Of a rollout that has ended, a success can still be rolled back; a failure is only told of.
fn ended(it: &mut Rollout) {
    it.progress = StepProgress::default();
    it.full = false;
    if it.phase == Phase::Succeeded {
        it.rollback = None;
        return;
    }
    (it.step, it.moved, it.size, it.direct) = (0, false, 0, None);
    if it.phase == Phase::RolledBack {
        it.rollback = Some(RollbackRecord {
            cause: RollbackCause::Guard { errors: 0 },
            to: None,
            detected_at: NOW,
            decided_at: NOW,
            shifted_us: None,
        });
    } else {
        (it.phase, it.rollback, it.failure) = (Phase::Failed, None, None);
    }
}

fn service(it: &mut Service, now: Timestamp) {
    let in_force = it.accepted == it.generation;
    if it.generation > 0 {
        it.generation = GENERATION;
        it.accepted = if in_force { GENERATION } else { GENERATION - 1 };
    }
    it.accepted_at = it.accepted_at.map(|_| NOW);
    (it.last_trip, it.plan.last_trip) = (0, 0);
    if let Some(canary) = &mut it.plan.canary {
        canary.entry = canary.entry.min(1);
        canary.counted = saturated(canary.counted);
        canary.recent = canary.recent.map(recent);
    }
    for revision in it.revisions.values_mut() {
        Arc::make_mut(revision).created_at = NOW;
    }
    if let Some(warm) = &mut it.warm {
        warm.until = until(warm.until, now);
    }
    if let Some(guard) = &mut it.guard {
        guard.until = until(guard.until, now);
    }
    if let Some(lock) = &mut it.lock {
        lock.since = NOW;
    }
    if let Some(rolled_back) = &mut it.rolled_back {
        rolled_back.at = NOW - FAR * 2;
    }
}

fn incident(it: &mut Incident) {
    it.opened_at = NOW;
    it.follow_ups.clear();
    it.cause = IncidentCause::Guard { errors: 0 };
    it.evidence = it.evidence.take().map(|_| Ok(Evidence::default()));
    if let Some((_, at)) = &mut it.resolved {
        *at = NOW;
    }
}
