//! Single rules, each from the case that once broke it.

use jiff::SignedDuration;

use super::world::*;
use crate::command::{Command, Rejection};
use crate::configuration::{PRODUCTION, Role, STAGING};
use crate::effect::{Effect, EffectTarget, Outcome, PlanRefusal};
use crate::event::{CheckOutcome, Trip};
use crate::observation::{CanaryState, Observation};
use crate::rollout::{Phase, Rollout};

fn trip(world: &World, number: u32) -> Trip {
    let held = world.service(PRODUCTION);
    Trip {
        number: held.last_trip + 1,
        revision: revision(number),
        generation: held.accepted,
        step: 1,
        errors: 2,
        at: world.now,
        shifted_us: 7,
        in_flight: 1,
        recall: None,
    }
}

fn running(world: &World) -> &Rollout {
    world.state.running(world.service(PRODUCTION)).unwrap()
}

fn traffic(world: &World) -> Vec<(u32, u8)> {
    let shares = world.service(PRODUCTION).plan.traffic.iter();
    shares.map(|it| (it.revision.number, it.percent)).collect()
}

fn verifying(world: &mut World) {
    world.until(|state| {
        let service = state.service(&service(PRODUCTION)).unwrap();
        let name = state.running(service).map(|it| it.state_name());
        name == Some("verifying") && service.accepted == service.generation
    });
}

#[test]
fn a_rollback_goes_only_to_what_was_stable() {
    let mut world = World::holding(&small());
    let abort = Command::Abort {
        rollout: rollout(2, PRODUCTION),
        message: None,
    };
    world.must(&lead(), abort);
    world.until(|state| {
        state
            .service(&service(PRODUCTION))
            .unwrap()
            .rollout
            .is_none()
    });
    let refused = world.give(
        &lead(),
        Command::RollBack {
            service: service(PRODUCTION),
            to: Some(revision(2)),
            message: None,
        },
    );
    assert!(
        matches!(refused, Err(Rejection::Conflict { .. })),
        "{refused:?}"
    );
    assert_eq!(traffic(&world), [(1, 100)]);
}

#[test]
fn a_trip_in_the_moment_of_success_takes_the_traffic_back() {
    let mut world = World::holding(&small());
    verifying(&mut world);
    let trip = trip(&world, 2);
    let (key, effect) = world.effect(|it| matches!(it, EffectTarget::Verify(..)));
    world.outcome(key, success(&effect));
    assert_eq!(traffic(&world), [(2, 100)]);
    let (key, _) = world.effect(|it| matches!(it, EffectTarget::Configure(..)));
    let refusal = PlanRefusal::UnheardTrip(trip);
    world.outcome(key, Outcome::ConfigurationRefused(refusal));
    assert_eq!(traffic(&world), [(1, 100)]);
    world.until(|state| {
        state
            .service(&service(PRODUCTION))
            .unwrap()
            .rollout
            .is_none()
    });
    assert_eq!(
        world.state.delivery(&delivery(2)).unwrap().state_name(),
        "rolled_back"
    );
}

#[test]
fn a_refusal_for_a_trip_that_was_heard_is_no_hot_loop() {
    let mut world = World::holding(&small());
    verifying(&mut world);
    let mut heard = trip(&world, 2);
    let (key, effect) = world.effect(|it| matches!(it, EffectTarget::Verify(..)));
    world.outcome(key, success(&effect));
    let (key, _) = world.effect(|it| matches!(it, EffectTarget::Configure(..)));
    heard.number = 0;
    let refusal = PlanRefusal::UnheardTrip(heard);
    let events = world.outcome(key, Outcome::ConfigurationRefused(refusal));
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(world.pending().is_empty(), "it is tried again at once");
}

