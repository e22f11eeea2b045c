//! A disk of a test's own that can really be full: a small tmpfs, mounted in a mount namespace that nobody else sees.
//!
//! The kernel makes one for root, and for others together with a user namespace. Where it does not, the test says that it
//! is skipped: nothing else is as full as a full disk.

use std::future::Future;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::mount::{MountFlags, UnmountFlags};

use super::{Barq, eventually};

/// Says that this process is in a namespace of its own.
const VARIABLE: &str = "BARQ_TEST_IN_A_NAMESPACE";
/// Bytes of the disk: two images of the shop, git's copies, the journal.
const DISK_BYTES: u64 = 256 * 1024 * 1024;
/// Bytes written at a time to fill it: a page, so that none is left.
const PAGE_BYTES: usize = 4096;

/// Runs a test in a mount namespace: the test binary starts itself there, with this test alone.
pub(crate) fn on_a_disk_of_its_own(name: &str, test: impl Future<Output = ()>) {
    if std::env::var_os(VARIABLE).is_some() {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        return runtime.block_on(test);
    }
    let own: &[&str] = match rustix::process::geteuid().is_root() {
        true => &["--mount"],
        false => &["--user", "--mount", "--map-current-user", "--keep-caps"],
    };
    let tried = Command::new("unshare").args(own).arg("true").output();
    if !tried.is_ok_and(|tried| tried.status.success()) {
        eprintln!(
            "{name} is skipped: the kernel gives no mount namespace here, so no disk can be filled"
        );
        return;
    }
    let executable = std::env::current_exe().expect("a test binary");
    let ended = Command::new("unshare")
        .args(own)
        .arg(executable)
        .args(["--exact", name, "--nocapture"])
        .env(VARIABLE, "1")
        .status()
        .expect("it runs");
    assert!(ended.success(), "{name} failed in its namespace");
}

/// Takes the disk away that a data directory may be.
pub(super) fn unmount(data: &Path) {
    // Mostly there is none.
    if let Err(error) = rustix::mount::unmount(data, UnmountFlags::DETACH)
        && error != rustix::io::Errno::INVAL
        && error != rustix::io::Errno::PERM
    {
        eprintln!("{} stays mounted: {error}", data.display());
    }
}

impl Barq {
    /// As `start`, with the data directory on a disk of its own.
    pub(crate) async fn start_on_a_disk() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let data = directory.path().join("data");
        std::fs::create_dir(&data).expect("a directory");
        let options = std::ffi::CString::new(format!("size={DISK_BYTES},mode=700"));
        let options = options.expect("no zero");
        rustix::mount::mount(
            "none",
            &data,
            "tmpfs",
            MountFlags::empty(),
            options.as_c_str(),
        )
        .expect("mounted");
        Self::start_in(directory).await
    }

    /// Leaves no room, and waits until the server has noticed.
    pub(crate) async fn fill_the_disk(&self) {
        self.fill();
        eventually("the server notices the full disk", async || {
            // Whatever was given back since is taken, too.
            self.fill();
            let (status, text) = self.ready_text().await?;
            (status == 503 && text.contains("is full")).then_some(())
        })
        .await;
    }

    /// What `/health/ready` says.
    pub(crate) async fn ready_text(&self) -> Option<(u16, String)> {
        let url = format!("{}/health/ready", self.server);
        let answer = self.http().get(url).send().await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    }

    fn fill(&self) {
        let mut options = std::fs::OpenOptions::new();
        let file = options.create(true).append(true).open(self.filler());
        let mut file = file.expect("opened");
        let page = [0; PAGE_BYTES];
        let error = loop {
            if let Err(error) = file.write_all(&page) {
                break error;
            }
        };
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull, "{error}");
    }

    /// Gives the room back.
    pub(crate) fn make_room(&self) {
        std::fs::remove_file(self.filler()).expect("removed");
    }

    fn filler(&self) -> PathBuf {
        self.data().join("filler")
    }
}
