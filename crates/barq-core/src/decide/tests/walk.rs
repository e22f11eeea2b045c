//! Every state that a small rollout can reach: each command, each outcome, each observation in each state.
//!
//! Time is abstract: every step takes a millisecond, a wake goes to the next deadline, and states that differ only in
//! their times count as one. So do states that differ only in how far generations and ids have counted.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::world::*;
use crate::command::Command;
use crate::configuration::{Configuration, PRODUCTION, Role};
use crate::delivery::End;
use crate::effect::{Effect, EffectKey, EffectTarget, Outcome, PlanRefusal};
use crate::event::{Actor, CheckOutcome, Trip};
use crate::observation::{CanaryState, Observation};
use crate::service::Service;
use crate::state::State;
use crate::{delivery as deliveries, explain};

/// Deliveries beyond this are not begun.
const DELIVERIES_MAX: u64 = 3;
/// States beyond this are met, but not gone on from: the random walks go there.
const STATES_MAX: usize = 2_500;

/// One step of the walk.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Give(Actor, Command),
    Outcome(EffectKey, Outcome),
    /// No result, until it is given up or ten attempts are made.
    NeverResults(EffectTarget),
    /// Another such outcome, until something else is asked for or ten attempts are made.
    Again(EffectTarget, Outcome),
    See(Box<Observation>),
    Wake,
}

#[test]
fn first_delivery_of_a_service() {
    let mut world = World::new();
    world.must(&lead(), push(1, small()));
    walk("first delivery", world, 1, &small());
}

#[test]
fn canary_beside_a_stable_revision() {
    let mut world = World::new();
    world.deliver(1, small());
    world.must(&lead(), push(2, small()));
    world.reach_gate(&delivery(2));
    walk("canary", world, 2, &small());
}

#[test]
fn canary_with_a_delivery_behind_it() {
    let world = World::holding(&small());
    walk("two deliveries", world, DELIVERIES_MAX, &small());
}

fn walk(name: &str, first: World, deliveries_max: u64, configuration: &Configuration) {
    let mut known: HashMap<u64, usize> = HashMap::new();
    let mut edges: Vec<Vec<usize>> = vec![Vec::new()];
    let mut worlds = vec![first.clone()];
    let mut queue = VecDeque::from([(0, first)]);
    let mut steps = 0_usize;
    let mut cut = Vec::new();
    known.insert(fingerprint(&worlds[0]), 0);
    while let Some((from, world)) = queue.pop_front() {
        assert_explained(&world);
        if worlds.len() >= STATES_MAX {
            cut.push(from);
            continue;
        }
        for step in possible(&world, deliveries_max, configuration) {
            steps += 1;
            let Some(next) = take(&world, &step) else {
                continue;
            };
            let to = *known.entry(fingerprint(&next)).or_insert_with(|| {
                edges.push(Vec::new());
                worlds.push(next.clone());
                queue.push_back((worlds.len() - 1, next));
                worlds.len() - 1
            });
            edges[from].push(to);
        }
    }
    assert_all_can_end(&worlds, &edges, &cut);
    println!(
        "{name}: {} states, {steps} steps, {} at the edge",
        worlds.len(),
        cut.len()
    );
}

/// The world after the step; none where it is refused or changes nothing.
pub(super) fn take(world: &World, step: &Step) -> Option<World> {
    let mut next = world.clone();
    match step {
        Step::Give(actor, command) => {
            next.give(actor, command.clone()).ok()?;
        }
        Step::Outcome(key, outcome) => {
            next.outcome(key.clone(), outcome.clone());
        }
        Step::NeverResults(target) => {
            let error = "no answer".to_owned();
            repeat(&mut next, target, &Outcome::NoResult { error });
        }
        Step::Again(target, outcome) => repeat(&mut next, target, outcome),
        Step::See(observation) => {
            next.see(PRODUCTION, observation.as_ref().clone());
            // What is seen is not kept: another decision may come before or after the next look.
            next.observed.clear();
        }
        Step::Wake => {
            next.now = crate::next_deadline(&next.state, next.now)?;
            next.must(&Actor::barq(), Command::Wake);
        }
    }
    Some(next)
}

