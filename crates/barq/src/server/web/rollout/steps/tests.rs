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
    insta::assert_snapshot!(line(&[]), @"Deploy: now | Smoke tests: to come | Way back: to come | 10 %: to come | 50 %: to come | 100 %: to come | Verified: to come");
    insta::assert_snapshot!(line(&[deployed()]), @"Deploy: done | Smoke tests: now | Way back: to come | 10 %: to come | 50 %: to come | 100 %: to come | Verified: to come");
    let failed = RolloutEvent::Failed {
        reason: "smoke tests".to_owned(),
    };
    insta::assert_snapshot!(line(&[deployed(), (3, failed)]), @"Deploy: done | Smoke tests: ended badly here | Way back: not reached | 10 %: not reached | 50 %: not reached | 100 %: not reached | Verified: not reached");
}

#[test]
fn in_the_steps() {
    let first = (3, entered(1, 10, 5));
    insta::assert_snapshot!(line(&[deployed(), tested(), first.clone()]), @"Deploy: done | Smoke tests: done | Way back: done | 10 %: now | 50 %: to come | 100 %: to come | Verified: to come");
    let paused = (4, RolloutEvent::Paused);
    insta::assert_snapshot!(line(&[deployed(), tested(), first.clone(), paused]), @"Deploy: done | Smoke tests: done | Way back: done | 10 %: paused here | 50 %: to come | 100 %: to come | Verified: to come");
    let prepared = (4, RolloutEvent::StepPrepared { step: 2, size: 2 });
    insta::assert_snapshot!(line(&[deployed(), tested(), first.clone(), prepared]), @"Deploy: done | Smoke tests: done | Way back: done | 10 %: done | 50 %: now | 100 %: to come | Verified: to come");
    let tripped = (4, tripped(4, 5));
    let back = (5, RolloutEvent::RolledBack { shifted_us: 9 });
    insta::assert_snapshot!(line(&[deployed(), tested(), first, tripped, back]), @"Deploy: done | Smoke tests: done | Way back: done | 10 %: ended badly here | 50 %: not reached | 100 %: not reached | Verified: not reached");
}

#[test]
fn steps_that_are_left_out() {
    let promoted = [
        deployed(),
        tested(),
        (3, entered(1, 10, 5)),
        (4, RolloutEvent::Promoted { full: true }),
    ];
    insta::assert_snapshot!(line(&promoted), @"Deploy: done | Smoke tests: done | Way back: done | 10 %: now | 50 %: left out | 100 %: to come | Verified: to come");
    let direct = [
        deployed(),
        tested(),
        (3, RolloutEvent::WentDirect(DirectReason::NoStable)),
        (4, entered(3, 100, 5)),
        (5, RolloutEvent::Succeeded),
    ];
    insta::assert_snapshot!(line(&direct), @"Deploy: done | Smoke tests: done | Way back: done | 10 %: left out | 50 %: left out | 100 %: done | Verified: done");
}
