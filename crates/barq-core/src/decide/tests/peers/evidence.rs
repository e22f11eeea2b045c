//! Promoted a bad version: what is not seen, not answered or not run is never taken for a success.

use super::*;
use crate::effect::Effect;
use crate::event::CheckOutcome;
use crate::rollout::Phase;

type IsTarget = fn(&EffectTarget) -> bool;
type IsEffect = fn(&Effect) -> bool;

/// Gives no result to one kind of effect, and lets all else succeed, until delivery 1 or 2 has ended or stands at the gate.
fn without_result(number: u64, fits: IsTarget) -> World {
    let mut world = World::new();
    if number == 2 {
        world.deliver(1, small());
    }
    world.must(&lead(), push(number, small()));
    for _ in 0..200 {
        let id = delivery(number);
        let state = world.state.delivery(&id).unwrap().state_name();
        if world.state.delivery(&id).unwrap().ended() {
            return world;
        }
        if state == "awaiting_approval" {
            world.must(&lead(), approve(number));
        }
        let mut asked = crate::unfinished(&world.state).into_keys();
        if let Some(key) = asked.find(|key| fits(&key.target)) {
            let error = "it could not be run".to_owned();
            world.outcome(key, Outcome::NoResult { error });
            continue;
        }
        world.until(|state| {
            let at = state.delivery(&id).unwrap();
            at.ended()
                || at.state_name() == "awaiting_approval"
                || crate::unfinished(state).keys().any(|key| fits(&key.target))
        });
    }
    panic!("it does not end: {}", world.describe());
}

/// An analysis that could not be run counted as a success; every measurement in error, and the phase Successful.
#[test]
fn what_could_not_be_run_has_not_passed() {
    let cases: [(&str, IsTarget, &str); 4] = [
        (
            "a check",
            |it| matches!(it, EffectTarget::Check(..)),
            "failed",
        ),
        (
            "a build",
            |it| matches!(it, EffectTarget::Build(_)),
            "failed",
        ),
        (
            "smoke tests",
            |it| matches!(it, EffectTarget::Smoke(_)),
            "failed",
        ),
        (
            "a verification",
            |it| matches!(it, EffectTarget::Verify(..)),
            "rolled_back",
        ),
    ];
    for (name, fits, expected) in cases {
        // A first delivery has nothing to go back to, a second one has.
        let world = match expected {
            "failed" => without_result(1, fits),
            _ => without_result(2, fits),
        };
        let ended = world.state.deliveries.values().next_back().unwrap();
        assert_eq!(ended.state_name(), expected, "{name}");
    }
}

/// A failed analysis did not stop the rollout.
#[test]
fn what_did_not_pass_goes_no_further() {
    let outcomes: [(IsEffect, Outcome); 3] = [
        (
            |it| matches!(it, Effect::RunCheck { .. }),
            Outcome::CheckFinished {
                outcome: CheckOutcome::TimedOut,
                duration_ms: 1,
            },
        ),
        (
            |it| matches!(it, Effect::BuildImage { .. }),
            Outcome::BuildFailed {
                reason: "exit code 1".to_owned(),
            },
        ),
        (
            |it| matches!(it, Effect::SmokeTest(_)),
            Outcome::SmokeTested {
                lines: vec![line(true), line(false)],
            },
        ),
    ];
    for (fits, outcome) in outcomes {
        let mut world = World::new();
        world.must(&lead(), push(1, small()));
        for _ in 0..20 {
            let pending = world.pending();
            if let Some(key) = pending.iter().find(|it| fits(it.1)).map(|it| it.0.clone()) {
                world.outcome(key, outcome.clone());
                break;
            }
            if world.state.delivery(&delivery(1)).unwrap().state_name() == "awaiting_approval" {
                world.must(&lead(), approve(1));
            }
            let before = world.state.clone();
            world.until(|state| *state != before);
        }
        let ended = world.state.delivery(&delivery(1)).unwrap();
        assert_eq!(ended.state_name(), "failed", "{outcome:?}");
        assert!(world.state.services.values().all(|it| it.stable.is_none()));
    }
}

/// Traffic stops in the middle of the analysis, and it advances: what the first step saw is no evidence for the second.
#[test]
fn each_step_needs_evidence_of_its_own() {
    let mut world = World::holding(&small());
    let observation = healthy(world.service(PRODUCTION), 2 * HOLD_MS, 1_000, 0);
    world.see(PRODUCTION, observation);
    world.until(|state| {
        let service = state.service(&service(PRODUCTION)).unwrap();
        let rollout = state.running(service).unwrap();
        rollout.step == 2 && service.accepted == service.generation
    });
    for served_ms in [1, HOLD_MS, 100 * HOLD_MS] {
        let observation = healthy(world.service(PRODUCTION), served_ms, 0, 0);
        world.see(PRODUCTION, observation);
    }
    let rollout = world.state.rollout(&rollout(2, PRODUCTION)).unwrap();
    assert_eq!((&rollout.phase, rollout.step), (&Phase::Holding, 2));
    let delivery = world.state.delivery(&delivery(2)).unwrap();
    let waits = crate::explain(&world.state, &world.observed, delivery, world.now).unwrap();
    assert_eq!(waits.kind, "traffic");
}

/// Wall time is no evidence: without a look at the data plane nothing passes, however long it takes.
#[test]
fn time_alone_passes_no_hold() {
    let mut world = World::holding(&small());
    for _ in 0..100 {
        world.pass(jiff::SignedDuration::from_hours(1));
        world.must(&lead(), Command::Wake);
    }
    let rollout = world.state.rollout(&rollout(2, PRODUCTION)).unwrap();
    assert_eq!((&rollout.phase, rollout.step), (&Phase::Holding, 1));
}

/// A canary that answered once and then crashes in a loop: its hold may end, and its next step is refused to it.
#[test]
fn a_canary_that_no_longer_runs_goes_no_further() {
    let mut world = World::holding(&small());
    let traffic = |world: &World| {
        let shares = world.service(PRODUCTION).plan.traffic.iter();
        shares.map(|it| it.percent).collect::<Vec<_>>()
    };
    for _ in 0..10 {
        let mut observation = healthy(world.service(PRODUCTION), 2 * HOLD_MS, 1, 0);
        let canary = world.state.rollout(&rollout(2, PRODUCTION)).unwrap();
        let seen = observation.revisions.get_mut(&canary.start.revision);
        let seen = seen.unwrap();
        (seen.ready, seen.failed_starts) = (0, 3);
        world.see(PRODUCTION, observation);
        assert!([vec![90, 10], vec![100]].contains(&traffic(&world)));
        if world
            .state
            .rollout(&rollout(2, PRODUCTION))
            .unwrap()
            .ended()
        {
            break;
        }
        if let Some((key, effect)) = world.pending().into_iter().next() {
            world.outcome(key, success(&effect));
        }
    }
    world.until(|state| state.delivery(&delivery(2)).unwrap().ended());
    let ended = world.state.delivery(&delivery(2)).unwrap();
    assert_eq!(ended.state_name(), "rolled_back");
}
