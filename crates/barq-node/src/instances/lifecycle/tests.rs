//! The life of an instance as scripts: what happens when, and what has to be done then.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{ADOPTION_TRUST_AFTER, Action, Event, Found, Lifecycle, PORT_RETRIES_MAX, Probe};
use crate::api::{HealthConfiguration, InstanceState, ProbeConfiguration};
use Action::{Admit, Ask, CountFailedStart, Explain, Launch, Retire, Stop, Withdraw};
use Event::{Drained, Exited, Failed, LaunchFailed, Launched, Passed, Time, Unwanted};
use Probe::{Liveness, Readiness, Startup};

const DRAIN: Duration = Duration::from_secs(30);
const ENDED: Event = Exited { port_taken: false };

/// The defaults of `flow.md` section 4.
fn health() -> HealthConfiguration {
    let probe = |path: &str, initial_delay_ms, period_ms| ProbeConfiguration {
        path: path.to_owned(),
        initial_delay_ms,
        period_ms,
        timeout_ms: 3_000,
        failures: 3,
    };
    HealthConfiguration {
        startup: probe("/health/live", 10_000, 10_000),
        liveness: probe("/health/live", 0, 30_000),
        readiness: probe("/health/ready", 0, 10_000),
        detailed_path: "/health/detailed".to_owned(),
    }
}

/// One line of a script: at this second this happens, and this has to be done.
type Line<'a> = (u64, Event, &'a [Action]);

fn play(life: &mut Lifecycle, start: Instant, script: &[Line<'_>]) {
    for (second, event, expect) in script {
        let now = start + Duration::from_secs(*second);
        assert_eq!(
            life.on(*event, now, 0.0),
            *expect,
            "{event:?} at {second} s"
        );
    }
}

fn new() -> (Lifecycle, Instant) {
    let start = Instant::now();
    (Lifecycle::new(health(), DRAIN, start), start)
}

/// An instance that is ready at second 10.
fn ready() -> (Lifecycle, Instant) {
    let (mut life, start) = new();
    play(
        &mut life,
        start,
        &[
            (0, Time, &[Launch]),
            (0, Launched, &[]),
            (9, Time, &[]),
            (10, Time, &[Ask(Startup)]),
            (10, Passed(Startup), &[Ask(Readiness)]),
            (10, Passed(Readiness), &[Admit]),
        ],
    );
    assert_eq!(life.shown(), InstanceState::Ready);
    (life, start)
}

#[test]
fn receives_traffic_only_once_its_readiness_probe_passes() {
    let (mut life, start) = new();
    play(
        &mut life,
        start,
        &[
            (0, Time, &[Launch]),
            (0, Launched, &[]),
            (10, Time, &[Ask(Startup)]),
            (10, Time, &[]),
            (10, Passed(Startup), &[Ask(Readiness)]),
            (11, Failed(Readiness), &[]),
            (19, Time, &[]),
            (20, Time, &[Ask(Readiness)]),
            (20, Failed(Readiness), &[]),
            (30, Time, &[Ask(Readiness)]),
            (30, Failed(Readiness), &[]),
        ],
    );
    assert_eq!(life.shown(), InstanceState::NotReady);
    play(
        &mut life,
        start,
        &[
            (40, Time, &[Ask(Readiness), Ask(Liveness)]),
            (40, Passed(Readiness), &[Admit]),
        ],
    );
    assert_eq!(life.shown(), InstanceState::Ready);
}

#[test]
fn a_start_fails_with_the_last_startup_probe() {
    let (mut life, start) = new();
    play(
        &mut life,
        start,
        &[
            (0, Time, &[Launch]),
            (0, Launched, &[]),
            (10, Time, &[Ask(Startup)]),
            (13, Failed(Startup), &[]),
            (20, Time, &[Ask(Startup)]),
            (23, Failed(Startup), &[]),
            (30, Time, &[Ask(Startup)]),
            (33, Failed(Startup), &[CountFailedStart, Stop]),
            (33, Passed(Startup), &[]),
            (40, ENDED, &[]),
            (40, Time, &[]),
            (41, Time, &[Launch]),
        ],
    );
}

#[test]
fn an_instance_that_fails_its_readiness_gets_no_traffic_until_it_passes() {
    let (mut life, start) = ready();
    play(
        &mut life,
        start,
        &[
            (20, Time, &[Ask(Readiness)]),
            (20, Failed(Readiness), &[]),
            (30, Time, &[Ask(Readiness)]),
            (30, Passed(Readiness), &[]),
            (40, Time, &[Ask(Readiness), Ask(Liveness)]),
            (40, Passed(Liveness), &[]),
            (40, Failed(Readiness), &[]),
            (50, Time, &[Ask(Readiness)]),
            (50, Failed(Readiness), &[]),
            (60, Time, &[Ask(Readiness)]),
            (60, Failed(Readiness), &[Withdraw]),
            (70, Time, &[Ask(Readiness), Ask(Liveness)]),
            (70, Failed(Readiness), &[]),
            (80, Time, &[Ask(Readiness)]),
            (80, Passed(Readiness), &[Admit]),
        ],
    );
}

#[test]
fn an_instance_that_is_not_alive_is_restarted() {
    let (mut life, start) = ready();
    play(
        &mut life,
        start,
        &[
            (40, Time, &[Ask(Readiness), Ask(Liveness)]),
            (43, Failed(Liveness), &[]),
        ],
    );
    play(
        &mut life,
        start,
        &[(70, Time, &[Ask(Liveness)]), (73, Failed(Liveness), &[])],
    );
    play(
        &mut life,
        start,
        &[
            (100, Time, &[Ask(Liveness)]),
            (103, Failed(Liveness), &[Withdraw, Explain, Stop]),
            (104, Passed(Readiness), &[]),
            (105, ENDED, &[]),
            (106, Time, &[Launch]),
        ],
    );
}

#[test]
fn a_crash_loop_backs_off() {
    let (mut life, start) = new();
    let mut at = 0;
    for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
        play(
            &mut life,
            start,
            &[
                (at, Time, &[Launch]),
                (at, Launched, &[]),
                (at, ENDED, &[CountFailedStart]),
            ],
        );
        assert_eq!(life.shown(), InstanceState::BackingOff);
        play(&mut life, start, &[(at + wait - 1, Time, &[])]);
        at += wait;
    }
    play(
        &mut life,
        start,
        &[
            (at, Time, &[Launch]),
            (at, LaunchFailed, &[CountFailedStart]),
        ],
    );
}

