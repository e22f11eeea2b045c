//! The wire's rules one by one, then its invariants under threads that race.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::thread;

use proptest::prelude::*;

use super::{AlreadyTripped, COUNT_MAX, Count, TripNow, Tripwire};

fn armed(limit: u64) -> Arc<Tripwire> {
    let wire = Arc::new(Tripwire::new());
    wire.arm(Some(limit)).unwrap();
    wire
}

#[test]
fn the_error_that_reaches_the_limit_trips() {
    let wire = armed(3);
    let held = wire.admit().unwrap();
    assert_eq!(wire.record_error(), None);
    assert_eq!(wire.record_error(), None);
    assert!(held.is_open());
    assert_eq!(
        wire.record_error(),
        Some(TripNow {
            errors: 3,
            in_flight: 1
        })
    );
    assert!(!held.is_open(), "what waits for a connection sees it");
    assert!(wire.admit().is_none());
    assert_eq!(wire.in_flight(), 1, "a refused request leaves no trace");
    drop(held);
    assert_eq!(wire.in_flight(), 0);
    assert_eq!(wire.record_error(), None, "only one trip");
    assert_eq!(wire.errors(), 4, "but every error is counted");
}

#[test]
fn an_unarmed_wire_counts_and_never_trips() {
    let wire = Arc::new(Tripwire::new());
    for _ in 0..1000 {
        assert_eq!(wire.record_error(), None);
    }
    assert_eq!(wire.errors(), 1000);
    assert!(wire.admit().is_some());
}

#[test]
fn arming_starts_at_zero_and_does_not_undo_a_trip() {
    let wire = armed(2);
    assert_eq!(wire.record_error(), None);
    wire.arm(Some(2)).unwrap();
    assert_eq!(wire.record_error(), None);
    assert!(wire.record_error().is_some());
    assert_eq!(wire.arm(Some(5)), Err(AlreadyTripped));
    assert_eq!(wire.arm(None), Err(AlreadyTripped));
    assert!(wire.admit().is_none());
    wire.acknowledge();
    assert!(wire.admit().is_none(), "acknowledged, not yet opened");
    wire.arm(Some(1)).unwrap();
    assert!(wire.admit().is_some());
}

#[test]
fn a_closed_wire_still_counts_and_trips() {
    let wire = armed(2);
    let held = wire.admit().unwrap();
    wire.close();
    assert!(!held.is_open());
    assert!(wire.admit().is_none());
    assert!(!wire.has_tripped());
    assert_eq!(wire.record_error(), None);
    assert!(wire.record_error().is_some());
}

#[test]
fn limits_beyond_the_word_are_capped() {
    let wire = armed(u64::MAX);
    assert_eq!(wire.record_error(), None);
    assert!(!wire.has_tripped());
    let wire = armed(COUNT_MAX);
    assert_eq!(wire.record_error(), None);
    assert_eq!(wire.errors(), 1);
}

/// Threads admit and fail as fast as they can. Whoever is told of the trip raises a flag *after* it; whoever has seen the
/// flag *before* asking for admission must never get it.
#[test]
fn no_admission_after_the_trip_and_one_trip_only() {
    const THREADS: usize = 4;
    const ROUNDS: usize = 2_000;
    for round in 0..ROUNDS {
        let limit = 1 + (round as u64 % 7);
        let wire = armed(limit);
        let told = Arc::new(AtomicBool::new(false));
        let trips = Arc::new(AtomicU64::new(0));
        let admitted_at_trip = Arc::new(AtomicU64::new(0));
        let errors = Arc::new(AtomicU64::new(0));
        let start = Arc::new(Barrier::new(THREADS));
        let workers = (0..THREADS).map(|_| {
            let (wire, told, trips, start) =
                (wire.clone(), told.clone(), trips.clone(), start.clone());
            let (admitted_at_trip, errors) = (admitted_at_trip.clone(), errors.clone());
            thread::spawn(move || {
                start.wait();
                for _ in 0..20 {
                    let knew = told.load(SeqCst);
                    let Some(admission) = wire.admit() else { break };
                    assert!(!knew, "admitted after the trip was told");
                    errors.fetch_add(1, SeqCst);
                    if let Some(trip) = wire.record_error() {
                        admitted_at_trip.store(trip.in_flight, SeqCst);
                        trips.fetch_add(1, SeqCst);
                        told.store(true, SeqCst);
                    }
                    drop(admission);
                }
            })
        });
        for worker in workers.collect::<Vec<_>>() {
            worker.join().unwrap();
        }
        assert_eq!(trips.load(SeqCst), 1);
        assert_eq!(wire.in_flight(), 0);
        assert_eq!(wire.errors(), errors.load(SeqCst));
        assert!(
            errors.load(SeqCst) <= limit + admitted_at_trip.load(SeqCst),
            "at most the limit and what was in flight"
        );
    }
}

