//! Starts that succeed and fail, probes, restarts, ends.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use barq_node::api::{InstanceRange, InstanceState};
use barq_node::instances::{BACKOFF_MIN, STOP_GRACE};
use barq_shim::{Adopted, Enforced};

use crate::support::{Directory, Fixture, REVISION, SERVICE, exists, get, revision};

#[tokio::test]
async fn runs_and_serves_by_the_container_contract() {
    let mut fixture = Fixture::new().await;
    fixture.apply(&[revision(&[("GREETING", "hello")], 2, 4)]);
    let seen = fixture.until_ready(2).await;
    assert_eq!(
        (seen.desired, seen.failed_starts, seen.last_failure),
        (2, 0, None)
    );
    for instance in &seen.instances {
        let environment: BTreeMap<String, String> =
            serde_json::from_str(&get(instance.port, "/env").await).expect("variables");
        for (name, value) in [
            ("PORT", instance.port.to_string().as_str()),
            ("K_SERVICE", SERVICE),
            ("K_REVISION", REVISION),
            ("K_CONFIGURATION", SERVICE),
            ("HOST", "127.0.0.1"),
            ("GREETING", "hello"),
        ] {
            assert_eq!(
                environment.get(name).map(String::as_str),
                Some(value),
                "{name}"
            );
        }
    }
    assert_ne!(seen.instances[0].port, seen.instances[1].port);
    let report = fixture
        .instances
        .probe(SERVICE, REVISION)
        .await
        .expect("known");
    assert_eq!(
        (report.ready, report.desired, report.failures),
        (2, 2, Vec::new())
    );
    get(seen.instances[0].port, "/set?ready=503&live=500").await;
    let report = fixture
        .instances
        .probe(SERVICE, REVISION)
        .await
        .expect("known");
    assert_eq!(report.failures.len(), 2, "{report:?}");
    assert!(
        report.failures[1].contains("GET /health/ready answered 503"),
        "{report:?}"
    );
    assert_eq!(fixture.instances.probe(SERVICE, "other").await, None);
}

#[tokio::test]
async fn a_slow_start_is_no_failure() {
    let mut fixture = Fixture::new().await;
    fixture.apply(&[revision(&[("START_DELAY_MS", "600")], 1, 1)]);
    let seen = fixture.until_ready(1).await;
    assert_eq!((seen.failed_starts, seen.instances[0].restarts), (0, 0));
}

#[tokio::test]
async fn an_instance_whose_startup_fails_never_becomes_ready() {
    let mut fixture = Fixture::new().await;
    let mut configuration = revision(&[("LIVE", "500")], 1, 1);
    configuration.health.startup.failures = 3;
    fixture.apply(&[configuration]);
    let seen = fixture.until(|seen| seen.failed_starts == 1).await;
    let failure = seen.last_failure.expect("a failure");
    assert!(
        failure.contains("the startup probe failed: GET /health/live answered 500"),
        "{failure}"
    );
    assert!(
        failure.contains("listening on"),
        "with its output: {failure}"
    );
    fixture
        .until(|seen| seen.failed_starts == 2 && seen.ready == 0)
        .await;
}

#[tokio::test]
async fn an_instance_that_is_never_ready_gets_no_traffic() {
    let mut fixture = Fixture::new().await;
    fixture.apply(&[revision(&[("READY", "503")], 1, 1)]);
    let failed = |seen: &barq_node::api::RevisionObservation| {
        seen.instances
            .iter()
            .any(|instance| instance.last_probe_failure.is_some())
    };
    let seen = fixture.until(failed).await;
    assert_eq!((seen.ready, seen.total, seen.failed_starts), (0, 1, 0));
    assert_eq!(seen.instances[0].state, InstanceState::NotReady);
    let failure = seen.instances[0]
        .last_probe_failure
        .clone()
        .expect("a failure");
    assert!(
        failure.ends_with("GET /health/ready answered 503 Service Unavailable: the database says"),
        "{failure}"
    );
    assert!(
        fixture
            .instances
            .ready_set(SERVICE, REVISION)
            .expect("known")
            .endpoints()
            .is_empty()
    );
}

