//! Writing one blob, for callers that produce bytes rather than read them. Its name is known when all is written.
//!
//! Dropped before `finish`, it removes what it wrote.

use std::io::{self, Write};

use tempfile::NamedTempFile;

use crate::copy::sync_directory;
use crate::digest::Hashing;

use super::{BLOB_BYTES_MAX, Blob, Store, StoreError};

/// A blob that is being written; see [`Store::writer`].
#[derive(Debug)]
pub struct BlobWriter {
    store: Store,
    output: Hashing<NamedTempFile>,
}

impl Store {
    /// Starts a new blob.
    ///
    /// # Errors
    /// No file can be created in the store.
    pub fn writer(&self) -> Result<BlobWriter, StoreError> {
        let directory = self.temporary_directory();
        let file = NamedTempFile::new_in(&directory)
            .map_err(|source| StoreError::from_write(&directory, source))?;
        Ok(BlobWriter {
            store: self.clone(),
            output: Hashing::new(file),
        })
    }
}

impl BlobWriter {
    /// Makes the blob durable and gives it its name.
    ///
    /// # Errors
    /// The disk is full or failed; nothing of the blob is left behind.
    pub fn finish(self) -> Result<Blob, StoreError> {
        let Self { store, output } = self;
        let directory = store.blobs_directory();
        let (file, digest, size_bytes) = output.finish();
        let place = || -> io::Result<()> {
            file.as_file().sync_all()?;
            let lock = store.open_removal_lock()?;
            lock.lock_shared()?;
            // Renamed over a blob of that name too: this copy is known to be good, and young for `collect_garbage`.
            file.persist(store.blob_path(&digest))
                .map_err(|error| error.error)?;
            sync_directory(&directory)
        };
        place().map_err(|source| StoreError::from_write(&directory, source))?;
        Ok(Blob { digest, size_bytes })
    }

    /// What a failed write to this blob means.
    pub(crate) fn failure(&self, source: io::Error) -> StoreError {
        StoreError::from_write(self.output.get_ref().path(), source)
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.output.size_bytes() + bytes.len() as u64 > BLOB_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}