fn repeat(world: &mut World, target: &EffectTarget, outcome: &Outcome) {
    for _ in 0..10 {
        let wanted = crate::unfinished(&world.state)
            .into_keys()
            .find(|key| same_kind(&key.target, target));
        let Some(key) = wanted else { return };
        world.outcome(key, outcome.clone());
        if let Some(at) = crate::next_deadline(&world.state, world.now) {
            // Only the pauses between attempts.
            world.now = at.min(world.now + jiff::SignedDuration::from_secs(20));
            world.must(&Actor::barq(), Command::Wake);
        }
    }
}

/// The rounds of a verification are one target here.
fn same_kind(one: &EffectTarget, other: &EffectTarget) -> bool {
    match (one, other) {
        (EffectTarget::Verify(one, _), EffectTarget::Verify(other, _)) => one == other,
        (one, other) => one == other,
    }
}

pub(super) fn possible(
    world: &World,
    deliveries_max: u64,
    configuration: &Configuration,
) -> Vec<Step> {
    let mut steps = vec![Step::Wake];
    commands(world, deliveries_max, configuration, &mut steps);
    for (key, effect) in crate::unfinished(&world.state) {
        steps.push(Step::NeverResults(key.target.clone()));
        for outcome in outcomes(world, &effect) {
            if !matches!(outcome, Outcome::Configured { .. }) {
                steps.push(Step::Again(key.target.clone(), outcome.clone()));
            }
            let late = EffectKey {
                attempt: key.attempt + 7,
                ..key.clone()
            };
            let unmoved = world.decide(&Actor::barq(), Command::Outcome(late, outcome.clone()));
            assert!(
                unmoved.unwrap().is_empty(),
                "a late outcome of {key} changes something"
            );
            steps.push(Step::Outcome(key.clone(), outcome));
        }
    }
    if let Some(service) = world.state.service(&service(PRODUCTION)) {
        for observation in observations(world, service) {
            steps.push(Step::See(Box::new(observation)));
        }
    }
    steps
}

fn commands(
    world: &World,
    deliveries_max: u64,
    configuration: &Configuration,
    steps: &mut Vec<Step>,
) {
    let mut give = |command: Command| steps.push(Step::Give(lead(), command));
    let last = world.state.apps[&app()].last_delivery;
    if last < deliveries_max {
        give(push(last + 1, configuration.clone()));
        for force in [false, true] {
            give(Command::Retry {
                delivery: delivery(last),
                force,
            });
        }
    }
    for id in world
        .state
        .deliveries
        .keys()
        .filter(|id| id.number > 1 || last == 1)
    {
        let (delivery, message) = (id.clone(), None);
        give(Command::Approve {
            delivery: delivery.clone(),
            message: message.clone(),
        });
        give(Command::Reject {
            delivery: delivery.clone(),
            message: message.clone(),
        });
        give(Command::Cancel { delivery, message });
    }
    for rollout in world.state.rollouts.keys() {
        let rollout = || rollout.clone();
        give(Command::Pause(rollout()));
        give(Command::Resume(rollout()));
        for full in [false, true] {
            give(Command::Promote {
                rollout: rollout(),
                full,
            });
        }
        give(Command::Abort {
            rollout: rollout(),
            message: None,
        });
    }
    of_service(world, steps);
}

/// Rollbacks and locks, and approvals by everybody.
fn of_service(world: &World, steps: &mut Vec<Step>) {
    let mut give = |command: Command| steps.push(Step::Give(lead(), command));
    let Some(held) = world.state.service(&service(PRODUCTION)) else {
        return;
    };
    let targets = held.revisions.values().map(|it| Some(it.name.clone()));
    for to in targets.chain([None]) {
        give(Command::RollBack {
            service: held.id.clone(),
            to,
            message: None,
        });
    }
    give(Command::Lock {
        service: held.id.clone(),
        message: "why".to_owned(),
    });
    give(Command::Unlock {
        service: held.id.clone(),
        message: None,
    });
    for role in Role::ALL {
        for delivery in world.state.deliveries.keys().cloned() {
            let command = Command::Approve {
                delivery,
                message: None,
            };
            steps.push(Step::Give(actor("somebody", role), command));
        }
    }
}

