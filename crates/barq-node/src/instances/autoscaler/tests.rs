//! The rule as a table, its bounds for any input, and its behaviour over time with a clock that is a number.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{
    Autoscaler, SAMPLE_PERIOD, SCALE_DOWN_WINDOW, SCALE_UP_WINDOW, UTILIZATION_TARGET, desired,
};
use crate::api::InstanceRange;

#[test]
fn wants_seventy_percent_of_the_concurrency() {
    let cases = [
        // in flight, concurrency, min, max → desired
        (0.0, 80, 0, 10, 0),
        (0.0, 80, 2, 50, 2),
        (0.1, 80, 0, 10, 1),
        (56.0, 80, 0, 10, 1),
        (56.1, 80, 0, 10, 2),
        (560.0, 80, 2, 50, 10),
        (1_000_000.0, 80, 2, 50, 50),
        (5.0, 1, 0, 100, 8),
        (5.0, 0, 0, 100, 8),
        (5.0, 1, 0, 0, 0),
        (0.0, 80, 5, 3, 3),
        (f64::NAN, 80, 1, 3, 1),
    ];
    for (in_flight, concurrency, min, max, expect) in cases {
        let range = InstanceRange { min, max };
        assert_eq!(
            desired(in_flight, concurrency, range),
            expect,
            "{in_flight} of {concurrency} in {min}..{max}"
        );
    }
}

/// Feeds a constant load for a time; returns what is wanted at its end.
fn load(
    scaler: &mut Autoscaler,
    now: &mut Instant,
    in_flight: u32,
    lasting: Duration,
    range: InstanceRange,
) -> u32 {
    let end = *now + lasting;
    let mut wanted = 0;
    while *now < end {
        *now += SAMPLE_PERIOD;
        scaler.sample(in_flight, *now);
        wanted = scaler.decide(10, range, *now);
    }
    wanted
}

#[test]
fn scales_up_within_the_short_window_and_down_after_the_long_one() {
    let range = InstanceRange { min: 1, max: 20 };
    let mut now = Instant::now();
    let mut scaler = Autoscaler::new(1, now);
    assert_eq!(load(&mut scaler, &mut now, 0, SCALE_DOWN_WINDOW, range), 1);
    assert_eq!(
        load(
            &mut scaler,
            &mut now,
            70,
            SCALE_UP_WINDOW + SAMPLE_PERIOD,
            range
        ),
        10
    );
    assert_eq!(
        load(&mut scaler, &mut now, 0, SAMPLE_PERIOD, range),
        10,
        "one quiet sample takes nothing away"
    );
    let half = load(&mut scaler, &mut now, 0, SCALE_DOWN_WINDOW / 2, range);
    assert!(half < 10, "the long window forgets: {half}");
    assert_eq!(load(&mut scaler, &mut now, 0, SCALE_DOWN_WINDOW, range), 1);
}

#[test]
fn what_queued_while_nobody_looked_is_no_load_and_what_lasts_is() {
    let range = InstanceRange { min: 1, max: 20 };
    let mut now = Instant::now();
    let mut scaler = Autoscaler::new(1, now);
    assert_eq!(load(&mut scaler, &mut now, 80, SAMPLE_PERIOD, range), 1);
    assert_eq!(load(&mut scaler, &mut now, 0, SCALE_UP_WINDOW, range), 1);

    let mut scaler = Autoscaler::new(1, now);
    let half = load(&mut scaler, &mut now, 80, SCALE_UP_WINDOW / 2, range);
    assert_eq!(half, 6, "the half that was seen");
    let whole = load(&mut scaler, &mut now, 80, SCALE_UP_WINDOW / 2, range);
    assert_eq!(whole, 12);
}

#[test]
fn nothing_is_taken_away_before_a_long_window_was_seen() {
    let range = InstanceRange { min: 1, max: 20 };
    let mut now = Instant::now();
    let mut scaler = Autoscaler::new(9, now);
    assert_eq!(
        load(
            &mut scaler,
            &mut now,
            0,
            SCALE_DOWN_WINDOW - SAMPLE_PERIOD * 2,
            range
        ),
        9
    );
    assert_eq!(load(&mut scaler, &mut now, 0, SAMPLE_PERIOD * 3, range), 1);
}

#[test]
fn one_waiting_request_wakes_a_revision_without_instances() {
    for (max, expect) in [(3, 1), (0, 0)] {
        let range = InstanceRange { min: 0, max };
        let mut now = Instant::now();
        let mut scaler = Autoscaler::new(0, now);
        assert_eq!(
            load(&mut scaler, &mut now, 0, SCALE_DOWN_WINDOW * 2, range),
            0
        );
        scaler.sample(1, now);
        assert_eq!(scaler.decide(10, range, now), expect);
    }
}

proptest! {
    #[test]
    fn never_leaves_the_bounds(in_flight in 0.0..1e12_f64, concurrency: u32, min in 0_u32..100, more in 0_u32..100) {
        let wanted = desired(in_flight, concurrency, InstanceRange { min, max: min + more });
        prop_assert!(wanted >= min && wanted <= min + more);
    }

    #[test]
    fn never_wants_fewer_for_more(a in 0.0..1e6_f64, b in 0.0..1e6_f64, concurrency in 1_u32..1000) {
        let range = InstanceRange { min: 0, max: u32::MAX };
        prop_assert!(desired(a.min(b), concurrency, range) <= desired(a.max(b), concurrency, range));
    }

    #[test]
    fn what_it_wants_suffices_and_one_fewer_would_not(in_flight in 0.001..1e6_f64, concurrency in 1_u32..1000) {
        let wanted = f64::from(desired(in_flight, concurrency, InstanceRange { min: 0, max: u32::MAX }));
        let each = UTILIZATION_TARGET * f64::from(concurrency);
        prop_assert!(wanted * each >= in_flight * (1.0 - 1e-9));
        prop_assert!((wanted - 1.0) * each < in_flight);
    }

    #[test]
    fn a_changed_range_takes_force_at_once(start in 0_u32..100, min in 0_u32..50, more in 0_u32..50) {
        let now = Instant::now();
        let range = InstanceRange { min, max: min + more };
        let wanted = Autoscaler::new(start, now).decide(10, range, now);
        prop_assert!(wanted >= min && wanted <= min + more);
    }
}
