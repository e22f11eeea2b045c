//! What a bundle's directory holds, in the one order in which it is written: by the bytes of the paths, so that a
//! directory comes before what is in it and the file system's own order does not matter.
//!
//! Links are looked at, never followed: a build may leave one that points at something private.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::paths::{is_whiteout, link_stays_inside};

use super::{BundleError, LAYER_BYTES_MAX, LAYER_ENTRIES_MAX};

/// The owner's permission to execute: the only one that is kept. The others depend on the umask.
const OWNER_EXECUTES: u32 = 0o100;

/// A file, directory or link of a bundle.
#[derive(Debug)]
pub(super) struct Entry {
    /// Relative to the bundle's root.
    pub(super) path: PathBuf,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Directory,
    File { executable: bool, size_bytes: u64 },
    Link { target: PathBuf },
}

/// All that is below `root`, sorted; the root itself is not among it.
pub(super) fn collect(root: &Path) -> Result<Vec<Entry>, BundleError> {
    if !root.is_dir() {
        return Err(BundleError::NoRoot {
            path: root.to_owned(),
        });
    }
    let mut entries = Vec::new();
    let mut total_bytes = 0;
    let mut directories = vec![PathBuf::new()];
    while let Some(directory) = directories.pop() {
        for path in children(root, &directory)? {
            if is_whiteout(&path) {
                return Err(BundleError::ReservedName { path });
            }
            let kind = kind(root, &path)?;
            match &kind {
                Kind::Directory => directories.push(path.clone()),
                Kind::File { size_bytes, .. } => total_bytes += size_bytes,
                Kind::Link { .. } => {}
            }
            entries.push(Entry { path, kind });
            if entries.len() > LAYER_ENTRIES_MAX {
                return Err(BundleError::TooManyEntries);
            }
            if total_bytes > LAYER_BYTES_MAX {
                return Err(BundleError::TooLarge);
            }
        }
    }
    entries.sort_by(|one, other| {
        one.path
            .as_os_str()
            .as_bytes()
            .cmp(other.path.as_os_str().as_bytes())
    });
    Ok(entries)
}

fn children(root: &Path, directory: &Path) -> Result<Vec<PathBuf>, BundleError> {
    let absolute = root.join(directory);
    fs::read_dir(&absolute)
        .and_then(|entries| {
            entries
                .map(|entry| Ok(directory.join(entry?.file_name())))
                .collect()
        })
        .map_err(|source| BundleError::Read {
            path: absolute,
            source,
        })
}

fn kind(root: &Path, path: &Path) -> Result<Kind, BundleError> {
    let absolute = root.join(path);
    let read_error = |source| BundleError::Read {
        path: absolute.clone(),
        source,
    };
    let metadata = fs::symlink_metadata(&absolute).map_err(read_error)?;
    let file_type = metadata.file_type();
    if file_type.is_dir() {
        Ok(Kind::Directory)
    } else if file_type.is_file() {
        let executable = metadata.permissions().mode() & OWNER_EXECUTES != 0;
        Ok(Kind::File {
            executable,
            size_bytes: metadata.len(),
        })
    } else if file_type.is_symlink() {
        let target = fs::read_link(&absolute).map_err(read_error)?;
        if link_stays_inside(path, &target) {
            Ok(Kind::Link { target })
        } else {
            Err(BundleError::LinkLeaves {
                path: path.to_owned(),
                target,
            })
        }
    } else {
        Err(BundleError::Special {
            path: path.to_owned(),
        })
    }
}
