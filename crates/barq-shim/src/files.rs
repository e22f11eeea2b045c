//! The files in a shim's directory, and how they are written so that `kill -9` never leaves half of one.
//!
//! It must not know what the files mean.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ShimError;

/// What to run, written by the launcher.
pub(crate) const SPEC: &str = "spec.json";
/// Which process the shim is, written by the shim.
pub(crate) const SHIM: &str = "shim.json";
/// How it ended, written by the shim, or by who found it lost.
pub(crate) const EXIT: &str = "exit.json";
/// Space for `exit.json`, taken at the start, so that a full disk cannot swallow an end.
pub(crate) const EXIT_RESERVED: &str = "exit.json.reserved";
/// Locked by the shim for as long as it lives.
pub(crate) const LOCK: &str = "lock";
/// The named pipe on which the shim takes orders.
pub(crate) const CONTROL: &str = "control";
/// The shim's own complaints.
pub(crate) const LOG: &str = "shim.log";

/// Size of the space reserved for `exit.json`, in bytes: one block of common file systems.
const EXIT_RESERVED_BYTES: usize = 4096;

/// Files hold environments and output: they are the owner's alone.
pub(crate) const FILE_MODE: u32 = 0o600;

/// Writes a value durably: temporary file, fsync, rename, fsync of the directory.
pub(crate) fn write<T: Serialize>(
    directory: &Path,
    name: &str,
    value: &T,
) -> Result<(), ShimError> {
    let path = directory.join(name);
    let bytes = serde_json::to_vec(value).map_err(|source| ShimError::Damaged {
        path: path.clone(),
        source,
    })?;
    let temporary = directory.join(format!("{name}.new"));
    replace(&temporary, &path, &bytes).map_err(|source| ShimError::Write { path, source })
}

/// Reads a value; `None` if there is no such file.
pub(crate) fn read<T: DeserializeOwned>(
    directory: &Path,
    name: &str,
) -> Result<Option<T>, ShimError> {
    let path = directory.join(name);
    match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| ShimError::Damaged { path, source }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ShimError::Read { path, source }),
    }
}

/// Takes the space for the exit record while there is some.
pub(crate) fn reserve_exit(directory: &Path) -> Result<(), ShimError> {
    let path = directory.join(EXIT_RESERVED);
    let write = || -> io::Result<()> {
        let mut file = create(&path)?;
        file.write_all(&[b' '; EXIT_RESERVED_BYTES])?;
        file.sync_all()
    };
    write().map_err(|source| ShimError::Write {
        path: path.clone(),
        source,
    })
}

/// Writes the exit record into the space reserved for it, then gives it its name.
pub(crate) fn write_exit<T: Serialize>(directory: &Path, record: &T) -> Result<(), ShimError> {
    let path = directory.join(EXIT);
    let mut bytes = serde_json::to_vec(record).map_err(|source| ShimError::Damaged {
        path: path.clone(),
        source,
    })?;
    // Blanks up to the reserved size: JSON allows them, and the file's blocks stay as they are.
    bytes.resize(bytes.len().max(EXIT_RESERVED_BYTES), b' ');
    let reserved = directory.join(EXIT_RESERVED);
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .open(&reserved)?;
        file.rewind()?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&reserved, &path)?;
        File::open(directory)?.sync_all()
    };
    write().map_err(|source| ShimError::Write {
        path: path.clone(),
        source,
    })
}

/// Creates an empty file for the owner alone.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(FILE_MODE)
        .open(path)
}

/// The directory's absolute path without symbolic links; the directory is created, for the owner alone, if need be.
pub(crate) fn prepare(directory: &Path) -> Result<PathBuf, ShimError> {
    let prepare = || -> io::Result<PathBuf> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode_owner_only()
            .create(directory)?;
        directory.canonicalize()
    };
    prepare().map_err(|source| ShimError::Write {
        path: directory.to_owned(),
        source,
    })
}

trait OwnerOnly {
    fn mode_owner_only(&mut self) -> &mut Self;
}

impl OwnerOnly for fs::DirBuilder {
    fn mode_owner_only(&mut self) -> &mut Self {
        std::os::unix::fs::DirBuilderExt::mode(self, 0o700)
    }
}

fn replace(temporary: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = create(temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(temporary, path)?;
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}
