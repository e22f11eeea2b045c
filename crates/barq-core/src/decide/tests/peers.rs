//! What other systems got wrong, as tests: each names its line of the list by what happened there.

mod evidence;
mod rollback;
mod steering;
mod twice;

use super::world::*;
use crate::command::{Command, Rejection};
use crate::configuration::{PRODUCTION, Role};
use crate::effect::{EffectTarget, Outcome};
use crate::event::{Actor, Event};
use crate::observation::Observation;

fn state_of(world: &World, number: u64) -> &'static str {
    world
        .state
        .rollout(&rollout(number, PRODUCTION))
        .unwrap()
        .state_name()
}

/// Zero traffic means no errors, straight to 100 %.
#[test]
fn no_traffic_is_no_evidence() {
    let mut world = World::holding(&small());
    let observation = healthy(world.service(PRODUCTION), 100 * HOLD_MS, 0, 0);
    world.see(PRODUCTION, observation);
    assert_eq!(state_of(&world, 2), "canary");
    let delivery = world.state.delivery(&delivery(2)).unwrap();
    let waits = crate::explain(&world.state, &world.observed, delivery, world.now).unwrap();
    assert_eq!(waits.kind, "traffic");
}

/// Every measurement in error, phase Successful.
#[test]
fn a_verification_without_a_result_is_no_success() {
    let mut world = World::holding(&small());
    world
        .until(|state| state.rollout(&rollout(2, PRODUCTION)).unwrap().state_name() == "verifying");
    while let Some(key) = crate::unfinished(&world.state)
        .into_keys()
        .find(|key| {
            matches!(
                key.target,
                EffectTarget::Verify(..) | EffectTarget::Configure(..)
            )
        })
        .filter(|_| state_of(&world, 2) == "verifying")
    {
        let outcome = match key.target {
            EffectTarget::Configure(..) => Outcome::Configured {
                durable: true,
                switched_us: 1,
            },
            _ => Outcome::NoResult {
                error: "no answer".to_owned(),
            },
        };
        world.outcome(key, outcome);
    }
    assert_eq!(state_of(&world, 2), "rolling_back");
}

/// Crash-looping canary: abort and deadline never fire.
#[test]
fn a_crash_loop_ends_the_deploy() {
    let mut world = World::new();
    world.deliver(1, small());
    world.enter(2, small());
    let (key, effect) = world.effect(|it| matches!(it, EffectTarget::Configure(..)));
    world.outcome(key, success(&effect));
    let mut observation = healthy(world.service(PRODUCTION), 0, 0, 0);
    for seen in observation.revisions.values_mut() {
        (seen.ready, seen.failed_starts) = (0, 3);
    }
    world.see(PRODUCTION, observation);
    assert_eq!(state_of(&world, 2), "failed");
}

/// Deadline 180 s, ran 2 h.
#[test]
fn a_deploy_has_a_deadline() {
    let mut world = World::new();
    world.enter(1, small());
    world.now = crate::next_deadline(&world.state, world.now).unwrap();
    world.must(&lead(), Command::Wake);
    assert_eq!(state_of(&world, 1), "failed");
}

/// Abort ignored after promote.
#[test]
fn abort_works_after_promote() {
    let mut world = World::holding(&small());
    let promote = Command::Promote {
        rollout: rollout(2, PRODUCTION),
        full: true,
    };
    world.must(&lead(), promote);
    let abort = Command::Abort {
        rollout: rollout(2, PRODUCTION),
        message: None,
    };
    world.must(&lead(), abort);
    world.until(|state| state.delivery(&delivery(2)).unwrap().ended());
    assert_eq!(state_of(&world, 2), "aborted");
    assert_eq!(
        world.state.delivery(&delivery(2)).unwrap().state_name(),
        "rolled_back"
    );
}

/// `abort` with nothing in progress scaled stable to 0.
#[test]
fn abort_with_nothing_in_progress_changes_nothing() {
    let mut world = World::new();
    world.deliver(1, small());
    let abort = Command::Abort {
        rollout: rollout(1, PRODUCTION),
        message: None,
    };
    let refused = world.give(&lead(), abort);
    assert!(
        matches!(refused, Err(Rejection::Conflict { .. })),
        "{refused:?}"
    );
}

/// Cannot roll back mid-canary; a manual rollback is rolled out again.
#[test]
fn a_rollback_in_a_canary_stays() {
    let mut world = World::holding(&small());
    let back = roll_back(None);
    world.must(&lead(), back);
    world.until(|state| state.delivery(&delivery(2)).unwrap().ended());
    let retry = Command::Retry {
        delivery: delivery(2),
        force: false,
    };
    let refused = world.decide(&lead(), retry).unwrap_err().to_string();
    assert!(refused.contains("--force"), "{refused}");
}

/// A bad stable blocks the good fix.
#[test]
fn a_bad_stable_does_not_block_its_fix() {
    let mut world = World::new();
    world.deliver(1, small());
    world.enter(2, small());
    for _ in 0..100 {
        let prove = crate::unfinished(&world.state)
            .into_keys()
            .find(|key| matches!(key.target, EffectTarget::Prove(_)));
        let Some(key) = prove else {
            world.until(|state| {
                crate::unfinished(state)
                    .keys()
                    .any(|it| matches!(it.target, EffectTarget::Prove(_)))
                    || state.delivery(&delivery(2)).unwrap().ended()
            });
            if world.state.delivery(&delivery(2)).unwrap().ended() {
                break;
            }
            continue;
        };
        let failures = vec!["GET /ready: 500".to_owned()];
        world.outcome(
            key,
            Outcome::TargetProbed {
                ready: 0,
                desired: 1,
                failures,
            },
        );
    }
    assert_eq!(state_of(&world, 2), "succeeded");
}

/// Retry flips finished pipelines to running.
#[test]
fn a_retry_is_another_delivery() {
    let mut world = World::new();
    world.deliver(1, small());
    let before = world.state.delivery(&delivery(1)).unwrap().clone();
    world.must(
        &lead(),
        Command::Retry {
            delivery: delivery(1),
            force: false,
        },
    );
    assert_eq!(*world.state.delivery(&delivery(1)).unwrap(), before);
    assert_eq!(
        world.state.delivery(&delivery(2)).unwrap().state_name(),
        "checking"
    );
}

/// 100 % goes to the canary only with stable at full size behind it: seen nothing, it stays where it is.
#[test]
fn a_blind_server_does_not_advance() {
    let mut world = World::holding(&small());
    let events = world.see(PRODUCTION, Observation::default());
    assert!(events.is_empty(), "{events:?}");
}
