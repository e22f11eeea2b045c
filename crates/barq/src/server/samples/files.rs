//! Where samples lie: one file for all hours, one for each rollout. Written whole or not at all.
//!
//! Charts are not worth the room that the journal needs: on a disk that is nearly full nothing is written. A file that
//! can't be understood is said in the log and removed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use barq_core::identity::{RolloutId, ServiceId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::hour::Minutes;
use super::store::{Changes, Store, Watched};
use crate::data::{self, FILE_MODE};
use crate::output::chain;
use crate::server::disk;

/// The form of what is written; another one is not read.
const FORM: u32 = 1;
/// With less room than this on the disk nothing is written, in bytes.
const ROOM_BYTES_MIN: u64 = 64 * 1024 * 1024;
/// A file that is larger is none of ours, in bytes: a full series takes some 50 KiB, an hour of a service 1 KiB.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A directory of samples.
#[derive(Debug)]
pub(super) struct Files {
    directory: PathBuf,
    /// Whether the last writing failed: said once, when it begins.
    fails: AtomicBool,
}

/// What is in a file.
#[derive(Debug, Serialize, Deserialize)]
struct Written<Content> {
    form: u32,
    content: Content,
}

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("cannot be read")]
    Io(#[from] std::io::Error),
    #[error("is not what was written")]
    Form(#[from] serde_json::Error),
    #[error("holds what can't be")]
    Unsound,
}

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error("the disk is nearly full ({0} bytes are left)")]
    NoRoom(u64),
    #[error(transparent)]
    Data(#[from] data::DataError),
    #[error("cannot be put into words")]
    Form(#[from] serde_json::Error),
}

impl Files {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            fails: AtomicBool::new(false),
        }
    }

    /// What was written; what can't be read is begun anew.
    pub(super) fn read(&self) -> Store {
        let hours = read::<BTreeMap<ServiceId, Minutes>>(&self.hours(), |hours| {
            hours.values().all(Minutes::is_sound)
        });
        let rollouts = self.written_rollouts().into_iter().filter_map(|path| {
            let sound = |it: &Watched| self.rollout(&it.rollout) == path && it.series.is_sound();
            read::<Watched>(&path, sound)
        });
        Store::of(hours.unwrap_or_default(), rollouts.collect())
    }

    /// Writes all, or gives back what is still to be written.
    pub(super) fn write(&self, changes: Changes) -> Result<(), Changes> {
        let mut left = changes;
        match self.write_some(&mut left) {
            Ok(()) => {
                self.fails.store(false, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => {
                if !self.fails.swap(true, Ordering::Relaxed) {
                    let error = chain(&error);
                    tracing::warn!(error, "the samples for charts can't be kept for now");
                }
                Err(left)
            }
        }
    }

    fn write_some(&self, left: &mut Changes) -> Result<(), WriteError> {
        while let Some(id) = left.dropped.last() {
            remove(&self.rollout(id));
            left.dropped.pop();
        }
        if left.hours.is_none() && left.rollouts.is_empty() {
            return Ok(());
        }
        data::make_directory(&self.rollouts())?;
        if let Some(bytes) = disk::room_bytes(&self.directory).filter(|it| *it < ROOM_BYTES_MIN) {
            return Err(WriteError::NoRoom(bytes));
        }
        if let Some(hours) = &left.hours {
            write(&self.hours(), hours)?;
            left.hours = None;
        }
        while let Some(watched) = left.rollouts.last() {
            write(&self.rollout(&watched.rollout), watched)?;
            left.rollouts.pop();
        }
        Ok(())
    }

    fn hours(&self) -> PathBuf {
        self.directory.join("hours.json")
    }

    fn rollouts(&self) -> PathBuf {
        self.directory.join("rollouts")
    }

    fn rollout(&self, id: &RolloutId) -> PathBuf {
        self.rollouts().join(format!("{id}.json"))
    }

    /// Leaves out, and removes, what a writing that was cut off has left.
    fn written_rollouts(&self) -> Vec<PathBuf> {
        let mut paths = Vec::new();
        for directory in [self.directory.clone(), self.rollouts()] {
            for path in entries(&directory) {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                if name.starts_with('.') {
                    remove(&path);
                } else if directory == self.rollouts() {
                    paths.push(path);
                }
            }
        }
        paths
    }
}

/// What is in a directory; nothing where there is none.
fn entries(directory: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(directory).and_then(|entries| {
        let paths = entries.map(|entry| Ok(entry?.path()));
        paths.collect()
    });
    paths.unwrap_or_else(|error| {
        if error.kind() != std::io::ErrorKind::NotFound {
            let path = directory.display();
            tracing::warn!(%path, %error, "the samples there can't be read: their charts begin anew");
        }
        Vec::new()
    })
}

fn write<Content: Serialize>(path: &Path, content: &Content) -> Result<(), WriteError> {
    let written = Written {
        form: FORM,
        content,
    };
    let bytes = serde_json::to_vec(&written)?;
    Ok(data::write_file(path, &bytes, FILE_MODE)?)
}

fn read<Content: DeserializeOwned>(
    path: &Path,
    sound: impl Fn(&Content) -> bool,
) -> Option<Content> {
    let content = try_to_read(path, sound);
    match content {
        Ok(content) => content,
        Err(error) => {
            let error = chain(&error);
            let path_shown = path.display();
            tracing::warn!(path = %path_shown, error, "a file of samples is damaged: its charts begin anew");
            remove(path);
            None
        }
    }
}

fn try_to_read<Content: DeserializeOwned>(
    path: &Path,
    sound: impl Fn(&Content) -> bool,
) -> Result<Option<Content>, ReadError> {
    let bytes = match std::fs::metadata(path) {
        Ok(file) if file.len() > FILE_BYTES_MAX => return Err(ReadError::Unsound),
        Ok(_) => std::fs::read(path)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let written: Written<Content> = serde_json::from_slice(&bytes)?;
    if written.form != FORM || !sound(&written.content) {
        return Err(ReadError::Unsound);
    }
    Ok(Some(written.content))
}

fn remove(path: &Path) {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            let path = path.display();
            tracing::warn!(%path, %error, "a file of samples can't be removed");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