#[test]
fn a_crash_after_a_long_time_begins_the_waits_anew() {
    for (ready_for, wait) in [(59, 2), (60, 1)] {
        let (mut life, start) = new();
        play(
            &mut life,
            start,
            &[
                (0, Time, &[Launch]),
                (0, Launched, &[]),
                (0, ENDED, &[CountFailedStart]),
            ],
        );
        play(
            &mut life,
            start,
            &[
                (1, Time, &[Launch]),
                (1, Launched, &[]),
                (11, Time, &[Ask(Startup)]),
            ],
        );
        play(
            &mut life,
            start,
            &[
                (11, Passed(Startup), &[Ask(Readiness)]),
                (11, Passed(Readiness), &[Admit]),
            ],
        );
        let end = 11 + ready_for;
        play(&mut life, start, &[(end, ENDED, &[Withdraw, Explain])]);
        play(
            &mut life,
            start,
            &[(end + wait - 1, Time, &[]), (end + wait, Time, &[Launch])],
        );
    }
}

#[test]
fn a_taken_port_is_no_failed_start_unless_it_goes_on() {
    let (mut life, start) = new();
    let taken = Exited { port_taken: true };
    play(&mut life, start, &[(0, Time, &[Launch])]);
    for _ in 0..PORT_RETRIES_MAX {
        play(
            &mut life,
            start,
            &[(0, Launched, &[]), (0, taken, &[Launch])],
        );
    }
    play(
        &mut life,
        start,
        &[(0, Launched, &[]), (0, taken, &[CountFailedStart])],
    );
}

#[test]
fn leaves_by_draining() {
    let (mut life, start) = ready();
    play(&mut life, start, &[(11, Unwanted, &[Withdraw])]);
    assert!(life.is_draining() && life.is_leaving());
    play(
        &mut life,
        start,
        &[(12, Drained, &[Stop]), (13, ENDED, &[Retire])],
    );
    assert!(life.is_gone());

    let (mut life, start) = ready();
    play(
        &mut life,
        start,
        &[
            (11, Unwanted, &[Withdraw]),
            (40, Time, &[]),
            (41, Time, &[Stop]),
            (51, ENDED, &[Retire]),
        ],
    );

    let (mut life, start) = ready();
    play(
        &mut life,
        start,
        &[(11, Unwanted, &[Withdraw]), (12, ENDED, &[Retire])],
    );
}

