//! Ticks: at round values and round times, never too many for the room, as numbers.

use super::{time_ticks, value_ticks};

#[test]
fn values_count_by_1_2_or_5() {
    let check = |highest: f64, expected: &[f64]| {
        let ticks = value_ticks(highest, 4);
        let same = ticks.len() == expected.len()
            && ticks
                .iter()
                .zip(expected)
                .all(|(one, other)| (one - other).abs() < 1e-9);
        assert!(same, "{highest}: {ticks:?}, not {expected:?}");
    };
    check(1.0, &[0.0, 0.5, 1.0]);
    check(4.0, &[0.0, 1.0, 2.0, 3.0, 4.0]);
    check(4.1, &[0.0, 2.0, 4.0, 6.0]);
    check(97.0, &[0.0, 50.0, 100.0]);
    check(120.0, &[0.0, 50.0, 100.0, 150.0]);
    check(0.03, &[0.0, 0.01, 0.02, 0.03]);
    for nothing in [0.0, -3.0, f64::NAN, f64::INFINITY] {
        check(nothing, &[0.0, 0.5, 1.0]);
    }
}

#[test]
fn times_are_round() {
    let check = |start_s: i64, end_s: i64, expected: &[i64]| {
        let ticks = time_ticks(start_s * 1000, end_s * 1000, 5);
        let seconds: Vec<i64> = ticks.iter().map(|tick| tick / 1000).collect();
        assert_eq!(seconds, expected, "{start_s} to {end_s}");
    };
    check(100, 140, &[100, 110, 120, 130, 140]);
    check(101, 161, &[105, 120, 135, 150]);
    check(3601, 4321, &[3900, 4200]);
}