#[test]
fn errors_counted_are_named_in_every_further_plan() {
    let mut world = World::holding(&small());
    let observation = healthy(world.service(PRODUCTION), 1, 1, 1);
    world.see(PRODUCTION, observation);
    world.pass(SignedDuration::from_secs(10));
    let lost = Observation::default();
    world.see(PRODUCTION, lost);
    let canary = world.service(PRODUCTION).plan.canary.clone().unwrap();
    assert_eq!((canary.max_errors, canary.counted.errors), (Some(2), 1));
    let recent = canary.recent.unwrap();
    let hold_ms = running(&world).present_step().unwrap().hold.as_millis();
    assert_eq!(
        (recent.errors, canary.window_ms.map(u128::from)),
        (1, Some(hold_ms))
    );
}

#[test]
fn errors_older_than_the_window_hold_no_step_up() {
    let mut world = World::holding(&small());
    // Thin traffic: the step lasts far longer than its hold, and its errors are long ago.
    let mut observation = healthy(world.service(PRODUCTION), 3_600_000, 100, 40);
    observation.canary.as_mut().unwrap().recent_errors = 2;
    world.see(PRODUCTION, observation.clone());
    assert_eq!(running(&world).phase, Phase::Holding, "at the limit");
    observation.canary.as_mut().unwrap().recent_errors = 1;
    world.see(PRODUCTION, observation);
    assert!(running(&world).step > 1 || running(&world).phase != Phase::Holding);
}

#[test]
fn nothing_but_the_canary_changes_the_plan_during_a_canary() {
    let mut world = World::holding(&small());
    let generation = world.service(PRODUCTION).generation;
    // Beyond the warm time and the guard of the delivery before.
    world.pass(SignedDuration::from_secs(3_600));
    let mut observation = healthy(world.service(PRODUCTION), 1, 1, 0);
    observation.watch_exceeded = Some(9);
    world.see(PRODUCTION, observation);
    assert_eq!(world.service(PRODUCTION).generation, generation);
}

#[test]
fn a_node_that_lost_its_plan_gets_another_one() {
    let mut world = World::new();
    world.deliver(1, small());
    world.until(|state| crate::unfinished(state).is_empty());
    let generation = world.service(PRODUCTION).generation;
    world.see(PRODUCTION, Observation::default());
    world.pass(SignedDuration::from_secs(10));
    world.see(PRODUCTION, Observation::default());
    assert_eq!(world.service(PRODUCTION).generation, generation + 1);
    let (key, _) = world.effect(|it| matches!(it, EffectTarget::Configure(..)));
    assert_eq!(
        key.target,
        EffectTarget::Configure(service(PRODUCTION), generation + 1)
    );
}

#[test]
fn without_a_fit_stable_revision_all_traffic_gets_the_size_that_it_needs() {
    let mut world = World::new();
    world.deliver(1, small());
    world.enter(2, small());
    world.until(|state| {
        let keys = crate::unfinished(state).into_keys();
        keys.map(|key| key.target)
            .any(|it| matches!(it, EffectTarget::Prove(_)))
    });
    while let Some(key) = crate::unfinished(&world.state)
        .into_keys()
        .find(|key| matches!(key.target, EffectTarget::Prove(_)))
    {
        let outcome = Outcome::TargetProbed {
            ready: 1,
            desired: 4,
            failures: Vec::new(),
        };
        world.outcome(key, outcome);
    }
    assert_eq!(
        world.state.rollout(&rollout(2, PRODUCTION)).unwrap().size,
        4
    );
}

#[test]
fn a_check_that_was_asked_for_is_stopped_by_the_attempt_that_runs() {
    let mut world = World::new();
    world.must(&lead(), push(1, small()));
    let (key, _) = world.effect(|it| matches!(it, EffectTarget::Check(..)));
    let error = "no answer".to_owned();
    world.outcome(key, Outcome::NoResult { error });
    let running = crate::unfinished(&world.state).into_keys().next().unwrap();
    assert_eq!(running.attempt, 2);
    let cancel = Command::Cancel {
        delivery: delivery(1),
        message: None,
    };
    world.must(&lead(), cancel);
    let (key, effect) = world.effect(|it| matches!(it, EffectTarget::StopCheck(..)));
    let Effect::StopCheck { started, .. } = effect else {
        panic!("{effect:?}");
    };
    assert_eq!(started, running);
    world.outcome(key, Outcome::Stopped);
    let check = &world.state.delivery(&delivery(1)).unwrap().checks[0];
    assert_eq!(check.finished, Some((CheckOutcome::Cancelled, 0)));
    assert!(crate::unfinished(&world.state).is_empty() && world.state.retries.is_empty());
}