/// Every way that an effect can end.
fn outcomes(world: &World, effect: &Effect) -> Vec<Outcome> {
    let mut all = vec![success(effect)];
    match effect {
        Effect::RunCheck { .. } => {
            all.push(Outcome::CheckStarted);
            for outcome in [CheckOutcome::Failed { code: 1 }, CheckOutcome::TimedOut] {
                all.push(Outcome::CheckFinished {
                    outcome,
                    duration_ms: 1,
                });
            }
        }
        Effect::BuildImage { .. } => all.push(Outcome::BuildFailed {
            reason: "why".to_owned(),
        }),
        Effect::Configure {
            service,
            generation,
            ..
        } => {
            let refused = |refusal| Outcome::ConfigurationRefused(refusal);
            all.push(refused(PlanRefusal::StaleGeneration {
                current: generation + 3,
            }));
            all.push(refused(PlanRefusal::Invalid {
                reason: "why".to_owned(),
            }));
            all.push(Outcome::Configured {
                durable: false,
                switched_us: 1,
            });
            let held = world.state.service(service).unwrap();
            let trips = unheard_trips(world, held);
            all.extend(
                trips
                    .into_iter()
                    .map(|it| refused(PlanRefusal::UnheardTrip(it))),
            );
        }
        Effect::SmokeTest { .. } => all.push(Outcome::SmokeTested {
            lines: vec![line(false)],
        }),
        Effect::ProveTarget { .. } => all.push(Outcome::TargetProbed {
            ready: 0,
            desired: 2,
            failures: vec!["not ready".to_owned()],
        }),
        Effect::Verify { .. } => all.push(Outcome::VersionProbed {
            lines: vec![line(false)],
        }),
        Effect::StopCheck { .. } | Effect::StopBuild { .. } | Effect::GatherEvidence { .. } => {}
    }
    all
}

fn trip(service: &Service, revision: crate::identity::RevisionName) -> Trip {
    Trip {
        number: service.last_trip + 1,
        revision,
        generation: service.accepted,
        step: 1,
        errors: 2,
        at: jiff::Timestamp::UNIX_EPOCH,
        shifted_us: 1,
        in_flight: 0,
        recall: None,
    }
}

/// What the data plane may see, under the plan in force or another one.
fn observations(world: &World, service: &Service) -> Vec<Observation> {
    let progress = world
        .state
        .running(service)
        .map(|it| it.progress.clone())
        .unwrap_or_default();
    let (errors, served) = (progress.counts.errors, progress.served_ms);
    let fine = healthy(service, served + HOLD_MS, 1, errors);
    let mut all = vec![fine.clone(), healthy(service, served, 0, 0)];
    for (served, errors) in [(served, 1), (served + HOLD_MS, 1), (served + HOLD_MS, 2)] {
        all.push(healthy(service, served, 2, errors));
    }
    let with = |change: &dyn Fn(&mut Observation)| {
        let mut changed = fine.clone();
        change(&mut changed);
        changed
    };
    for state in [CanaryState::LeaseExpired, CanaryState::Suspended] {
        all.push(with(&|it| {
            it.canary.iter_mut().for_each(|it| it.state = state);
        }));
    }
    all.push(with(&|it| {
        it.revisions.values_mut().for_each(|it| it.ready = 0);
    }));
    all.push(with(&|it| {
        for seen in it.revisions.values_mut() {
            (seen.ready, seen.failed_starts) = (0, 3);
        }
    }));
    all.push(with(&|it| it.watch_exceeded = Some(4)));
    all.push(with(&|it| it.generation = it.generation.saturating_sub(1)));
    all.push(Observation::default());
    for trip in unheard_trips(world, service) {
        all.push(with(&|it| {
            it.trip = Some(trip.clone());
            it.canary
                .iter_mut()
                .for_each(|it| it.state = CanaryState::Tripped);
        }));
    }
    all
}

/// A trip that was not heard of yet: of a canary that has traffic, or had it under the plan in force at the data plane.
fn unheard_trips(world: &World, service: &Service) -> Vec<Trip> {
    let running = world
        .state
        .running(service)
        .filter(|it| it.moved && it.direct.is_none())
        .map(|it| it.start.revision.clone());
    let proved = service
        .stable_revision()
        .filter(|_| service.accepted < service.generation && !service.history.is_empty())
        .filter(|_| service.plan.canary.is_none() && running.is_none())
        .filter(|it| {
            world
                .state
                .rollout(&it.rollout)
                .is_some_and(|it| it.direct.is_none())
        })
        .map(|it| it.name.clone());
    let names = running.into_iter().chain(proved);
    let few = service.last_trip < 2;
    names
        .filter(|_| few)
        .map(|name| trip(service, name))
        .collect()
}

