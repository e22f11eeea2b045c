//! Files that change under a watch: what is in force after each look.

use std::sync::Arc;

use tempfile::TempDir;

use super::super::table::{Crypto, Served};
use super::super::testing::{Authority, Issued, paths, replace};
use super::Watched;

const HOST: &str = "shop.example.com";
/// A moment in the time of what the tests issue.
const NOW: &str = "2026-02-01T00:00:00Z";

struct Files {
    directory: TempDir,
    authority: Authority,
    crypto: Crypto,
    watched: Watched,
}

impl Files {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        Self {
            watched: Watched::new(paths(directory.path(), "one"), Some(HOST.to_owned()), None),
            directory,
            authority: Authority::new(),
            crypto: Crypto::new().unwrap(),
        }
    }

    /// The files are there and in force.
    fn with_pair() -> Self {
        let mut files = Self::new();
        let issued = files.authority.issue(&[HOST]);
        files.write(&issued);
        assert!(files.look());
        files
    }

    fn write(&self, issued: &Issued) {
        issued.write(self.directory.path(), "one");
    }

    fn look(&mut self) -> bool {
        self.watched.look(&self.crypto, NOW.parse().unwrap())
    }

    fn served(&self) -> Option<Arc<Served>> {
        self.watched.served().cloned()
    }

    fn problem(&self) -> String {
        let directory = self.directory.path().display().to_string();
        let problem = self.watched.problem();
        problem.map_or(String::new(), |problem| {
            problem.to_string().replace(&directory, "DIR")
        })
    }
}

fn is_same(one: Option<&Arc<Served>>, other: Option<&Arc<Served>>) -> bool {
    one.zip(other)
        .is_some_and(|(one, other)| Arc::ptr_eq(one, other))
}

#[test]
fn a_pair_is_read_once_and_again_when_it_changes() {
    let mut files = Files::with_pair();
    let first = files.served();
    assert!(!files.look(), "nothing has changed");
    assert!(is_same(first.as_ref(), files.served().as_ref()));

    files.write(&files.authority.issue(&[HOST]));
    assert!(files.look());
    assert!(!is_same(first.as_ref(), files.served().as_ref()));
    assert_eq!(files.problem(), "");
}

#[test]
fn a_file_that_is_written_later_is_found() {
    let mut files = Files::new();
    assert!(!files.look());
    assert_eq!(
        files.problem(),
        "DIR/one.crt can't be read (No such file or directory (os error 2))"
    );
    files.write(&files.authority.issue(&[HOST]));
    assert!(files.look());
    assert_eq!(files.problem(), "");
}

#[test]
fn between_two_writes_the_old_pair_goes_on_without_a_word() {
    let mut files = Files::with_pair();
    let first = files.served();
    let next = files.authority.issue(&[HOST]);
    let paths = files.watched.paths().clone();

    replace(&paths.certificate, &next.certificate);
    assert!(!files.look());
    assert_eq!(files.problem(), "", "the key may be on its way");
    assert!(is_same(first.as_ref(), files.served().as_ref()));

    replace(&paths.key, &next.key);
    assert!(files.look());
    assert_eq!(files.problem(), "");
}

#[test]
fn a_key_that_does_not_come_is_a_problem_and_the_old_pair_goes_on() {
    let mut files = Files::with_pair();
    let first = files.served();
    let next = files.authority.issue(&[HOST]);
    replace(
        &files.watched.paths().certificate.clone(),
        &next.certificate,
    );
    assert!(!files.look() && !files.look());
    assert_eq!(
        files.problem(),
        "certificate and key do not belong together (DIR/one.crt and DIR/one.key)"
    );
    assert!(is_same(first.as_ref(), files.served().as_ref()));
}

#[test]
fn what_is_worse_is_not_taken() {
    let other = |files: &Files| files.authority.issue(&["other.example.com"]);
    let expired = |files: &Files| files.authority.issue_for(&[HOST], (2025, 1), (2026, 1));
    let broken = |files: &Files| Issued {
        certificate: "broken".to_owned(),
        ..files.authority.issue(&[HOST])
    };
    type Make<'a> = &'a dyn Fn(&Files) -> Issued;
    let cases: [(Make<'_>, &str); 3] = [
        (
            &other,
            "the certificate in DIR/one.crt is not for shop.example.com",
        ),
        (
            &expired,
            "the certificate in DIR/one.crt expired on 2026-01-01",
        ),
        (
            &broken,
            "the certificate file has no PEM certificate in it (DIR/one.crt and DIR/one.key)",
        ),
    ];
    for (make, expected) in cases {
        let mut files = Files::with_pair();
        let first = files.served();
        files.write(&make(&files));
        assert!(!files.look() && !files.look());
        assert_eq!(files.problem(), expected);
        assert!(is_same(first.as_ref(), files.served().as_ref()));
    }
}

#[test]
fn an_expired_certificate_is_better_than_none() {
    let mut files = Files::new();
    files.write(&files.authority.issue_for(&[HOST], (2025, 1), (2026, 1)));
    assert!(files.look());
    assert!(files.served().is_some());
}

#[test]
fn what_is_no_file_is_not_waited_for() {
    let mut files = Files::with_pair();
    let path = files.watched.paths().certificate.clone();
    std::fs::remove_file(&path).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    files.look();
    assert_eq!(files.problem(), "DIR/one.crt is no regular file");

    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, vec![b'x'; 1024 * 1024 + 1]).unwrap();
    files.look();
    assert_eq!(files.problem(), "DIR/one.crt has more than 1048576 bytes");
    assert!(files.served().is_some());
}
