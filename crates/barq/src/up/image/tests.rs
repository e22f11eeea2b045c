//! An image stays what it was when it was opened.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn script(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, format!("#!/bin/sh\n{text}\n")).expect("written");
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).expect("executable");
    std::fs::rename(&new, path).expect("in place");
}

#[tokio::test]
async fn an_image_is_the_file_that_was_opened() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("program");
    script(&path, "echo barq 1");
    let image = Image::at(&path).expect("opened");
    assert_eq!(image.program(), path);
    assert_eq!(image.version().await.expect("it runs"), "1");
    script(&path, "echo barq 2");
    assert_ne!(image.program(), path);
    assert_eq!(image.version().await.expect("it still runs"), "1");
    let next = Image::at(&path).expect("opened");
    assert_eq!(next.version().await.expect("it runs"), "2");
}

#[tokio::test]
async fn what_does_not_run_is_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("program");
    assert!(matches!(Image::at(&path), Err(ImageError::Open { .. })));
    script(&path, "exit 3");
    let failed = Image::at(&path).expect("opened").version().await;
    assert!(
        matches!(failed, Err(ImageError::Version { .. })),
        "{failed:?}"
    );
    std::fs::write(&path, "no program").expect("written");
    let failed = Image::at(&path).expect("opened").version().await;
    assert!(failed.is_err(), "{failed:?}");
}
