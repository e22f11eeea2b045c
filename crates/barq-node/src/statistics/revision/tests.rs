//! Counts, windows and caps, with time as an argument.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use barq_judge::{Failure, Outcome};
use jiff::Timestamp;

use super::RevisionStatistics;
use crate::statistics::Completed;

fn completed(second: u64, outcome: Outcome) -> Completed<'static> {
    Completed {
        method: "GET",
        path: "/vehicles/7",
        outcome,
        latency: Duration::from_micros(1000),
        request_id: "r",
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        shielded: false,
        at: Timestamp::from_second(i64::try_from(second).unwrap()).unwrap(),
        second,
    }
}

const OK: Outcome = Outcome::Answered(200);
const BAD: Outcome = Outcome::Answered(500);
const BROKEN: Outcome = Outcome::Failed {
    failure: Failure::Broken,
    status: None,
};

#[test]
fn classes_errors_and_the_share_window() {
    let statistics = RevisionStatistics::new(2);
    for (thread, outcome) in [
        (0, OK),
        (1, OK),
        (0, BAD),
        (1, BROKEN),
        (0, Outcome::Answered(404)),
        (1, Outcome::ClientGone),
    ] {
        statistics.record(thread, &completed(100, outcome));
    }
    let counts = statistics.counts();
    assert_eq!((counts.requests, counts.errors), (6, 2));
    assert_eq!(counts.responses, [0, 2, 0, 1, 1, 2]);
    assert_eq!(
        (
            statistics.recently_completed(105),
            statistics.recently_completed(111)
        ),
        (6, 0)
    );
}

#[test]
fn errors_leave_the_watch_window() {
    let statistics = RevisionStatistics::new(1);
    for second in [10, 20, 20, 30] {
        statistics.record(0, &completed(second, BAD));
    }
    let within = |window, now| statistics.errors_within(Duration::from_secs(window), now);
    assert_eq!(
        [within(60, 30), within(10, 30), within(5, 30), within(5, 90)],
        [4, 3, 1, 0]
    );
}

#[test]
fn latencies_are_of_the_last_minute() {
    let statistics = RevisionStatistics::new(2);
    assert_eq!(statistics.latency_us(0), None);
    for index in 0..100 {
        statistics.record(index % 2, &completed(5, OK));
    }
    let [p50, _, p99] = statistics.latency_us(5).unwrap();
    assert!(
        (990..=1010).contains(&p50) && (990..=1010).contains(&p99),
        "{p50} {p99}"
    );
    assert_eq!(statistics.latency_us(300), None);
}

#[test]
fn evidence_is_capped_and_newest_first() {
    let statistics = RevisionStatistics::new(2);
    for second in 0..200 {
        let path = format!("/x{}y", "a".repeat(second as usize % 30));
        statistics.record(
            second as usize,
            &Completed {
                path: &path,
                ..completed(second, BAD)
            },
        );
    }
    for index in 0..1000_u64 {
        let method = format!("M{index}");
        statistics.record(
            0,
            &Completed {
                method: &method,
                ..completed(200, OK)
            },
        );
    }
    let (evidence, failures) = statistics.evidence();
    assert_eq!(failures.len(), 50);
    assert!(failures.is_sorted_by_key(|failure| std::cmp::Reverse(failure.at)));
    assert_eq!(failures[0].at.as_second(), 199);
    assert_eq!(
        evidence
            .endpoints
            .iter()
            .map(|count| count.count)
            .sum::<u64>(),
        1200
    );
    assert_eq!((evidence.clients, evidence.clients_with_errors), (1, 1));
}
