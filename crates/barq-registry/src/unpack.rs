//! From an image to a directory that an instance can run in.
//!
//! All or nothing: the files are written to a temporary directory beside the destination, synced, and renamed. What is
//! at the destination is therefore whole, is used again without looking at the store, and carries a record of the
//! image that it came from. Layers come from outside one day: every entry is checked as if it were an attack.
//! Left out: whiteouts, hard links and files written twice, which the images that barq builds do not have.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::copy::sync_directory;
use crate::digest::{Digest, ImageDigest};
use crate::manifest::{Configuration, Execution, LAYER_TYPE, Manifest};
use crate::paths::normalised;
use crate::store::{Store, StoreError};

pub use error::UnpackError;

mod error;
mod layer;
#[cfg(test)]
mod tests;

const RECORD_FILE: &str = "image.json";
const ROOT_DIRECTORY: &str = "root";
/// Of directories that are being filled, beside their destination.
const PARTIAL_PREFIX: &str = ".unpacking-";
/// Held while something is unpacked into a directory: who holds it may remove what a killed predecessor left.
const LOCK_FILE: &str = ".unpack.lock";
const DIRECTORY_MODE: u32 = 0o755;

/// An image as files, and how to run it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnpackedImage {
    /// The directory that is `/` in the image.
    pub root: PathBuf,
    /// Entrypoint and arguments. A command that begins with `/` means a path in the image.
    pub command: Vec<String>,
    /// What the image adds to the environment.
    pub environment: BTreeMap<String, String>,
    /// Where the command runs: an absolute path below `root`.
    pub working_directory: PathBuf,
}

/// What is remembered of the image at its destination.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    image: ImageDigest,
    command: Vec<String>,
    environment: BTreeMap<String, String>,
    /// Relative to the root.
    working_directory: PathBuf,
}

/// Unpacks an image into `destination`, a directory of its own; its parent is created where it is missing. An image
/// that is there already is used as it is.
///
/// # Errors
/// A blob is missing or damaged, a layer holds what it must not, the destination holds something else, or the disk is
/// full or failed. Nothing is at the destination then that was not there before.
pub fn unpack(
    store: &Store,
    image: &ImageDigest,
    destination: &Path,
) -> Result<UnpackedImage, UnpackError> {
    let destination = &std::path::absolute(destination)
        .map_err(|source| UnpackError::write(destination, source))?;
    if let Some(unpacked) = existing(image, destination)? {
        return Ok(unpacked);
    }
    let parent = destination
        .parent()
        .ok_or_else(|| UnpackError::DestinationTaken {
            path: destination.clone(),
        })?;
    let write_error = |source| UnpackError::write(destination, source);
    let _lock = lock(parent).map_err(write_error)?;
    // Another may have been faster while this one waited for the lock.
    if let Some(unpacked) = existing(image, destination)? {
        return Ok(unpacked);
    }
    remove_leftovers(parent).map_err(write_error)?;
    let partial = tempfile::Builder::new()
        .prefix(PARTIAL_PREFIX)
        .tempdir_in(parent)
        .map_err(write_error)?;
    let record = fill(store, image, partial.path())?;
    place(partial, destination).map_err(write_error)?;
    Ok(record.at(destination))
}

/// What is at the destination, if it is this image; `None` where there is nothing.
fn existing(image: &ImageDigest, destination: &Path) -> Result<Option<UnpackedImage>, UnpackError> {
    let taken = || UnpackError::DestinationTaken {
        path: destination.to_owned(),
    };
    match fs::read(destination.join(RECORD_FILE)) {
        Ok(bytes) => match serde_json::from_slice::<Record>(&bytes) {
            Ok(record) if record.image == *image => Ok(Some(record.at(destination))),
            Ok(_) | Err(_) => Err(taken()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if fs::symlink_metadata(destination).is_ok() {
                Err(taken())
            } else {
                Ok(None)
            }
        }
        Err(source) => Err(UnpackError::Read {
            path: destination.to_owned(),
            source,
        }),
    }
}

fn lock(parent: &Path) -> io::Result<File> {
    fs::create_dir_all(parent)?;
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(parent.join(LOCK_FILE))?;
    lock.lock()?;
    Ok(lock)
}

fn remove_leftovers(parent: &Path) -> io::Result<()> {
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with(PARTIAL_PREFIX)
        {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Writes everything but the final name, durably.
fn fill(store: &Store, image: &ImageDigest, partial: &Path) -> Result<Record, UnpackError> {
    let manifest: Manifest = document(store, &image.manifest())?;
    let configuration: Configuration = document(store, &manifest.config.digest)?;
    let record = Record::new(image, configuration.config)?;
    let root = partial.join(ROOT_DIRECTORY);
    fs::create_dir(&root).map_err(|source| UnpackError::write(&root, source))?;
    let mut target = layer::Target::new(root);
    for layer in &manifest.layers {
        if layer.media_type != LAYER_TYPE {
            return Err(UnpackError::LayerType {
                media_type: layer.media_type.clone(),
            });
        }
        target.unpack(&layer.digest, store.open_blob(&layer.digest)?)?;
    }
    target.create_working_directory(&record.working_directory)?;
    target
        .sync()
        .and_then(|()| record.write(partial))
        .map_err(|source| UnpackError::write(partial, source))?;
    Ok(record)
}

fn document<T: serde::de::DeserializeOwned>(
    store: &Store,
    digest: &Digest,
) -> Result<T, UnpackError> {
    let bytes = store.read_document(digest)?;
    serde_json::from_slice(&bytes).map_err(|source| UnpackError::Document {
        digest: *digest,
        source,
    })
}

fn place(partial: TempDir, destination: &Path) -> io::Result<()> {
    fs::set_permissions(partial.path(), fs::Permissions::from_mode(DIRECTORY_MODE))?;
    sync_directory(partial.path())?;
    fs::rename(partial.path(), destination)?;
    // Its name is the destination's now: there is nothing left to remove under the old one.
    let _moved = partial.keep();
    sync_directory(destination.parent().unwrap_or(destination))
}

impl Record {
    fn new(image: &ImageDigest, execution: Execution) -> Result<Self, UnpackError> {
        let directory = Path::new(&execution.working_dir);
        let working_directory = normalised(directory.strip_prefix("/").unwrap_or(directory))
            .ok_or_else(|| UnpackError::WorkingDirectory {
                path: directory.to_owned(),
            })?;
        let variable = |text: &String| {
            text.split_once('=')
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        Ok(Self {
            image: *image,
            environment: execution.env.iter().filter_map(variable).collect(),
            command: execution
                .entrypoint
                .into_iter()
                .chain(execution.cmd)
                .collect(),
            working_directory,
        })
    }

    fn write(&self, directory: &Path) -> io::Result<()> {
        let mut file = File::create_new(directory.join(RECORD_FILE))?;
        serde_json::to_writer(&mut file, self)?;
        file.flush()?;
        file.sync_all()
    }

    fn at(self, destination: &Path) -> UnpackedImage {
        let root = destination.join(ROOT_DIRECTORY);
        let working_directory = root.join(self.working_directory);
        UnpackedImage {
            root,
            command: self.command,
            environment: self.environment,
            working_directory,
        }
    }
}

impl From<StoreError> for UnpackError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
