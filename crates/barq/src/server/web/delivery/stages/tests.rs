//! Journeys that went well, badly, or not at all, as the line shows them.

use barq_core::event::{
    CheckOutcome, DeliveryEvent, DirectReason, Interruption, RollbackCause, RolloutEvent,
};
use jiff::Timestamp;

use super::super::super::super::testing::journey::{Story, entered};
use super::super::super::super::testing::{at, configuration, revision, start, tripped};
use super::{Kind, Leg, Progress, Stage, legs};

fn back(cause: RollbackCause, detected: i64) -> RolloutEvent {
    RolloutEvent::RollbackStarted {
        cause,
        to: Some(revision(2)),
        size: 0,
        detected_at: at(detected),
    }
}

/// A line for each leg; `!` is late.
fn shown(legs: &[Leg], now: Timestamp) -> String {
    let leg = |leg: &Leg| {
        let stages: Vec<String> = leg.stages.iter().map(|it| stage(it, now)).collect();
        let name = leg.environment.as_deref().unwrap_or("pipeline");
        format!("{name}: {}", stages.join(" · "))
    };
    legs.iter().map(leg).collect::<Vec<_>>().join("\n")
}

fn stage(stage: &Stage, now: Timestamp) -> String {
    let kind = match stage.kind {
        Kind::Step(_, share) => format!("{share} %"),
        kind => format!("{kind:?}").to_lowercase(),
    };
    let took = match stage.progress {
        Progress::UnderWay => stage.counted_from().map(|from| super::between(from, now)),
        _ => stage.took(),
    };
    let took = took.map_or_else(String::new, |took| format!(" {took:?}"));
    let late = if stage.over(now).is_some() { "!" } else { "" };
    let note = stage
        .note
        .as_ref()
        .map_or_else(String::new, |note| format!(" ({note})"));
    let progress = match stage.progress {
        Progress::Passed => String::new(),
        other => format!(" {other:?}").to_lowercase(),
    };
    format!("{kind}{took}{late}{progress}{note}")
}

fn check(story: Story, now: i64, expect: &str) {
    assert_eq!(shown(&legs(&story.journey()), at(now)), expect.trim());
}

const AHEAD: &str = "\nstaging: deploy ahead · smoke ahead · shift ahead\n\
    production: approval ahead · deploy ahead · smoke ahead · 10 % ahead · 50 % ahead · verify ahead";
const NOT_REACHED: &str = "\nstaging: deploy notreached · smoke notreached · shift notreached\n\
    production: approval notreached · deploy notreached · smoke notreached · 10 % notreached · 50 % notreached · verify notreached";
const PIPELINE: &str = "pipeline: push 0ns · checks 12s · build 48s\n";
const STAGED: &str =
    "pipeline: push 0ns · checks 12s · build 48s\nstaging: deploy 20s · smoke 5s · shift 7s\n";

#[test]
fn the_pipeline() {
    let pushed = || Story::pushed(Ok(configuration()), true);
    check(
        pushed(),
        5,
        &format!("pipeline: push 0ns · checks 5s underway · build ahead{AHEAD}"),
    );
    check(
        pushed(),
        31,
        &format!("pipeline: push 0ns · checks 31s! underway · build ahead{AHEAD}"),
    );
    let failing = pushed().check("unit", 8, CheckOutcome::Failed { code: 1 });
    check(
        failing.clone(),
        9,
        &format!("pipeline: push 0ns · checks 9s underway (unit) · build ahead{AHEAD}"),
    );
    let reason = || "checks failed".to_owned();
    let failed = failing
        .check("lint", 40, CheckOutcome::TimedOut)
        .then(40, DeliveryEvent::Failed { reason: reason() });
    check(
        failed,
        99,
        &format!(
            "pipeline: push 0ns · checks 40s! bad (unit, lint) · build notreached{NOT_REACHED}"
        ),
    );
    let built = Story::built();
    check(built, 61, &format!("{PIPELINE}{}", AHEAD.trim_start()));
    let broken = pushed()
        .then(12, DeliveryEvent::BuildStarted)
        .then(200, DeliveryEvent::Failed { reason: reason() });
    check(
        broken,
        201,
        &format!("pipeline: push 0ns · checks 12s · build 188s! bad{NOT_REACHED}"),
    );
    let cancelled = pushed().then(7, DeliveryEvent::Cancelled { message: None });
    check(
        cancelled,
        9,
        &format!(
            "pipeline: push 0ns · checks 7s stopped (cancelled by eve) · build notreached{NOT_REACHED}"
        ),
    );
}

