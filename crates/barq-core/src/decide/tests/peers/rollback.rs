//! Slow, missing or undone rollbacks; traffic on what is too small for it.

use super::*;
use crate::configuration::{Configuration, Environment, Keep};
use crate::event::RolloutEvent;

/// Two deliveries serve, one after the other; the first one's revision is no longer warm, the node follows.
fn at_rest() -> World {
    let mut world = World::new();
    world.deliver(1, small());
    world.deliver(2, small());
    world.pass(jiff::SignedDuration::from_hours(24));
    world.must(&lead(), Command::Wake);
    settle(&mut world);
    world
}

fn settle(world: &mut World) {
    world.until(|state| {
        let service = state.service(&service(PRODUCTION)).unwrap();
        service.accepted == service.generation
    });
}

fn accept(world: &mut World) {
    let (key, effect) = world.effect(|it| matches!(it, EffectTarget::Configure(..)));
    world.outcome(key, success(&effect));
}

fn traffic(world: &World) -> Vec<(u32, u8)> {
    let shares = world.service(PRODUCTION).plan.traffic.iter();
    shares.map(|it| (it.revision.number, it.percent)).collect()
}

/// Shows `ready` instances of one revision, all else as it should be.
fn see_ready(world: &mut World, number: u32, ready: u32) {
    let mut observation = healthy(world.service(PRODUCTION), 1, 1, 0);
    let seen = observation.revisions.get_mut(&revision(number)).unwrap();
    seen.ready = ready;
    world.see(PRODUCTION, observation);
}

/// All traffic onto an undersized replica set.
#[test]
fn a_rollback_gives_its_target_the_size_before_the_traffic() {
    let mut world = at_rest();
    assert_eq!(
        world
            .service(PRODUCTION)
            .planned_instances(&revision(1))
            .max,
        0
    );
    let mut observation = healthy(world.service(PRODUCTION), 0, 0, 0);
    let serves = observation.revisions.get_mut(&revision(2)).unwrap();
    (serves.ready, serves.desired) = (3, 3);
    world.see(PRODUCTION, observation);
    world.must(&lead(), roll_back(None));
    assert_eq!(
        world
            .service(PRODUCTION)
            .planned_instances(&revision(1))
            .min,
        3
    );
    accept(&mut world);
    for ready in 0..3 {
        see_ready(&mut world, 1, ready);
        assert_eq!(traffic(&world), [(2, 100)], "{ready} of 3");
    }
    see_ready(&mut world, 1, 3);
    assert_eq!(traffic(&world), [(1, 100)]);
}

/// It "completes" without rolling back: what counts is the plan that the node has taken.
#[test]
fn a_rollback_is_done_when_the_node_has_done_it() {
    let mut world = World::holding(&small());
    world.must(&lead(), roll_back(None));
    world.pass(jiff::SignedDuration::from_hours(1));
    world.must(&lead(), Command::Wake);
    let state = |world: &World| world.state.delivery(&delivery(2)).unwrap().state_name();
    assert_eq!(
        (state_of(&world, 2), state(&world)),
        ("rolling_back", "production")
    );
    accept(&mut world);
    assert_eq!(
        (state_of(&world, 2), state(&world)),
        ("rolled_back", "rolled_back")
    );
}

/// A rollback killed the healthy ones: where the target does not get ready nothing moves, and that is said.
#[test]
fn a_rollback_to_what_does_not_start_leaves_the_traffic_where_it_is() {
    let mut world = at_rest();
    world.must(&lead(), roll_back(None));
    accept(&mut world);
    let mut observation = healthy(world.service(PRODUCTION), 0, 0, 0);
    let target = observation.revisions.get_mut(&revision(1)).unwrap();
    (target.ready, target.failed_starts) = (0, 3);
    target.last_failure = Some("exited with code 1".to_owned());
    let events = world.see(PRODUCTION, observation);
    let told = events.iter().find_map(|it| match &it.event {
        Event::Rollout(_, RolloutEvent::RollbackAbandoned { reason }) => Some(reason.as_str()),
        _ => None,
    });
    assert_eq!(
        told,
        Some(
            "fleet-production-00001 did not become ready: its instances do not start (3 starts in a row failed): \
             exited with code 1"
        )
    );
    assert_eq!(traffic(&world), [(2, 100)]);
    assert!(
        world
            .service(PRODUCTION)
            .planned_instances(&revision(2))
            .min
            > 0
    );
}

