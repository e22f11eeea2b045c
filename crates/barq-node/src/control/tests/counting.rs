//! The count of a step over plans and restarts: no error is lost to the limit, none counts twice.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{FakeFleet, SERVICE, share, trial};
use crate::api::{CanaryCounts, CanaryState, Refusal, ServiceConfiguration, ServiceObservation};
use crate::control::Services;
use crate::proxy::{Revision, Verdict};

const LIMIT: u64 = 5;

fn load(directory: &Path) -> Arc<Services> {
    Services::load(directory, 1, Box::new(FakeFleet::default())).unwrap()
}

fn observe(services: &Services) -> ServiceObservation {
    services.observe().services[SERVICE].clone()
}

fn canary(services: &Services) -> Arc<Revision> {
    let service = services.find(SERVICE).unwrap();
    let state = service.lock();
    Arc::clone(state.canary().unwrap())
}

/// A step of the canary, planned by somebody who knows of so many errors in it.
fn step(generation: u64, step: u32, counted: u64) -> ServiceConfiguration {
    let mut configuration = trial(generation, 10, Some(LIMIT));
    let canary = configuration.canary.as_mut().unwrap();
    canary.step = step;
    canary.counted = CanaryCounts {
        requests: counted,
        errors: counted,
        ..CanaryCounts::default()
    };
    configuration
}

/// Errors of the canary, as a thread of the proxy tells them; whether the last one tripped.
fn fail(services: &Services, times: u64) -> bool {
    let revision = canary(services);
    let mut tripped = false;
    for _ in 0..times {
        let now = revision.wire.record_error(None, services.now());
        services.on_verdict(&Verdict::CanaryError {
            service: SERVICE,
            client: None,
        });
        tripped = now.is_some();
        if let Some(trip) = now {
            services.on_verdict(&Verdict::Tripped {
                service: SERVICE,
                revision: &revision,
                trip,
                decided: Instant::now(),
            });
        }
    }
    tripped
}

#[tokio::test]
async fn another_plan_of_the_step_counts_on() {
    let directory = tempfile::tempdir().unwrap();
    let services = load(directory.path());
    services.accept(step(1, 1, 0)).await.unwrap();
    assert!(!fail(&services, 3));
    // The server has seen one of them when it plans again.
    services.accept(step(2, 1, 1)).await.unwrap();
    assert!(!fail(&services, 1));
    services.accept(step(2, 1, 1)).await.unwrap();
    assert!(fail(&services, 1), "the fifth of the step");
    let trip = observe(&services).trip.unwrap();
    assert_eq!((trip.errors, trip.generation), (LIMIT, 2));
}

#[tokio::test]
async fn another_step_counts_from_zero() {
    let directory = tempfile::tempdir().unwrap();
    let services = load(directory.path());
    services.accept(step(1, 1, 0)).await.unwrap();
    assert!(!fail(&services, LIMIT - 1));
    services.accept(step(2, 2, 0)).await.unwrap();
    assert!(!fail(&services, LIMIT - 1));
    assert!(fail(&services, 1));
}

#[tokio::test]
async fn what_is_observed_is_beyond_what_the_server_knew() {
    let directory = tempfile::tempdir().unwrap();
    let services = load(directory.path());
    services.accept(step(1, 1, 0)).await.unwrap();
    assert!(!fail(&services, 3));
    assert!(services.write_all().await);
    // After a restart the tripwire's count stands for the statistics.
    let services = load(directory.path());
    assert_eq!(observe(&services).canary.unwrap().errors, 3);
    services.accept(step(2, 1, 1)).await.unwrap();
    assert_eq!(observe(&services).canary.unwrap().errors, 2);
}

#[tokio::test]
async fn a_node_killed_after_another_plan_still_has_the_count() {
    let directory = tempfile::tempdir().unwrap();
    let services = load(directory.path());
    services.accept(step(1, 1, 0)).await.unwrap();
    assert!(!fail(&services, 4));
    assert!(services.write_all().await);
    services.accept(step(2, 1, 0)).await.unwrap();
    drop(services);

    let services = load(directory.path());
    services.accept(step(3, 1, 0)).await.unwrap();
    assert!(fail(&services, 1));
    assert_eq!(observe(&services).trip.unwrap().errors, LIMIT);
}

#[tokio::test]
async fn what_the_server_knows_is_the_least_that_is_counted() {
    let directory = tempfile::tempdir().unwrap();
    let services = load(directory.path());
    services.accept(step(1, 1, 0)).await.unwrap();
    assert!(!fail(&services, 3));
    drop(services);
    // Nothing is left of what was noted, but the server had seen three.
    let noted = directory.path().join(format!("counters/{SERVICE}.errors"));
    std::fs::remove_file(noted).unwrap();
    let services = load(directory.path());
    assert_eq!(observe(&services).canary.unwrap().errors, 0);
    services.accept(step(2, 1, 3)).await.unwrap();
    assert_eq!(observe(&services).canary.unwrap().errors, 0);
    assert!(!fail(&services, 1));
    assert!(fail(&services, 1));
}