#[test]
fn what_is_not_delivered_has_no_way_ahead() {
    let branch = Story::pushed(Ok(configuration()), false)
        .check("unit", 8, CheckOutcome::Passed)
        .then(9, DeliveryEvent::Succeeded);
    check(branch, 20, "pipeline: push 0ns · checks 9s");
    let reason = "line 3".to_owned();
    let broken = Story::pushed(Err("line 3"), true).then(0, DeliveryEvent::Failed { reason });
    check(broken, 20, "pipeline: push 0ns · configuration 0ns bad");
}

#[test]
fn the_gate() {
    let waits = "production: approval waits · deploy ahead · smoke ahead · 10 % ahead · 50 % ahead · verify ahead";
    check(Story::at_the_gate(), 4000, &format!("{STAGED}{waits}"));
    let rejected = Story::at_the_gate().then(100, DeliveryEvent::Rejected { message: None });
    let rest = "deploy notreached · smoke notreached · 10 % notreached · 50 % notreached · verify notreached";
    check(
        rejected,
        4000,
        &format!("{STAGED}production: approval 8s bad (rejected by eve) · {rest}"),
    );
    let by = "shop-4".parse().expect("an id");
    let superseded = Story::at_the_gate().then(100, DeliveryEvent::Superseded { by });
    let took = "approval 8s stopped (shop-4 took its place)";
    check(
        superseded,
        4000,
        &format!("{STAGED}production: {took} · {rest}"),
    );
    let expired = Story::at_the_gate().then(100, DeliveryEvent::Expired);
    let took = "approval 8s stopped (nobody approved in time)";
    check(
        expired,
        4000,
        &format!("{STAGED}production: {took} · {rest}"),
    );
}

#[test]
fn its_turn() {
    let waits = Story::built().arrives("staging", 60);
    let rest = "production: approval ahead · deploy ahead · smoke ahead · 10 % ahead · 50 % ahead · verify ahead";
    check(
        waits.clone(),
        70,
        &format!(
            "{PIPELINE}staging: turn waits · deploy ahead · smoke ahead · shift ahead\n{rest}"
        ),
    );
    let waited = waits.clone().deployed("staging", 100);
    check(
        waited,
        130,
        &format!("{PIPELINE}staging: turn 40s · deploy 20s · smoke 5s · shift 5s underway\n{rest}"),
    );
    let rest = "production: approval notreached · deploy notreached · smoke notreached · 10 % notreached · 50 % notreached · verify notreached";
    let cancelled = waits.then(75, DeliveryEvent::Cancelled { message: None });
    check(
        cancelled,
        130,
        &format!(
            "{PIPELINE}staging: turn 15s stopped · deploy notreached · smoke notreached · shift notreached\n{rest}"
        ),
    );
}

#[test]
fn a_good_canary() {
    let production = "production: approval 400s (by eve) · deploy 20s · smoke 5s · prepare 13s";
    check(
        Story::canary(),
        600,
        &format!("{STAGED}{production} · 10 % 70s underway · 50 % ahead · verify ahead"),
    );
    let second = Story::canary()
        .rolls("production", 831, RolloutEvent::StepPassed { step: 1 })
        .rolls("production", 832, entered(2, 50));
    check(
        second.clone(),
        900,
        &format!("{STAGED}{production} · 10 % 301s · 50 % 68s underway · verify ahead"),
    );
    let done = second
        .rolls("production", 1240, RolloutEvent::StepPassed { step: 2 })
        .rolls("production", 1241, entered(3, 100))
        .rolls(
            "production",
            1243,
            RolloutEvent::Verified { lines: Vec::new() },
        )
        .rolls("production", 1243, RolloutEvent::Succeeded)
        .then(1243, DeliveryEvent::Succeeded);
    check(
        done,
        9999,
        &format!("{STAGED}{production} · 10 % 301s · 50 % 408s! · verify 2s"),
    );
}

#[test]
fn a_canary_that_is_steered() {
    let production = "production: approval 400s (by eve) · deploy 20s · smoke 5s · prepare 13s";
    let paused = Story::canary().rolls("production", 600, RolloutEvent::Paused);
    check(
        paused.clone(),
        9999,
        &format!("{STAGED}{production} · 10 % paused · 50 % ahead · verify ahead"),
    );
    let resumed = paused.rolls("production", 1600, RolloutEvent::Resumed);
    check(
        resumed.clone(),
        1700,
        &format!("{STAGED}{production} · 10 % 170s underway · 50 % ahead · verify ahead"),
    );
    let promoted = resumed
        .rolls("production", 1700, RolloutEvent::Promoted { full: true })
        .rolls("production", 1700, RolloutEvent::StepPassed { step: 1 })
        .rolls("production", 1702, entered(3, 100));
    check(
        promoted,
        1703,
        &format!(
            "{STAGED}{production} · 10 % 170s (promoted by eve) · 50 % skipped · verify 1s underway"
        ),
    );
    let interrupted = Story::canary().rolls(
        "production",
        540,
        RolloutEvent::Interrupted(Interruption::LeaseExpired),
    );
    let note = "it lost its traffic with no verdict, and was entered again";
    check(
        interrupted,
        550,
        &format!("{STAGED}{production} · 10 % 20s underway ({note}) · 50 % ahead · verify ahead"),
    );
}

