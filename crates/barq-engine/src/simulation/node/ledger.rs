//! The truth about a canary's steps, kept apart from everything that counts them: what has completed, what a crash took, what
//! a trip may be made of.
//!
//! It is told what happens and says what is wrong. It shares no code with the tripwire, the control or the statistics, so
//! that a mistake of theirs is not its own.

use std::collections::BTreeMap;

use barq_core::event::{CanaryPlan, Counts};
use barq_core::judge;

use super::super::check::Problem;

/// A step of a canary: its revision and number.
pub(super) type StepKey = (String, u32);

/// All steps of one service.
#[derive(Default)]
pub(super) struct Ledger(BTreeMap<StepKey, Step>);

#[derive(Default)]
struct Step {
    limit: Option<u64>,
    /// How long an error counts for it.
    window_ms: Option<u64>,
    /// Errors of the canary that completed while it was in force.
    errors: Vec<Booked>,
    /// Requests that were routed in it and have completed.
    routed: Counts,
    /// Whether a crash took some.
    has_lost: bool,
    /// Whether the limit was reached.
    reached: bool,
    /// Errors that there may be at most, once it has tripped.
    most: Option<u64>,
}

/// An error.
#[derive(Clone, Copy)]
struct Booked {
    at_ms: u64,
    /// Nobody knows of it any more: neither written by the node nor recorded by the server when it planned.
    lost: bool,
    /// Its own time is lost: it counts as of this one, when somebody knew of it.
    known_at_ms: Option<u64>,
}

impl Step {
    fn known(&self) -> impl Iterator<Item = &Booked> {
        self.errors.iter().filter(|error| !error.lost)
    }

    /// The fewest and the most errors that may count for the limit now: some have lost their own time.
    fn bounds(&self, now_ms: u64) -> (u64, u64) {
        let begin = self
            .window_ms
            .map_or(0, |window| now_ms.saturating_sub(window));
        let certain = (self.known()).filter(|it| it.known_at_ms.is_none() && it.at_ms >= begin);
        let possible =
            (self.known()).filter(|it| it.known_at_ms.unwrap_or(it.at_ms).max(it.at_ms) >= begin);
        (certain.count() as u64, possible.count() as u64)
    }
}

impl Ledger {
    /// A plan is in force: the server knows of `counted`, and never of more than there was.
    pub(super) fn plan(&mut self, canary: &CanaryPlan) -> Result<(), Problem> {
        let key = key(canary);
        let step = self.0.entry(key.clone()).or_default();
        (step.limit, step.window_ms) = (canary.max_errors, canary.window_ms);
        let (counted, errors) = (canary.counted.errors, step.errors.len() as u64);
        if counted > errors {
            return Err(Problem(format!(
                "the server knows of {counted} errors in {key:?}, there were {errors}"
            )));
        }
        self.fill_up(canary);
        Ok(())
    }

    /// What the server names is known again.
    pub(super) fn fill_up(&mut self, canary: &CanaryPlan) {
        let step = self.0.entry(key(canary)).or_default();
        let missing = canary
            .counted
            .errors
            .saturating_sub(step.known().count() as u64);
        let begin = i128::from(super::super::BEGIN_SECONDS) * 1000;
        let at_ms = canary.recent.map_or(0, |recent| {
            u64::try_from(i128::from(recent.at.as_millisecond()) - begin).unwrap_or(0)
        });
        let lost = step.errors.iter_mut().filter(|error| error.lost);
        for error in lost.take(usize::try_from(missing).unwrap_or(usize::MAX)) {
            (error.lost, error.known_at_ms) = (false, Some(at_ms));
        }
    }

    /// The node is gone, and with it what it had not written.
    /// Of what had been written without its time, it knows since then.
    pub(super) fn crash(&mut self, written: Option<(&StepKey, u64, u64)>) {
        for (key, step) in &mut self.0 {
            let found = written.filter(|(of, _, _)| *of == key);
            let (mut known, at_ms) = found.map_or((0, 0), |(_, errors, at_ms)| (errors, at_ms));
            for error in step.errors.iter_mut().filter(|error| !error.lost) {
                error.lost = known == 0;
                error.known_at_ms = error.known_at_ms.map(|_| at_ms);
                known = known.saturating_sub(1);
            }
            step.has_lost = true;
            // A trip that was not written is lost, too; it is told again where its errors were.
            (step.reached, step.most) = (false, None);
        }
    }

