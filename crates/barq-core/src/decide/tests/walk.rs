//! Every state that small worlds can reach: each command by each role, each outcome, each look at the data plane, each
//! deadline, in each state. Every walk ends because there is nothing new, none is cut off.
//!
//! | world | what it has | states |
//! | --- | --- | --- |
//! | `first_delivery` | checks that need each other, build, gate, the first release straight to 100 % | 69 |
//! | `canary` | a canary of 50 % and 100 % beside stable, with the guard of the rollout before: proof, limit, trip, recall, lease, restarts, verification, and the way back | 3,684 |
//! | `at_rest` | three releases that have succeeded, guard and warm revision: rollbacks to each, late trips | 184 |
//! | `queue` | a rollout, and another delivery that is pushed at any time and waits for it or takes its place | 3,193 |
//! | `again` | at rest, and any of what was delivered before tried again, forced or not, past the quarantine | 3,168 |
//! | `hand_over` | two environments: one delivery goes from staging to production, is taken back in either | 1,920 |
//!
//! Instances are one, an image needs no checks but in the first world, and there is no canary where two deliveries meet, so
//! that each world is small; between them all that a rollout can meet is there. States are walked by their representatives
//! (`canonical`), whose charter says what is not told apart and why that is sound; `sound` tests it. A command and an
//! outcome come with and without something in sight that nobody has judged yet; so does the last one that a limit allows.
//!
//! Beside the invariants, which `World::give` checks at each event: a state that waits says for what; something ends each
//! wait (an effect, a deadline, the next look, a person); a duplicate or late outcome and the same look again change
//! nothing; a command is accepted from the roles that may give it and from no other; and from every state there is a way to
//! where nothing is left to do. Tokens are left out: they touch nothing else.
//!
//! Where a walk has become long, `cargo nextest run -p barq-core walk --no-capture` tells what its states are made of.

mod canonical;
mod known;
mod limits;
mod seen;
mod sound;
mod steps;

use std::collections::VecDeque;
use std::time::Duration;

use self::canonical::{apart, canonical};
use self::known::Known;
use super::world::*;
use crate::command::Command;
use crate::configuration::{Configuration, Environment, PRODUCTION, STAGING};
use crate::delivery::{self, Delivery};
use crate::effect::EffectTarget;
use crate::rollout::{Phase, Rollout};
use crate::{deadline, explain};

pub(super) use self::steps::{possible, take};

/// Shorter than any look that shows that something was served.
const HOLD_MS: u64 = 1;
/// Errors of a step.
const LIMIT: u32 = 2;

/// More than this are no small world.
const STATES_MAX: usize = 20_000;

/// What may happen in a world beside what is asked for.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    /// Deliveries beyond this are not begun.
    pub(super) deliveries_max: u64,
    /// Whether what has ended is also tried again.
    pub(super) again: bool,
    /// Whether evidence of incidents comes at once; else it comes at any time, and nobody has seen what.
    pub(super) told_at_once: bool,
    /// What is pushed.
    pub(super) configuration: Configuration,
}

#[test]
fn first_delivery() {
    let bounds = Bounds {
        deliveries_max: 1,
        again: false,
        told_at_once: false,
        configuration: Configuration {
            checks: vec![check("test", &[]), check("lint", &["test"])],
            ..configuration(vec![guarded(production(&[]))])
        },
    };
    walk("first delivery", &bounds.pushed(), &bounds, 69);
}

#[test]
fn canary() {
    let bounds = Bounds {
        deliveries_max: 2,
        again: false,
        told_at_once: true,
        configuration: unchecked(vec![watched(production(&[50]))]),
    };
    walk("canary", &bounds.at_gate(), &bounds, 3_600);
}

