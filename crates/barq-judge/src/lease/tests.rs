//! The lease's rules at their edges.

use std::time::Duration;

use super::{Lease, LeaseRefusal, Run};

const RUN: Run = Run(1);
const LENGTH: Duration = Duration::from_secs(60);

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn it_runs_out_at_its_last_instant() {
    let lease = Lease::grant(RUN, 7, LENGTH, at(10));
    assert!(!lease.has_expired(at(70) - Duration::from_nanos(1)));
    assert!(lease.has_expired(at(70)));
    assert_eq!(lease.remaining(at(40)), at(30));
    assert_eq!(lease.remaining(at(100)), Duration::ZERO);
}

#[test]
fn only_its_holder_renews_it_and_only_in_time() {
    let cases = [
        (RUN, 7, 69, Ok(())),
        (RUN, 7, 70, Err(LeaseRefusal::Expired)),
        (RUN, 7, 4000, Err(LeaseRefusal::Expired)),
        (
            RUN,
            8,
            20,
            Err(LeaseRefusal::OtherGeneration {
                held: 7,
                offered: 8,
            }),
        ),
        (Run(2), 7, 20, Err(LeaseRefusal::OtherRun)),
    ];
    for (run, generation, seconds, expected) in cases {
        let mut lease = Lease::grant(RUN, 7, LENGTH, at(10));
        assert_eq!(lease.renew(run, generation, at(seconds)), expected);
        let expires = if expected.is_ok() {
            at(seconds) + LENGTH
        } else {
            at(70)
        };
        assert_eq!(lease.expires(), expires, "a refusal changes nothing");
    }
}

#[test]
fn a_late_renewal_does_not_shorten_it() {
    let mut lease = Lease::grant(RUN, 7, LENGTH, at(10));
    lease.renew(RUN, 7, at(5)).unwrap();
    assert_eq!(lease.expires(), at(70));
}