    /// A request that was routed in the step has completed.
    pub(super) fn completed(&mut self, key: &StepKey, on_canary: bool, failed: bool) {
        let routed = &mut self.0.entry(key.clone()).or_default().routed;
        let errors = u64::from(failed);
        if on_canary {
            routed.requests += 1;
            routed.errors += errors;
        } else {
            routed.stable_requests += 1;
            routed.stable_errors += errors;
        }
    }

    /// An error of the canary completed in the step, and the tripwire said this.
    pub(super) fn error(
        &mut self,
        key: &StepKey,
        trip: Option<judge::TripNow>,
        now_ms: u64,
    ) -> Result<(), Problem> {
        let step = self.0.entry(key.clone()).or_default();
        step.errors.push(Booked {
            at_ms: now_ms,
            lost: false,
            known_at_ms: None,
        });
        let counted = step.known().count() as u64;
        if let Some(most) = step.most.filter(|most| counted > *most) {
            return Err(Problem(format!(
                "{key:?} has {counted} errors, {most} is its limit and what was in flight"
            )));
        }
        let (least, most) = step.bounds(now_ms);
        let limit = step.limit.unwrap_or(u64::MAX);
        let told = trip.map(|trip| trip.errors);
        let fits = match told {
            Some(errors) => !step.reached && errors >= limit && (least..=most).contains(&errors),
            None => step.reached || least < limit,
        };
        step.reached |= trip.is_some();
        if fits {
            return Ok(());
        }
        Err(Problem(format!(
            "an error of {key:?} with {least} to {most} of {limit} tripped: {told:?}"
        )))
    }

    /// The canary tripped in the step: the record says what it was made of. A trip that is told after a restart may be of
    /// errors that have left the window since.
    pub(super) fn tripped(&mut self, told: &judge::Trip, flying: u64) -> Result<(), Problem> {
        let key = (told.revision.clone(), told.step);
        let step = self.0.entry(key.clone()).or_default();
        let counted = step.known().count() as u64;
        if told.errors > counted || told.in_flight != flying {
            return Err(Problem(format!(
                "{key:?} tripped with {counted} errors and {flying} in flight, its record says {} and {}",
                told.errors, told.in_flight
            )));
        }
        if step.limit.is_none_or(|limit| told.errors < limit) {
            let (errors, limit) = (told.errors, step.limit);
            return Err(Problem(format!(
                "{key:?} tripped with {errors} errors of {limit:?}"
            )));
        }
        step.reached = true;
        step.most = Some(counted + flying);
        Ok(())
    }

    /// The tripwire's counts are what there was, less what nobody knows of any more: all, and those inside the window.
    pub(super) fn counted(
        &self,
        canary: &CanaryPlan,
        (total, recent): (u64, u64),
        serving: bool,
        now_ms: u64,
    ) -> Result<(), Problem> {
        let key = key(canary);
        let Some(step) = self.0.get(&key) else {
            return Ok(());
        };
        let known = step.known().count() as u64;
        let (least, most) = step.bounds(now_ms);
        if known != total || !(least..=most).contains(&recent) && step.limit.is_some() {
            return Err(Problem(format!(
                "the tripwire counts {recent} of {total} errors of {key:?}, there were {least} to {most} of {known}"
            )));
        }
        match step.limit {
            Some(limit) if serving && least >= limit => Err(Problem(format!(
                "{key:?} serves with {least} errors of {limit}"
            ))),
            _ => Ok(()),
        }
    }

    /// What is shown of a step is what happened in it, as far as no crash took any of it.
    pub(super) fn shown(&self, canary: &CanaryPlan, beyond: Counts) -> Result<(), Problem> {
        let key = key(canary);
        let shown = canary.counted.plus(beyond);
        match self.0.get(&key) {
            Some(step) if !step.has_lost && step.routed != shown => Err(Problem(format!(
                "{key:?} shows {shown:?}, there were {:?}",
                step.routed
            ))),
            _ => Ok(()),
        }
    }
}

pub(super) fn key(canary: &CanaryPlan) -> StepKey {
    (canary.revision.to_string(), canary.step)
}