/// A new configuration arms the wire while an error reaches the limit: either the trip comes first and `arm` fails, or the
/// wire is armed anew and the error counts for the new limit. Never is a trip lost.
#[test]
fn arming_never_swallows_a_trip() {
    for _ in 0..5_000 {
        let wire = armed(1);
        let start = Arc::new(Barrier::new(2));
        let arming = {
            let (wire, start) = (wire.clone(), start.clone());
            thread::spawn(move || {
                start.wait();
                wire.arm(Some(2))
            })
        };
        start.wait();
        let trip = wire.record_error();
        let arm = arming.join().unwrap();
        match (trip, arm) {
            (Some(_), Err(AlreadyTripped)) => assert!(wire.has_tripped()),
            (None, Ok(())) => assert_eq!(wire.errors(), 1),
            other => panic!("{other:?}: a trip and a fresh wire"),
        }
    }
}

/// Another plan of the same step arrives while errors do: each counts once, and the one that reaches the limit trips.
#[test]
fn counting_on_loses_no_error_that_races_with_it() {
    const ERRORS: u64 = 10;
    for _ in 0..2_000 {
        let wire = armed(ERRORS);
        let start = Arc::new(Barrier::new(2));
        let planning = {
            let (wire, start) = (wire.clone(), start.clone());
            thread::spawn(move || {
                start.wait();
                for _ in 0..ERRORS {
                    // Once it has tripped there is nothing left to plan.
                    if wire.arm_step(Some(ERRORS), Count::On(0)).is_err() {
                        break;
                    }
                }
            })
        };
        start.wait();
        let trips = (0..ERRORS).filter_map(|_| wire.record_error()).count();
        planning.join().unwrap();
        assert_eq!((wire.errors(), trips), (ERRORS, 1));
        assert!(wire.has_tripped());
    }
}

#[test]
fn a_count_that_is_at_the_limit_trips_at_once() {
    let cases = [
        (Count::From(3), 0, Some(3)),
        (Count::From(0), 2, None),
        (Count::On(0), 2, None),
        (Count::On(3), 2, Some(3)),
        (Count::On(u64::MAX), 0, Some(COUNT_MAX)),
    ];
    for (count, before, expected) in cases {
        let wire = armed(3);
        for _ in 0..before {
            assert_eq!(wire.record_error(), None);
        }
        let tripped = wire.arm_step(Some(3), count).unwrap();
        assert_eq!(tripped.map(|trip| trip.errors), expected, "{count:?}");
        assert_eq!(wire.admit().is_none(), expected.is_some());
        assert_eq!(wire.has_tripped(), expected.is_some());
    }
}

#[derive(Debug, Clone)]
enum Step {
    Arm(Option<u64>),
    ArmFor(Option<u64>, Count),
    Close,
    Acknowledge,
    Admit,
    Release,
    Error,
}

fn counts() -> impl Strategy<Value = Count> {
    prop_oneof![
        (0..6_u64).prop_map(Count::From),
        (0..6_u64).prop_map(Count::On)
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        prop::option::of(1..5_u64).prop_map(Step::Arm),
        (prop::option::of(1..5_u64), counts())
            .prop_map(|(limit, count)| Step::ArmFor(limit, count)),
        Just(Step::Close),
        Just(Step::Acknowledge),
        Just(Step::Admit),
        Just(Step::Release),
        Just(Step::Error),
        Just(Step::Error),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    /// Against a plain model with one field for each fact.
    #[test]
    fn behaves_as_its_plain_model(steps in steps()) {
        let wire = Arc::new(Tripwire::new());
        let (mut tripped, mut closed, mut limit, mut errors) = (false, false, None, 0_u64);
        let mut held = Vec::new();
        for step in steps {
            match step {
                Step::Arm(new) => {
                    prop_assert_eq!(wire.arm(new).is_err(), tripped);
                    if !tripped {
                        (closed, limit, errors) = (false, new, 0);
                    }
                }
                Step::ArmFor(new, count) => {
                    let armed = wire.arm_step(new, count);
                    prop_assert_eq!(armed.is_err(), tripped);
                    if !tripped {
                        let counted = match count {
                            Count::From(known) => known,
                            Count::On(known) => errors.max(known),
                        };
                        (closed, limit, errors) = (false, new, counted);
                        tripped = limit.is_some_and(|limit| errors >= limit);
                        prop_assert_eq!(armed.unwrap().is_some(), tripped);
                    }
                }
                Step::Close => { wire.close(); closed = true; }
                Step::Acknowledge => { wire.acknowledge(); (tripped, closed, limit, errors) = (false, true, None, 0); }
                Step::Admit => {
                    let admission = wire.admit();
                    prop_assert_eq!(admission.is_some(), !tripped && !closed);
                    held.extend(admission);
                }
                Step::Release => drop(held.pop()),
                Step::Error => {
                    errors += 1;
                    let trips = !tripped && limit.is_some_and(|limit| errors >= limit);
                    tripped |= trips;
                    prop_assert_eq!(wire.record_error().is_some(), trips);
                }
            }
            prop_assert_eq!(wire.errors(), errors);
            prop_assert_eq!(wire.in_flight(), held.len() as u64);
            prop_assert_eq!(wire.has_tripped(), tripped);
        }
    }
}
