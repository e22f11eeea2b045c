//! The store's promises: whole or not there, checked on reading, nothing left behind, nothing needed removed.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use tempfile::TempDir;

use super::{GARBAGE_AGE_MIN, ReferenceName, Store, StoreError};
use crate::digest::Digest;

fn new_store() -> (TempDir, Store) {
    let directory = TempDir::new().expect("a temporary directory");
    let store = Store::open(directory.path().join("images")).expect("a store");
    (directory, store)
}

fn temporary_files(directory: &TempDir) -> usize {
    fs::read_dir(directory.path().join("images/temporary"))
        .expect("the directory")
        .count()
}

fn blob_path(directory: &TempDir, digest: &Digest) -> std::path::PathBuf {
    directory
        .path()
        .join("images/blobs/sha256")
        .join(digest.hex())
}

fn name(text: &str) -> ReferenceName {
    text.parse().expect("a reference's name")
}

/// Gives some bytes and then fails.
struct Failing(usize);

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.0.min(buffer.len());
        self.0 -= length;
        if length == 0 {
            Err(io::Error::other("the build was killed"))
        } else {
            Ok(length)
        }
    }
}

#[test]
fn a_blob_is_read_as_it_was_stored() {
    let (_directory, store) = new_store();
    for content in [&b""[..], b"barq", &[7; 300_000]] {
        let digest = store.put(content).expect("room");
        assert_eq!(digest, Digest::of(content));
        let mut read = Vec::new();
        store
            .open_blob(&digest)
            .expect("the blob")
            .read_to_end(&mut read)
            .expect("its bytes");
        assert_eq!(read, content);
    }
    let sizes: Vec<_> = store
        .blobs()
        .expect("a list")
        .iter()
        .map(|blob| blob.size_bytes)
        .collect();
    assert_eq!(sizes.iter().sum::<u64>(), 300_004);
    assert!(matches!(
        store.open_blob(&Digest::of(b"other")),
        Err(StoreError::Missing { .. })
    ));
}

#[test]
fn storing_twice_is_storing_once_and_mends_a_damaged_copy() {
    let (directory, store) = new_store();
    let digest = store.put(&b"content"[..]).expect("room");
    fs::write(blob_path(&directory, &digest), "CONTENT").expect("a bad disk");
    assert_eq!(store.put(&b"content"[..]).expect("room"), digest);
    assert_eq!(store.read_document(&digest).expect("the blob"), b"content");
    assert_eq!(store.blobs().expect("a list").len(), 1);
    assert_eq!(temporary_files(&directory), 0);
}

#[test]
fn damage_is_found_before_a_byte_is_used() {
    let (directory, store) = new_store();
    let digest = store.put(&b"content"[..]).expect("room");
    for damaged in ["conten", "", "cOntent", "content "] {
        fs::write(blob_path(&directory, &digest), damaged).expect("a bad disk");
        let error = store.open_blob(&digest).expect_err("the damage is seen");
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
        assert!(error.to_string().contains(&digest.to_string()), "{error}");
    }
}

#[test]
fn a_blob_that_was_not_finished_leaves_nothing() {
    let (directory, store) = new_store();
    let error = store.put(Failing(200_000)).expect_err("the reader fails");
    assert!(matches!(error, StoreError::Source { .. }), "{error}");
    let mut writer = store.writer().expect("room");
    writer.write_all(b"half").expect("room");
    drop(writer);
    assert_eq!(temporary_files(&directory), 0);
    assert!(store.blobs().expect("a list").is_empty());
}

#[test]
fn what_a_killed_writer_left_goes_and_what_is_being_written_stays() {
    let (directory, store) = new_store();
    let leftover = directory.path().join("images/temporary/.tmpKilled");
    fs::write(&leftover, "half").expect("room");
    let mut writer = store.writer().expect("room");
    writer.write_all(b"whole").expect("room");

    let second = Store::open(directory.path().join("images")).expect("a second store");
    assert!(
        leftover.exists(),
        "another store is open: the file may be its"
    );
    let blob = writer.finish().expect("its file is still there");
    assert_eq!(
        second.read_document(&blob.digest).expect("the blob"),
        b"whole"
    );

    drop((store, second));
    let store = Store::open(directory.path().join("images")).expect("a store");
    assert!(!leftover.exists());
    assert_eq!(store.blobs().expect("a list").len(), 1);
}

