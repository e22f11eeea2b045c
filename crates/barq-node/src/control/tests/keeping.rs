//! A disk that is full: instances follow what is on it, so that a node that dies finds what it starts from.

use std::path::Path;
use std::sync::Arc;

use super::{FakeFleet, SERVICE, configuration, no_more_writing, revision, share};
use crate::api::{InstanceRange, Refusal, ServiceConfiguration};
use crate::control::Services;

/// The least instances of each revision, as the instances were told last.
fn told(fleet: &FakeFleet) -> Vec<(String, u32)> {
    let applied = fleet.applied.lock().unwrap();
    let last = applied.last().unwrap().iter();
    last.map(|it| (it.name.clone(), it.instances.min)).collect()
}

fn load(directory: &Path) -> (Arc<Services>, FakeFleet) {
    let fleet = FakeFleet::default();
    let services = Services::load(directory, 1, Box::new(fleet.clone())).unwrap();
    (services, fleet)
}

/// All traffic to `stable`, with so many instances of `canary`.
fn sized(generation: u64, canary: u32) -> ServiceConfiguration {
    let mut sized = configuration(generation);
    sized.revisions[1].instances = InstanceRange {
        min: canary,
        max: canary,
    };
    sized
}

fn sizes(canary: u32) -> Vec<(String, u32)> {
    vec![("stable".to_owned(), 1), ("canary".to_owned(), canary)]
}

#[tokio::test]
async fn instances_are_kept_until_the_disk_has_let_go_of_them() {
    let directory = tempfile::tempdir().unwrap();
    let (services, fleet) = load(directory.path());
    services.accept(sized(1, 2)).await.unwrap();
    let obstacle = no_more_writing(directory.path());

    assert!(!services.accept(sized(2, 0)).await.unwrap().durable);
    assert_eq!(told(&fleet), sizes(2), "a crash would start from them");
    assert!(!services.accept(sized(3, 1)).await.unwrap().durable);
    assert_eq!(told(&fleet), sizes(2));
    let (again, other) = load(directory.path());
    assert_eq!(again.observe().services[SERVICE].generation, 1);
    assert_eq!(told(&other), sizes(2), "and it does");

    std::fs::remove_dir(&obstacle).unwrap();
    assert!(services.write_all().await);
    assert_eq!(told(&fleet), sizes(1));
}

#[tokio::test]
async fn what_asks_for_more_is_not_kept_in_memory_alone() {
    let directory = tempfile::tempdir().unwrap();
    let (services, fleet) = load(directory.path());
    services.accept(sized(1, 2)).await.unwrap();
    no_more_writing(directory.path());
    let mut another = sized(2, 2);
    another.revisions.push(revision("another"));
    for more in [sized(2, 3), another] {
        let refused = services.accept(more).await;
        assert!(
            matches!(refused, Err(Refusal::NotKept { .. })),
            "{refused:?}"
        );
    }
    assert_eq!(told(&fleet), sizes(2));
    assert_eq!(
        services.observe().services[SERVICE].traffic,
        vec![share("stable", 100)]
    );
}
