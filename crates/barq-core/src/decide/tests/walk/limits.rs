//! What is counted towards a limit. A representative has counted nothing, so the last one that a limit allows is a step of
//! its own (`Step::Last`), which can follow anything that was counted before it.

use std::sync::Arc;

use super::super::world::*;
use super::steps::Step;
use crate::decide::outcome::{ATTEMPTS_MAX, VERIFY_ROUNDS_MAX};
use crate::effect::{EffectKey, EffectTarget, Outcome};
use crate::identity::{RolloutId, ServiceId};
use crate::observation::{CanaryState, Observation};
use crate::rollout::{Phase, Rollout, STEP_ENTRIES_MAX, UNFIT_ANSWERS_MAX};
use crate::state::Retry;

/// Which limit, and whose.
#[derive(Debug, Clone)]
pub(in super::super) enum Limit {
    /// Attempts of an effect.
    Attempts(EffectTarget),
    /// Answers that stable is unfit.
    Answers(RolloutId),
    /// Rounds of a verification.
    Rounds(RolloutId),
    /// Entries of the step that the service's rollout is in.
    Entries(ServiceId),
}

/// What the step may count; in the same order for a state and its representative.
pub(super) fn of(step: &Step) -> Vec<Limit> {
    let (counted, seen) = match step {
        Step::Give(_, _, sight) => (None, sight.as_ref().map(|(id, it)| (id, &**it))),
        Step::Outcome(key, outcome, sight) => (
            of_outcome(key, outcome),
            sight.as_ref().map(|(id, it)| (id, &**it)),
        ),
        Step::See(id, seen) => (None, Some((id, &seen.observation))),
        Step::Elapse(_) => (None, None),
        Step::Last(_, step) => return of(step),
    };
    let entries = seen
        .filter(|(_, it)| is_lost(it))
        .map(|(id, _)| Limit::Entries(id.clone()));
    counted.into_iter().chain(entries).collect()
}

fn of_outcome(key: &EffectKey, outcome: &Outcome) -> Option<Limit> {
    match (&key.target, outcome) {
        (target, Outcome::NoResult { .. }) => Some(Limit::Attempts(target.clone())),
        (EffectTarget::Prove(id), Outcome::TargetProbed { .. }) => Some(Limit::Answers(id.clone())),
        (EffectTarget::Verify(id, _), Outcome::VersionProbed { .. }) => {
            Some(Limit::Rounds(id.clone()))
        }
        _ => None,
    }
}

fn is_lost(seen: &Observation) -> bool {
    seen.canary
        .as_ref()
        .is_some_and(|it| matches!(it.state, CanaryState::LeaseExpired | CanaryState::Suspended))
}

impl Limit {
    /// Whether the next one is the last.
    pub(super) fn is_next(&self, world: &World) -> bool {
        let rollout = |id: &RolloutId| world.state.rollout(id);
        let counted = match self {
            Self::Attempts(target) => world.state.retries.get(target).map(|it| it.failed),
            Self::Answers(id) => rollout(id).map(|it| it.target_unfit),
            Self::Rounds(id) => rollout(id).map(|it| match it.phase {
                Phase::Verifying { round, .. } => round - 1,
                _ => 0,
            }),
            Self::Entries(id) => (world.state.service(id))
                .and_then(|it| world.state.running(it))
                .map(|it| it.progress.entry.saturating_sub(1)),
        };
        counted.unwrap_or(0) + 1 >= self.max()
    }

    /// The same world and step, where it is the first one that is counted.
    pub(super) fn first(&self, world: &World, step: &Step) -> (World, Step) {
        self.after(0, world, step)
    }

    /// The same world and step, where it is the last one that the limit allows.
    pub(super) fn last(&self, world: &World, step: &Step) -> (World, Step) {
        self.after(self.max() - 1, world, step)
    }

    fn max(&self) -> u32 {
        match self {
            Self::Attempts(_) => ATTEMPTS_MAX,
            Self::Answers(_) => UNFIT_ANSWERS_MAX,
            Self::Rounds(_) => VERIFY_ROUNDS_MAX,
            Self::Entries(_) => STEP_ENTRIES_MAX,
        }
    }

    fn after(&self, counted: u32, world: &World, step: &Step) -> (World, Step) {
        let mut next = world.clone();
        let mut key = None;
        let mut rollout = |id: &RolloutId, change: &dyn Fn(&mut Rollout)| {
            let it = next.state.rollouts.get_mut(id).map(Arc::make_mut);
            it.into_iter().for_each(change);
        };
        match self {
            Self::Attempts(target) => {
                let retry = Retry {
                    failed: counted,
                    not_before: world.now,
                    since: world.now,
                    error: String::new(),
                };
                next.state.retries.remove(target);
                if counted > 0 {
                    next.state.retries.insert(target.clone(), retry);
                }
                let (target, attempt) = (target.clone(), counted + 1);
                key = Some(EffectKey { target, attempt });
            }
            Self::Answers(id) => rollout(id, &|it| it.target_unfit = counted),
            Self::Rounds(id) => {
                let (round, retry_at) = (counted + 1, None);
                rollout(id, &|it| it.phase = Phase::Verifying { round, retry_at });
                let target = EffectTarget::Verify(id.clone(), round);
                // Of this round there was no attempt yet.
                next.state.retries.remove(&target);
                key = Some(EffectKey { target, attempt: 1 });
            }
            Self::Entries(id) => {
                let entry = counted + 1;
                let service = next.state.services.get_mut(id).map(Arc::make_mut);
                let running = service.and_then(|it| {
                    it.plan.canary.iter_mut().for_each(|it| it.entry = entry);
                    it.rollout.clone()
                });
                if let Some(id) = running {
                    let it = next.state.rollouts.get_mut(&id).map(Arc::make_mut);
                    it.into_iter().for_each(|it| it.progress.entry = entry);
                }
            }
        }
        let step = key.map_or_else(|| step.clone(), |key| with_key(step, &key));
        (next, step)
    }
}

fn with_key(step: &Step, key: &EffectKey) -> Step {
    match step {
        Step::Outcome(_, outcome, sight) => {
            Step::Outcome(key.clone(), outcome.clone(), sight.clone())
        }
        Step::Last(limit, step) => Step::Last(limit.clone(), Box::new(with_key(step, key))),
        other => other.clone(),
    }
}
