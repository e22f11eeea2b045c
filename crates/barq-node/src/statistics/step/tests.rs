//! Canary and stable side by side, and going on after a restart.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use barq_judge::Outcome;
use jiff::Timestamp;

use super::{Role, StepCounts, StepStatistics};
use crate::statistics::Completed;

#[test]
fn roles_are_counted_apart_and_earlier_counts_are_kept() {
    let before = StepCounts {
        requests: 10,
        errors: 2,
        ..StepCounts::default()
    };
    let step = StepStatistics::new(before, 2);
    let record = |thread, role, status, client: u8, shielded| {
        let completed = Completed {
            method: "GET",
            path: "/",
            outcome: Outcome::Answered(status),
            latency: Duration::ZERO,
            request_id: "r",
            client: IpAddr::V4(Ipv4Addr::new(10, 0, 0, client)),
            shielded,
            at: Timestamp::UNIX_EPOCH,
            second: 0,
        };
        step.record(thread, role, &completed);
    };
    record(0, Role::Canary, 500, 1, true);
    record(1, Role::Canary, 500, 1, false);
    record(1, Role::Canary, 200, 2, false);
    record(0, Role::Stable, 500, 3, false);
    record(1, Role::Stable, 200, 3, false);
    let expected = StepCounts {
        requests: 13,
        errors: 4,
        shielded: 1,
        clients: 2,
        clients_with_errors: 1,
        stable_requests: 2,
        stable_errors: 1,
    };
    assert_eq!(step.counts(), expected);
}