#[test]
fn leaves_from_anywhere() {
    let (mut waiting, start) = new();
    play(&mut waiting, start, &[(0, Unwanted, &[Retire])]);
    let (mut launching, start) = new();
    play(
        &mut launching,
        start,
        &[
            (0, Time, &[Launch]),
            (0, Unwanted, &[]),
            (0, Launched, &[Stop]),
            (1, ENDED, &[Retire]),
        ],
    );
    let (mut failed, start) = new();
    play(
        &mut failed,
        start,
        &[
            (0, Time, &[Launch]),
            (0, Unwanted, &[]),
            (0, LaunchFailed, &[Retire]),
        ],
    );
    let (mut starting, start) = new();
    play(
        &mut starting,
        start,
        &[
            (0, Time, &[Launch]),
            (0, Launched, &[]),
            (1, Unwanted, &[Stop]),
            (1, Unwanted, &[]),
            (2, ENDED, &[Retire]),
        ],
    );
    let (mut restarting, start) = ready();
    for at in [40, 70, 100] {
        restarting.on(Time, start + Duration::from_secs(at), 0.0);
        restarting.on(Failed(Liveness), start + Duration::from_secs(at), 0.0);
    }
    play(
        &mut restarting,
        start,
        &[(101, Unwanted, &[]), (102, ENDED, &[Retire])],
    );
    for life in [waiting, launching, failed, starting, restarting] {
        assert!(life.is_gone());
        assert_eq!(life.next_deadline(), None);
    }
}

#[test]
fn an_adopted_instance_is_ready_after_one_probe() {
    let start = Instant::now();
    for found in [Found::Ready, Found::NotReady] {
        let mut life = Lifecycle::adopted(health(), DRAIN, found, start);
        play(
            &mut life,
            start,
            &[
                (0, Time, &[Ask(Readiness)]),
                (0, Passed(Readiness), &[Admit]),
            ],
        );
    }
}

#[test]
fn an_adopted_instance_that_does_not_answer_is_trusted_only_if_it_was_ready() {
    let start = Instant::now();
    let later = start + ADOPTION_TRUST_AFTER;
    for (found, expect) in [(Found::Ready, vec![Admit]), (Found::NotReady, vec![])] {
        let mut life = Lifecycle::adopted(health(), DRAIN, found, start);
        play(&mut life, start, &[(0, Time, &[Ask(Readiness)])]);
        assert_eq!(life.on(Time, later, 0.0), expect, "{found:?}");
    }
    let mut failed = Lifecycle::adopted(health(), DRAIN, Found::Ready, start);
    play(
        &mut failed,
        start,
        &[(0, Time, &[Ask(Readiness)]), (0, Failed(Readiness), &[])],
    );
    assert_eq!(failed.on(Time, later, 0.0), vec![]);
}

#[test]
fn an_adopted_instance_goes_on_starting_or_leaving() {
    let start = Instant::now();
    let found = Found::Starting {
        age: Duration::from_secs(7),
    };
    let mut starting = Lifecycle::adopted(health(), DRAIN, found, start);
    play(
        &mut starting,
        start,
        &[(2, Time, &[]), (3, Time, &[Ask(Startup)])],
    );
    let mut leaving = Lifecycle::adopted(health(), DRAIN, Found::Leaving, start);
    play(
        &mut leaving,
        start,
        &[(0, Time, &[]), (1, Drained, &[Stop]), (2, ENDED, &[Retire])],
    );
    let mut waiting = Lifecycle::adopted(health(), DRAIN, Found::Leaving, start);
    let drain_s = DRAIN.as_secs();
    play(
        &mut waiting,
        start,
        &[(drain_s - 1, Time, &[]), (drain_s, Time, &[Stop])],
    );
}

fn any_event() -> impl Strategy<Value = Event> {
    let probe = prop_oneof![Just(Startup), Just(Liveness), Just(Readiness)];
    prop_oneof![
        Just(Launched),
        Just(LaunchFailed),
        probe.clone().prop_map(Passed),
        probe.prop_map(Failed),
        any::<bool>().prop_map(|port_taken| Exited { port_taken }),
        Just(Drained),
        Just(Time),
        Just(Unwanted),
    ]
}

proptest! {
    /// Whatever comes in whatever order: admitted and withdrawn alternate, nothing is started while something runs as far
    /// as the lifecycle was told, and an unwanted instance is never started or admitted again.
    #[test]
    fn holds_its_promises(events in prop::collection::vec((any_event(), 0_u64..40), 0..80)) {
        let (mut life, mut now) = new();
        let (mut admitted, mut unwanted) = (false, false);
        for (event, seconds) in events {
            now += Duration::from_secs(seconds);
            unwanted |= event == Unwanted;
            for action in life.on(event, now, 0.5) {
                match action {
                    Admit => {
                        prop_assert!(!admitted && !unwanted);
                        admitted = true;
                    }
                    Withdraw => {
                        prop_assert!(admitted);
                        admitted = false;
                    }
                    Launch => prop_assert!(!admitted && !unwanted),
                    Stop | Retire => prop_assert!(!admitted),
                    Ask(_) | CountFailedStart | Explain => {}
                }
            }
            prop_assert_eq!(admitted, life.shown() == InstanceState::Ready);
            prop_assert!(!unwanted || life.is_leaving());
        }
    }
}
