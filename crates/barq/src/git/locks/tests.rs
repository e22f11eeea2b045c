//! Old locks go, young ones and all else stay.

use std::fs::{self, File};

use jiff::{SignedDuration, Timestamp};

use super::{ORPHAN_AGE_MIN, remove_orphans};

#[test]
fn only_locks_that_nobody_can_hold_are_removed() {
    let old = ORPHAN_AGE_MIN;
    let young = ORPHAN_AGE_MIN - SignedDuration::from_secs(1);
    let files = [
        ("refs/heads/main.lock", old, false),
        ("refs/heads/main", old, true),
        ("refs/heads/lock", old, true),
        ("refs/heads/feature/deep/one.lock", old, false),
        ("refs/heads/young.lock", young, true),
        ("packed-refs.lock", old, false),
        ("packed-refs", old, true),
        ("HEAD.lock", young, true),
        ("objects/info/other.lock", old, true),
    ];
    let directory = tempfile::tempdir().unwrap();
    let now = Timestamp::now();
    for (name, age, _) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let file = File::create(path).unwrap();
        file.set_modified((now - age).into()).unwrap();
    }
    let removed = remove_orphans(directory.path(), now).unwrap();
    for (name, _, stays) in files {
        let path = directory.path().join(name);
        assert_eq!(
            (path.exists(), removed.contains(&path)),
            (stays, !stays),
            "{name}"
        );
    }
    assert!(remove_orphans(directory.path(), now).unwrap().is_empty());
}

#[test]
fn a_repository_without_refs_has_no_locks() {
    let directory = tempfile::tempdir().unwrap();
    assert!(
        remove_orphans(directory.path(), Timestamp::now())
            .unwrap()
            .is_empty()
    );
}
