//! A file that changes while it is read must not become a broken archive.

use std::fs;
use std::io::{self, Read};

use tempfile::TempDir;

use super::{BundleError, Content};

#[test]
fn a_file_that_grew_or_shrank_is_named() {
    let directory = TempDir::new().expect("a temporary directory");
    let path = directory.path().join("fleet");
    fs::write(&path, "12345").expect("a file");
    for (stated_bytes, changed) in [(5, false), (4, true), (6, true), (0, true)] {
        let mut content = Content::open(path.clone(), stated_bytes).expect("the file");
        io::copy(&mut content, &mut io::sink()).expect("its content");
        let checked = content.check();
        assert_eq!(
            matches!(checked, Err(BundleError::Changed { .. })),
            changed,
            "{stated_bytes}: {checked:?}"
        );
    }
}

#[test]
fn a_failed_read_is_the_files_fault() {
    let directory = TempDir::new().expect("a temporary directory");
    let mut content = Content::open(directory.path().to_owned(), 5).expect("it can be opened");
    assert!(
        content.read(&mut [0; 5]).is_err(),
        "a directory has no content"
    );
    assert!(matches!(content.check(), Err(BundleError::Read { .. })));
}

#[test]
fn a_link_in_the_place_of_a_file_is_not_followed() {
    let directory = TempDir::new().expect("a temporary directory");
    let link = directory.path().join("link");
    std::os::unix::fs::symlink("/etc/passwd", &link).expect("a link");
    assert!(matches!(
        Content::open(link, 5),
        Err(BundleError::Read { .. })
    ));
}
