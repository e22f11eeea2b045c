//! The entries of a layer, one by one, into a directory that nobody else writes to. Owners, times and modes of the
//! archive are ignored, but for the executable bit: what runs has the rights of who runs it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use tar::{Archive, EntryType};

use crate::bundle::{LAYER_BYTES_MAX, LAYER_ENTRIES_MAX};
use crate::copy::{CopyError, copy, sync_directory};
use crate::digest::Digest;
use crate::paths::{is_whiteout, link_stays_inside, normalised};

use super::{DIRECTORY_MODE, UnpackError};

#[cfg(test)]
mod tests;

const EXECUTABLE_BITS: u32 = 0o111;
const FILE_MODE: u32 = 0o644;
/// What headers and padding may add to the content of a layer: three blocks for each entry.
const ARCHIVE_BYTES_MAX: u64 = LAYER_BYTES_MAX + 3 * 512 * LAYER_ENTRIES_MAX as u64;

type Entry<'a> = tar::Entry<'a, Limited<MultiGzDecoder<File>>>;

/// The directory that becomes the image's root, with what is in it already.
pub(super) struct Target {
    root: PathBuf,
    /// Real directories below the root, which it contains as the empty path: only through these is anything written.
    directories: BTreeSet<PathBuf>,
    entries: usize,
}

impl Target {
    /// Unpacks into `root`, an empty directory.
    pub(super) fn new(root: PathBuf) -> Self {
        Self {
            root,
            directories: BTreeSet::from([PathBuf::new()]),
            entries: 0,
        }
    }

    /// Adds the entries of one layer, whose blob was checked.
    pub(super) fn unpack(&mut self, digest: &Digest, blob: File) -> Result<(), UnpackError> {
        let layer_error = |source: io::Error| match source.kind() {
            io::ErrorKind::FileTooLarge => UnpackError::TooLarge,
            _ => UnpackError::Layer {
                digest: *digest,
                source,
            },
        };
        let mut archive = Archive::new(Limited {
            reader: MultiGzDecoder::new(blob),
            left_bytes: ARCHIVE_BYTES_MAX,
        });
        for entry in archive.entries().map_err(layer_error)? {
            let mut entry = entry.map_err(layer_error)?;
            self.entries += 1;
            if self.entries > LAYER_ENTRIES_MAX {
                return Err(UnpackError::TooManyEntries);
            }
            let written_as = entry.path().map_err(layer_error)?.into_owned();
            let path =
                normalised(&written_as).ok_or(UnpackError::PathLeaves { path: written_as })?;
            match entry.header().entry_type() {
                _ if is_whiteout(&path) => return Err(UnpackError::Unsupported { path }),
                EntryType::Directory => self.create_directories(&path)?,
                EntryType::Regular => {
                    let content = self.create_file(&path, &mut entry)?;
                    content.map_err(layer_error)?;
                }
                EntryType::Symlink => {
                    let target = entry
                        .link_name()
                        .map_err(layer_error)?
                        .unwrap_or_default()
                        .into_owned();
                    self.create_link(path, target)?;
                }
                _ => return Err(UnpackError::Unsupported { path }),
            }
        }
        Ok(())
    }

    /// A working directory that no layer has is empty.
    pub(super) fn create_working_directory(&mut self, path: &Path) -> Result<(), UnpackError> {
        self.create_directories(path)
    }

    /// Makes the names of all that was written durable; the files' contents are.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.directories
            .iter()
            .try_for_each(|path| sync_directory(&self.root.join(path)))
    }

    fn create_directories(&mut self, path: &Path) -> Result<(), UnpackError> {
        let mut directory = PathBuf::new();
        for name in path {
            directory.push(name);
            if !self.directories.contains(&directory) {
                self.create_directory(&directory)?;
            }
        }
        Ok(())
    }

    fn create_directory(&mut self, path: &Path) -> Result<(), UnpackError> {
        let absolute = self.root.join(path);
        match fs::create_dir(&absolute) {
            // A file, or a link: going through it could lead anywhere.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(UnpackError::PathLeaves {
                    path: path.to_owned(),
                });
            }
            created => created
                .and_then(|()| {
                    fs::set_permissions(&absolute, fs::Permissions::from_mode(DIRECTORY_MODE))
                })
                .map_err(|source| UnpackError::write(&absolute, source))?,
        }
        self.directories.insert(path.to_owned());
        Ok(())
    }

    /// The outer error is the file's, the inner one the layer's.
    fn create_file(
        &mut self,
        path: &Path,
        entry: &mut Entry<'_>,
    ) -> Result<io::Result<()>, UnpackError> {
        self.create_directories(path.parent().unwrap_or(Path::new("")))?;
        let absolute = self.root.join(path);
        let mut file =
            File::create_new(&absolute).map_err(|error| self.creation_error(path, error))?;
        match copy(entry, &mut file) {
            Ok(_) => {}
            Err(CopyError::Read(source)) => return Ok(Err(source)),
            Err(CopyError::Write(source)) => return Err(UnpackError::write(&absolute, source)),
        }
        let executable = entry
            .header()
            .mode()
            .is_ok_and(|mode| mode & EXECUTABLE_BITS != 0);
        let mode = if executable {
            DIRECTORY_MODE
        } else {
            FILE_MODE
        };
        file.flush()
            .and_then(|()| file.set_permissions(fs::Permissions::from_mode(mode)))
            .and_then(|()| file.sync_all())
            .map_err(|source| UnpackError::write(&absolute, source))?;
        Ok(Ok(()))
    }

    fn create_link(&mut self, path: PathBuf, target: PathBuf) -> Result<(), UnpackError> {
        if !link_stays_inside(&path, &target) {
            return Err(UnpackError::LinkLeaves { path, target });
        }
        self.create_directories(path.parent().unwrap_or(Path::new("")))?;
        symlink(&target, self.root.join(&path)).map_err(|error| self.creation_error(&path, error))
    }

    fn creation_error(&self, path: &Path, error: io::Error) -> UnpackError {
        match error.kind() {
            io::ErrorKind::AlreadyExists => UnpackError::Twice {
                path: path.to_owned(),
            },
            _ => UnpackError::write(&self.root.join(path), error),
        }
    }
}

/// Fails, rather than ends, at the limit: a few kilobytes of gzip can become terabytes.
struct Limited<R> {
    reader: R,
    left_bytes: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(buffer)?;
        self.left_bytes = self
            .left_bytes
            .checked_sub(length as u64)
            .ok_or(io::Error::from(io::ErrorKind::FileTooLarge))?;
        Ok(length)
    }
}
