//! The wire's rules one by one, then its invariants under threads that race.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use super::{AlreadyTripped, Count, Limit, Noted, Past, TIMES_MAX, TripNow, Tripwire};

fn armed(limit: u64) -> Arc<Tripwire> {
    let wire = Arc::new(Tripwire::new());
    wire.arm(Some(Limit::of_step(limit))).unwrap();
    wire
}

#[test]
fn the_error_that_reaches_the_limit_trips() {
    let wire = armed(3);
    let held = wire.admit().unwrap();
    assert_eq!(wire.record_error(None, AT), None);
    assert_eq!(wire.record_error(None, AT), None);
    assert!(held.is_open());
    assert_eq!(
        wire.record_error(None, AT),
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
    assert_eq!(wire.record_error(None, AT), None, "only one trip");
    assert_eq!(wire.errors(AT), 4, "but every error is counted");
}

#[test]
fn an_unarmed_wire_counts_and_never_trips() {
    let wire = Arc::new(Tripwire::new());
    for _ in 0..1000 {
        assert_eq!(wire.record_error(None, AT), None);
    }
    assert_eq!(wire.errors(AT), 1000);
    assert!(wire.admit().is_some());
}

#[test]
fn arming_starts_at_zero_and_does_not_undo_a_trip() {
    let wire = armed(2);
    assert_eq!(wire.record_error(None, AT), None);
    wire.arm(Some(Limit::of_step(2))).unwrap();
    assert_eq!(wire.record_error(None, AT), None);
    assert!(wire.record_error(None, AT).is_some());
    assert_eq!(wire.arm(Some(Limit::of_step(5))), Err(AlreadyTripped));
    assert_eq!(wire.arm(None), Err(AlreadyTripped));
    assert!(wire.admit().is_none());
    wire.acknowledge();
    assert!(wire.admit().is_none(), "acknowledged, not yet opened");
    wire.arm(Some(Limit::of_step(1))).unwrap();
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
    assert_eq!(wire.record_error(None, AT), None);
    assert!(wire.record_error(None, AT).is_some());
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
                    if let Some(trip) = wire.record_error(None, AT) {
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
        assert_eq!(wire.errors(AT), errors.load(SeqCst));
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
                wire.arm(Some(Limit::of_step(2)))
            })
        };
        start.wait();
        let trip = wire.record_error(None, AT);
        let arm = arming.join().unwrap();
        match (trip, arm) {
            (Some(_), Err(AlreadyTripped)) => assert!(wire.has_tripped()),
            (None, Ok(())) => assert_eq!(wire.errors(AT), 1),
            other => panic!("{other:?}: a trip and a fresh wire"),
        }
    }
}

/// Another plan of the same step arrives while errors do: each counts once, and the one that reaches the limit trips.
#[test]
fn counting_on_loses_no_error_that_races_with_it() {
    const ERRORS: u64 = 10;
    let limit = Some(Limit::of_step(ERRORS));
    for _ in 0..2_000 {
        let wire = armed(ERRORS);
        let start = Arc::new(Barrier::new(2));
        let planning = {
            let (wire, start) = (wire.clone(), start.clone());
            thread::spawn(move || {
                start.wait();
                for _ in 0..ERRORS {
                    // Once it has tripped there is nothing left to plan.
                    if wire
                        .arm_step(limit, Count::On(Past::default()), AT)
                        .is_err()
                    {
                        break;
                    }
                }
            })
        };
        start.wait();
        let trips = (0..ERRORS)
            .filter_map(|_| wire.record_error(None, AT))
            .count();
        planning.join().unwrap();
        assert_eq!((wire.errors(AT), trips), (ERRORS, 1));
        assert!(wire.has_tripped());
    }
}

#[test]
fn a_count_that_is_at_the_limit_trips_at_once() {
    let cases = [
        (Count::From(known(3, 3)), 0, Some(3)),
        (Count::From(known(9, 2)), 0, None),
        (Count::From(known(0, 0)), 2, None),
        (Count::On(known(0, 0)), 2, None),
        (Count::On(known(2, 2)), 2, None),
        (Count::On(known(3, 3)), 2, Some(3)),
        (Count::On(known(9, 0)), 2, None),
        (Count::On(known(u64::MAX, u64::MAX)), 0, Some(u64::MAX)),
    ];
    for (count, before, expected) in cases {
        let wire = armed(3);
        for _ in 0..before {
            assert_eq!(wire.record_error(None, AT), None);
        }
        let limit = Some(Limit::of_step(3));
        let tripped = wire.arm_step(limit, count, AT).unwrap();
        assert_eq!(tripped.map(|trip| trip.errors), expected, "{count:?}");
        assert_eq!(tripped, wire.tripped());
        assert_eq!(wire.admit().is_none(), expected.is_some());
        assert_eq!(wire.has_tripped(), expected.is_some());
    }
}

