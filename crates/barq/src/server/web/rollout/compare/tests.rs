//! What is counted of a rollout, and no more.

use super::super::super::super::samples::{Bin, Series};
use super::in_all;

#[test]
fn what_is_seen_after_the_end_is_none_of_the_rollouts() {
    let bin = |requests, errors| Bin {
        watched_ms: 1000,
        requests,
        errors,
        latency_us: None,
    };
    let series = Series {
        start_ms: 10_000,
        width_ms: 1000,
        until_ms: 13_000,
        canary: vec![bin(1, 0), bin(2, 1), bin(0, 0)],
        stable: vec![bin(9, 0), bin(8, 0), bin(100, 7)],
    };
    assert_eq!(in_all(&series, None), ((3, 1), (117, 7)));
    assert_eq!(in_all(&series, Some(12_000)), ((3, 1), (17, 0)));
    // A bin in which it ended is still its own.
    assert_eq!(in_all(&series, Some(11_200)), ((3, 1), (17, 0)));
    assert_eq!(in_all(&series, Some(10_500)), ((1, 0), (9, 0)));
}
