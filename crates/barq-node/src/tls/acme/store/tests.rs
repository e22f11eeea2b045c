//! What is on disk, and who may read it.

use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::{Retry, Store, StoreError};

const URL: &str = "https://authority.example/directory";

#[test]
fn a_certificate_is_kept_for_barq_alone() {
    let directory = TempDir::new().unwrap();
    let store = Store::open(directory.path(), URL).unwrap();
    assert_eq!(store.certificate("a.example").unwrap(), None);
    // What a crash has left.
    std::fs::write(store.0.join("a.example.pem.new"), "half").unwrap();
    for pem in ["one", "two"] {
        store.keep_certificate("a.example", pem.as_bytes()).unwrap();
        let kept = store.certificate("a.example").unwrap();
        assert_eq!(kept.as_deref(), Some(pem.as_bytes()));
    }
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&store.0.join("a.example.pem")), 0o600);
    assert_eq!(mode(&store.0), 0o700);
    assert_eq!(std::fs::read_dir(&store.0).unwrap().count(), 1);
}

#[test]
fn each_authority_has_its_own() {
    let directory = TempDir::new().unwrap();
    let store = Store::open(directory.path(), URL).unwrap();
    store.keep_certificate("a.example", b"one").unwrap();
    let other = Store::open(directory.path(), "https://other.example/").unwrap();
    assert_eq!(other.certificate("a.example").unwrap(), None);
}

#[test]
fn when_to_try_again_survives_and_is_forgotten() {
    let directory = TempDir::new().unwrap();
    let store = Store::open(directory.path(), URL).unwrap();
    assert_eq!(store.retry("a.example"), None);
    store.keep_retry("a.example", None);
    let retry = Retry {
        failures: 3,
        at: "2026-01-01T00:00:00Z".parse().unwrap(),
        why: "nobody is at home".to_owned(),
    };
    store.keep_retry("a.example", Some(&retry));
    assert_eq!(store.retry("a.example"), Some(retry));
    store.keep_retry("a.example", None);
    assert_eq!(store.retry("a.example"), None);
}

#[test]
fn no_host_leaves_the_directory() {
    let directory = TempDir::new().unwrap();
    let store = Store::open(directory.path(), URL).unwrap();
    for host in ["", ".", "../../x", "a/b", "a\0b"] {
        let refused = store.keep_certificate(host, b"x").unwrap_err();
        assert!(matches!(refused, StoreError::Name { .. }), "{host}");
    }
}

#[test]
fn a_damaged_account_is_seen() {
    let directory = TempDir::new().unwrap();
    let store = Store::open(directory.path(), URL).unwrap();
    assert!(store.account().unwrap().is_none());
    std::fs::write(store.0.join("account.json"), "{").unwrap();
    assert!(matches!(store.account(), Err(StoreError::Damaged { .. })));
    store.forget_account();
    assert!(store.account().unwrap().is_none());
}
