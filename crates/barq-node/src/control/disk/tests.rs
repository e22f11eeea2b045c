//! Whole or not at all, and damage is seen.

use std::fs;

use super::{Disk, DiskError, StoredCounters};
use crate::control::tests::stored;

#[test]
fn what_is_written_is_found_again() {
    let directory = tempfile::tempdir().unwrap();
    let (disk, found) = Disk::open(directory.path()).unwrap();
    assert!(found.is_empty());
    disk.write("shop-production", &stored(7)).unwrap();
    disk.write("shop-production", &stored(8)).unwrap();
    let (_, mut found) = Disk::open(directory.path()).unwrap();
    let (name, read) = found.remove(0);
    assert_eq!(
        (name.as_str(), read.unwrap()),
        ("shop-production", stored(8))
    );
    assert!(
        found.is_empty(),
        "temporary files are not taken for configurations"
    );
}

#[test]
fn damage_is_seen_and_the_damaged_file_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let (disk, _) = Disk::open(directory.path()).unwrap();
    disk.write("a", &stored(1)).unwrap();
    let path = directory.path().join("configuration/a.json");
    let whole = fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    flipped[200] ^= 1;
    for damaged in [&whole[..whole.len() / 2], &[], &flipped] {
        fs::write(&path, damaged).unwrap();
        let (_, found) = Disk::open(directory.path()).unwrap();
        assert!(
            matches!(found[0].1, Err(DiskError::Damaged)),
            "{:?}",
            found[0].1
        );
    }
    disk.write("a", &stored(2)).unwrap();
    assert!(directory.path().join("configuration/a.damaged").exists());
}

#[test]
fn counters_are_of_their_service_only() {
    let directory = tempfile::tempdir().unwrap();
    let (disk, _) = Disk::open(directory.path()).unwrap();
    let counters = StoredCounters {
        revision: "a-00001".to_owned(),
        step: 2,
        tripwire_errors: 3,
        ..StoredCounters::default()
    };
    disk.write_counters("a", &counters).unwrap();
    assert_eq!(
        (disk.counters("a"), disk.counters("b")),
        (Some(counters), None)
    );
}
