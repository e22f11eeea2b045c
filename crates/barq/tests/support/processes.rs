//! The processes that one barq's data directory has, as the kernel tells: which instances run, and that none is left behind.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Barq, PATIENCE};

/// The name of the shop's process, as its `barq.toml` has it.
const SHOP: &str = "app";
/// A shim ends after the instance that it leads: a moment after all else.
const END_MAX: Duration = Duration::from_secs(2);

impl Barq {
    /// The shop's processes in production and their revisions.
    pub(crate) fn instances(&self) -> BTreeMap<u32, String> {
        let shops = of(self.place()).into_iter().filter(|(_, process)| {
            std::fs::read_to_string(process.join("comm")).is_ok_and(|name| name.trim() == SHOP)
        });
        let revision = |process: &Path| {
            let environment = std::fs::read(process.join("environ")).ok()?;
            environment
                .split(|byte| *byte == 0)
                .find_map(|variable| variable.strip_prefix(b"K_REVISION="))
                .map(|name| String::from_utf8_lossy(name).into_owned())
        };
        shops
            .filter_map(|(id, process)| Some((id, revision(&process)?)))
            .filter(|(_, revision)| revision.contains("-production-"))
            .collect()
    }

    /// `kill -9` of the node; returns once it is no more.
    pub(crate) fn kill_node_for_sure(&self) {
        let lock = std::fs::read_to_string(self.data().join("node.lock")).expect("a lock file");
        let status = PathBuf::from("/proc").join(lock.trim()).join("stat");
        self.kill_node();
        let deadline = Instant::now() + PATIENCE;
        while std::fs::read_to_string(&status).is_ok_and(|stat| !stat.contains(") Z ")) {
            assert!(
                Instant::now() < deadline,
                "the node does not even end when killed"
            );
            std::thread::yield_now();
        }
    }

    /// SIGTERM, after which nothing may be left of it: no instance, no shim.
    pub(crate) fn end(self) {
        let place = self.place().to_owned();
        drop(self);
        let left: Vec<String> = of(&place)
            .iter()
            .map(|(_, process)| command(process))
            .collect();
        assert_eq!(left, Vec::<String>::new());
    }
}

/// Processes that were started for this directory: it is in their arguments, their environment or where they are.
pub(super) fn of(place: &Path) -> Vec<(u32, PathBuf)> {
    let place = place.as_os_str().as_bytes();
    let mentions = |bytes: &[u8]| bytes.windows(place.len()).any(|window| window == place);
    let table = std::fs::read_dir("/proc").expect("a process table");
    table
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .filter(|(_, process)| {
            let within = std::fs::read_link(process.join("cwd"))
                .is_ok_and(|directory| mentions(directory.as_os_str().as_bytes()));
            let told = ["cmdline", "environ"]
                .iter()
                .any(|file| std::fs::read(process.join(file)).is_ok_and(|text| mentions(&text)));
            within || told
        })
        .collect()
}

fn command(process: &Path) -> String {
    let text = std::fs::read(process.join("cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&text).replace('\0', " ")
}
