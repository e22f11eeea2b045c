//! Titles of a rollout's page: what a glance at the tab must tell comes first.

use std::sync::Arc;

use barq_core::event::{RollbackCause, RolloutEvent};
use barq_core::state::State;
use barq_engine::engine::View;

use super::super::super::super::testing::{
    at, entered, progressed, revision, rollout, state_after, tripped,
};
use super::super::sight::Sight;
use super::super::story::Story;
use super::{Mood, mood, title};

fn check(events: &[(i64, RolloutEvent)], expected_title: &str, expected_mood: Mood) {
    check_seen(events, None, expected_title, expected_mood);
}

fn check_seen(
    events: &[(i64, RolloutEvent)],
    node_error: Option<&str>,
    expected_title: &str,
    expected_mood: Mood,
) {
    let state: State = state_after(events);
    let story = Story::new(state.rollouts.get(&rollout()).expect("the rollout"));
    let view = View {
        state: Arc::new(state),
        data_plane_error: node_error.map(str::to_owned),
        ..View::default()
    };
    let sight = Sight::of(&view, &story, None, at(1000));
    assert_eq!(title(&sight), expected_title);
    assert_eq!(mood(&sight), expected_mood);
}

#[test]
fn a_canary_tells_its_share_and_how_close_it_is() {
    check(&[], "… deploying · shop · production", Mood::Moving);
    let canary = [(1, entered(1, 10, 5)), (2, progressed(60, 100, 2))];
    check(
        &canary,
        "▲ 10 % · shop · 2/5 errors · production",
        Mood::Moving,
    );
    let [entry, progress] = canary;
    let paused = [entry.clone(), progress.clone(), (3, RolloutEvent::Paused)];
    check(
        &paused,
        "⏸ 10 % · shop · 2/5 errors · production",
        Mood::Waiting,
    );
    let back = [entry, progress, (3, tripped(3, 5))];
    check(&back, "↩ rolling back · shop · production", Mood::Trouble);
}

#[test]
fn a_node_that_is_not_seen_is_told_while_it_matters() {
    let away = Some("no answer");
    let canary = [(1, entered(1, 10, 5)), (2, progressed(60, 100, 2))];
    check_seen(
        &canary,
        away,
        "node not seen · ▲ 10 % · shop · 2/5 errors · production",
        Mood::Trouble,
    );
    let over = [(9, RolloutEvent::Succeeded)];
    check_seen(&over, away, "✓ 100 % · shop · production", Mood::Calm);
}

#[test]
fn an_end_tells_how() {
    let back = RolloutEvent::RolledBack { shifted_us: 100 };
    let events = [(1, entered(1, 10, 5)), (2, tripped(2, 5)), (3, back)];
    check(&events, "↩ rolled back · shop · production", Mood::Trouble);
    let succeeded = [(9, RolloutEvent::Succeeded)];
    check(&succeeded, "✓ 100 % · shop · production", Mood::Calm);
    let failed = RolloutEvent::Failed {
        reason: "no instance became ready".to_owned(),
    };
    check(
        &[(9, failed)],
        "✕ failed · shop · production",
        Mood::Trouble,
    );
    let aborted = RolloutEvent::RollbackStarted {
        cause: RollbackCause::Aborted { message: None },
        to: Some(revision(2)),
        size: 0,
        detected_at: at(8),
    };
    let events = [(8, aborted), (9, RolloutEvent::Aborted)];
    check(&events, "■ aborted · shop · production", Mood::Calm);
}
