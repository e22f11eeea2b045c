//! What can happen next: every command, every outcome, every observation, every deadline.
//!
//! A command and an outcome are also given while something is seen that nobody has judged yet (`Sight`).

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::SignedDuration;

use super::super::world::*;
use super::Bounds;
use super::canonical::FAR;
use super::limits::{self, Limit};
use super::seen;
use crate::command::Command;
use crate::configuration::Role;
use crate::delivery;
use crate::effect::{Effect, EffectKey, EffectTarget, Outcome, PlanRefusal};
use crate::event::{Actor, CheckOutcome};
use crate::identity::{DeliveryId, RevisionName, RolloutId, ServiceId};
use crate::observation::Observation;
use crate::rollout::Phase;
use crate::service::Service;

/// What is seen of a service while something else is decided.
pub(in super::super) type Sight = Option<(ServiceId, Box<Observation>)>;

/// One step of a walk.
#[derive(Debug, Clone)]
pub(in super::super) enum Step {
    Give(Actor, Command, Sight),
    Outcome(EffectKey, Outcome, Sight),
    See(ServiceId, Box<seen::Seen>),
    Elapse(Deadline),
    /// The step, where it is the last one that a limit allows.
    Last(Limit, Box<Step>),
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
        Step::Last(limit, step) => {
            let (next, step) = limit.last(&next, step);
            return take(&next, &step);
        }
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
            let differ = differing(world, &lead(), &command, &sights);
            steps.extend(with_sights(&sights, &differ).map(give));
        }
    }
    for (key, effect) in crate::unfinished(&world.state) {
        assert_late(world, &key, &success(&effect));
        for outcome in outcomes(world, &effect) {
            let differ = differing_ever(world, &key, &outcome, &sights);
            let come = |sight: Sight| Step::Outcome(key.clone(), outcome.clone(), sight);
            steps.extend(with_sights(&sights, &differ).map(come));
        }
    }
    for service in world.state.services.values() {
        assert_targets(world, service);
        let seen = seen::observations(world, service).into_iter();
        steps.extend(seen.map(|seen| Step::See(service.id.clone(), Box::new(seen))));
    }
    steps.into_iter().flat_map(and_last).collect()
}

/// The step, and as the last one that each of its limits allows.
fn and_last(step: Step) -> Vec<Step> {
    let last = limits::of(&step)
        .into_iter()
        .map(|limit| Step::Last(limit, Box::new(step.clone())));
    let mut all: Vec<Step> = last.collect();
    all.push(step);
    all
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

/// Nothing seen, and the sights that make a difference.
fn with_sights(sights: &[Sight], differ: &[bool]) -> impl Iterator<Item = Sight> {
    let differing = sights.iter().zip(differ).filter(|(_, differs)| **differs);
    [None]
        .into_iter()
        .chain(differing.map(|(it, _)| it.clone()))
}

/// Which sights make a difference to an outcome, be it the first one that is counted or the last: the same ones whatever was
/// counted before.
fn differing_ever(
    world: &World,
    key: &EffectKey,
    outcome: &Outcome,
    sights: &[Sight],
) -> Vec<bool> {
    let plain = Step::Outcome(key.clone(), outcome.clone(), None);
    let mut counted: Vec<(World, Step)> = limits::of(&plain)
        .iter()
        .flat_map(|it| [it.first(world, &plain), it.last(world, &plain)])
        .collect();
    if counted.is_empty() {
        counted.push((world.clone(), plain));
    }
    let mut ever = vec![false; sights.len()];
    for (world, step) in counted {
        if let Step::Outcome(key, outcome, _) = step {
            let command = Command::Outcome(key, outcome);
            let differ = differing(&world, &Actor::barq(), &command, sights);
            ever.iter_mut()
                .zip(differ)
                .for_each(|(ever, it)| *ever |= it);
        }
    }
    ever
}

/// Which sights make a difference to a command.
fn differing(world: &World, by: &Actor, command: &Command, sights: &[Sight]) -> Vec<bool> {
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
    sights
        .iter()
        .map(|it| counts(it) && decide(it) != plain)
        .collect()
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

/// At rest, the revisions that a rollback is offered to are those that it is taken to.
fn assert_targets(world: &World, service: &Service) {
    if service.rollout.is_some() || service.stable.is_none() {
        return;
    }
    let taken = service.revisions.values().filter(|revision| {
        let command = Command::RollBack {
            service: service.id.clone(),
            to: Some(revision.name.clone()),
            message: None,
        };
        world.asked(&lead(), command).is_ok()
    });
    let taken: BTreeSet<&RevisionName> = taken.map(|it| &it.name).collect();
    let offered: BTreeSet<&RevisionName> = service.rollback_targets().map(|it| &it.name).collect();
    assert_eq!(offered, taken, "{}", world.describe());
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
