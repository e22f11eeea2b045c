//! Removing what no image needs any more. It errs on the side of keeping: whatever a kept manifest names stays, so does
//! whatever a reference names, and so does everything young, which may belong to an image that is still being built.
//! If a kept manifest cannot be read, nothing is removed at all.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use crate::copy::sync_directory;
use crate::digest::Digest;
use crate::manifest::Manifest;

use super::{Blob, DOCUMENT_BYTES_MAX, Store, StoreError};

/// Blobs younger than this are kept: longer than any build takes from its first blob to its reference.
pub const GARBAGE_AGE_MIN: Duration = Duration::from_secs(60 * 60);

/// What a collection removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// The blobs, sorted by digest.
    pub removed: Vec<Digest>,
    /// How much space they took.
    pub freed_bytes: u64,
}

impl Store {
    /// Removes all blobs but these: `keep`, what references name, what the manifests among both name, and what is
    /// younger than [`GARBAGE_AGE_MIN`] at `now`.
    ///
    /// # Errors
    /// A kept manifest is damaged (nothing is removed then), or the disk failed.
    pub fn collect_garbage(
        &self,
        keep: &[Digest],
        now: Timestamp,
    ) -> Result<Collected, StoreError> {
        let directory = self.blobs_directory();
        let lock_error = |source| StoreError::Prepare {
            path: directory.clone(),
            source,
        };
        let lock = self.open_removal_lock().map_err(lock_error)?;
        lock.lock().map_err(lock_error)?;
        let needed = self.needed(keep)?;
        let young_since = now.as_second() - GARBAGE_AGE_MIN.as_secs() as i64;
        let mut collected = Collected::default();
        for Blob { digest, size_bytes } in self.blobs()? {
            let path = self.blob_path(&digest);
            if needed.contains(&digest) {
                continue;
            }
            if remove_if_older(&path, young_since)
                .map_err(|source| StoreError::Remove { path, source })?
            {
                collected.removed.push(digest);
                collected.freed_bytes += size_bytes;
            }
        }
        sync_directory(&directory).map_err(|source| StoreError::Remove {
            path: directory,
            source,
        })?;
        Ok(collected)
    }

    /// The kept digests and those that the manifests among them name.
    fn needed(&self, keep: &[Digest]) -> Result<BTreeSet<Digest>, StoreError> {
        let mut needed: BTreeSet<Digest> = keep.iter().copied().collect();
        needed.extend(self.references()?.into_iter().map(|(_, digest)| digest));
        for digest in needed.clone() {
            if let Some(manifest) = self.manifest_if_any(&digest)? {
                needed.insert(manifest.config.digest);
                needed.extend(manifest.layers.iter().map(|layer| layer.digest));
            }
        }
        Ok(needed)
    }

    /// The blob as a manifest; `None` where it is something else, or not there.
    fn manifest_if_any(&self, digest: &Digest) -> Result<Option<Manifest>, StoreError> {
        match fs::metadata(self.blob_path(digest)) {
            Ok(metadata) if metadata.len() <= DOCUMENT_BYTES_MAX => {}
            _ => return Ok(None),
        }
        match self.read_document(digest) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(StoreError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn remove_if_older(path: &Path, young_since_unix_seconds: i64) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.mtime() < young_since_unix_seconds => {
            fs::remove_file(path).map(|()| true)
        }
        Ok(_) => Ok(false),
        // Removed by somebody else since it was listed.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
