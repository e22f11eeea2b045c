//! What a pushed file can't do to its own gate, and whose a service's name is.

use super::world::*;
use crate::command::{Command, Rejection};
use crate::configuration::{PRODUCTION, STAGING, ServiceName};
use crate::delivery::Phase;
use crate::effect::EffectTarget;
use crate::event::{DeliveryEvent, Event};

/// The reasons that delivery 2 is given at its gate, after delivery 1 has set the rules.
fn reasons(
    first: crate::configuration::Configuration,
    second: crate::configuration::Configuration,
) -> Vec<String> {
    let mut world = World::new();
    world.deliver(1, first);
    world.must(&lead(), push(2, second));
    world.reach_gate(&delivery(2));
    match &world.state.delivery(&delivery(2)).unwrap().phase {
        Phase::AwaitingApproval(gate) => gate.reasons.clone(),
        phase => panic!("{phase:?}"),
    }
}

#[test]
fn a_commit_without_the_approval_still_needs_it() {
    let open = configuration(vec![environment(PRODUCTION, false, &[10, 50])]);
    let reasons = reasons(small(), open);
    assert!(
        reasons[0].starts_with("this commit loosens the rules in force: approval"),
        "{reasons:?}"
    );
}

#[test]
fn a_commit_that_removes_an_environment_says_so_at_the_gate() {
    assert_eq!(reasons(whole(), whole()), Vec::<String>::new());
    assert_eq!(
        reasons(whole(), small()),
        ["this commit loosens the rules in force: environments.staging is removed"]
    );
}

#[test]
fn two_apps_do_not_make_the_same_service() {
    let mut world = World::new();
    world.deliver(1, configuration(vec![environment(PRODUCTION, true, &[10])]));
    let mut clash = configuration(vec![environment(STAGING, false, &[])]);
    clash.service = ServiceName::new("fleet").unwrap();
    let mut pushed = match push(1, clash) {
        Command::Push(pushed) => pushed,
        other => panic!("{other:?}"),
    };
    pushed.app = "another".parse().unwrap();
    world.must(&lead(), Command::Push(pushed));
    let ended = world
        .state
        .deliveries
        .values()
        .find(|it| it.id.app.as_str() == "another")
        .unwrap();
    let failure = ended.failure().unwrap();
    assert!(failure.contains("belongs to the app"), "{failure}");
}

#[test]
fn what_production_took_back_disturbs_nobody_when_it_comes_again() {
    let mut world = World::holding(&whole());
    let back = roll_back(None);
    world.must(&lead(), back);
    world.until(|state| state.delivery(&delivery(2)).unwrap().ended());
    // A fix waits at the gate while somebody tries the bad commit again.
    world.must(&lead(), push(3, whole()));
    world.reach_gate(&delivery(3));
    let retry = |force| Command::Retry {
        delivery: delivery(2),
        force,
    };
    let refused = world.decide(&lead(), retry(false)).unwrap_err().to_string();
    assert!(refused.contains("quarantined in production"), "{refused}");
    // The same release by another push: built again, it goes nowhere, not even to staging.
    world.must(&lead(), push(2, whole()));
    world.until(|state| state.delivery(&delivery(4)).unwrap().ended());
    let again = world.state.delivery(&delivery(4)).unwrap();
    assert!(
        again.failure().unwrap().contains("quarantined"),
        "{again:?}"
    );
    assert_eq!(again.entered, Vec::<String>::new());
    let fix = world.state.delivery(&delivery(3)).unwrap();
    assert_eq!(fix.state_name(), "awaiting_approval");
}

#[test]
fn a_rollout_tells_of_all_commits_since_the_one_that_serves() {
    let mut world = World::new();
    world.deliver(1, whole());
    world.must(&lead(), push(2, whole()));
    world.reach_gate(&delivery(2));
    world.canary(3, &whole());
    let start = &world.state.rollout(&rollout(3, PRODUCTION)).unwrap().start;
    let hashes: Vec<_> = start.commits.iter().map(|it| it.hash.clone()).collect();
    assert_eq!(hashes, [commit(3).hash, commit(2).hash]);
    assert_eq!(start.since, Some(commit(1).hash));
}

#[test]
fn an_environment_is_locked_before_anything_entered_it() {
    let lock = |environment: &str| Command::Lock {
        service: service(environment),
        message: "not yet".to_owned(),
    };
    let mut world = World::new();
    let refused = world.give(&lead(), lock(PRODUCTION));
    assert!(
        matches!(refused, Err(Rejection::Unknown { .. })),
        "nobody knows it yet"
    );
    world.must(&lead(), push(1, small()));
    let refused = world.give(&lead(), lock("nowhere"));
    assert!(
        matches!(refused, Err(Rejection::Unknown { .. })),
        "{refused:?}"
    );
    world.must(&lead(), lock(PRODUCTION));
    world.reach_gate(&delivery(1));
    let id = delivery(1);
    world.must(&lead(), approve(1));
    assert!(world.service(PRODUCTION).rollout.is_none());
    let waiting = world.state.delivery(&id).unwrap();
    let waits = crate::explain(&world.state, &world.observed, waiting, world.now).unwrap();
    assert_eq!(waits.kind, "lock");
    world.let_go();
    world.until(|state| state.delivery(&id).unwrap().ended());
    assert_eq!(world.state.delivery(&id).unwrap().state_name(), "succeeded");
}

#[test]
fn who_takes_the_place_of_whom_is_said_on_both_sides() {
    let mut world = World::holding(&small());
    world.enter(3, small());
    world.must(&lead(), push(4, small()));
    let mut told = Vec::new();
    while !matches!(
        &world.state.deliveries[&delivery(4)].phase,
        Phase::AwaitingApproval(_)
    ) {
        let of_newest = |it: &EffectTarget| matches!(it, EffectTarget::Check(of, _) | EffectTarget::Build(of) if *of == delivery(4));
        let (key, effect) = world.effect(of_newest);
        told.extend(world.outcome(key, success(&effect)));
    }
    let said: Vec<String> = told
        .iter()
        .filter_map(|it| match &it.event {
            Event::Delivery(id, DeliveryEvent::Superseded { by }) => Some(format!("{id} by {by}")),
            Event::Delivery(id, DeliveryEvent::TookThePlace { of }) => {
                Some(format!("{id} for {of}"))
            }
            _ => None,
        })
        .collect();
    assert_eq!(said, ["fleet-3 by fleet-4", "fleet-4 for fleet-3"]);
    let newer = world.state.delivery(&delivery(4)).unwrap();
    let waits = crate::explain(&world.state, &world.observed, newer, world.now).unwrap();
    assert!(
        waits.message.ends_with("it took the place of fleet-3"),
        "{waits:?}"
    );
}