#[test]
fn a_full_disk_is_told_from_a_broken_one() {
    for (kind, expected) in [
        (io::ErrorKind::StorageFull, "no space left"),
        (io::ErrorKind::QuotaExceeded, "no space left"),
        (io::ErrorKind::PermissionDenied, "cannot write"),
        (io::ErrorKind::FileTooLarge, "larger than the limit"),
    ] {
        let error = StoreError::from_write(Path::new("/images"), kind.into());
        assert!(error.to_string().contains(expected), "{kind}: {error}");
    }
}

#[test]
fn references_name_blobs_durably() {
    let (directory, store) = new_store();
    let one = store.put(&b"one"[..]).expect("room");
    let two = store.put(&b"two"[..]).expect("room");
    store
        .put_reference(&name("fleet:fleet-1"), &one)
        .expect("room");
    store
        .put_reference(&name("fleet/web:stable"), &one)
        .expect("room");
    store
        .put_reference(&name("fleet/web:stable"), &two)
        .expect("room");
    let missing = store.put_reference(&name("fleet:fleet-3"), &Digest::of(b"three"));
    assert!(matches!(missing, Err(StoreError::Missing { .. })));

    drop(store);
    let store = Store::open(directory.path().join("images")).expect("a store");
    let references = store.references().expect("a list");
    assert_eq!(
        references,
        [
            (name("fleet/web:stable"), two),
            (name("fleet:fleet-1"), one)
        ]
    );
    assert_eq!(
        store.reference(&name("fleet:fleet-1")).expect("readable"),
        Some(one)
    );
    assert!(
        store
            .remove_reference(&name("fleet:fleet-1"))
            .expect("removable")
    );
    assert!(
        !store
            .remove_reference(&name("fleet:fleet-1"))
            .expect("gone")
    );
    assert_eq!(
        store.reference(&name("fleet:fleet-1")).expect("readable"),
        None
    );
}

#[test]
fn what_could_leave_the_directory_is_no_name() {
    for text in [
        "",
        ".",
        "..",
        "../x",
        "/x",
        "x/",
        "x//y",
        "a b",
        "a%2Fb",
        "-x",
        ".hidden",
        "é",
        &"x".repeat(161),
    ] {
        assert!(
            text.parse::<ReferenceName>().is_err(),
            "{text} was taken for a name"
        );
    }
}

#[test]
fn garbage_is_what_is_old_and_needed_by_nothing() {
    let (_directory, store) = new_store();
    let put = |bytes: &[u8]| store.put(bytes).expect("room");
    let image = |layer: &Digest, configuration: &Digest| {
        let descriptor =
            |digest: &Digest| serde_json::json!({"mediaType": "x", "digest": digest, "size": 1});
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": "x",
            "config": descriptor(configuration), "layers": [descriptor(layer)],
        });
        store.put(manifest.to_string().as_bytes()).expect("room")
    };
    let (shared, mine, named, old) = (put(b"shared"), put(b"mine"), put(b"named"), put(b"old"));
    let kept = image(&shared, &mine);
    let tagged = image(&shared, &named);
    let dropped = image(&shared, &old);
    store
        .put_reference(&name("fleet:stable"), &tagged)
        .expect("room");

    let now = Timestamp::now();
    assert!(
        store
            .collect_garbage(&[kept], now)
            .expect("a collection")
            .removed
            .is_empty(),
        "all is young"
    );
    let later = now + GARBAGE_AGE_MIN + Duration::from_secs(2);
    let mut expected = [dropped, old];
    expected.sort();
    assert_eq!(
        store
            .collect_garbage(&[kept], later)
            .expect("a collection")
            .removed,
        expected
    );
    for digest in [shared, mine, named, kept, tagged] {
        assert!(store.contains(&digest));
    }
}

#[test]
fn nothing_is_collected_while_a_kept_manifest_is_damaged() {
    let (directory, store) = new_store();
    let (kept, other) = (
        store.put(&b"kept"[..]).expect("room"),
        store.put(&b"other"[..]).expect("room"),
    );
    fs::write(blob_path(&directory, &kept), "KEPT").expect("a bad disk");
    let later = Timestamp::now() + GARBAGE_AGE_MIN * 2;
    assert!(matches!(
        store.collect_garbage(&[kept], later),
        Err(StoreError::Corrupt { .. })
    ));
    assert!(store.contains(&other));
}