/// 70 % went to a canary that was sized for 5 %.
#[test]
fn a_canary_has_the_size_of_its_share_before_the_share() {
    for (full, share) in [(false, 50), (true, 100)] {
        let mut world = World::new();
        world.deliver(1, small());
        world.must(&lead(), push(2, small()));
        world.reach_gate(&delivery(2));
        world.must(&lead(), approve(2));
        let proves = |it: &EffectTarget| matches!(it, EffectTarget::Prove(_));
        world.until(|state| crate::unfinished(state).keys().any(|it| proves(&it.target)));
        let (key, _) = world.effect(proves);
        let failures = Vec::new();
        let proven = Outcome::TargetProbed {
            ready: 4,
            desired: 4,
            failures,
        };
        world.outcome(key, proven);
        world.until(|state| {
            let service = state.service(&service(PRODUCTION)).unwrap();
            state_is(state, "canary") && service.accepted == service.generation
        });
        let rollout = rollout(2, PRODUCTION);
        world.must(&lead(), Command::Promote { rollout, full });
        accept(&mut world);
        let size = u32::from(share) * 4 / 100;
        for ready in 1..size {
            see_ready(&mut world, 2, ready);
            assert_eq!(traffic(&world), [(1, 90), (2, 10)], "{ready} of {size}");
        }
        see_ready(&mut world, 2, size);
        let expected = [(1, 100 - share), (2, share)];
        let expected: Vec<_> = expected.into_iter().filter(|it| it.1 > 0).collect();
        assert_eq!(traffic(&world), expected);
        // Whatever the canary has, what it would go back to stays whole.
        let stable = world.service(PRODUCTION).planned_instances(&revision(1));
        assert_eq!(stable.min, 4, "{share} %");
    }
}

fn state_is(state: &crate::state::State, name: &str) -> bool {
    let rollout = state.rollout(&rollout(2, PRODUCTION));
    rollout.is_some_and(|it| it.state_name() == name)
}

/// A manual rollback was rolled out again by the next reconciliation: here by none of the ways in which one could be.
#[test]
fn what_people_took_back_stays_back() {
    let mut world = at_rest();
    // Approved before the rollback, and waiting for it.
    let lock = Command::Lock {
        service: service(PRODUCTION),
        message: "looking".to_owned(),
    };
    world.must(&lead(), lock);
    world.must(&lead(), push(3, small()));
    world.reach_gate(&delivery(3));
    world.must(&lead(), approve(3));
    world.must(&lead(), roll_back(None));
    let rests = |state: &crate::state::State| {
        let service = state.service(&service(PRODUCTION)).unwrap();
        service.rollout.is_none() && service.accepted == service.generation
    };
    world.until(rests);
    world.let_go();
    let unchanged = |world: &World, what: &str| {
        assert!(rests(&world.state), "{what} began a rollout");
        assert_eq!(traffic(world), [(1, 100)], "{what}");
    };
    unchanged(&world, "an approval from before the rollback");
    let waiting = world.state.delivery(&delivery(3)).unwrap();
    assert_eq!(waiting.state_name(), "awaiting_approval");
    let retry = Command::Retry {
        delivery: delivery(2),
        force: false,
    };
    let refused = world.give(&lead(), retry);
    assert!(
        matches!(refused, Err(Rejection::Conflict { .. })),
        "{refused:?}"
    );
    // What a server does at its start: the refs once more, a look at the node, everything that is due.
    assert!(world.must(&lead(), push(3, small())).is_empty());
    let observation = healthy(world.service(PRODUCTION), 0, 0, 0);
    world.see(PRODUCTION, observation);
    while let Some(at) = crate::next_deadline(&world.state, world.now) {
        world.now = at;
        world.must(&Actor::barq(), Command::Wake);
        unchanged(&world, "time");
        if !crate::unfinished(&world.state).is_empty() {
            world.until(|state| crate::unfinished(state).is_empty());
        }
    }
    // The bad release by another commit is the bad release.
    world.must(&lead(), push(2, small()));
    world.until(|state| state.deliveries.values().all(|it| it.ended()));
    unchanged(&world, "another push of the same");
}

/// The revision to go back to is deleted; a version must be named to go back.
#[test]
fn there_is_something_to_go_back_to_however_many_came_after() {
    let kept = Environment {
        keep: Keep {
            warm: std::time::Duration::ZERO,
            revisions: 2,
        },
        ..environment(PRODUCTION, true, &[10])
    };
    let configuration: Configuration = configuration(vec![kept]);
    let mut world = World::new();
    world.deliver(1, configuration.clone());
    world.deliver(2, configuration.clone());
    for number in 3..12 {
        world.canary(number, &configuration);
        let abort = Command::Abort {
            rollout: rollout(number, PRODUCTION),
            message: None,
        };
        world.must(&lead(), abort);
        world.until(|state| state.delivery(&delivery(number)).unwrap().ended());
    }
    settle(&mut world);
    let forgotten = world.give(&lead(), roll_back(Some(revision(5))));
    assert!(
        matches!(forgotten, Err(Rejection::Unknown { .. })),
        "{forgotten:?}"
    );
    world.must(&lead(), roll_back(None));
    world.until(|state| {
        let service = state.service(&service(PRODUCTION)).unwrap();
        service.rollout.is_none()
    });
    assert_eq!(traffic(&world), [(1, 100)]);
}

/// A bad version can be rejected, and is then in nobody's way.
#[test]
fn what_is_rejected_changes_nothing_and_blocks_nothing() {
    let mut world = World::new();
    world.deliver(1, small());
    world.must(&lead(), push(2, small()));
    world.reach_gate(&delivery(2));
    let reject = Command::Reject {
        delivery: delivery(2),
        message: Some("not this one".to_owned()),
    };
    world.must(&lead(), reject);
    let rejected = world.state.delivery(&delivery(2)).unwrap();
    assert_eq!(rejected.state_name(), "rejected");
    assert_eq!(traffic(&world), [(1, 100)]);
    world.deliver(3, small());
    assert_eq!(traffic(&world), [(2, 100)]);
}
