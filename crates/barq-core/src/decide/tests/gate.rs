//! What a pushed file can't do to its own gate, and whose a service's name is.

use super::world::*;
use crate::configuration::{PRODUCTION, STAGING, ServiceName};
use crate::delivery::Phase;

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
        crate::command::Command::Push(pushed) => pushed,
        other => panic!("{other:?}"),
    };
    pushed.app = "another".parse().unwrap();
    world.must(&lead(), crate::command::Command::Push(pushed));
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
    let back = crate::command::Command::RollBack {
        service: service(PRODUCTION),
        to: None,
        message: None,
    };
    world.must(&lead(), back);
    world.until(|state| state.delivery(&delivery(2)).unwrap().ended());
    // A fix waits at the gate while somebody tries the bad commit again.
    world.must(&lead(), push(3, whole()));
    world.reach_gate(&delivery(3));
    let retry = |force| crate::command::Command::Retry {
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
