//! The runner's directories, and files that are whole or absent.
//!
//! Names from outside (keys, apps, checks, caches) are escaped into one path component each. It must not know what a
//! run does.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::RunnerError;
use crate::request::{CheckResult, Job};

/// Longest escaped name, in bytes: file systems take 255.
const NAME_BYTES_MAX: usize = 240;

/// Where everything of a runner is.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    root: PathBuf,
}

impl Store {
    pub(crate) fn open(root: &Path) -> Result<Self, RunnerError> {
        create_directory(root, 0o711)?;
        let root = root
            .canonicalize()
            .map_err(RunnerError::file("resolving", root))?;
        for (name, mode) in [("runs", 0o700), ("cache", 0o700), ("times", 0o700)] {
            create_directory(&root.join(name), mode)?;
        }
        for name in ["work", "home", "temporary"] {
            create_directory(&root.join(name), 0o711)?;
        }
        Ok(Self { root })
    }

    pub(crate) fn run(&self, key: &str) -> Result<PathBuf, RunnerError> {
        Ok(self.root.join("runs").join(escape(key)?))
    }

    /// A directory (not created) of one check: `work`, `clone`, `cache`, `home`, `temporary`, `times`.
    pub(crate) fn of_check(&self, kind: &str, job: &Job) -> Result<PathBuf, RunnerError> {
        Ok(self
            .root
            .join(kind)
            .join(escape(&job.app)?)
            .join(escape(&job.check)?))
    }

    /// All runs that were accepted and have no result.
    pub(crate) fn unfinished(&self) -> Result<Vec<Job>, RunnerError> {
        let mut jobs = Vec::new();
        for directory in self.run_directories()? {
            if directory.join("result.json").exists() {
                continue;
            }
            // One that can't be read hinders no other: it goes on when it is asked for again.
            jobs.extend(read_or_tell(&directory.join("request.json")));
        }
        Ok(jobs)
    }

    /// Forgets the oldest finished runs beyond a number.
    pub(crate) fn retain(&self, runs_kept_max: usize) -> Result<(), RunnerError> {
        let mut finished = Vec::new();
        for directory in self.run_directories()? {
            let result = read_or_tell::<CheckResult>(&directory.join("result.json"));
            finished.extend(result.map(|result| (result.finished_at, directory)));
        }
        finished.sort();
        let surplus = finished.len().saturating_sub(runs_kept_max);
        finished
            .iter()
            .take(surplus)
            .try_for_each(|(_, directory)| remove_tree(directory))
    }

    fn run_directories(&self) -> Result<Vec<PathBuf>, RunnerError> {
        let runs = self.root.join("runs");
        let list = || {
            fs::read_dir(&runs)?
                .map(|entry| Ok(entry?.path()))
                .collect::<io::Result<Vec<_>>>()
        };
        list().map_err(RunnerError::file("listing", &runs))
    }
}

/// Turns any name into one path component, different names into different ones.
pub(crate) fn escape(name: &str) -> Result<String, RunnerError> {
    let mut escaped = String::new();
    for (index, byte) in name.bytes().enumerate() {
        let plain =
            byte.is_ascii_alphanumeric() || b"_-".contains(&byte) || (byte == b'.' && index > 0);
        if plain {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    if escaped.is_empty() || escaped.len() > NAME_BYTES_MAX {
        return Err(RunnerError::Request(format!(
            "{name:?} is empty or too long for a name"
        )));
    }
    Ok(escaped)
}

/// Writes a value durably: temporary file, fsync, rename, fsync of the directory.
pub(crate) fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), RunnerError> {
    let bytes = serde_json::to_vec(value).map_err(|source| RunnerError::Damaged {
        path: path.to_owned(),
        source,
    })?;
    let write = || -> io::Result<()> {
        let temporary = path.with_extension("new");
        let mut file = File::create(&temporary)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        path.parent()
            .map_or(Ok(()), |parent| File::open(parent)?.sync_all())
    };
    write().map_err(RunnerError::file("writing", path))
}

/// Reads a value; `None` if there is no such file.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, RunnerError> {
    match fs::read(path) {
        Ok(bytes) => {
            serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|source| RunnerError::Damaged {
                    path: path.to_owned(),
                    source,
                })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(RunnerError::file("reading", path)(error)),
    }
}

/// Reads a value that others do not depend on; `None` also where it is damaged, which is said.
fn read_or_tell<T: DeserializeOwned>(path: &Path) -> Option<T> {
    read(path).unwrap_or_else(|error| {
        tracing::error!(reason = error.reason(), "a run's record can't be read");
        None
    })
}

/// Creates a directory and those above it with a mode.
pub(crate) fn create_directory(path: &Path, mode: u32) -> Result<(), RunnerError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(RunnerError::file("creating", path))
}

/// Removes a tree, also one whose directories forbid it; that there is none is no error.
pub(crate) fn remove_tree(path: &Path) -> Result<(), RunnerError> {
    let removed = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => Err(error),
        Ok(metadata) if !metadata.is_dir() => fs::remove_file(path),
        Ok(_) => fs::remove_dir_all(path).or_else(|_| {
            permit(path)?;
            fs::remove_dir_all(path)
        }),
    };
    removed.map_err(RunnerError::file("removing", path))
}

/// Gives the owner all rights on the directories of a tree.
fn permit(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            permit(&entry.path())?;
        }
    }
    Ok(())
}
