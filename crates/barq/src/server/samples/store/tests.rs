//! Looks become hours and series.

use std::sync::Arc;

use barq_core::event::RolloutEvent;
use barq_core::state::State;
use barq_engine::ports::{RevisionDetail, Seen, ServiceSeen};

use super::super::super::testing::{at, entered, revision, rollout, service, state_after};
use super::{AFTER_END, ROLLOUTS_MAX, Store};

/// What is seen of revisions: number, requests, errors.
fn seen(revisions: &[(u32, u64, u64)]) -> Arc<Seen> {
    let detail = |(number, requests, errors): &(u32, u64, u64)| {
        let detail = RevisionDetail {
            requests: *requests,
            errors: *errors,
            latency_us: Some([1000, 2000, 3000]),
            ..RevisionDetail::default()
        };
        (revision(*number), detail)
    };
    let of_service = ServiceSeen {
        details: revisions.iter().map(detail).collect(),
        ..ServiceSeen::default()
    };
    Arc::new(Seen {
        change: 1,
        services: [(service(), of_service)].into(),
    })
}

/// A look in each second, each with ten requests of stable and one, an error, of the canary.
fn watch(store: &mut Store, state: &State, seconds: std::ops::Range<i64>) {
    for second in seconds {
        let count = u64::try_from(second).expect("a count");
        let seen = seen(&[(2, 1000 + 10 * count, 0), (3, count, count)]);
        store.see(state, &seen, at(second));
    }
}

#[test]
fn a_rollout_has_a_series_of_both_its_revisions() {
    let state = state_after(&[(1, entered(1, 10, 5))]);
    let mut store = Store::default();
    watch(&mut store, &state, 0..11);
    let series = store.rollout(&rollout()).expect("a series");
    let canary: Vec<u64> = series.canary.iter().map(|bin| bin.errors).collect();
    let stable: Vec<u64> = series.stable.iter().map(|bin| bin.requests).collect();
    assert_eq!((canary, stable), (vec![1; 10], vec![10; 10]));
    let sum = store.hour(&service(), at(10)).sum();
    assert_eq!((sum.requests, sum.errors), (110, 10));
}

#[test]
fn the_same_look_again_counts_nothing() {
    let state = state_after(&[]);
    let mut store = Store::default();
    let (one, other) = (seen(&[(2, 5, 0)]), seen(&[(2, 9, 0)]));
    for (second, seen) in [(0, &one), (1, &other), (2, &other), (3, &other)] {
        store.see(&state, seen, at(second));
    }
    assert_eq!(store.hour(&service(), at(3)).sum().requests, 4);
    let series = store.rollout(&rollout()).expect("a series");
    assert_eq!(series.stable.len(), 1);
}

#[test]
fn a_series_ends_a_minute_after_its_rollout() {
    let running = state_after(&[]);
    let failed = RolloutEvent::Failed {
        reason: "no instance became ready".to_owned(),
    };
    let ended = state_after(&[(10, failed)]);
    let mut store = Store::default();
    watch(&mut store, &running, 0..11);
    let after = 10 + AFTER_END.as_secs();
    watch(&mut store, &ended, 11..after + 30);
    let series = store.rollout(&rollout()).expect("a series");
    assert_eq!(i64::try_from(series.canary.len()), Ok(after - 1));
    // What it was is still there when the rollout is forgotten.
    watch(&mut store, &State::default(), after + 30..after + 40);
    assert_eq!(store.rollout(&rollout()), Some(series));
}

#[test]
fn only_what_has_changed_is_written() {
    let state = state_after(&[]);
    let mut store = Store::default();
    watch(&mut store, &state, 0..3);
    let changes = store.take_changes();
    assert!(changes.hours.is_some() && changes.rollouts.len() == 1);
    let again = store.take_changes();
    assert!(again.hours.is_none() && again.rollouts.is_empty());
    // What could not be written is still to be written.
    store.put_back(changes);
    let again = store.take_changes();
    assert!(again.hours.is_some() && again.rollouts.len() == 1);
}

#[test]
fn the_newest_rollouts_are_kept() {
    let state = state_after(&[]);
    let mut store = Store::default();
    watch(&mut store, &state, 0..2);
    let watched = store.take_changes().rollouts.remove(0);
    let rollouts = (0..=ROLLOUTS_MAX as i64).map(|number| super::Watched {
        rollout: format!("shop-{}-production", number + 10)
            .parse()
            .expect("an id"),
        started_at: at(number),
        ..watched.clone()
    });
    let mut store = Store::of(Default::default(), rollouts.collect());
    assert_eq!(store.rollouts.len(), ROLLOUTS_MAX);
    let dropped = store.take_changes().dropped;
    assert_eq!(dropped, ["shop-10-production".parse().expect("an id")]);
}
