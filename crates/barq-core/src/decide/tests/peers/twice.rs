//! The same thing twice, at once or late: approvals, pushes, plans.

use super::*;
use crate::command::PushedRef;
use crate::effect::PlanRefusal;

/// Two people approve at the same moment: one rollout, and the second one is told.
#[test]
fn an_approval_counts_once() {
    let mut world = World::new();
    world.must(&lead(), push(1, small()));
    world.reach_gate(&delivery(1));
    world.must(&lead(), approve(1));
    let refused = world.give(&actor("another", Role::Admin), approve(1));
    let Err(Rejection::Conflict { why, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(why, "it does not wait for an approval, it is production");
    assert_eq!(world.state.rollouts.len(), 1);
}

/// A push of what runs already: the same ref is nothing new, another branch is checked and goes nowhere.
#[test]
fn a_commit_that_runs_is_not_started_again() {
    let mut world = World::holding(&small());
    let before = world.state.clone();
    assert!(world.must(&lead(), push(2, small())).is_empty());
    assert_eq!(before, world.state);
    let Command::Push(pushed) = push(2, small()) else {
        panic!("a push");
    };
    let elsewhere = PushedRef {
        name: "refs/heads/feature".to_owned(),
        ..pushed
    };
    world.must(&lead(), Command::Push(elsewhere));
    let checks = |it: &EffectTarget| matches!(it, EffectTarget::Check(id, _) if *id == delivery(3));
    let (key, effect) = world.effect(checks);
    world.outcome(key, success(&effect));
    let other = world.state.delivery(&delivery(3)).unwrap();
    assert_eq!(other.state_name(), "succeeded");
    assert_eq!(before.rollouts, world.state.rollouts);
}

/// Whatever generation the node says that it has, the next plan is beyond it, and no answer is asked for in a hot loop: a
/// thousand reconciles a minute; update conflicts, stuck until a restart.
#[test]
fn a_node_that_is_ahead_is_overtaken_once() {
    let mut world = World::holding(&small());
    let rollout = rollout(2, PRODUCTION);
    world.must(&lead(), Command::Pause(rollout.clone()));
    world.must(
        &lead(),
        Command::Abort {
            rollout,
            message: None,
        },
    );
    let (key, _) = world.effect(|it| matches!(it, EffectTarget::Configure(..)));
    let generation = world.service(PRODUCTION).generation;
    for current in [generation + 40, 0, generation + 40] {
        let Some((key, _)) = world
            .pending()
            .into_iter()
            .find(|(key, _)| matches!(key.target, EffectTarget::Configure(..)))
        else {
            break;
        };
        let refusal = PlanRefusal::StaleGeneration { current };
        world.outcome(key, Outcome::ConfigurationRefused(refusal));
        assert!(world.service(PRODUCTION).generation > current);
    }
    let late = success(
        &world
            .effect(|it| matches!(it, EffectTarget::Configure(..)))
            .1,
    );
    assert!(
        world.outcome(key, late).is_empty(),
        "the answer to an older plan"
    );
    world.until(|state| state.delivery(&delivery(2)).unwrap().ended());
    assert_eq!(state_of(&world, 2), "aborted");
}

/// A lock without an owner for four weeks: this one says whose it is, why, and how to lift it.
#[test]
fn a_lock_says_whose_it_is() {
    let mut world = World::new();
    world.deliver(1, small());
    let lock = Command::Lock {
        service: service(PRODUCTION),
        message: "moving house".to_owned(),
    };
    world.must(&actor("ann", Role::Operator), lock);
    world.must(&lead(), push(2, small()));
    world.reach_gate(&delivery(2));
    world.must(&lead(), approve(2));
    let waiting = world.state.delivery(&delivery(2)).unwrap();
    let waits = crate::explain(&world.state, &world.observed, waiting, world.now).unwrap();
    assert_eq!(waits.kind, "lock");
    for part in ["ann", "moving house"] {
        assert!(waits.message.contains(part), "{}", waits.message);
    }
    assert_eq!(waits.command.as_deref(), Some("barq unlock production"));
    let unlock = Command::Unlock {
        service: service(PRODUCTION),
        message: None,
    };
    world.must(&actor("bob", Role::Operator), unlock);
    world.until(|state| state.delivery(&delivery(2)).unwrap().ended());
    assert_eq!(
        world.state.delivery(&delivery(2)).unwrap().state_name(),
        "succeeded"
    );
}
