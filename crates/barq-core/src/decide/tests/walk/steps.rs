//! What can happen next: every command, every outcome, every observation, every deadline.
//!
//! A command and an outcome are also given while something is seen that nobody has judged yet (`Sight`).

use std::sync::Arc;

use jiff::SignedDuration;

use super::super::world::*;
use super::Bounds;
use super::canonical::FAR;
use super::seen;
use crate::command::Command;
use crate::configuration::Role;
use crate::decide::outcome::{ATTEMPTS_MAX, VERIFY_ROUNDS_MAX};
use crate::delivery;
use crate::effect::{Effect, EffectKey, EffectTarget, Outcome, PlanRefusal};
use crate::event::{Actor, CheckOutcome};
use crate::identity::{DeliveryId, RolloutId, ServiceId};
use crate::observation::{CanaryState, Observation};
use crate::rollout::{Phase, STEP_ENTRIES_MAX, UNFIT_ANSWERS_MAX};
use crate::state::Retry;

/// What is seen of a service while something else is decided.
pub(in super::super) type Sight = Option<(ServiceId, Box<Observation>)>;

/// One step of a walk.
#[derive(Debug, Clone)]
pub(in super::super) enum Step {
    Give(Actor, Command, Sight),
    Outcome(EffectKey, Outcome, Sight),
    See(ServiceId, Box<seen::Seen>),
    Elapse(Deadline),
    /// The step, while what it counts stands one before its limit.
    Last(Box<Step>),
}

/// What can become due. Pauses between attempts are none: an effect is carried out after its pause, or it is not.
#[derive(Debug, Clone)]
pub(in super::super) enum Deadline {
    Gate(DeliveryId),
    Warm(ServiceId),
    Guard(ServiceId),
    Ready(RolloutId),
}

/// The world after the step, all checked; none where it is refused or changes nothing.
pub(in super::super) fn take(world: &World, step: &Step) -> Option<World> {
    let mut next = world.clone();
    next.observed.clear();
    let moved = match step {
        Step::Give(actor, command, sight) => {
            next.observed
                .extend(sight.clone().map(|(id, it)| (id, *it)));
            let events = next.give(actor, command.clone()).ok()?;
            !events.is_empty()
        }
        Step::Outcome(key, outcome, sight) => {
            next.observed
                .extend(sight.clone().map(|(id, it)| (id, *it)));
            let moved = !next.outcome(key.clone(), outcome.clone()).is_empty();
            if sight.is_none() {
                let again = Command::Outcome(key.clone(), outcome.clone());
                nothing(&next, &again, "the outcome once more");
            }
            moved
        }
        Step::See(id, seen) => {
            let service = next.state.services.get_mut(id).map(Arc::make_mut);
            let since = if seen.settled {
                FAR
            } else {
                SignedDuration::ZERO
            };
            let accepted_at = Some(next.now - since);
            service
                .into_iter()
                .for_each(|it| it.accepted_at = accepted_at);
            next.observed.insert(id.clone(), seen.observation.clone());
            let look = || Command::Observed(id.clone(), Box::new(seen.observation.clone()));
            let moved = !next.must(&Actor::barq(), look()).is_empty();
            nothing(&next, &look(), "the same look again");
            moved
        }
        Step::Elapse(deadline) => {
            elapse(&mut next, deadline);
            next.must(&Actor::barq(), Command::Wake);
            true
        }
        Step::Last(step) => return last(&next, step).and_then(|(next, step)| take(&next, &step)),
    };
    next.observed.clear();
    moved.then_some(next)
}

fn nothing(world: &World, command: &Command, what: &str) {
    let events = world.decide(&Actor::barq(), command.clone()).unwrap();
    assert!(
        events.is_empty(),
        "{what} changes something: {command:?}\n{events:?}"
    );
}