#[tokio::test]
async fn a_crash_loop_is_counted_explained_and_slowed_down() {
    let mut fixture = Fixture::new().await;
    let begun = Instant::now();
    fixture.apply(&[revision(&[("CRASH", "1")], 1, 1)]);
    let seen = fixture.until(|seen| seen.failed_starts == 3).await;
    // The first two waits, each at least half of what it is without jitter.
    assert!(
        begun.elapsed() >= BACKOFF_MIN / 2 + BACKOFF_MIN,
        "{:?}",
        begun.elapsed()
    );
    let failure = seen.last_failure.expect("a failure");
    assert!(
        failure.contains("exited with code 3") && failure.ends_with("no database anywhere"),
        "{failure}"
    );
    fixture.apply(&[]);
    fixture.until_gone().await;
}

#[tokio::test]
async fn a_program_that_is_missing_is_explained() {
    let mut fixture = Fixture::new().await;
    let mut configuration = revision(&[], 1, 1);
    configuration.command = vec!["/no/such/program".to_owned()];
    fixture.apply(&[configuration]);
    let seen = fixture.until(|seen| seen.failed_starts >= 1).await;
    let failure = seen.last_failure.expect("a failure");
    assert!(failure.contains("could not be started"), "{failure}");
}

#[tokio::test]
async fn an_instance_that_crashes_is_started_again() {
    let mut fixture = Fixture::new().await;
    fixture.apply(&[revision(&[], 1, 1)]);
    let first = fixture.until_ready(1).await.instances[0].clone();
    get(first.port, "/exit").await;
    let seen = fixture
        .until(|seen| seen.ready == 1 && seen.instances[0].restarts == 1)
        .await;
    assert_eq!(
        (seen.failed_starts, seen.instances[0].id.as_str()),
        (0, first.id.as_str())
    );
    let failure = seen.last_failure.expect("a failure");
    assert!(
        failure.contains("exited with code 4") && failure.ends_with("told to exit"),
        "{failure}"
    );
}

#[tokio::test]
async fn an_instance_that_is_not_alive_is_restarted() {
    let mut fixture = Fixture::new().await;
    fixture.apply(&[revision(&[("FORK", "1")], 1, 1)]);
    let first = fixture.until_ready(1).await.instances[0].clone();
    let pid = get(first.port, "/pid").await;
    get(first.port, "/set?live=500").await;
    let seen = fixture
        .until(|seen| seen.ready == 1 && seen.instances[0].restarts == 1)
        .await;
    assert!(!exists(&pid));
    let failure = seen.last_failure.expect("a failure");
    assert!(
        failure.contains("the liveness probe failed: GET /health/live answered 500"),
        "{failure}"
    );
}

#[tokio::test]
async fn readiness_takes_traffic_and_gives_it_back() {
    let mut fixture = Fixture::new().await;
    fixture.apply(&[revision(&[], 1, 1)]);
    let first = fixture.until_ready(1).await.instances[0].clone();
    let pid = get(first.port, "/pid").await;
    get(first.port, "/set?ready=503").await;
    fixture
        .until(|seen| seen.ready == 0 && seen.total == 1)
        .await;
    let set = fixture
        .instances
        .ready_set(SERVICE, REVISION)
        .expect("known");
    assert!(set.endpoints().is_empty());
    get(first.port, "/set?ready=200").await;
    let seen = fixture.until_ready(1).await;
    assert_eq!(
        (seen.instances[0].restarts, get(first.port, "/pid").await),
        (0, pid)
    );
    assert_eq!(set.endpoints().len(), 1);
}

#[tokio::test]
async fn an_instance_that_stops_being_ready_is_withdrawn() {
    let mut fixture = Fixture::new().await;
    fixture.apply(&[revision(&[("READY_UNTIL", "2")], 1, 1)]);
    fixture.until_ready(1).await;
    fixture
        .until(|seen| seen.ready == 0 && seen.total == 1)
        .await;
}

#[tokio::test]
async fn a_taken_port_is_replaced_at_once() {
    let mut fixture = Fixture::new().await;
    let mark = fixture.directory.path().join("taken");
    fixture.apply(&[revision(
        &[("PORT_TAKEN_ONCE", &mark.to_string_lossy())],
        1,
        1,
    )]);
    let seen = fixture.until_ready(1).await;
    assert_eq!((seen.failed_starts, seen.instances[0].restarts), (0, 1));
}

