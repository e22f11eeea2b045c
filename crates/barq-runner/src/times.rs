//! Gives files that have not changed since a check's previous run their previous modification time.
//!
//! Cargo and other tools compare times, and a fresh clone makes all files new. The times are kept outside of the
//! check's reach. They are recorded before the check runs: a file that changed always gets a time later than anything
//! that an earlier run left in a cache, whatever was killed in between. It must not know which tools compare.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use serde::{Deserialize, Serialize};

use crate::error::RunnerError;
use crate::git::Entry;
use crate::store;

/// The content of an entry and its time at the last run.
#[derive(Serialize, Deserialize)]
struct Known {
    object: String,
    seconds: i64,
    nanoseconds: i64,
}

/// Sets the times of a fresh clone and remembers them.
pub(crate) fn restore(tree: &Path, entries: &[Entry], record: &Path) -> Result<(), RunnerError> {
    // A damaged record costs a rebuild, nothing else.
    let before: HashMap<String, Known> = store::read(record).ok().flatten().unwrap_or_default();
    let mut now = HashMap::new();
    for entry in entries {
        let path = tree.join(&entry.path);
        let Ok(metadata) = fs::symlink_metadata(&path) else {
            continue;
        };
        let known = match before.get(&entry.path) {
            Some(known) if known.object == entry.object => {
                let time = Timespec {
                    tv_sec: known.seconds,
                    tv_nsec: known.nanoseconds,
                };
                let times = Timestamps {
                    last_access: time,
                    last_modification: time,
                };
                utimensat(CWD, &path, &times, AtFlags::SYMLINK_NOFOLLOW).map_err(|error| {
                    RunnerError::file("setting the time of", &path)(error.into())
                })?;
                Known {
                    object: entry.object.clone(),
                    seconds: known.seconds,
                    nanoseconds: known.nanoseconds,
                }
            }
            _ => Known {
                object: entry.object.clone(),
                seconds: metadata.mtime(),
                nanoseconds: metadata.mtime_nsec(),
            },
        };
        now.insert(entry.path.clone(), known);
    }
    if let Some(parent) = record.parent() {
        store::create_directory(parent, 0o700)?;
    }
    store::write(record, &now)
}
