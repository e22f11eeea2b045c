//! How many instances there are, and that no change of size touches those that stay.

use barq_node::api::RevisionConfiguration;

use crate::support::{Fixture, REVISION, SERVICE, revision};

#[tokio::test]
async fn the_same_configuration_again_touches_nothing() {
    let mut fixture = Fixture::new().await;
    fixture.apply(&[revision(&[], 2, 2)]);
    fixture.until_ready(2).await;
    let pids = fixture.pids().await;
    fixture.apply(&[revision(&[], 2, 2)]);
    fixture.apply(&[RevisionConfiguration {
        tags: vec!["canary".to_owned()],
        ..revision(&[], 3, 3)
    }]);
    fixture.until_ready(3).await;
    let more = fixture.pids().await;
    assert!(
        pids.iter().all(|(id, pid)| more.get(id) == Some(pid)),
        "{pids:?} {more:?}"
    );
    fixture.apply(&[revision(&[], 1, 1)]);
    fixture.until_ready(1).await;
    let fewer = fixture.pids().await;
    assert!(
        fewer.iter().all(|(id, pid)| more.get(id) == Some(pid)),
        "{more:?} {fewer:?}"
    );
}

#[tokio::test]
async fn load_adds_instances() {
    let mut fixture = Fixture::new().await;
    fixture.apply(&[revision(&[], 1, 3)]);
    fixture.until_ready(1).await;
    let set = fixture
        .instances
        .ready_set(SERVICE, REVISION)
        .expect("known");
    let busy: Vec<_> = (0..20)
        .map(|_| set.endpoints()[0].admit().expect("ready"))
        .collect();
    let seen = fixture.until(|seen| seen.ready == 3).await;
    assert_eq!(seen.desired, 3);
    drop(busy);
}

#[tokio::test]
async fn a_waiting_request_is_load() {
    let mut fixture = Fixture::new().await;
    fixture.apply(&[revision(&[], 0, 0)]);
    fixture.until(|seen| seen.desired == 0).await;
    let set = fixture
        .instances
        .ready_set(SERVICE, REVISION)
        .expect("known");
    let waiting = set.wait();
    assert_eq!(fixture.observe().desired, 0, "none may run");
    fixture.apply(&[revision(&[], 0, 1)]);
    fixture.until_ready(1).await;
    drop(waiting);
}

#[tokio::test]
async fn what_runs_something_else_goes_once_it_is_replaced() {
    let mut fixture = Fixture::new().await;
    fixture.apply(&[revision(&[], 1, 1)]);
    let before = fixture.until_ready(1).await.instances[0].id.clone();
    fixture.apply(&[revision(&[("OTHER", "1")], 1, 1)]);
    fixture.until(|seen| seen.ready == 2).await;
    let after = fixture.until_ready(1).await.instances[0].id.clone();
    assert_ne!(before, after);
}

#[tokio::test]
async fn names_that_lead_elsewhere_are_refused() {
    let fixture = Fixture::new().await;
    assert!(fixture.instances.apply("../api", &[]).is_err());
    let bad = RevisionConfiguration {
        name: "..".to_owned(),
        ..revision(&[], 1, 1)
    };
    assert!(fixture.instances.apply(SERVICE, &[bad]).is_err());
}
