//! Recalls: somebody's word takes the traffic back, whatever the disk says.

use std::path::Path;
use std::sync::Arc;

use super::{FakeFleet, SERVICE, configuration, no_more_writing, share, trial};
use crate::api::{CanaryState, Recall, Refusal, ServiceConfiguration, ServiceObservation};
use crate::control::Services;
use crate::instances::Endpoint;

fn load(directory: &Path) -> Arc<Services> {
    let fleet = FakeFleet::default();
    let address = "127.0.0.1:1".parse().unwrap();
    let ready = Endpoint::new("one".to_owned(), address);
    fleet.set("stable").insert(&ready);
    Services::load(directory, 1, Box::new(fleet)).unwrap()
}

fn observe(services: &Services) -> ServiceObservation {
    services.observe().services[SERVICE].clone()
}

fn recall(revision: &str, to: &str) -> Recall {
    Recall {
        revision: revision.to_owned(),
        to: to.to_owned(),
        actor: "ada".to_owned(),
        role: "operator".to_owned(),
        message: Some("it smells".to_owned()),
        request: None,
    }
}

/// All traffic at the revision that was the canary.
fn succeeded(generation: u64) -> ServiceConfiguration {
    ServiceConfiguration {
        traffic: vec![share("canary", 100)],
        ..configuration(generation)
    }
}

fn is_open(services: &Services, revision: &str) -> bool {
    let service = services.find(SERVICE).unwrap();
    let state = service.lock();
    state.revisions[revision].wire.is_open()
}

#[tokio::test]
async fn a_canary_that_is_recalled_is_told_as_a_trip_with_its_actor() {
    let directory = tempfile::tempdir().unwrap();
    let services = load(directory.path());
    services.accept(trial(1, 50, Some(9))).await.unwrap();
    let recalled = services.recall(SERVICE, recall("canary", "stable")).await;
    let recalled = recalled.unwrap();
    assert!(recalled.durable);
    assert_eq!((recalled.trip.number, recalled.trip.step), (1, 1));
    assert!(!is_open(&services, "canary") && is_open(&services, "stable"));
    let observation = observe(&services);
    assert_eq!(observation.traffic, vec![share("stable", 100)]);
    assert_eq!(observation.canary.unwrap().state, CanaryState::Tripped);
    assert_eq!(observation.trip.as_ref(), Some(&recalled.trip));
    let word = recalled.trip.recall.as_ref().unwrap();
    assert_eq!(word.actor, "ada");

    let again = services.recall(SERVICE, recall("canary", "stable")).await;
    assert_eq!(again.unwrap(), recalled, "once");
    let unheard = services.accept(trial(2, 100, Some(9))).await;
    assert!(
        matches!(unheard, Err(Refusal::UnheardTrip { .. })),
        "{unheard:?}"
    );
    let restarted = load(directory.path());
    assert_eq!(observe(&restarted).trip, Some(recalled.trip));
}

#[tokio::test]
async fn what_serves_is_recalled_to_one_that_is_ready_and_stays_so() {
    let directory = tempfile::tempdir().unwrap();
    let services = load(directory.path());
    services.accept(succeeded(1)).await.unwrap();
    assert!(!is_open(&services, "stable"), "it had no traffic");
    let recalled = services.recall(SERVICE, recall("canary", "stable")).await;
    let recalled = recalled.unwrap();
    assert_eq!(observe(&services).traffic, vec![share("stable", 100)]);
    assert!(!is_open(&services, "canary") && is_open(&services, "stable"));

    let services = load(directory.path());
    let observation = observe(&services);
    assert_eq!(observation.traffic, vec![share("stable", 100)]);
    assert_eq!(observation.trip.as_ref(), Some(&recalled.trip));
    assert!(!is_open(&services, "canary") && is_open(&services, "stable"));
    let again = services.recall(SERVICE, recall("canary", "stable")).await;
    assert_eq!(again.unwrap(), recalled, "once, also after a restart");

    let heard = ServiceConfiguration {
        last_trip: 1,
        ..configuration(2)
    };
    services.accept(heard).await.unwrap();
    assert_eq!(observe(&services).traffic, vec![share("stable", 100)]);
}

/// A directory in place of the temporary file stands for a disk that refuses to be written, also for root.
#[tokio::test]
async fn a_disk_that_refuses_does_not_hold_a_recall_up() {
    let directory = tempfile::tempdir().unwrap();
    let services = load(directory.path());
    services.accept(succeeded(1)).await.unwrap();
    let obstacle = no_more_writing(directory.path());
    let recalled = services.recall(SERVICE, recall("canary", "stable")).await;
    assert!(!recalled.unwrap().durable);
    let observation = observe(&services);
    assert_eq!(observation.traffic, vec![share("stable", 100)]);
    assert!(!observation.durable);
    assert_eq!(services.degraded().len(), 1, "{:?}", services.degraded());
    let lost = load(directory.path());
    assert_eq!(observe(&lost).traffic, vec![share("canary", 100)]);
    let again = lost.recall(SERVICE, recall("canary", "stable")).await;
    assert_eq!(again.unwrap().trip.number, 1, "it is given again");
    std::fs::remove_dir(&obstacle).unwrap();
    assert!(services.write_all().await, "it is tried again");
    assert!(observe(&services).durable && services.degraded().is_empty());
}

#[tokio::test]
async fn nothing_is_recalled_that_would_be_no_way_back() {
    let directory = tempfile::tempdir().unwrap();
    let services = load(directory.path());
    let cases = [
        (configuration(1), "canary", "stable", "has no traffic"),
        (configuration(2), "stable", "canary", "no instance"),
        (configuration(3), "stable", "stable", "what the traffic"),
        (configuration(4), "stable", "other", "is not known"),
        (trial(5, 50, None), "stable", "canary", "what the traffic"),
        (trial(6, 50, None), "canary", "canary", "what the traffic"),
    ];
    for (configuration, revision, to, expected) in cases {
        let traffic = configuration.traffic.clone();
        services.accept(configuration).await.unwrap();
        let refused = services.recall(SERVICE, recall(revision, to)).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(expected), "{revision} to {to}: {refused}");
        let observation = observe(&services);
        assert_eq!(observation.traffic, traffic);
        assert_eq!(observation.trip, None);
    }
    let unknown = services.recall("other", recall("canary", "stable")).await;
    assert!(unknown.is_err());
}