#[test]
fn a_canary_that_goes_back() {
    let production = "production: approval 400s (by eve) · deploy 20s · smoke 5s · prepare 13s";
    let back_again = |shifted_us| RolloutEvent::RolledBack { shifted_us };
    let ended = DeliveryEvent::RolledBack {
        environment: "production".to_owned(),
    };
    let bad = Story::canary()
        .rolls("production", 560, tripped(560, 5))
        .rolls("production", 561, back_again(1500))
        .then(561, ended);
    let note = bad.clone().journey().rollouts[1]
        .rollback
        .as_ref()
        .map(|record| barq_core::report::because(&record.cause))
        .expect("it was rolled back");
    check(
        bad,
        9999,
        &format!(
            "{STAGED}{production} · 10 % 30s bad ({note}) · rollback 1.5ms · 50 % notreached · verify notreached"
        ),
    );
    let cause = RollbackCause::Aborted { message: None };
    let note = barq_core::report::because(&cause);
    let aborted = Story::canary().rolls("production", 560, back(cause, 560));
    check(
        aborted.clone(),
        561,
        &format!(
            "{STAGED}{production} · 10 % 30s stopped ({note}) · rollback 1s underway · 50 % ahead · verify ahead"
        ),
    );
    let over = aborted
        .rolls("production", 562, RolloutEvent::Aborted)
        .then(562, DeliveryEvent::Cancelled { message: None });
    check(
        over,
        9999,
        &format!(
            "{STAGED}{production} · 10 % 30s stopped ({note}) · rollback 2s · 50 % notreached · verify notreached"
        ),
    );
}

#[test]
fn a_deployment_that_fails() {
    let reason = || "its instances were not ready in time".to_owned();
    let failed = Story::built()
        .arrives("staging", 60)
        .rolls(
            "staging",
            60,
            RolloutEvent::Started(Box::new(start("staging"))),
        )
        .rolls("staging", 120, RolloutEvent::Failed { reason: reason() })
        .then(120, DeliveryEvent::Failed { reason: reason() });
    let rest = "production: approval notreached · deploy notreached · smoke notreached · 10 % notreached · 50 % notreached · verify notreached";
    check(
        failed,
        9999,
        &format!(
            "{PIPELINE}staging: deploy 60s! bad ({}) · smoke notreached · shift notreached\n{rest}",
            reason()
        ),
    );
}

#[test]
fn a_first_rollout_has_no_canary() {
    let mut alone = start("production");
    alone.stable = None;
    let started = RolloutEvent::Started(Box::new(alone));
    let approved = Story::approved_instead_of(None);
    let why = "no canary: nothing served before";
    let ahead = format!("10 % skipped ({why}) · 50 % skipped ({why}) · verify ahead");
    check(
        approved.clone(),
        493,
        &format!(
            "{STAGED}production: approval 400s (by eve) · turn waits · deploy ahead · smoke ahead · {ahead}"
        ),
    );
    let first = approved
        .rolls("production", 492, started)
        .rolls("production", 512, RolloutEvent::Deployed { ready: 1 })
        .rolls(
            "production",
            517,
            RolloutEvent::SmokePassed { lines: Vec::new() },
        )
        .rolls(
            "production",
            517,
            RolloutEvent::WentDirect(DirectReason::NoStable),
        )
        .rolls("production", 518, entered(3, 100))
        .rolls("production", 530, RolloutEvent::Succeeded)
        .then(530, DeliveryEvent::Succeeded);
    check(
        first,
        9999,
        &format!(
            "{STAGED}production: approval 400s (by eve) · deploy 20s · smoke 5s · 10 % skipped ({why}) · 50 % skipped ({why}) · verify 12s ({why})"
        ),
    );
}

#[test]
fn an_approval_that_is_asked_for_again_may_be_for_a_canary() {
    let asked = Story::at_the_gate().0.last().cloned().expect("the gate");
    let again = Story::approved_instead_of(None).told(500, asked.event);
    let legs = legs(&again.journey());
    let steps = "10 % ahead · 50 % ahead · verify ahead";
    assert!(shown(&legs, at(501)).ends_with(steps));
}

#[test]
fn a_canary_that_may_not_come_is_said_so() {
    let mut legs = legs(&Story::built().journey());
    super::foresee(&mut legs, |environment| environment == "production");
    let note = "(left out if nothing serves there by then)";
    let steps = format!("10 % ahead {note} · 50 % ahead {note} · verify ahead");
    assert!(shown(&legs, at(61)).ends_with(&steps));
}
