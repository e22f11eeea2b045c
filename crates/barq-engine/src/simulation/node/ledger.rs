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
    /// Errors of the canary that completed while it was in force.
    errors: u64,
    /// Those of them that nobody knows of any more: neither written by the node nor recorded by the server when it planned.
    lost: u64,
    /// Requests that were routed in it and have completed.
    routed: Counts,
    /// Whether a crash took some.
    has_lost: bool,
    /// Whether the limit was reached.
    reached: bool,
    /// Errors that there may be at most, once it has tripped.
    most: Option<u64>,
}

impl Ledger {
    /// A plan is in force: the server knows of `counted`, and never of more than there was.
    pub(super) fn plan(&mut self, canary: &CanaryPlan) -> Result<(), Problem> {
        let key = key(canary);
        let step = self.0.entry(key.clone()).or_default();
        step.limit = canary.max_errors;
        if canary.counted.errors > step.errors {
            let (counted, errors) = (canary.counted.errors, step.errors);
            return Err(Problem(format!(
                "the server knows of {counted} errors in {key:?}, there were {errors}"
            )));
        }
        step.lost = step.lost.min(step.errors - canary.counted.errors);
        Ok(())
    }

    /// The node is gone, and with it what it had not written.
    pub(super) fn crash(&mut self, written: Option<(&StepKey, u64)>) {
        for (key, step) in &mut self.0 {
            let known = written.filter(|(of, _)| *of == key).map_or(0, |(_, it)| it);
            step.lost = step.errors.saturating_sub(known);
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

    /// An error of the canary completed in the step: whether it must trip.
    pub(super) fn error(&mut self, key: &StepKey) -> Result<bool, Problem> {
        let step = self.0.entry(key.clone()).or_default();
        step.errors += 1;
        let counted = step.errors - step.lost;
        if let Some(most) = step.most.filter(|most| counted > *most) {
            return Err(Problem(format!(
                "{key:?} has {counted} errors, {most} is its limit and what was in flight"
            )));
        }
        let reaches = step.limit.is_some_and(|limit| counted >= limit);
        Ok(reaches && !std::mem::replace(&mut step.reached, reaches))
    }

    /// The canary tripped in the step: the record says what it was made of.
    pub(super) fn tripped(&mut self, told: &judge::Trip, flying: u64) -> Result<(), Problem> {
        let key = (told.revision.clone(), told.step);
        let step = self.0.entry(key.clone()).or_default();
        let counted = step.errors - step.lost;
        if told.errors != counted || told.in_flight != flying {
            return Err(Problem(format!(
                "{key:?} tripped with {counted} errors and {flying} in flight, its record says {} and {}",
                told.errors, told.in_flight
            )));
        }
        if step.limit.is_none_or(|limit| counted < limit) {
            let limit = step.limit;
            return Err(Problem(format!(
                "{key:?} tripped with {counted} errors of {limit:?}"
            )));
        }
        step.reached = true;
        step.most = Some(counted + flying);
        Ok(())
    }

    /// The tripwire's count is what there was, less what nobody knows of any more.
    pub(super) fn counted(&self, canary: &CanaryPlan, errors: u64) -> Result<(), Problem> {
        let key = key(canary);
        let known = self.0.get(&key).map_or(0, |step| step.errors - step.lost);
        if known == errors {
            return Ok(());
        }
        Err(Problem(format!(
            "the tripwire counts {errors} errors of {key:?}, there were {known}"
        )))
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