/// Everything that can happen in a world; what must not change anything is tried on the way.
pub(in super::super) fn possible(world: &World, bounds: &Bounds) -> Vec<Step> {
    let sights = seen::sights(world);
    let mut steps: Vec<Step> = deadlines(world).into_iter().map(Step::Elapse).collect();
    for command in commands(world, bounds) {
        if world.decide(&lead(), command.clone()).is_ok() {
            assert_roles(world, &command);
            let give = |sight: Sight| Step::Give(lead(), command.clone(), sight);
            steps.extend(differing(world, &lead(), &command, &sights).map(give));
        }
    }
    for (key, effect) in crate::unfinished(&world.state) {
        assert_late(world, &key, &success(&effect));
        for outcome in outcomes(world, &effect) {
            let command = Command::Outcome(key.clone(), outcome.clone());
            let come = |sight: Sight| Step::Outcome(key.clone(), outcome.clone(), sight);
            steps.push(Step::Last(Box::new(come(None))));
            steps.extend(differing(world, &Actor::barq(), &command, &sights).map(come));
        }
    }
    for service in world.state.services.values() {
        for seen in seen::observations(world, service) {
            let lost = seen.observation.canary.as_ref().is_some_and(|it| {
                matches!(it.state, CanaryState::LeaseExpired | CanaryState::Suspended)
            });
            let step = Step::See(service.id.clone(), Box::new(seen));
            if lost {
                steps.push(Step::Last(Box::new(step.clone())));
            }
            steps.push(step);
        }
    }
    steps
}

/// An outcome of another attempt, round or generation is late, and changes nothing.
fn assert_late(world: &World, key: &EffectKey, outcome: &Outcome) {
    let mut others = vec![EffectKey {
        attempt: key.attempt + 7,
        ..key.clone()
    }];
    if key.attempt > 1 {
        let attempt = key.attempt - 1;
        others.push(EffectKey {
            attempt,
            ..key.clone()
        });
    }
    let target = match &key.target {
        EffectTarget::Configure(id, generation) => {
            Some(EffectTarget::Configure(id.clone(), generation - 1))
        }
        EffectTarget::Verify(id, round) => Some(EffectTarget::Verify(id.clone(), round + 1)),
        _ => None,
    };
    let attempt = key.attempt;
    others.extend(target.map(|target| EffectKey { target, attempt }));
    for late in others {
        nothing(
            world,
            &Command::Outcome(late, outcome.clone()),
            "a late outcome",
        );
    }
}

/// Nothing seen, and all sights that make a difference to a command.
fn differing<'a>(
    world: &World,
    by: &Actor,
    command: &Command,
    sights: &'a [Sight],
) -> impl Iterator<Item = Sight> + use<'a> {
    let decide = |sight: &Sight| {
        let mut world = world.clone();
        world.observed = sight
            .clone()
            .map(|(id, it)| (id, *it))
            .into_iter()
            .collect();
        world.decide(by, command.clone())
    };
    // What is seen counts only under a plan that is accepted.
    let counts = |sight: &Sight| {
        let service = sight.as_ref().map(|(id, _)| &world.state.services[id]);
        let accepts = matches!(command, Command::Outcome(key, _) if matches!(key.target, EffectTarget::Configure(..)));
        accepts || service.is_some_and(|it| it.accepted == it.generation)
    };
    let plain = decide(&None);
    let differ: Vec<bool> = sights
        .iter()
        .map(|it| counts(it) && decide(it) != plain)
        .collect();
    let others = sights.iter().zip(differ).filter(|(_, differs)| *differs);
    [None]
        .into_iter()
        .chain(others.map(|(sight, _)| sight.clone()))
}

/// A command that is accepted is accepted from all who may give it, and from nobody else.
fn assert_roles(world: &World, command: &Command) {
    for role in Role::ALL {
        let answer = world.asked(&actor("somebody", role), command.clone());
        let least = least_role(world, command);
        assert_eq!(
            answer.is_ok(),
            role >= least,
            "{command:?} by {role}: {answer:?}"
        );
    }
}

fn least_role(world: &World, command: &Command) -> Role {
    match command {
        Command::Retry { force: true, .. } => Role::Operator,
        Command::Push(_) | Command::Retry { .. } => Role::Developer,
        Command::Approve { delivery, .. } | Command::Reject { delivery, .. } => {
            match &world.state.deliveries[delivery].phase {
                delivery::Phase::AwaitingApproval(gate) => gate.role,
                other => panic!("{delivery} is {other:?}"),
            }
        }
        Command::Cancel { delivery, .. } => match &world.state.deliveries[delivery].phase {
            delivery::Phase::RollingOut { .. } => Role::Operator,
            _ => Role::Developer,
        },
        _ => Role::Operator,
    }
}