#[tokio::test]
async fn an_instance_that_ignores_sigterm_is_killed_with_its_children() {
    let mut fixture = Fixture::new().await;
    fixture.apply(&[revision(&[("IGNORE_TERM", "1"), ("FORK", "1")], 1, 1)]);
    let seen = fixture.until_ready(1).await;
    let pid = get(seen.instances[0].port, "/pid").await;
    let begun = Instant::now();
    fixture.apply(&[]);
    fixture
        .until(|seen| {
            seen.instances
                .iter()
                .all(|instance| instance.state == InstanceState::Draining)
        })
        .await;
    fixture.until_gone().await;
    let took = begun.elapsed();
    assert!(
        took >= STOP_GRACE && took < STOP_GRACE + Duration::from_secs(5),
        "{took:?}"
    );
    assert!(!exists(&pid) && fixture.directory.running() == 0);
}

#[tokio::test]
async fn nothing_is_stopped_under_a_request() {
    let mut fixture = Fixture::new().await;
    fixture.apply(&[revision(&[], 1, 1)]);
    let seen = fixture.until_ready(1).await;
    let set = fixture
        .instances
        .ready_set(SERVICE, REVISION)
        .expect("known");
    let endpoint = set.endpoints()[0].clone();
    let admission = endpoint.admit().expect("ready");
    fixture.apply(&[revision(&[], 0, 0)]);
    fixture.until(|seen| seen.ready == 0).await;
    assert!(endpoint.admit().is_none() && set.endpoints().is_empty());
    assert_eq!(
        get(seen.instances[0].port, "/slow?ms=300").await,
        "slow",
        "it goes on as long as it is needed"
    );
    assert_eq!(
        fixture.observe().instances[0].state,
        InstanceState::Draining
    );
    drop(admission);
    fixture.until_gone().await;
}

#[tokio::test]
async fn a_drain_has_an_end() {
    let mut fixture = Fixture::new().await;
    let mut configuration = revision(&[], 1, 1);
    configuration.drain_ms = 300;
    fixture.apply(&[configuration.clone()]);
    fixture.until_ready(1).await;
    let set = fixture
        .instances
        .ready_set(SERVICE, REVISION)
        .expect("known");
    let admission = set.endpoints()[0].admit().expect("ready");
    configuration.instances = InstanceRange { min: 0, max: 0 };
    let begun = Instant::now();
    fixture.apply(&[configuration]);
    fixture.until_gone().await;
    assert!(begun.elapsed() >= Duration::from_millis(300));
    drop(admission);
}

#[tokio::test]
async fn everything_ends_with_drain_and_stop() {
    let mut fixture = Fixture::new().await;
    fixture.apply(&[revision(&[("FORK", "1")], 2, 2)]);
    fixture.until_ready(2).await;
    let pids = fixture.pids().await;
    fixture.instances.drain_and_stop().await;
    assert!(pids.len() == 2 && pids.values().all(|pid| !exists(pid)));
    assert_eq!(fixture.directory.running(), 0);
    assert!(
        fixture.instances.apply(SERVICE, &[]).is_err(),
        "nothing begins after it"
    );
}

#[tokio::test]
async fn runs_in_a_sandbox_and_says_whether_its_limits_hold() {
    let directory = Directory::new();
    let hidden = directory.path().to_owned();
    let mut fixture = Fixture::hiding(directory, Some(hidden)).await;
    let mut configuration = revision(&[], 1, 1);
    configuration.root = "/usr".to_owned();
    configuration.memory_bytes = 256 * 1024 * 1024;
    configuration.cpu_milli = 1000;
    fixture.apply(&[configuration]);
    let seen = fixture.until_ready(1).await;
    let enforced = fixture
        .directory
        .runs()
        .iter()
        .all(|run| match barq_shim::adopt(run) {
            Ok(Adopted::Running(handle)) => {
                let (memory, processor, _) = handle.enforced().expect("it says");
                memory == Enforced::Yes && processor == Enforced::Yes
            }
            Ok(Adopted::Exited(_) | Adopted::Lost) | Err(_) => false,
        });
    assert_eq!(seen.limits_enforced, enforced);
}