#[test]
fn at_rest() {
    let bounds = Bounds {
        deliveries_max: 3,
        again: false,
        told_at_once: false,
        configuration: unchecked(vec![guarded(production(&[50]))]),
    };
    let mut world = World::new();
    for number in 1..=3 {
        world.deliver(number, bounds.configuration.clone());
    }
    walk("at rest", &world, &bounds, 184);
}

#[test]
fn again() {
    let bounds = Bounds {
        deliveries_max: 3,
        again: true,
        told_at_once: true,
        configuration: unchecked(vec![production(&[])]),
    };
    let mut world = World::new();
    world.deliver(1, bounds.configuration.clone());
    world.deliver(2, bounds.configuration.clone());
    walk("again", &world, &bounds, 3_000);
}

#[test]
fn queue() {
    let bounds = Bounds {
        deliveries_max: 3,
        again: false,
        told_at_once: true,
        configuration: unchecked(vec![production(&[])]),
    };
    walk("queue", &bounds.at_gate(), &bounds, 3_000);
}

#[test]
fn hand_over() {
    let mut staging = production(&[]);
    (staging.name, staging.approval) = (STAGING.to_owned(), None);
    let bounds = Bounds {
        deliveries_max: 2,
        again: false,
        told_at_once: true,
        configuration: unchecked(vec![staging, production(&[])]),
    };
    let mut world = bounds.pushed();
    world.reach_gate(&delivery(1));
    let (delivery, message) = (delivery(1), None);
    world.must(&lead(), Command::Reject { delivery, message });
    world.must(&lead(), push(2, bounds.configuration.clone()));
    walk("hand-over", &world, &bounds, 1_800);
}

impl Bounds {
    /// The first delivery begins.
    fn pushed(&self) -> World {
        let mut world = World::new();
        world.must(&lead(), push(1, self.configuration.clone()));
        world
    }

    /// The first delivery serves, the second one waits for its approval.
    fn at_gate(&self) -> World {
        let mut world = World::new();
        world.deliver(1, self.configuration.clone());
        world.must(&lead(), push(2, self.configuration.clone()));
        world.reach_gate(&delivery(2));
        world
    }
}

/// An image is built at once, with no checks before.
fn unchecked(environments: Vec<Environment>) -> Configuration {
    Configuration {
        checks: Vec::new(),
        ..configuration(environments)
    }
}

/// Watched after each rollout.
fn watched(it: Environment) -> Environment {
    let guard = environment(PRODUCTION, true, &[]).guard;
    Environment { guard, ..it }
}

/// Watched after each rollout, with the revision before kept warm.
fn guarded(it: Environment) -> Environment {
    let keep = environment(PRODUCTION, true, &[]).keep;
    watched(Environment { keep, ..it })
}

/// Production, gated, with one instance, no guard, and nothing kept warm.
fn production(canary: &[u8]) -> Environment {
    let mut it = environment(PRODUCTION, true, canary);
    for step in it.steps.iter_mut().filter(|step| step.traffic < 100) {
        step.hold = Duration::from_millis(HOLD_MS);
        step.max_errors = Some(LIMIT);
    }
    (it.instances.max, it.guard, it.keep.warm) = (1, None, Duration::ZERO);
    it
}

/// Walks until nothing new is found. So many states are there at least: fewer would mean that the walk lost its way.
fn walk(name: &str, first: &World, bounds: &Bounds, states_min: usize) {
    let mut known = Known::default();
    let mut worlds = Vec::new();
    let mut edges: Vec<Vec<usize>> = Vec::new();
    let mut queue = VecDeque::new();
    let mut steps = 0_usize;
    let begun = std::time::Instant::now();
    let (_, first) = known.meet(apart(canonical(first, &Known::default()), bounds));
    queue.push_back(0);
    worlds.push(first.unwrap());
    edges.push(Vec::new());
    while let Some(from) = queue.pop_front() {
        let world = worlds[from].clone();
        for step in possible(&world, bounds) {
            steps += 1;
            let Some(next) = take(&world, &step) else {
                continue;
            };
            let (to, new) = known.meet(apart(canonical(&next, &known), bounds));
            edges[from].push(to);
            if let Some(new) = new {
                assert_goes_on(&next);
                worlds.push(new);
                assert!(
                    worlds.len() < STATES_MAX,
                    "{name} does not end\n{}",
                    known.describe()
                );
                edges.push(Vec::new());
                queue.push_back(to);
            }
        }
    }
    println!(
        "{name}: {} states, {steps} steps, {:?}\n{}",
        worlds.len(),
        begun.elapsed(),
        known.describe()
    );
    assert_all_can_end(&worlds, &edges);
    assert!(
        worlds.len() >= states_min,
        "{name} has only {} states",
        worlds.len()
    );
}