fn commands(world: &World, bounds: &Bounds) -> Vec<Command> {
    let mut all = Vec::new();
    let state = &world.state;
    let last = state.apps[&app()].last_delivery;
    let message = || None;
    for id in state.deliveries.keys() {
        let delivery = || id.clone();
        if bounds.again && last < bounds.deliveries_max {
            for force in [false, true] {
                all.push(Command::Retry {
                    delivery: delivery(),
                    force,
                });
            }
        }
        all.push(Command::Approve {
            delivery: delivery(),
            message: message(),
        });
        all.push(Command::Reject {
            delivery: delivery(),
            message: message(),
        });
        all.push(Command::Cancel {
            delivery: delivery(),
            message: message(),
        });
    }
    if last < bounds.deliveries_max {
        all.push(push(last + 1, bounds.configuration.clone()));
    }
    for id in state.rollouts.keys() {
        let rollout = || id.clone();
        all.push(Command::Pause(rollout()));
        all.push(Command::Resume(rollout()));
        for full in [false, true] {
            all.push(Command::Promote {
                rollout: rollout(),
                full,
            });
        }
        all.push(Command::Abort {
            rollout: rollout(),
            message: message(),
        });
    }
    of_services(world, bounds, &mut all);
    all
}

fn of_services(world: &World, bounds: &Bounds, all: &mut Vec<Command>) {
    let (state, message) = (&world.state, || None);
    for environment in &bounds.configuration.environments {
        let service = || service(&environment.name);
        let revisions = state
            .service(&service())
            .into_iter()
            .flat_map(|it| it.revisions.values());
        for to in revisions.map(|it| Some(it.name.clone())).chain([None]) {
            all.push(Command::RollBack {
                service: service(),
                to,
                message: message(),
            });
        }
        all.push(Command::Lock {
            service: service(),
            message: "why".to_owned(),
        });
        all.push(Command::Unlock {
            service: service(),
            message: message(),
        });
    }
}

/// Every way that an effect can end.
fn outcomes(world: &World, effect: &Effect) -> Vec<Outcome> {
    let reason = || "why".to_owned();
    let mut all = vec![success(effect), Outcome::NoResult { error: reason() }];
    match effect {
        Effect::RunCheck { .. } => {
            all.push(Outcome::CheckStarted);
            let skipped = CheckOutcome::Skipped { reason: reason() };
            for outcome in [
                CheckOutcome::Failed { code: 1 },
                CheckOutcome::TimedOut,
                skipped,
            ] {
                all.push(Outcome::CheckFinished {
                    outcome,
                    duration_ms: 1,
                });
            }
        }
        Effect::BuildImage { .. } => all.push(Outcome::BuildFailed { reason: reason() }),
        Effect::Configure {
            service,
            generation,
            ..
        } => {
            let refused = |refusal| Outcome::ConfigurationRefused(refusal);
            let current = generation + 3;
            all.push(refused(PlanRefusal::StaleGeneration { current }));
            all.push(refused(PlanRefusal::Invalid { reason: reason() }));
            let held = &world.state.services[service];
            let heard = held
                .stable
                .iter()
                .map(|it| seen::trip(held, held.last_trip, it));
            let trips = seen::unheard_trips(world, held).into_iter().chain(heard);
            all.extend(trips.map(|it| refused(PlanRefusal::UnheardTrip(it))));
        }
        Effect::SmokeTest { .. } => all.push(Outcome::SmokeTested {
            lines: vec![line(false)],
        }),
        Effect::ProveTarget { .. } => all.push(Outcome::TargetProbed {
            ready: 0,
            desired: 1,
            failures: vec!["not ready".to_owned()],
        }),
        Effect::Verify { .. } => all.push(Outcome::VersionProbed {
            lines: vec![line(false)],
        }),
        Effect::StopCheck { .. } | Effect::StopBuild { .. } | Effect::GatherEvidence { .. } => {}
    }
    all
}

