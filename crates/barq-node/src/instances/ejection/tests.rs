//! An instance that fails and recovers, with times as numbers.

use std::time::{Duration, Instant};

use super::{EJECTED_FIRST, EJECTED_MAX, Ejection, FAILURES_MAX};

#[test]
fn it_takes_several_failures_in_a_row_and_longer_each_time() {
    let (ejection, begin) = (Ejection::default(), Instant::now());
    for _ in 1..FAILURES_MAX {
        assert_eq!(ejection.failed(begin), None);
    }
    ejection.succeeded();
    for _ in 1..FAILURES_MAX {
        assert_eq!(ejection.failed(begin), None);
    }
    assert!(!ejection.is_ejected(begin));
    assert_eq!(ejection.failed(begin), Some(EJECTED_FIRST));
    assert!(ejection.is_ejected(begin));
    assert_eq!(ejection.failed(begin), None, "it is ejected already");
    let mut now = begin;
    for times in 2..20 {
        now += EJECTED_MAX;
        assert!(!ejection.is_ejected(now), "it gets a chance");
        let ejected = ejection.failed(now);
        assert_eq!(ejected, Some((EJECTED_FIRST * times).min(EJECTED_MAX)));
        assert!(ejection.is_ejected(now + Duration::from_millis(1)));
    }
    ejection.succeeded();
    now += EJECTED_MAX;
    assert_eq!(
        ejection.failed(now),
        None,
        "an answer begins the count anew"
    );
}
