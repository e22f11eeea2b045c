//! What can go wrong with the store. A full disk is a case of its own: nothing is broken, somebody must make room.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::copy::is_disk_full;
use crate::digest::Digest;

use super::BLOB_BYTES_MAX;

/// A failed operation of the store.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The store's directory could not be created, cleaned or locked.
    #[error("cannot open the image store in {path}", path = path.display())]
    Prepare {
        /// The store's directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no room for what was to be written; what was written of it is removed.
    #[error("no space left for the image store in {path}: free some and try again", path = path.display())]
    DiskFull {
        /// Where it was to be written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Writing failed for another reason.
    #[error("cannot write to the image store in {path}", path = path.display())]
    Write {
        /// Where it was to be written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Reading from the store failed.
    #[error("cannot read {path}", path = path.display())]
    Read {
        /// What was to be read.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Removing from the store failed.
    #[error("cannot remove {path}", path = path.display())]
    Remove {
        /// What was to be removed.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What was to be stored could not be read.
    #[error("cannot read the content of a new blob")]
    Source {
        /// What the reader said.
        source: io::Error,
    },
    /// Over a limit of the store.
    #[error("a blob is larger than the limit of {bytes_max} bytes")]
    TooLarge {
        /// The limit.
        bytes_max: u64,
    },
    /// No blob has this digest.
    #[error("there is no blob {digest}")]
    Missing {
        /// The digest that was asked for.
        digest: Digest,
    },
    /// The blob's bytes are not those that were stored.
    #[error("the blob {digest} is damaged: its content has the digest {found}")]
    Corrupt {
        /// The blob's name.
        digest: Digest,
        /// The digest of what the disk gives.
        found: Digest,
    },
    /// A reference's file holds something else than a digest.
    #[error("the reference in {path} is damaged: it holds no digest", path = path.display())]
    CorruptReference {
        /// The reference's file.
        path: PathBuf,
    },
}

impl StoreError {
    /// The error for a failed write below `path`.
    pub(super) fn from_write(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        if is_disk_full(&source) {
            Self::DiskFull { path, source }
        } else if source.kind() == io::ErrorKind::FileTooLarge {
            Self::TooLarge {
                bytes_max: BLOB_BYTES_MAX,
            }
        } else {
            Self::Write { path, source }
        }
    }
}