/// What is not due yet.
pub(super) fn deadlines(world: &World) -> Vec<Deadline> {
    let now = world.now;
    let gates = world
        .state
        .deliveries
        .values()
        .filter_map(|it| match &it.phase {
            delivery::Phase::AwaitingApproval(gate) => {
                (gate.expires_at > now).then(|| Deadline::Gate(it.id.clone()))
            }
            _ => None,
        });
    let ready = world.state.rollouts.values().filter(|it| {
        !matches!(it.phase, Phase::Verifying { .. })
            && crate::deadline(it).is_some_and(|at| at > now)
    });
    let mut all: Vec<Deadline> = gates
        .chain(ready.map(|it| Deadline::Ready(it.id.clone())))
        .collect();
    for it in world.state.services.values() {
        let warm = it.warm.as_ref().filter(|warm| warm.until > now);
        let guard = it.guard.as_ref().filter(|guard| guard.until > now);
        all.extend(warm.map(|_| Deadline::Warm(it.id.clone())));
        all.extend(guard.map(|_| Deadline::Guard(it.id.clone())));
    }
    all
}

fn elapse(world: &mut World, deadline: &Deadline) {
    let now = world.now;
    let state = &mut world.state;
    match deadline {
        Deadline::Gate(id) => {
            let it = state.deliveries.get_mut(id).map(Arc::make_mut).unwrap();
            if let delivery::Phase::AwaitingApproval(gate) = &mut it.phase {
                gate.expires_at = now;
            }
        }
        Deadline::Warm(id) => {
            let it = state.services.get_mut(id).map(Arc::make_mut).unwrap();
            it.warm.iter_mut().for_each(|it| it.until = now);
        }
        Deadline::Guard(id) => {
            let it = state.services.get_mut(id).map(Arc::make_mut).unwrap();
            it.guard.iter_mut().for_each(|it| it.until = now);
        }
        Deadline::Ready(id) => {
            let it = state.rollouts.get_mut(id).map(Arc::make_mut).unwrap();
            it.phase_since = now - FAR;
        }
    }
}

/// The same step where it is the last one that the limit allows; none where nothing is counted.
fn last(world: &World, step: &Step) -> Option<(World, Step)> {
    let mut next = world.clone();
    match step {
        Step::Outcome(key, outcome @ Outcome::NoResult { .. }, sight) => {
            let retry = Retry {
                failed: ATTEMPTS_MAX - 1,
                not_before: world.now,
                since: world.now,
                error: String::new(),
            };
            next.state.retries.insert(key.target.clone(), retry);
            let (target, attempt) = (key.target.clone(), ATTEMPTS_MAX);
            let step = Step::Outcome(
                EffectKey { target, attempt },
                outcome.clone(),
                sight.clone(),
            );
            Some((next, step))
        }
        Step::Outcome(key, outcome @ Outcome::TargetProbed { .. }, sight) => {
            let EffectTarget::Prove(id) = &key.target else {
                return None;
            };
            let it = next.state.rollouts.get_mut(id).map(Arc::make_mut)?;
            it.target_unfit = UNFIT_ANSWERS_MAX - 1;
            Some((
                next,
                Step::Outcome(key.clone(), outcome.clone(), sight.clone()),
            ))
        }
        Step::Outcome(key, outcome @ Outcome::VersionProbed { .. }, sight) => {
            let EffectTarget::Verify(id, _) = &key.target else {
                return None;
            };
            let it = next.state.rollouts.get_mut(id).map(Arc::make_mut)?;
            it.phase = Phase::Verifying {
                round: VERIFY_ROUNDS_MAX,
                retry_at: None,
            };
            let target = EffectTarget::Verify(id.clone(), VERIFY_ROUNDS_MAX);
            // Of this round there was no attempt yet.
            let step = Step::Outcome(
                EffectKey { target, attempt: 1 },
                outcome.clone(),
                sight.clone(),
            );
            Some((next, step))
        }
        Step::See(id, _) => {
            let running = next.state.services[id].rollout.clone()?;
            let it = next.state.rollouts.get_mut(&running).map(Arc::make_mut)?;
            it.progress.entry = STEP_ENTRIES_MAX;
            let it = next.state.services.get_mut(id).map(Arc::make_mut)?;
            it.plan.canary.as_mut()?.entry = STEP_ENTRIES_MAX;
            Some((next, step.clone()))
        }
        _ => None,
    }
}