#[test]
fn what_staging_took_back_does_not_enter_production() {
    let mut world = World::new();
    world.deliver(1, whole());
    world.must(&lead(), push(2, whole()));
    world.reach_gate(&delivery(2));
    let lock = Command::Lock {
        service: service(PRODUCTION),
        message: "holidays".to_owned(),
    };
    world.must(&lead(), lock);
    let approve = approve(2);
    world.must(&lead(), approve);
    let back = Command::RollBack {
        service: service(STAGING),
        to: None,
        message: None,
    };
    world.must(&lead(), back);
    let unlock = Command::Unlock {
        service: service(PRODUCTION),
        message: None,
    };
    world.must(&lead(), unlock);
    world.until(|state| state.delivery(&delivery(2)).unwrap().ended());
    assert_eq!(
        world.state.delivery(&delivery(2)).unwrap().entered,
        [STAGING]
    );
}

#[test]
fn a_hold_is_not_passed_at_the_limit() {
    let mut world = World::holding(&small());
    let observation = healthy(
        world.service(PRODUCTION),
        10 * HOLD_MS,
        9,
        u64::from(MAX_ERRORS),
    );
    world.see(PRODUCTION, observation);
    assert_eq!(
        world
            .state
            .rollout(&rollout(2, PRODUCTION))
            .unwrap()
            .state_name(),
        "canary"
    );
}

#[test]
fn an_expired_lease_is_no_verdict_but_not_for_ever() {
    let mut world = World::holding(&small());
    for entry in 2..=5 {
        let mut observation = healthy(world.service(PRODUCTION), 1, 0, 0);
        observation.canary.as_mut().unwrap().state = CanaryState::LeaseExpired;
        world.see(PRODUCTION, observation);
        let rollout = world
            .state
            .rollout(&rollout(2, PRODUCTION))
            .unwrap()
            .clone();
        if entry == 5 {
            assert_eq!(rollout.state_name(), "rolling_back");
            break;
        }
        assert_eq!(
            (rollout.state_name(), rollout.progress.entry),
            ("canary", entry)
        );
        let (key, effect) = world.effect(|it| matches!(it, EffectTarget::Configure(..)));
        world.outcome(key, success(&effect));
    }
    world.until(|state| state.delivery(&delivery(2)).unwrap().ended());
    assert!(world.service(PRODUCTION).quarantine.is_empty());
}

#[test]
fn roles() {
    let mut world = World::holding(&small());
    let rollout = || rollout(2, PRODUCTION);
    let steering = [
        Command::Pause(rollout()),
        Command::Promote {
            rollout: rollout(),
            full: true,
        },
        Command::Abort {
            rollout: rollout(),
            message: None,
        },
        Command::Lock {
            service: service(PRODUCTION),
            message: String::new(),
        },
        roll_back(None),
    ];
    for command in steering {
        let refused = world.give(&actor("developer", Role::Developer), command.clone());
        assert!(
            matches!(refused, Err(Rejection::NotAllowed { .. })),
            "{command:?}"
        );
        let allowed = world.decide(&actor("operator", Role::Operator), command.clone());
        assert!(allowed.is_ok(), "{command:?}: {allowed:?}");
    }
    world.must(&lead(), push(3, small()));
    world.reach_gate(&delivery(3));
    for (role, may) in [
        (Role::Developer, false),
        (Role::Operator, false),
        (Role::TechLead, true),
        (Role::Admin, true),
    ] {
        let approve = approve(3);
        assert_eq!(
            world.decide(&actor("somebody", role), approve).is_ok(),
            may,
            "{role}"
        );
    }
}
