//! Configurations, trips, leases and restarts, without a request.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use barq_judge::TripNow;

use super::{FakeFleet, SERVICE, configuration, no_more_writing, revision, share, trial};
use crate::api::{CanaryState, LeaseRenewal, Refusal, ServiceObservation};
use crate::control::Services;
use crate::proxy::Verdict;

fn load(directory: &Path) -> Arc<Services> {
    Services::load(directory, 1, Box::new(FakeFleet::default())).unwrap()
}

fn observe(services: &Services) -> ServiceObservation {
    services.observe().services[SERVICE].clone()
}

/// Fails on the canary until the wire trips, as a thread of the proxy would.
fn trip(services: &Services) {
    let canary = {
        let service = services.find(SERVICE).unwrap();
        let state = service.lock();
        Arc::clone(state.canary().unwrap())
    };
    let trip = loop {
        if let Some(trip) = canary.wire.record_error(None, services.now()) {
            break trip;
        }
    };
    services.on_verdict(&Verdict::Tripped {
        service: SERVICE,
        revision: &canary,
        trip,
        decided: Instant::now(),
    });
}

#[tokio::test]
async fn a_configuration_is_durable_when_it_is_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let services = load(directory.path());
    let accepted = services.accept(configuration(3)).await.unwrap();
    assert!(accepted.durable && accepted.generation == 3);
    assert!(
        services.accept(configuration(3)).await.is_ok(),
        "a duplicate"
    );
    assert!(matches!(
        services.accept(configuration(2)).await,
        Err(Refusal::StaleGeneration {
            offered: 2,
            current: 3
        })
    ));
    let again = load(directory.path());
    let observation = observe(&again);
    assert_eq!(
        (observation.generation, observation.traffic),
        (3, vec![share("stable", 100)])
    );
}

#[tokio::test]
async fn a_trip_moves_the_traffic_at_once_and_survives() {
    let directory = tempfile::tempdir().unwrap();
    let services = load(directory.path());
    services.accept(configuration(1)).await.unwrap();
    services.accept(trial(2, 10, Some(3))).await.unwrap();
    trip(&services);
    let observation = observe(&services);
    assert_eq!(observation.traffic, vec![share("stable", 100)]);
    assert_eq!(observation.canary.unwrap().state, CanaryState::Tripped);
    let told = observation.trip.unwrap();
    assert_eq!(
        (
            told.number,
            told.errors,
            told.generation,
            told.revision.as_str()
        ),
        (1, 3, 2, "canary")
    );
    assert!(!observation.durable, "not written yet, and it says so");
    assert!(services.write_all().await);
    assert!(observe(&services).durable);

    assert!(matches!(
        services.accept(trial(3, 50, Some(3))).await,
        Err(Refusal::UnheardTrip { known: 0, .. })
    ));
    let services = load(directory.path());
    assert_eq!(observe(&services).trip, Some(told));
    let mut heard = trial(3, 50, Some(3));
    heard.last_trip = 1;
    assert!(matches!(
        services.accept(heard.clone()).await,
        Err(Refusal::Latched { .. })
    ));
    heard.acknowledges = Some(1);
    services.accept(heard).await.unwrap();
    assert_eq!(
        observe(&services).traffic,
        vec![share("stable", 50), share("canary", 50)]
    );
    trip(&services);
    assert_eq!(observe(&services).trip.unwrap().number, 2);
}

#[tokio::test]
async fn a_trip_that_waits_for_the_lock_is_told_before_a_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let services = load(directory.path());
    services.accept(trial(1, 10, Some(1))).await.unwrap();
    let canary = services
        .find(SERVICE)
        .unwrap()
        .lock()
        .canary()
        .cloned()
        .unwrap();
    let trip: TripNow = canary.wire.record_error(None, services.now()).unwrap();
    let promoted = services.accept(trial(2, 50, Some(1))).await;
    assert!(
        matches!(promoted, Err(Refusal::UnheardTrip { .. })),
        "{promoted:?}"
    );
    services.on_verdict(&Verdict::Tripped {
        service: SERVICE,
        revision: &canary,
        trip,
        decided: Instant::now(),
    });
    assert_eq!(observe(&services).trip.unwrap().number, 1, "told once");
}

#[tokio::test]
async fn a_restart_suspends_the_canary_and_remembers_its_errors() {
    let directory = tempfile::tempdir().unwrap();
    let services = load(directory.path());
    services.accept(trial(1, 10, Some(5))).await.unwrap();
    let canary = services
        .find(SERVICE)
        .unwrap()
        .lock()
        .canary()
        .cloned()
        .unwrap();
    for _ in 0..2 {
        assert_eq!(canary.wire.record_error(None, services.now()), None);
        services.on_verdict(&Verdict::CanaryError {
            service: SERVICE,
            client: None,
        });
    }
    assert!(services.write_all().await);

    let services = load(directory.path());
    let observation = observe(&services);
    assert_eq!(observation.traffic, vec![share("stable", 100)]);
    let canary = observation.canary.unwrap();
    assert_eq!((canary.state, canary.errors), (CanaryState::Suspended, 2));
    assert_eq!(observation.trip, None);
    let counters = services.disk.counters(SERVICE).unwrap();
    assert_eq!(counters.tripwire_errors, 2);
    let renewal = LeaseRenewal {
        run: services.run(),
        generation: 1,
    };
    assert!(matches!(
        services.renew(SERVICE, &renewal),
        Err(Refusal::Lease { .. })
    ));
}

