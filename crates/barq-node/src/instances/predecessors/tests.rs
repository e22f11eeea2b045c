//! The lock is there for as long as anybody serves, and gone with the last.

use std::time::{Duration, Instant};

use super::{Predecessors, Serving, somebody_drains};

const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn an_instance_may_end_once_the_last_predecessor_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let before = Instant::now();
    Predecessors::of(directory.path()).gone().await;
    assert!(before.elapsed() < PATIENCE, "nobody is there to wait for");

    let one = Serving::say(directory.path()).unwrap();
    let other = Serving::say(directory.path()).unwrap();
    let predecessors = Predecessors::of(directory.path());
    drop(one);
    assert!(somebody_drains(directory.path()));
    assert!(!*predecessors.gone.borrow(), "one of two still serves");
    drop(other);
    tokio::time::timeout(PATIENCE, predecessors.gone())
        .await
        .unwrap();
    assert!(!somebody_drains(directory.path()));
}

#[test]
fn where_no_node_ever_was_nobody_drains() {
    let directory = tempfile::tempdir().unwrap();
    assert!(!somebody_drains(&directory.path().join("node")));
}
