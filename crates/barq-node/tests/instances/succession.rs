//! One node follows another that still serves: nothing of the old one touches an instance, and the new one ends none under it.

use std::fs::File;
use std::time::{Duration, Instant};

use barq_node::api::InstanceState;

use crate::support::{Fixture, REVISION, SERVICE, exists, get, revision};

const PATIENCE: Duration = Duration::from_secs(20);

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: never");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn an_instance_is_not_ended_while_a_predecessor_may_have_a_request_on_it() {
    let mut fixture = Fixture::new().await;
    fixture.apply(&[revision(&[], 1, 1)]);
    fixture.until_ready(1).await;
    let pid = fixture.pids().await.into_values().next().expect("one");
    // As the node does that hands over: a shared lock on its directory.
    let predecessor = File::open(fixture.directory.path()).expect("a directory");
    predecessor.lock_shared().expect("locked");
    fixture.instances.hand_over().await;

    let mut fixture = Fixture::again(fixture.directory).await;
    assert_eq!(fixture.observe().ready, 1);
    fixture.apply(&[]);
    fixture
        .until(|seen| {
            let states = seen.instances.iter().map(|instance| instance.state);
            states.collect::<Vec<_>>() == [InstanceState::Draining]
        })
        .await;
    // Nothing is in flight that this node knows of, and yet it waits: the process answers.
    let port = fixture.observe().instances[0].port;
    assert_eq!(get(port, "/pid").await, pid);
    assert!(exists(&pid));
    drop(predecessor);
    fixture.until_gone().await;
    until("the process ends", || !exists(&pid)).await;
}

#[tokio::test]
async fn a_predecessor_is_waited_for_only_as_long_as_the_instance_may_drain() {
    let mut short = revision(&[], 1, 1);
    short.drain_ms = 300;
    let mut fixture = Fixture::new().await;
    fixture.apply(&[short]);
    fixture.until_ready(1).await;
    let predecessor = File::open(fixture.directory.path()).expect("a directory");
    predecessor.lock_shared().expect("locked");
    fixture.instances.hand_over().await;
    let mut fixture = Fixture::again(fixture.directory).await;
    fixture.apply(&[]);
    fixture.until_gone().await;
    drop(predecessor);
}

#[tokio::test]
async fn what_is_left_stays_as_it_is_and_is_adopted() {
    let mut fixture = Fixture::new().await;
    fixture.apply(&[revision(&[], 2, 2)]);
    fixture.until_ready(2).await;
    let before = fixture.pids().await;
    let set = fixture.instances.ready_set(SERVICE, REVISION);
    let set = set.expect("known");
    fixture.instances.hand_over().await;
    // The old node's proxy goes on with what was ready.
    assert_eq!(set.endpoints().len(), 2);
    assert!(set.endpoints()[0].admit().is_some());
    assert!(fixture.instances.apply(SERVICE, &[]).is_err());
    let mut fixture = Fixture::again(fixture.directory).await;
    fixture.apply(&[revision(&[], 2, 2)]);
    fixture.until_ready(2).await;
    assert_eq!(fixture.pids().await, before);
}