#[tokio::test]
async fn a_node_that_died_between_swap_and_write_tells_the_trip_when_it_starts() {
    let directory = tempfile::tempdir().unwrap();
    let services = load(directory.path());
    services.accept(trial(1, 10, Some(2))).await.unwrap();
    let canary = services
        .find(SERVICE)
        .unwrap()
        .lock()
        .canary()
        .cloned()
        .unwrap();
    while canary.wire.record_error(None, services.now()).is_none() {}
    services.on_verdict(&Verdict::CanaryError {
        service: SERVICE,
        client: None,
    });
    assert!(services.write_all().await);
    drop(services);

    let services = load(directory.path());
    let observation = observe(&services);
    assert_eq!(observation.canary.unwrap().state, CanaryState::Tripped);
    let trip = observation.trip.unwrap();
    assert_eq!((trip.number, trip.errors), (1, 2));
}

#[tokio::test]
async fn a_lease_that_runs_out_gives_the_traffic_back() {
    let directory = tempfile::tempdir().unwrap();
    let services = load(directory.path());
    let keeper = tokio::spawn({
        let services = Arc::clone(&services);
        let (_changes, instances) = tokio::sync::watch::channel(0);
        async move {
            let _changes = _changes;
            services.keep(instances).await;
        }
    });
    let mut short = trial(1, 10, None);
    short.canary.as_mut().unwrap().lease_ms = 100;
    services.accept(short).await.unwrap();
    let renewal = LeaseRenewal {
        run: services.run(),
        generation: 1,
    };
    assert!(services.renew(SERVICE, &renewal).unwrap().remaining_ms <= 100);
    let canary = services
        .find(SERVICE)
        .unwrap()
        .lock()
        .canary()
        .cloned()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(5);
    while canary.wire.is_open() {
        assert!(
            Instant::now() < deadline,
            "the wire of a canary without a lease is still open"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let observation = observe(&services);
    assert_eq!(observation.canary.unwrap().state, CanaryState::LeaseExpired);
    assert_eq!(observation.traffic, vec![share("stable", 100)]);
    assert!(matches!(
        services.renew(SERVICE, &renewal),
        Err(Refusal::Lease { .. })
    ));
    services.accept(trial(2, 10, None)).await.unwrap();
    assert!(canary.wire.is_open());
    keeper.abort();
}

/// A directory in place of the temporary file stands for a disk that refuses to be written, also for root.
#[tokio::test]
async fn a_disk_that_refuses_keeps_stable_changes_and_refuses_others() {
    let directory = tempfile::tempdir().unwrap();
    let services = load(directory.path());
    services.accept(trial(1, 10, None)).await.unwrap();
    let obstacle = no_more_writing(directory.path());
    assert!(matches!(
        services.accept(trial(2, 50, None)).await,
        Err(Refusal::NotKept { .. })
    ));
    assert_eq!(observe(&services).generation, 1);
    let accepted = services.accept(configuration(2)).await.unwrap();
    assert!(!accepted.durable);
    let observation = observe(&services);
    assert_eq!((observation.generation, observation.durable), (2, false));
    assert_eq!(services.degraded().len(), 1, "{:?}", services.degraded());
    std::fs::remove_dir(&obstacle).unwrap();
    assert!(services.write_all().await, "it is tried again");
    assert!(observe(&services).durable && services.degraded().is_empty());
    assert_eq!(observe(&load(directory.path())).generation, 2);
}

#[tokio::test]
async fn a_damaged_file_degrades_its_own_service_only() {
    let directory = tempfile::tempdir().unwrap();
    let services = load(directory.path());
    services.accept(configuration(1)).await.unwrap();
    let mut other = configuration(1);
    other.service = "other-production".to_owned();
    services.accept(other).await.unwrap();
    let damaged = directory.path().join("configuration/other-production.json");
    std::fs::write(&damaged, "half a fi").unwrap();
    std::fs::set_permissions(&damaged, std::fs::Permissions::from_mode(0o600)).unwrap();

    let services = load(directory.path());
    assert_eq!(observe(&services).generation, 1);
    assert!(
        !services.observe().services.contains_key("other-production"),
        "not observed as empty"
    );
    assert!(
        services.names().contains("other-production"),
        "what runs for it goes on"
    );
    assert_eq!(services.degraded().len(), 1);
    let mut anew = configuration(9);
    anew.service = "other-production".to_owned();
    services.accept(anew).await.unwrap();
    assert_eq!(services.degraded(), Vec::<String>::new());
}

#[tokio::test]
async fn a_domain_belongs_to_one_service() {
    let directory = tempfile::tempdir().unwrap();
    let services = load(directory.path());
    let mut first = configuration(1);
    first.domains = vec!["shop.example.com".to_owned()];
    services.accept(first.clone()).await.unwrap();
    let mut second = first;
    second.service = "other-production".to_owned();
    second.domains = vec!["SHOP.example.com".to_owned()];
    assert!(matches!(
        services.accept(second).await,
        Err(Refusal::Invalid { .. })
    ));
}

/// As many as `keep` may ask for, and one more on its way.
#[tokio::test]
async fn a_thousand_kept_revisions_are_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let services = load(directory.path());
    let mut many = configuration(1);
    let kept = (0..1_001).map(|number| revision(&format!("kept-{number}")));
    many.revisions.extend(kept);
    assert!(services.accept(many).await.unwrap().durable);
}
