//! Where instances live on disk, and how their files are written and found again.
//!
//! ```text
//! instances/<service>/<revision>/<instance>/instance.json   the record, written before the process it speaks of
//!                                          /scratch/        the process's own directory
//!                                          /runs/<number>/  one process's shim: its state, output and end
//! ```
//! Run numbers only grow, over all instances and restarts of the node: a log reader's cursor relies on it. Everything is
//! written to a temporary file, synced and renamed, so `kill -9` leaves the old or the new. It must not know processes.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::api::{HealthConfiguration, Protocol, RevisionConfiguration};

/// The record's file.
const RECORD: &str = "instance.json";
/// The directory of the runs.
const RUNS: &str = "runs";
/// The process's own directory.
const SCRATCH: &str = "scratch";
/// Longest name of a service or revision, in bytes: what a file system takes.
const NAME_BYTES_MAX: usize = 200;

/// What must be known of an instance to find and serve it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct InstanceRecord {
    /// Its id.
    pub(super) id: String,
    /// What it runs, see [`fingerprint`].
    pub(super) fingerprint: String,
    /// Its current run.
    pub(super) run: u64,
    /// Where it listens.
    pub(super) port: u16,
    /// When its current run was started.
    pub(super) started_at: Timestamp,
    /// How often it was started again.
    pub(super) restarts: u32,
    /// How far it was.
    pub(super) phase: Phase,
    /// How it is probed: it is adopted before its configuration is known again.
    pub(super) health: HealthConfiguration,
    /// How probes ask.
    #[serde(default)]
    pub(super) protocol: Protocol,
    /// How long it may drain.
    pub(super) drain_ms: u64,
}

/// How far a run had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Phase {
    /// Its startup probe had not passed.
    Starting,
    /// It had started, and was not ready.
    NotReady,
    /// It got requests.
    Ready,
    /// It was no longer wanted, or told to end: it must not get requests again.
    Leaving,
}

/// One run on disk.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Run {
    /// Its number.
    pub(crate) number: u64,
    /// Its instance.
    pub(crate) instance: String,
    /// Its shim's directory.
    pub(crate) directory: PathBuf,
}

/// The directory of all instances, inside the node's.
pub(crate) fn root(node_directory: &Path) -> PathBuf {
    node_directory.join("instances")
}

/// Whether a service's or revision's name can be a directory's.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// A run's directory.
pub(super) fn run_directory(instance: &Path, run: u64) -> PathBuf {
    instance.join(RUNS).join(run.to_string())
}

/// The process's own directory.
pub(super) fn scratch(instance: &Path) -> PathBuf {
    instance.join(SCRATCH)
}

/// Makes an instance's directories, for the owner alone.
pub(super) fn prepare(instance: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(instance.join(RUNS))?;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(scratch(instance))
}

/// Writes an instance's record durably.
pub(super) fn write_record(instance: &Path, record: &InstanceRecord) -> io::Result<()> {
    let temporary = instance.join("instance.json.new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(&serde_json::to_vec(record)?)?;
    file.sync_all()?;
    fs::rename(&temporary, instance.join(RECORD))?;
    File::open(instance)?.sync_all()?;
    // The names above it too, up to the service's: a record that nobody finds is none.
    for directory in instance.ancestors().skip(1).take(3) {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

/// Reads an instance's record; `None` if there is none (it has ended, or never began).
pub(super) fn read_record(instance: &Path) -> io::Result<Option<InstanceRecord>> {
    match fs::read(instance.join(RECORD)) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The run of an instance that may go on; `None` if it has ended.
pub(crate) fn current_run(instance: &Path) -> io::Result<Option<u64>> {
    Ok(read_record(instance)?.map(|record| record.run))
}

/// Forgets an instance that has ended; its output stays.
pub(super) fn forget(instance: &Path) -> io::Result<()> {
    for removed in [
        fs::remove_file(instance.join(RECORD)),
        fs::remove_dir_all(scratch(instance)),
    ] {
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// The names of the directories in a directory, sorted; none if it is missing.
pub(crate) fn names(directory: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string()
            && entry.file_type()?.is_dir()
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// The runs of one instance, oldest first.
pub(crate) fn runs_of(instance: &Path) -> io::Result<Vec<Run>> {
    let id = instance
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let directory = instance.join(RUNS);
    let numbered = names(&directory)?
        .into_iter()
        .filter_map(|name| Some((name.parse().ok()?, name)));
    let mut runs: Vec<Run> = numbered
        .map(|(number, name)| Run {
            number,
            instance: id.clone(),
            directory: directory.join(name),
        })
        .collect();
    runs.sort();
    Ok(runs)
}

/// The runs of one revision, oldest first.
pub(crate) fn runs(revision: &Path) -> io::Result<Vec<Run>> {
    let mut runs = Vec::new();
    for instance in names(revision)? {
        runs.extend(runs_of(&revision.join(instance))?);
    }
    runs.sort();
    Ok(runs)
}

/// What a revision's instances run, whatever its size and tags: an instance with another fingerprint is replaced.
pub(super) fn fingerprint(configuration: &RevisionConfiguration) -> String {
    use sha2::{Digest, Sha256};
    let content = (
        (
            &configuration.root,
            &configuration.working_directory,
            &configuration.command,
            &configuration.environment,
        ),
        (
            configuration.concurrency,
            &configuration.health,
            configuration.drain_ms,
        ),
        (configuration.cpu_milli, configuration.memory_bytes),
    );
    let bytes = serde_json::to_vec(&content).expect("strings and numbers are JSON");
    Sha256::digest(&bytes)
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// Gives numbers to runs.
#[derive(Debug)]
pub(super) struct RunNumbers {
    last: AtomicU64,
}

impl RunNumbers {
    /// Goes on after the last run on disk. The clock is a part, so that a number whose run was cleaned away, or never
    /// reached the disk, is not given again.
    pub(super) fn after(last: u64, now: Timestamp) -> Self {
        Self {
            last: AtomicU64::new(last.max(u64::try_from(now.as_millisecond()).unwrap_or(0))),
        }
    }

    /// The next number.
    pub(super) fn next(&self) -> u64 {
        self.last.fetch_add(1, Ordering::SeqCst) + 1
    }
}

#[cfg(test)]
mod tests;
