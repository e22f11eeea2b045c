//! What survives: one file for each service's configuration and trips, one for the counters of its canary.
//!
//! A configuration is written to a temporary file, synced, renamed, and its directory synced: after `kill -9` or a power
//! cut there is the old or the new one, whole. Each file carries its digest, so a damaged one is seen, never half-read. The
//! counters are renamed into place without a sync: they must survive the process, whose writes the kernel keeps, and not
//! the machine, after which no canary runs; a sync for each error would only wear the disk when everything fails.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::api::{ServiceConfiguration, Trip};
use crate::moment;
use crate::statistics::StepCounts;

/// Bytes of a file that is read.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
const CONFIGURATIONS: &str = "configuration";
const COUNTERS: &str = "counters";

/// What is written of a service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Stored {
    /// The configuration in force.
    pub(super) configuration: ServiceConfiguration,
    /// The number of the last trip ever.
    pub(super) trips: u64,
    /// The last trip, if this node has seen it.
    pub(super) last_trip: Option<Trip>,
    /// Trips that nobody has acknowledged, by revision.
    pub(super) latched: BTreeMap<String, Trip>,
}

/// What was counted of a canary in a step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredCounters {
    pub(super) revision: String,
    pub(super) step: u32,
    /// By the tripwire: every error that completed in this step.
    pub(super) tripwire_errors: u64,
    /// Those of them that counted for the limit when this was written; none in files of a time when all did.
    #[serde(default)]
    pub(super) recent: Option<StoredRecent>,
    /// What was routed in this step.
    pub(super) counts: StepCounts,
    /// What `served_ms` is of.
    pub(super) generation: u64,
    pub(super) served_ms: u64,
}

/// Errors inside the limit's window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredRecent {
    pub(super) errors: u64,
    /// When, in milliseconds since 1970.
    pub(super) at_ms: u64,
}

/// The directories.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    configurations: PathBuf,
    counters: PathBuf,
}

/// Why a file can't be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum DiskError {
    #[error("it can't be read: {0}")]
    Read(io::Error),
    #[error("it can't be written: {0}")]
    Write(io::Error),
    #[error("it is damaged")]
    Damaged,
    #[error("it can't be understood: {0}")]
    Format(serde_json::Error),
}

/// What was found of each service.
pub(super) type Found = Vec<(String, Result<Stored, DiskError>)>;

impl Disk {
    /// Opens the directory and reads all configurations.
    pub(super) fn open(directory: &Path) -> io::Result<(Self, Found)> {
        let disk = Self {
            configurations: directory.join(CONFIGURATIONS),
            counters: directory.join(COUNTERS),
        };
        fs::create_dir_all(&disk.configurations)?;
        fs::create_dir_all(&disk.counters)?;
        let mut found = Vec::new();
        for entry in fs::read_dir(&disk.configurations)? {
            let path = entry?.path();
            let name = path
                .file_stem()
                .and_then(|name| name.to_str())
                .map(str::to_owned);
            let is_configuration = path
                .extension()
                .is_some_and(|extension| extension == "json");
            if let (Some(name), true) = (name, is_configuration) {
                found.push((name, read(&path)));
            }
        }
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok((disk, found))
    }

    /// Writes a configuration; when this returns it survives a power cut. A damaged file in its place is kept beside it.
    pub(super) fn write(&self, service: &str, stored: &Stored) -> Result<(), DiskError> {
        let path = self.path(service);
        keep_damaged(&path);
        let temporary = path.with_extension("new");
        write(&temporary, stored, true)?;
        moment::reached(moment::BESIDE, service, stored.configuration.generation);
        fs::rename(&temporary, &path).map_err(DiskError::Write)?;
        File::open(&self.configurations)
            .and_then(|directory| directory.sync_all())
            .map_err(DiskError::Write)
    }

    /// Writes the counters, without a sync.
    pub(super) fn write_counters(
        &self,
        service: &str,
        counters: &StoredCounters,
    ) -> Result<(), DiskError> {
        let path = self.counters_path(service);
        let temporary = path.with_extension("new");
        write(&temporary, counters, false)?;
        fs::rename(&temporary, &path).map_err(DiskError::Write)
    }

    /// The last counters that were written, if there are any. Damaged ones are none: the canary is at 0 % anyway.
    pub(super) fn counters(&self, service: &str) -> Option<StoredCounters> {
        match read::<StoredCounters>(&self.counters_path(service)) {
            Ok(counters) => Some(counters),
            Err(DiskError::Read(error)) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(service, %error, "the counters can't be read");
                None
            }
        }
    }

    /// Where a canary's errors are noted one by one; see [`super::tally`].
    pub(super) fn tally_path(&self, service: &str) -> PathBuf {
        self.counters.join(format!("{service}.errors"))
    }

    fn path(&self, service: &str) -> PathBuf {
        self.configurations.join(format!("{service}.json"))
    }

    fn counters_path(&self, service: &str) -> PathBuf {
        self.counters.join(format!("{service}.json"))
    }
}

/// Keeps a damaged file under another name, too: until the new one has taken its place a start finds the damage, not nothing.
fn keep_damaged(path: &Path) {
    if !path.exists() || read::<Stored>(path).is_ok() {
        return;
    }
    let kept = path.with_extension("damaged");
    let linked = match fs::remove_file(&kept) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => fs::hard_link(path, &kept),
    };
    if let Err(error) = linked {
        tracing::warn!(path = %path.display(), %error, "a damaged configuration can't be kept");
    }
}

/// The digest in a line of its own, then JSON.
fn write<T: Serialize>(path: &Path, value: &T, sync: bool) -> Result<(), DiskError> {
    let json = serde_json::to_vec_pretty(value).map_err(DiskError::Format)?;
    let mut bytes = hex(&Sha256::digest(&json)).into_bytes();
    bytes.push(b'\n');
    bytes.extend(json);
    let written = File::create(path).and_then(|mut file| {
        file.write_all(&bytes)?;
        if sync { file.sync_all() } else { Ok(()) }
    });
    written.map_err(DiskError::Write)
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, DiskError> {
    if fs::metadata(path).map_err(DiskError::Read)?.len() > FILE_BYTES_MAX {
        return Err(DiskError::Damaged);
    }
    let bytes = fs::read(path).map_err(DiskError::Read)?;
    let end = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .ok_or(DiskError::Damaged)?;
    let (digest, json) = (&bytes[..end], &bytes[end + 1..]);
    if digest != hex(&Sha256::digest(json)).as_bytes() {
        return Err(DiskError::Damaged);
    }
    serde_json::from_slice(json).map_err(DiskError::Format)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