/// Whoever has not ended says what it waits for, and there is something that ends the wait: an effect, a deadline, the next
/// look at the data plane, or a person.
fn assert_goes_on(world: &World) {
    for it in world.state.deliveries.values().filter(|it| !it.ended()) {
        let waits = explain(&world.state, &world.observed, it, world.now);
        let told = waits.is_some_and(|it| !it.message.is_empty());
        assert!(
            told,
            "{} does not say what it waits for:\n{}",
            it.id,
            world.describe()
        );
        assert!(
            goes_on(world, it),
            "nothing will move {}:\n{}",
            it.id,
            world.describe()
        );
    }
    for it in world.state.rollouts.values().filter(|it| !it.ended()) {
        assert!(
            moves(world, it),
            "nothing will move {}:\n{}",
            it.id,
            world.describe()
        );
    }
    let dues = steps::deadlines(world).len();
    let wakes = crate::next_deadline(&world.state, world.now).is_some();
    assert!(
        dues == 0 || wakes,
        "a deadline comes and nobody wakes:\n{}",
        world.describe()
    );
}

fn goes_on(world: &World, it: &Delivery) -> bool {
    let asked = |fits: &dyn Fn(&EffectTarget) -> bool| {
        crate::unfinished(&world.state)
            .keys()
            .any(|key| fits(&key.target))
    };
    match &it.phase {
        delivery::Phase::Checking => {
            asked(&|target| matches!(target, EffectTarget::Check(id, _) if *id == it.id))
        }
        delivery::Phase::Building => {
            asked(&|target| matches!(target, EffectTarget::Build(id) if *id == it.id))
        }
        delivery::Phase::Entering { environment } => {
            let service = world.state.service(&service(environment));
            let held = service.is_some_and(|it| it.lock.is_some() || it.rollout.is_some());
            let taken_back = crate::state::delivery_is_taken_back(&world.state, it).is_some();
            held || taken_back
        }
        // Until it expires.
        delivery::Phase::AwaitingApproval(gate) => gate.expires_at > world.now,
        delivery::Phase::RollingOut { environment } => {
            let rollout = world.state.rollout(&rollout(it.id.number, environment));
            rollout.is_some_and(|it| !it.ended())
        }
        delivery::Phase::Ended(_) => true,
    }
}

fn moves(world: &World, it: &Rollout) -> bool {
    let service = &it.start.service;
    let asked = crate::unfinished(&world.state)
        .into_keys()
        .any(|key| match &key.target {
            EffectTarget::Configure(id, _) => id == service,
            EffectTarget::Smoke(id) | EffectTarget::Prove(id) | EffectTarget::Verify(id, _) => {
                *id == it.id
            }
            _ => false,
        });
    let looks = matches!(it.phase, Phase::Holding | Phase::Preparing { .. });
    asked || looks || deadline(it).is_some()
}

/// From every state there is a way to one where nothing is left to do.
fn assert_all_can_end(worlds: &[World], edges: &[Vec<usize>]) {
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
    if let Some(stuck) = ends.iter().position(|ends| !ends) {
        panic!("stuck:\n{}", worlds[stuck].describe());
    }
}
