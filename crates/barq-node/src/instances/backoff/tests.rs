//! The waits as a table, and their bounds for any input.

use std::time::Duration;

use proptest::prelude::*;

use super::{BACKOFF_MAX, BACKOFF_MIN, delay};

#[test]
fn doubles_up_to_the_longest_wait() {
    for (step, seconds) in [
        (0, 1),
        (1, 2),
        (2, 4),
        (3, 8),
        (4, 16),
        (5, 32),
        (6, 60),
        (7, 60),
        (4_000_000_000, 60),
    ] {
        assert_eq!(
            delay(step, 0.0),
            Duration::from_secs(seconds),
            "step {step}"
        );
    }
}

proptest! {
    #[test]
    fn stays_within_half_and_whole(step: u32, jitter in 0.0..=1.0_f64) {
        let whole = delay(step, 0.0);
        let wait = delay(step, jitter);
        prop_assert!(wait <= whole && wait >= whole / 2);
        prop_assert!(wait >= BACKOFF_MIN / 2 && wait <= BACKOFF_MAX);
    }
}
