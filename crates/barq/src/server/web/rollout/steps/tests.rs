//! The line of stages in every state.

use barq_core::event::{DirectReason, RolloutEvent};

use super::super::super::super::testing::{entered, rollout, state_after, tripped};
use super::super::story::Story;
use super::stages;

/// Each stage's name and how it stands.
fn line(events: &[(i64, RolloutEvent)]) -> String {
    let state = state_after(events);
    let mut story = Story::new(state.rollouts.get(&rollout()).expect("the rollout"));
    for (second, event) in events {
        story.hear(&barq_core::event::Recorded {
            at: super::super::super::super::testing::at(*second),
            actor: barq_core::event::Actor::barq(),
            event: barq_core::event::Event::Rollout(rollout(), event.clone()),
        });
    }
    let stages = stages(&story.rollout, &story);
    let words = stages
        .iter()
        .map(|stage| format!("{}: {}", stage.name, stage.standing.words()));
    words.collect::<Vec<_>>().join(" | ")
}

fn deployed() -> (i64, RolloutEvent) {
    (1, RolloutEvent::Deployed { ready: 1 })
}

fn tested() -> (i64, RolloutEvent) {
    let lines = vec![barq_core::event::ProbeLine {
        what: "GET /".to_owned(),
        passed: true,
        detail: "200".to_owned(),
        duration_ms: 1,
    }];
    (2, RolloutEvent::SmokePassed { lines })
}

#[test]
fn before_the_first_step() {
    insta::assert_snapshot!(line(&[]), @"");
    insta::assert_snapshot!(line(&[deployed()]), @"");
    let failed = RolloutEvent::Failed {
        reason: "smoke tests".to_owned(),
    };
    insta::assert_snapshot!(line(&[deployed(), (3, failed)]), @"");
}

#[test]
fn in_the_steps() {
    let first = (3, entered(1, 10, 5));
    insta::assert_snapshot!(line(&[deployed(), tested(), first.clone()]), @"");
    let paused = (4, RolloutEvent::Paused);
    insta::assert_snapshot!(line(&[deployed(), tested(), first.clone(), paused]), @"");
    let prepared = (4, RolloutEvent::StepPrepared { step: 2, size: 2 });
    insta::assert_snapshot!(line(&[deployed(), tested(), first.clone(), prepared]), @"");
    let tripped = (4, tripped(4, 5));
    let back = (5, RolloutEvent::RolledBack { shifted_us: 9 });
    insta::assert_snapshot!(line(&[deployed(), tested(), first, tripped, back]), @"");
}

#[test]
fn steps_that_are_left_out() {
    let promoted = [
        deployed(),
        tested(),
        (3, entered(1, 10, 5)),
        (4, RolloutEvent::Promoted { full: true }),
    ];
    insta::assert_snapshot!(line(&promoted), @"");
    let direct = [
        deployed(),
        tested(),
        (3, RolloutEvent::WentDirect(DirectReason::NoStable)),
        (4, entered(3, 100, 5)),
        (5, RolloutEvent::Succeeded),
    ];
    insta::assert_snapshot!(line(&direct), @"");
}