#[tokio::test]
async fn a_step_that_a_full_disk_refuses_leaves_the_present_one_its_tally() {
    let directory = tempfile::tempdir().unwrap();
    let services = load(directory.path());
    services.accept(step(1, 1, 0)).await.unwrap();
    assert!(!fail(&services, 2));
    let obstacles = [
        format!("counters/{SERVICE}.new-errors"),
        format!("configuration/{SERVICE}.new"),
    ];
    for obstacle in &obstacles {
        std::fs::create_dir(directory.path().join(obstacle)).unwrap();
    }
    let mut next = step(2, 2, 0);
    next.traffic = vec![share("stable", 50), share("canary", 50)];
    let refused = services.accept(next).await;
    assert!(
        matches!(refused, Err(Refusal::NotKept { .. })),
        "{refused:?}"
    );
    assert!(!fail(&services, 2));
    drop(services);

    for obstacle in &obstacles {
        std::fs::remove_dir(directory.path().join(obstacle)).unwrap();
    }
    let services = load(directory.path());
    services.accept(step(3, 1, 0)).await.unwrap();
    assert!(fail(&services, 1), "the fifth of the step");
}

#[tokio::test]
async fn a_plan_with_nothing_left_trips_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let services = load(directory.path());
    services.accept(step(1, 1, LIMIT)).await.unwrap();
    let observation = observe(&services);
    assert_eq!(observation.traffic, vec![share("stable", 100)]);
    assert_eq!(observation.canary.unwrap().state, CanaryState::Tripped);
    let trip = observation.trip.unwrap();
    assert_eq!((trip.errors, trip.generation), (LIMIT, 1));
    assert!(!canary(&services).wire.is_open());
}

#[tokio::test]
async fn a_node_killed_before_anything_was_written_has_noted_the_errors() {
    let directory = tempfile::tempdir().unwrap();
    for (generation, errors, state) in
        [(1, 4, CanaryState::Suspended), (2, 1, CanaryState::Tripped)]
    {
        let services = load(directory.path());
        services.accept(step(generation, 1, 0)).await.unwrap();
        assert_eq!(fail(&services, errors), state == CanaryState::Tripped);
        drop(services);
        let services = load(directory.path());
        assert_eq!(observe(&services).canary.unwrap().state, state);
    }
    let services = load(directory.path());
    assert_eq!(observe(&services).trip.unwrap().errors, LIMIT);
    let mut next = step(3, 2, 0);
    (next.last_trip, next.acknowledges) = (1, Some(1));
    services.accept(next).await.unwrap();
    assert!(!fail(&services, LIMIT - 1), "another step");
}

#[tokio::test]
async fn errors_that_left_the_window_count_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let services = load(directory.path());
    let mut short = step(1, 1, 0);
    short.canary.as_mut().unwrap().window_ms = Some(200);
    services.accept(short).await.unwrap();
    fail(&services, LIMIT - 1);
    let deadline = Instant::now() + Duration::from_secs(20);
    while observe(&services).canary.unwrap().recent_errors > 0 {
        assert!(Instant::now() < deadline, "they stay inside the window");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(
        !fail(&services, 1),
        "the fifth of the step, the first inside"
    );
    // However slow the machine is, at some time five come within the window.
    while !fail(&services, 1) {
        assert!(Instant::now() < deadline, "it never trips");
    }
    assert_eq!(observe(&services).trip.unwrap().errors, LIMIT);
    let counters = services
        .find(SERVICE)
        .unwrap()
        .lock()
        .counters(services.now())
        .unwrap();
    assert!(counters.tripwire_errors >= 2 * LIMIT - 1, "{counters:?}");
}

/// What was noted, as if it had been so long ago.
fn age_the_tally(directory: &Path, seconds: u64) {
    let path = directory.join(format!("counters/{SERVICE}.errors"));
    let text = std::fs::read_to_string(&path).unwrap();
    let (head, lines) = text.split_once('\n').unwrap();
    let mut aged = format!("{head}\n");
    for line in lines.lines() {
        let (at_ms, client) = line.split_once(' ').unwrap();
        let at_ms = at_ms.parse::<u64>().unwrap() - seconds * 1000;
        aged += &format!("{at_ms:013} {client}\n");
    }
    std::fs::write(path, aged).unwrap();
}

#[tokio::test]
async fn what_was_noted_counts_when_it_came_whenever_the_node_starts() {
    for (errors, state, recent) in [
        (LIMIT - 1, CanaryState::Suspended, 0),
        (LIMIT, CanaryState::Tripped, 0),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let services = load(directory.path());
        services.accept(step(1, 1, 0)).await.unwrap();
        fail(&services, errors);
        drop(services);
        // The window is a minute.
        age_the_tally(directory.path(), 3600);
        let services = load(directory.path());
        let observation = observe(&services);
        let canary = observation.canary.unwrap();
        assert_eq!(
            (canary.state, canary.recent_errors, canary.errors),
            (state, recent, errors)
        );
        assert_eq!(
            observation.trip.map(|trip| trip.errors),
            (state == CanaryState::Tripped).then_some(LIMIT)
        );
    }
}
