//! Deaf to commands: an abort and a rollback are honoured in every state that a rollout can be in, and by nothing else.

use super::*;
use crate::configuration::Configuration;
use crate::event::{DirectReason, ProbeLine};
use crate::observation::CanaryState;
use crate::rollout::Phase;
use crate::state::State;

/// A way to get the rollout of delivery 2 into a state, from the moment of its approval beside a stable revision.
type Way = fn(&mut World);

const WAYS: [(&str, Way); 15] = [
    ("deploying", |_| {}),
    ("smoke tests", |world| to(world, &Phase::SmokeTesting)),
    ("the proof of stable", |world| {
        to(world, &Phase::ProvingTarget);
    }),
    ("before the first step", |world| {
        to(world, &Phase::Preparing { step: 1 });
    }),
    ("a hold", |world| hold(world, 1)),
    ("a paused hold", |world| {
        hold(world, 1);
        world.must(&lead(), Command::Pause(rollout(2, PRODUCTION)));
    }),
    ("a plan that the node has not taken yet", |world| {
        to(world, &Phase::Holding);
    }),
    ("just after a promotion", |world| promote(world, false)),
    ("just after a promotion to 100 %", |world| {
        promote(world, true);
    }),
    ("a crash-looping canary", |world| {
        hold(world, 1);
        crash(world);
    }),
    ("a canary whose lease expired", |world| {
        hold(world, 1);
        let mut observation = healthy(world.service(PRODUCTION), 1, 1, 0);
        observation.canary.as_mut().unwrap().state = CanaryState::LeaseExpired;
        world.see(PRODUCTION, observation);
    }),
    ("a node that is not seen", |world| {
        hold(world, 1);
        world.see(PRODUCTION, Observation::default());
    }),
    ("the second step", |world| hold(world, 2)),
    ("the verification", |world| {
        to(world, &verifying(1, None));
    }),
    ("a verification that failed once", |world| {
        to(world, &verifying(1, None));
        settle(world);
        let (key, _) = world.effect(|it| matches!(it, EffectTarget::Verify(..)));
        let lines = vec![line(false)];
        world.outcome(key, Outcome::VersionProbed { lines });
    }),
];

fn verifying(round: u32, retry_at: Option<jiff::Timestamp>) -> Phase {
    Phase::Verifying { round, retry_at }
}

fn to(world: &mut World, phase: &Phase) {
    world.until(|state| {
        state
            .rollout(&rollout(2, PRODUCTION))
            .is_some_and(|it| it.phase == *phase)
    });
}

/// The node has the last plan.
fn settle(world: &mut World) {
    world.until(|state| {
        let service = state.service(&service(PRODUCTION)).unwrap();
        service.accepted == service.generation
    });
}

fn hold(world: &mut World, step: u32) {
    world.until(|state| {
        let rollout = state.rollout(&rollout(2, PRODUCTION)).unwrap();
        rollout.phase == Phase::Holding && rollout.step == step
    });
    settle(world);
}

fn promote(world: &mut World, full: bool) {
    hold(world, 1);
    let rollout = rollout(2, PRODUCTION);
    world.must(&lead(), Command::Promote { rollout, full });
}

fn crash(world: &mut World) {
    let mut observation = healthy(world.service(PRODUCTION), 1, 0, 0);
    let canary = world.state.rollout(&rollout(2, PRODUCTION)).unwrap();
    let seen = observation
        .revisions
        .get_mut(&canary.start.revision)
        .unwrap();
    (seen.ready, seen.failed_starts) = (0, 30);
    world.see(PRODUCTION, observation);
}

fn approved(configuration: &Configuration) -> World {
    let mut world = World::new();
    world.deliver(1, configuration.clone());
    world.must(&lead(), push(2, configuration.clone()));
    world.reach_gate(&delivery(2));
    world.must(&lead(), approve(2));
    world
}

fn traffic(world: &World) -> Vec<(u32, u8)> {
    let shares = world.service(PRODUCTION).plan.traffic.iter();
    shares.map(|it| (it.revision.number, it.percent)).collect()
}

fn over(state: &State) -> bool {
    let rests = state
        .service(&service(PRODUCTION))
        .unwrap()
        .rollout
        .is_none();
    rests && state.delivery(&delivery(2)).unwrap().ended()
}

