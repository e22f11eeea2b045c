//! No canary without a proven way back: what counts as an answer of the revision that serves, and what does not.

use super::world::*;
use crate::configuration::PRODUCTION;
use crate::effect::{EffectTarget, Outcome};
use crate::event::{Event, Recorded, RolloutEvent};
use crate::explain;
use crate::rollout::Phase;

/// Delivery 1 serves, delivery 2 asks whether it could go back to it.
fn proving() -> World {
    let mut world = World::new();
    world.deliver(1, small());
    world.enter(2, small());
    world.until(|state| phase(state) == Some(Phase::ProvingTarget));
    world
}

fn phase(state: &crate::state::State) -> Option<Phase> {
    let rollout = state.rollout(&rollout(2, PRODUCTION))?;
    Some(rollout.phase.clone())
}

/// Answers the question that is pending, after its pause.
fn answer(world: &mut World, outcome: Outcome) -> Vec<Recorded> {
    let asked = crate::unfinished(&world.state).into_keys();
    let mut asked = asked.filter(|key| matches!(key.target, EffectTarget::Prove(_)));
    let key = asked.next().expect("stable is asked");
    world.outcome(key, outcome)
}

fn silence(world: &mut World) {
    let error = "the node can't be reached".to_owned();
    answer(world, Outcome::NoResult { error });
}

fn unfit(world: &mut World) -> Vec<Recorded> {
    answer(
        world,
        Outcome::TargetProbed {
            ready: 0,
            desired: 1,
            failures: vec!["GET /ready: 500".to_owned()],
        },
    )
}

fn waits(world: &World) -> String {
    let delivery = world.state.delivery(&delivery(2)).unwrap();
    let waiting = explain(&world.state, &world.observed, delivery, world.now).unwrap();
    format!("{}: {}", waiting.kind, waiting.message)
}

#[test]
fn silence_is_no_verdict_on_stable() {
    let mut world = proving();
    for _ in 0..20 {
        silence(&mut world);
    }
    assert_eq!(phase(&world.state), Some(Phase::ProvingTarget));
    insta::assert_snapshot!(waits(&world), @"proof: fleet-production-00001 proves that it could take over; attempt 20 came to no result (the node can't be reached), it is asked again: no canary begins before it has answered");
    world.until(|state| phase(state) == Some(Phase::Holding));
}

#[test]
fn only_its_own_answers_make_stable_unfit() {
    let mut world = proving();
    for _ in 0..4 {
        silence(&mut world);
        unfit(&mut world);
    }
    assert_eq!(phase(&world.state), Some(Phase::ProvingTarget));
    insta::assert_snapshot!(waits(&world), @"proof: fleet-production-00001 is fit to go back to; the last of 8 attempts: 0 of 1 instances are ready; GET /ready: 500; after 5 answers that it is not (so far 4) there is no canary, all traffic goes to the new revision");
    silence(&mut world);
    assert_eq!(phase(&world.state), Some(Phase::ProvingTarget));
    let events = unfit(&mut world);
    let direct =
        |it: &Recorded| matches!(&it.event, Event::Rollout(_, RolloutEvent::WentDirect(_)));
    assert!(events.iter().any(direct), "{events:?}");
}

#[test]
fn a_late_answer_about_stable_changes_nothing() {
    let mut world = proving();
    let (key, _) = world.effect(|it| matches!(it, EffectTarget::Prove(_)));
    let bad = Outcome::TargetProbed {
        ready: 0,
        desired: 1,
        failures: Vec::new(),
    };
    assert!(!world.outcome(key.clone(), bad.clone()).is_empty());
    assert!(world.outcome(key, bad).is_empty(), "counted twice");
}
