//! References: durable names for blobs, one small file each. What a reference names is never garbage.
//!
//! A file per name, replaced by rename: the names of different apps never wait for one another, and a damaged one harms
//! nobody else.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use tempfile::NamedTempFile;
use thiserror::Error;

use crate::copy::sync_directory;
use crate::digest::Digest;

use super::{Store, StoreError};

/// The longest reference: with every `/` and `:` escaped it stays within the 255 bytes of a file name.
const REFERENCE_BYTES_MAX: usize = 160;
/// In a file name, `/` and `:` are written as these, which no reference contains.
const SLASH: &str = "%2F";
const COLON: &str = "%3A";

/// A name for a blob, e.g. `fleet:fleet-42`: parts of letters, digits, `.`, `_` and `-`, separated by `/` or `:`,
/// none of which begins with `.` or `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReferenceName(String);

/// Text that cannot name a blob.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{text}` cannot name an image: use at most {REFERENCE_BYTES_MAX} letters, digits, `.`, `_` and `-`, in parts \
     separated by `/` or `:` that begin with a letter, a digit or `_`"
)]
pub struct ReferenceNameError {
    /// What was given.
    pub text: String,
}

impl Store {
    /// Points `name` to `digest`, durably; it replaces what the name pointed to.
    ///
    /// # Errors
    /// There is no such blob, or the disk is full or failed.
    pub fn put_reference(&self, name: &ReferenceName, digest: &Digest) -> Result<(), StoreError> {
        if !self.contains(digest) {
            return Err(StoreError::Missing { digest: *digest });
        }
        let path = self.reference_path(name);
        self.write_reference(&path, digest)
            .map_err(|source| StoreError::from_write(&path, source))
    }

    /// What `name` points to, if there is such a reference.
    ///
    /// # Errors
    /// The reference cannot be read, or is damaged.
    pub fn reference(&self, name: &ReferenceName) -> Result<Option<Digest>, StoreError> {
        read_reference(self.reference_path(name))
    }

    /// All references, sorted by name.
    ///
    /// # Errors
    /// The directory or one of the references cannot be read.
    pub fn references(&self) -> Result<Vec<(ReferenceName, Digest)>, StoreError> {
        let directory = self.references_directory();
        let read_error = |source| StoreError::Read {
            path: directory.clone(),
            source,
        };
        let mut references = Vec::new();
        for entry in fs::read_dir(&directory).map_err(read_error)? {
            let entry = entry.map_err(read_error)?;
            let Some(name) = ReferenceName::from_file_name(&entry.file_name().to_string_lossy())
            else {
                continue;
            };
            references.extend(read_reference(entry.path())?.map(|digest| (name, digest)));
        }
        references.sort();
        Ok(references)
    }

    /// Forgets `name`; whether there was one. The blob stays until `collect_garbage`.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn remove_reference(&self, name: &ReferenceName) -> Result<bool, StoreError> {
        let path = self.reference_path(name);
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(source) => return Err(StoreError::Remove { path, source }),
        }
        sync_directory(&self.references_directory())
            .map_err(|source| StoreError::Remove { path, source })?;
        Ok(true)
    }

    fn reference_path(&self, name: &ReferenceName) -> PathBuf {
        self.references_directory().join(name.file_name())
    }

    fn write_reference(&self, path: &Path, digest: &Digest) -> io::Result<()> {
        let mut file = NamedTempFile::new_in(self.temporary_directory())?;
        writeln!(file, "{digest}")?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        sync_directory(&self.references_directory())
    }
}

impl ReferenceName {
    fn file_name(&self) -> String {
        self.0.replace('/', SLASH).replace(':', COLON)
    }

    fn from_file_name(file_name: &str) -> Option<Self> {
        file_name
            .replace(SLASH, "/")
            .replace(COLON, ":")
            .parse()
            .ok()
    }
}

impl FromStr for ReferenceName {
    type Err = ReferenceNameError;

    fn from_str(text: &str) -> Result<Self, ReferenceNameError> {
        if text.len() <= REFERENCE_BYTES_MAX && text.split(['/', ':']).all(is_part) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ReferenceNameError {
                text: text.chars().take(REFERENCE_BYTES_MAX).collect(),
            })
        }
    }
}

impl fmt::Display for ReferenceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn is_part(part: &str) -> bool {
    part.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
        && part
            .chars()
            .all(|each| each.is_ascii_alphanumeric() || "._-".contains(each))
}

fn read_reference(path: PathBuf) -> Result<Option<Digest>, StoreError> {
    match fs::read_to_string(&path) {
        Ok(text) => match text.trim_end().parse() {
            Ok(digest) => Ok(Some(digest)),
            Err(_) => Err(StoreError::CorruptReference { path }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StoreError::Read { path, source }),
    }
}
