//! Lock files of git that nobody holds any more.
//!
//! git locks what it changes by making `<file>.lock`, and removes it by itself. After `kill -9` or a power cut the lock
//! stays, and every later push to that branch is refused, for ever: git cannot tell whose it was. Here one can: git changes
//! refs in milliseconds, so a lock that has been there for [`ORPHAN_AGE_MIN`] has no owner. The name of a ref never ends
//! in `.lock` (git-check-ref-format(1)).
//!
//! It must not know what the locked files hold.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

/// No git holds a lock on refs for so long: it checks and receives the objects before it takes one.
const ORPHAN_AGE_MIN: SignedDuration = SignedDuration::from_secs(60);
/// Directories below `refs` that are looked into; a branch's name has hardly ever more than a few parts.
const DIRECTORIES_MAX: usize = 10_000;
/// Files beside the refs that a push may lock.
const BESIDE_REFS: [&str; 4] = ["packed-refs", "HEAD", "config", "shallow"];
const EXTENSION: &str = "lock";

/// Removes the locks on refs that were left behind before `now`; returns which.
///
/// # Errors
/// When the repository cannot be read, or a lock cannot be removed.
pub(super) fn remove_orphans(repository: &Path, now: Timestamp) -> io::Result<Vec<PathBuf>> {
    let mut removed = Vec::new();
    for name in BESIDE_REFS {
        let lock = repository.join(name).with_added_extension(EXTENSION);
        remove_orphan(lock, now, &mut removed)?;
    }
    let mut directories = vec![repository.join("refs")];
    let mut looked_into = 0;
    while let Some(directory) = directories.pop() {
        looked_into += 1;
        if looked_into > DIRECTORIES_MAX {
            break;
        }
        // git removes directories that have become empty.
        for entry in unless_gone(fs::read_dir(&directory))?.into_iter().flatten() {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|it| it == EXTENSION) {
                remove_orphan(path, now, &mut removed)?;
            }
        }
    }
    Ok(removed)
}

fn remove_orphan(lock: PathBuf, now: Timestamp, removed: &mut Vec<PathBuf>) -> io::Result<()> {
    let Some(metadata) = unless_gone(fs::symlink_metadata(&lock))? else {
        return Ok(());
    };
    let since = Timestamp::try_from(metadata.modified()?).map_err(io::Error::other)?;
    // One from the future has a negative age: the clock went back.
    let age = now.duration_since(since);
    if age >= ORPHAN_AGE_MIN && unless_gone(fs::remove_file(&lock))?.is_some() {
        removed.push(lock);
    }
    Ok(())
}

fn unless_gone<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

#[cfg(test)]
mod tests;
