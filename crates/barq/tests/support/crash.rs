//! Where processes are to die: the files that the crash points of this package's own binary look at.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Barq, Sample};

/// Names the directory to the processes.
pub(super) const VARIABLE: &str = "BARQ_CRASH_POINTS";

pub(super) fn directory(place: &Path) -> PathBuf {
    place.join("crash-points")
}

/// Whole lines only: the last one may be in the making.
pub(super) fn fired_in(place: &Path) -> Vec<String> {
    let path = directory(place).join("fired");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(ToOwned::to_owned).collect()
}

impl Barq {
    /// From now on a process dies at these moments: `once BEGINNING` or `each BEGINNING`. None: nowhere.
    pub(crate) fn arm(&self, lines: &[&str]) {
        let directory = directory(self.place());
        std::fs::create_dir_all(&directory).expect("a directory");
        let new = directory.join("new");
        std::fs::write(&new, lines.join("\n")).expect("written");
        std::fs::rename(&new, directory.join("armed")).expect("renamed");
    }

    /// The moments at which a process died, in their order.
    pub(crate) fn fired(&self) -> Vec<String> {
        fired_in(self.place())
    }

    /// Compares what the client and the shop counted, neither of which knows of the other: every success that the client saw
    /// is one that the shop gave, and of those that it gave only `broken` never came to the client.
    pub(crate) fn agrees(&self, samples: &[Sample], broken: usize) {
        let mut missing = BTreeMap::new();
        for (revision, path, status) in self.counted() {
            if status == 200 && path == "/items/7" {
                *missing.entry(revision).or_default() += 1;
            }
        }
        for sample in samples.iter().filter(|it| it.status == Some(200)) {
            let said: serde_json::Value = serde_json::from_str(&sample.said).expect("JSON");
            let revision = said["revision"].as_str().expect("a revision");
            *missing.entry(revision.to_owned()).or_default() -= 1;
        }
        let total: i64 = missing.values().sum();
        let within = |it: &i64| (0..=broken as i64).contains(it);
        assert!(
            missing.values().all(within) && within(&total),
            "given by the shop, never seen by the client: {missing:?}; broken in flight: {broken}"
        );
    }
}
