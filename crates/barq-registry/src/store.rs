//! The content-addressed store: `blobs/sha256/<hex>`, written once, checked whenever read.
//!
//! What `kill -9` and power failures do: a blob is written to `temporary/`, synced, and only then renamed to its name,
//! so a blob that is there is whole. What a killed writer left in `temporary/` is removed by the next `open` that finds
//! itself alone: every open store holds a shared lock on `lock`, which the kernel releases with the process.
//! A bad disk is found when a blob is opened: its bytes are hashed before anybody may use them.

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::copy::{CopyError, copy, sync_directory};
use crate::digest::Digest;

pub use error::StoreError;
pub use garbage::{Collected, GARBAGE_AGE_MIN};
pub use references::{ReferenceName, ReferenceNameError};
pub use writer::BlobWriter;

mod error;
mod garbage;
mod references;
#[cfg(test)]
mod tests;
mod writer;

/// The largest blob: a layer of 4 GiB is beyond anything that deploys in minutes.
pub const BLOB_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// The largest manifest or configuration that is read into memory (the OCI distribution specification's 4 MiB).
pub const DOCUMENT_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A store of blobs and of names for them, in one directory. Cheap to clone; may be open in several processes.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

/// A blob that is in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Blob {
    /// Its name.
    pub digest: Digest,
    /// Its length in bytes.
    pub size_bytes: u64,
}

#[derive(Debug)]
struct Inner {
    directory: PathBuf,
    /// Holds the shared lock that tells others that temporary files may be in use.
    _presence: File,
}

impl Store {
    /// Opens the store in `directory`, which is created where it is missing, and removes what killed writers left.
    ///
    /// # Errors
    /// The directory cannot be created, read or locked.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let directory = directory.into();
        prepare(&directory).map_err(|source| StoreError::Prepare {
            path: directory.clone(),
            source,
        })?;
        let presence = lock_presence(&directory).map_err(|source| StoreError::Prepare {
            path: directory.clone(),
            source,
        })?;
        Ok(Self {
            inner: Arc::new(Inner {
                directory,
                _presence: presence,
            }),
        })
    }

    /// Stores all that `reader` gives. Storing the same bytes again is no error, and mends a damaged copy.
    ///
    /// # Errors
    /// The reader failed, the disk is full ([`StoreError::DiskFull`]) or failed, or the blob is over
    /// [`BLOB_BYTES_MAX`]; nothing of it is left behind.
    pub fn put(&self, mut reader: impl Read) -> Result<Digest, StoreError> {
        let mut writer = self.writer()?;
        match copy(&mut reader, &mut writer) {
            Ok(_) => writer.finish().map(|blob| blob.digest),
            Err(CopyError::Read(source)) => Err(StoreError::Source { source }),
            Err(CopyError::Write(source)) => Err(writer.failure(source)),
        }
    }

    /// Opens a blob for reading from its start, after its bytes were found to have this digest.
    ///
    /// # Errors
    /// There is no such blob ([`StoreError::Missing`]), its bytes are others ([`StoreError::Corrupt`]), or reading
    /// failed.
    pub fn open_blob(&self, digest: &Digest) -> Result<File, StoreError> {
        let path = self.blob_path(digest);
        let read_error = |source| StoreError::Read {
            path: path.clone(),
            source,
        };
        let mut file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::Missing { digest: *digest });
            }
            opened => opened.map_err(read_error)?,
        };
        let (found, _) = Digest::of_reader(&mut file).map_err(read_error)?;
        if found != *digest {
            return Err(StoreError::Corrupt {
                digest: *digest,
                found,
            });
        }
        file.rewind().map_err(read_error)?;
        Ok(file)
    }

    /// A whole blob in memory, checked as by [`Store::open_blob`]; for manifests and configurations.
    ///
    /// # Errors
    /// Those of [`Store::open_blob`], or the blob is over [`DOCUMENT_BYTES_MAX`].
    pub fn read_document(&self, digest: &Digest) -> Result<Vec<u8>, StoreError> {
        let path = self.blob_path(digest);
        let mut file = self.open_blob(digest)?;
        let mut bytes = Vec::new();
        file.by_ref()
            .take(DOCUMENT_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| StoreError::Read { path, source })?;
        if bytes.len() as u64 > DOCUMENT_BYTES_MAX {
            return Err(StoreError::TooLarge {
                bytes_max: DOCUMENT_BYTES_MAX,
            });
        }
        Ok(bytes)
    }

    /// Whether there is a blob of this name; its content is checked only when it is opened.
    #[must_use]
    pub fn contains(&self, digest: &Digest) -> bool {
        self.blob_path(digest).is_file()
    }

    /// All blobs, sorted by digest.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn blobs(&self) -> Result<Vec<Blob>, StoreError> {
        let directory = self.blobs_directory();
        let mut blobs = list_blobs(&directory).map_err(|source| StoreError::Read {
            path: directory,
            source,
        })?;
        blobs.sort();
        Ok(blobs)
    }

    /// Removes a blob; whether there was one. Who removes what a manifest still names loses that image.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn remove(&self, digest: &Digest) -> Result<bool, StoreError> {
        let path = self.blob_path(digest);
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(source) => return Err(StoreError::Remove { path, source }),
        }
        sync_directory(&self.blobs_directory())
            .map_err(|source| StoreError::Remove { path, source })?;
        Ok(true)
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.blobs_directory().join(digest.hex())
    }

    fn blobs_directory(&self) -> PathBuf {
        blobs_directory(&self.inner.directory)
    }

    fn references_directory(&self) -> PathBuf {
        references_directory(&self.inner.directory)
    }

    fn temporary_directory(&self) -> PathBuf {
        temporary_directory(&self.inner.directory)
    }

    /// Held shared while a blob gets its name, exclusively while garbage is removed: a blob that is stored again in
    /// that moment is either seen to be young, or written anew.
    fn open_removal_lock(&self) -> io::Result<File> {
        open_lock(&self.inner.directory.join("removal.lock"))
    }
}

fn prepare(directory: &Path) -> io::Result<()> {
    for each in [
        blobs_directory(directory),
        references_directory(directory),
        temporary_directory(directory),
    ] {
        fs::create_dir_all(each)?;
    }
    sync_directory(&directory.join("blobs"))?;
    sync_directory(directory)
}

/// Takes the shared lock, after removing left-over temporary files where no other store is open.
fn lock_presence(directory: &Path) -> io::Result<File> {
    let presence = open_lock(&directory.join("lock"))?;
    if presence.try_lock().is_ok() {
        for entry in fs::read_dir(temporary_directory(directory))? {
            fs::remove_file(entry?.path())?;
        }
        // Given back and taken again: in between, another may clean too, and finds nothing of ours yet.
        presence.unlock()?;
    }
    presence.lock_shared()?;
    Ok(presence)
}

fn open_lock(path: &Path) -> io::Result<File> {
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
}

fn list_blobs(directory: &Path) -> io::Result<Vec<Blob>> {
    let mut blobs = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(Ok(digest)) = name.to_str().map(|hex| format!("sha256:{hex}").parse()) else {
            continue;
        };
        match entry.metadata() {
            Ok(metadata) => blobs.push(Blob {
                digest,
                size_bytes: metadata.len(),
            }),
            // Removed since it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(blobs)
}

fn blobs_directory(directory: &Path) -> PathBuf {
    directory.join("blobs/sha256")
}

fn references_directory(directory: &Path) -> PathBuf {
    directory.join("references")
}

fn temporary_directory(directory: &Path) -> PathBuf {
    directory.join("temporary")
}