fn within(errors: u64, window_s: u64) -> Arc<Tripwire> {
    let wire = Arc::new(Tripwire::new());
    wire.arm(Some(window(errors, window_s))).unwrap();
    wire
}

fn window(errors: u64, window_s: u64) -> Limit {
    Limit {
        errors,
        window: Some(Duration::from_secs(window_s)),
    }
}

#[test]
fn an_error_older_than_the_window_counts_no_more() {
    let wire = within(3, 60);
    for second in [100, 130, 161, 191] {
        let now = Duration::from_secs(second);
        assert_eq!(wire.record_error(None, now), None, "at {second} s");
        assert!(wire.errors(now) <= 2);
    }
    assert_eq!(wire.total(), 4);
    let trip = wire.record_error(None, Duration::from_secs(221));
    assert_eq!(trip.unwrap().errors, 3, "161, 191 and 221; 161 is 60 s old");
}

#[test]
fn threads_that_read_the_clock_before_they_wait_count_as_the_latest() {
    let wire = within(3, 60);
    assert_eq!(wire.record_error(None, Duration::from_secs(100)), None);
    assert_eq!(wire.record_error(None, Duration::from_secs(99)), None);
    assert_eq!(wire.errors(Duration::from_secs(160)), 2);
    assert!(wire.record_error(None, Duration::from_secs(160)).is_some());
}

#[test]
fn a_client_counts_once_for_as_long_as_its_last_error_is_inside() {
    let wire = within(3, 60);
    let fail = |client, second| {
        wire.record_error(client, Duration::from_secs(second))
            .is_some()
    };
    for second in 0..100 {
        assert!(!fail(Some(7), second));
    }
    assert!(!fail(Some(8), 100));
    assert_eq!(wire.errors(Duration::from_secs(159)), 2);
    assert_eq!(
        wire.errors(Duration::from_secs(160)),
        1,
        "client 7 was last seen at 99"
    );
    assert!(!fail(None, 160), "nobody's error counts by itself");
    assert!(fail(None, 160));
    assert_eq!(wire.total(), 103);
}

/// Ages of what was noted in seconds, what others know, the errors of the trip, and those that count now.
type Restored<'a> = (&'a [u64], &'a [Past], Option<u64>, u64);

#[test]
fn what_was_noted_counts_when_it_came() {
    let noted = |ages: &[u64]| -> Vec<Noted> {
        let error = |age: &u64| Noted {
            age: Duration::from_secs(*age),
            client: None,
        };
        ages.iter().map(error).collect()
    };
    // The node has been running for 5 s; the limit is 3 in 60 s.
    let cases: [Restored<'_>; 7] = [
        (&[50, 20], &[], None, 2),
        (&[90, 20], &[], None, 1),
        (&[500, 480, 445], &[], Some(3), 0),
        (&[500, 480, 435], &[], None, 0),
        (&[90, 20], &[known(2, 2), known(1, 1)], None, 1),
        (&[90, 20], &[known(3, 2)], None, 2),
        (&[90, 20], &[known(3, 2), known(5, 4)], Some(4), 4),
    ];
    for (ages, past, tripped, errors) in cases {
        let wire = Arc::new(Tripwire::new());
        let now = Duration::from_secs(5);
        let told = wire.restore(Some(window(3, 60)), &noted(ages), past, now);
        assert_eq!(told.map(|trip| trip.errors), tripped, "{ages:?} {past:?}");
        assert_eq!(wire.errors(now), errors, "{ages:?} {past:?}");
    }
}

#[test]
fn a_high_limit_counts_too_long_by_little_and_never_too_short() {
    let (limit, seconds) = (TIMES_MAX * 3, TIMES_MAX);
    let wire = within(limit, seconds);
    // Two errors a second: each pair shares a time.
    for error in 0..limit - 1 {
        let now = Duration::from_millis(error * 500);
        assert_eq!(wire.record_error(None, now), None);
    }
    let now = Duration::from_millis((limit - 2) * 500);
    let inside = seconds * 2;
    assert!((inside..inside + 3).contains(&wire.errors(now)));
    let later = now + Duration::from_secs(seconds + 1);
    assert_eq!(wire.errors(later), 0);
}

const AT: Duration = Duration::from_secs(1000);

const fn known(errors: u64, recent: u64) -> Past {
    Past {
        errors,
        recent,
        age: Duration::from_secs(1),
    }
}

mod model;