/// What makes two states the same: everything but times, and how far numbers have counted.
fn fingerprint(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    let state = &world.state;
    for it in state.deliveries.values() {
        let approval = it.approval.as_ref().map(|it| (&it.binding, it.by.role));
        let checks: Vec<_> = it
            .checks
            .iter()
            .map(|it| (it.state_name(), it.to_stop))
            .collect();
        let gate = match &it.phase {
            deliveries::Phase::AwaitingApproval(gate) => format!("{:?}", gate.reasons),
            deliveries::Phase::Ended(End::Failed { .. }) => "failed".to_owned(),
            phase => format!("{phase:?}"),
        };
        let build = (it.build_started.is_some(), it.build_ms, it.build_stopped);
        format!(
            "{gate} {checks:?} {approval:?} {build:?} {:?} {}",
            it.image, it.push.forced
        )
        .hash(&mut hasher);
    }
    for it in state.rollouts.values() {
        let progress = &it.progress;
        let held = progress.held_ms.min(HOLD_MS);
        let counted = (
            progress.entry,
            held,
            progress.before.errors.min(2),
            progress.counts.errors.min(2),
        );
        let phase = match &it.phase {
            crate::rollout::Phase::Verifying { round, .. } => format!("verifying {round}"),
            phase => format!("{phase:?}"),
        };
        let cause = it
            .rollback
            .as_ref()
            .map(|it| std::mem::discriminant(&it.cause));
        let more = (
            it.paused.is_some(),
            it.full,
            it.was_stable,
            it.size,
            it.stable_size,
        );
        let requests = it.counts().requests > 0;
        format!(
            "{phase} {} {counted:?} {requests} {more:?} {cause:?} {:?}",
            it.step,
            it.direct.is_some()
        )
        .hash(&mut hasher);
    }
    of_services(state, &mut hasher);
    hasher.finish()
}

fn of_services(state: &State, mut hasher: &mut DefaultHasher) {
    for it in state.services.values() {
        let gates = (
            it.lock.is_some(),
            it.rolled_back.is_some(),
            it.quarantine.len(),
            it.entered,
        );
        let watch = (it.warm.is_some(), it.guard.as_ref().map(|it| it.exceeded));
        let plan = (
            &it.plan.traffic,
            &it.plan.revisions,
            it.plan.watch.is_some(),
        );
        let force = (it.accepted == it.generation, it.last_trip);
        format!(
            "{:?} {:?} {gates:?} {watch:?} {plan:?} {force:?}",
            it.stable, it.history
        )
        .hash(&mut hasher);
    }
    state
        .incidents
        .values()
        .filter(|it| it.evidence.is_none())
        .count()
        .hash(&mut hasher);
    for (target, retry) in &state.retries {
        let target = match target {
            EffectTarget::Configure(..) => "configure".to_owned(),
            other => format!("{other:?}"),
        };
        (target, retry.failed.min(2)).hash(&mut hasher);
    }
}

/// Whoever has not ended can say what it waits for.
fn assert_explained(world: &World) {
    for it in world.state.deliveries.values().filter(|it| !it.ended()) {
        let waits = explain(&world.state, &world.observed, it, world.now);
        assert!(
            waits.is_some(),
            "{} does not say what it waits for:\n{}",
            it.id,
            world.describe()
        );
    }
}

/// From every state there is a way to one where nothing is left to do, or to the edge of the walk.
fn assert_all_can_end(worlds: &[World], edges: &[Vec<usize>], cut: &[usize]) {
    let mut back: Vec<Vec<usize>> = vec![Vec::new(); worlds.len()];
    for (from, targets) in edges.iter().enumerate() {
        for to in targets {
            back[*to].push(from);
        }
    }
    let at_rest = |world: &World| {
        crate::unfinished(&world.state).is_empty()
            && world.state.deliveries.values().all(|it| it.ended())
            && world.state.services.values().all(|it| it.rollout.is_none())
    };
    let mut ends: Vec<bool> = worlds.iter().map(at_rest).collect();
    for edge in cut {
        ends[*edge] = true;
    }
    let mut queue: VecDeque<usize> = (0..worlds.len()).filter(|it| ends[*it]).collect();
    assert!(!queue.is_empty(), "nothing ever ends");
    while let Some(state) = queue.pop_front() {
        for from in std::mem::take(&mut back[state]) {
            if !ends[from] {
                ends[from] = true;
                queue.push_back(from);
            }
        }
    }
    let stuck = ends.iter().position(|ends| !ends);
    assert!(
        stuck.is_none(),
        "stuck:\n{}",
        worlds[stuck.unwrap_or(0)].describe()
    );
}
