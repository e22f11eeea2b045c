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

/// The disk is full, or the node killed, before the new configuration has taken the damaged one's place.
#[test]
fn damage_is_never_taken_for_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (disk, _) = Disk::open(directory.path()).unwrap();
    let path = directory.path().join("configuration/a.json");
    for _ in 0..2 {
        fs::write(&path, "half a fi").unwrap();
        // Stands for a disk that refuses to be written, also for root.
        let obstacle = path.with_extension("new");
        fs::create_dir(&obstacle).unwrap();
        assert!(disk.write("a", &stored(1)).is_err());
        let (_, found) = Disk::open(directory.path()).unwrap();
        assert!(matches!(found[0], (_, Err(DiskError::Damaged))));
        fs::remove_dir(&obstacle).unwrap();
        disk.write("a", &stored(1)).unwrap();
        let kept = fs::read_to_string(path.with_extension("damaged")).unwrap();
        assert_eq!(kept, "half a fi");
    }
    let (_, found) = Disk::open(directory.path()).unwrap();
    assert!(matches!(&found[..], [(_, Ok(_))]), "{found:?}");
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