/// Abort and deadline never fire in a crash loop; abort is ignored after promote; no rollback in the middle of a canary.
#[test]
fn what_is_asked_for_happens_in_every_state() {
    let rollout = || rollout(2, PRODUCTION);
    let commands = [
        (
            Command::Abort {
                rollout: rollout(),
                message: None,
            },
            ["aborted", "aborted"],
            ["cancelled", "rolled_back"],
        ),
        (
            Command::Cancel {
                delivery: delivery(2),
                message: None,
            },
            ["aborted", "aborted"],
            ["cancelled", "rolled_back"],
        ),
        (
            roll_back(None),
            ["rolled_back", "rolled_back"],
            ["rolled_back", "rolled_back"],
        ),
    ];
    for (name, way) in WAYS {
        for (command, rollouts, deliveries) in &commands {
            let mut world = approved(&small());
            way(&mut world);
            let moved = usize::from(world.state.rollout(&rollout()).unwrap().moved);
            world.must(&lead(), command.clone());
            assert_eq!(traffic(&world), [(1, 100)], "{name}: {command:?}");
            world.until(over);
            let ended = world.state.delivery(&delivery(2)).unwrap().state_name();
            assert_eq!(
                (state_of(&world, 2), ended),
                (rollouts[moved], deliveries[moved]),
                "{name}: {command:?}"
            );
            assert_eq!(traffic(&world), [(1, 100)], "{name}: {command:?}");
        }
    }
}

/// Where nothing is in progress nothing is aborted: not scaled, not moved.
#[test]
fn what_is_over_is_not_steered() {
    let mut world = approved(&small());
    world.until(over);
    settle(&mut world);
    let before = world.state.clone();
    let rollout = || rollout(2, PRODUCTION);
    for command in [
        Command::Abort {
            rollout: rollout(),
            message: None,
        },
        Command::Cancel {
            delivery: delivery(2),
            message: None,
        },
        Command::Pause(rollout()),
        Command::Resume(rollout()),
        Command::Promote {
            rollout: rollout(),
            full: true,
        },
        approve(2),
        Command::Reject {
            delivery: delivery(2),
            message: None,
        },
    ] {
        let refused = world.give(&lead(), command.clone());
        assert!(
            matches!(refused, Err(Rejection::Conflict { .. })),
            "{command:?}: {refused:?}"
        );
    }
    assert_eq!(before.services, world.state.services);
}

/// A rollout without a canary, beside a stable revision that is not fit, is as easy to stop.
#[test]
fn a_rollout_past_a_bad_stable_is_stopped_too() {
    for seen in ["preparing", "verifying"] {
        let mut world = approved(&small());
        to(&mut world, &Phase::ProvingTarget);
        while world.state.rollout(&rollout(2, PRODUCTION)).unwrap().phase == Phase::ProvingTarget {
            let mut asked = crate::unfinished(&world.state).into_keys();
            let prove = asked.find(|it| matches!(it.target, EffectTarget::Prove(_)));
            let failures = vec!["GET /ready: 500".to_owned()];
            let unfit = Outcome::TargetProbed {
                ready: 0,
                desired: 1,
                failures,
            };
            world.outcome(prove.unwrap(), unfit);
        }
        let direct = world.state.rollout(&rollout(2, PRODUCTION)).unwrap();
        assert!(matches!(
            direct.direct,
            Some(DirectReason::StableNotReady { .. })
        ));
        if seen == "verifying" {
            to(&mut world, &verifying(1, None));
        }
        let abort = Command::Abort {
            rollout: rollout(2, PRODUCTION),
            message: None,
        };
        world.must(&lead(), abort);
        world.until(over);
        assert_eq!(state_of(&world, 2), "aborted", "{seen}");
        assert_eq!(traffic(&world), [(1, 100)], "{seen}");
    }
}

/// "Target failed to become healthy" and nothing more.
#[test]
fn a_failed_deploy_says_what_the_instance_said() {
    let mut world = approved(&small());
    settle(&mut world);
    let mut observation = healthy(world.service(PRODUCTION), 0, 0, 0);
    for seen in observation.revisions.values_mut() {
        (seen.ready, seen.failed_starts) = (0, 3);
        seen.last_failure = Some("exited with code 1: no DATABASE_URL".to_owned());
    }
    world.see(PRODUCTION, observation);
    let failure = world.state.delivery(&delivery(2)).unwrap().failure();
    assert_eq!(
        failure,
        Some(
            "production: its instances do not start (3 starts in a row failed): exited with code 1: no DATABASE_URL"
        )
    );
}

/// A verification that did not pass says what it saw, not only that it failed.
#[test]
fn a_rollback_says_what_was_seen() {
    let mut world = approved(&small());
    to(&mut world, &verifying(1, None));
    settle(&mut world);
    while state_of(&world, 2) == "verifying" {
        let mut asked = crate::unfinished(&world.state).into_keys();
        let verify = asked.find(|it| matches!(it.target, EffectTarget::Verify(..)));
        let lines = vec![ProbeLine {
            detail: "fleet-production-00001 answered".to_owned(),
            ..line(false)
        }];
        world.outcome(verify.unwrap(), Outcome::VersionProbed { lines });
    }
    let incident = world.state.incidents.values().next().unwrap();
    let told = format!("{:?}", incident.cause);
    assert!(told.contains("fleet-production-00001 answered"), "{told}");
}
