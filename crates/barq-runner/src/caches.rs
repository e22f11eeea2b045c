//! The `cache` directories of a check: kept beside its work tree, moved into it by a rename, and back.
//!
//! A rename has no middle: at any time a cache is in exactly one of the two places, and [`take_back`] before the work
//! tree is removed makes it survive a check that was cancelled, killed or cut short by a crash. The check may have put
//! anything in its place; nothing is followed, and only a real directory is taken. It must not know what is cached.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::error::RunnerError;
use crate::request::Job;
use crate::store;

/// Checks the names of a request: each must stay inside the work tree, and outside of git's own directory.
pub(crate) fn validate(job: &Job) -> Result<(), RunnerError> {
    inside(&job.directory).ok_or_else(|| outside("directory", &job.directory))?;
    for name in &job.cache {
        let path = inside(name).ok_or_else(|| outside("cache", name))?;
        if path.as_os_str().is_empty() || path.components().any(|part| part.as_os_str() == ".git") {
            return Err(outside("cache", name));
        }
    }
    Ok(())
}

/// A relative path without `.`; `None` if it leads outside or is absolute.
pub(crate) fn inside(name: &str) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    for component in Path::new(name).components() {
        match component {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(path)
}

/// Moves the caches into a fresh work tree.
pub(crate) fn put_in(job: &Job, tree: &Path, kept: &Path) -> Result<(), RunnerError> {
    for (name, path) in places(job) {
        let source = kept.join(store::escape(&name)?);
        if !source.is_dir() {
            continue;
        }
        let target = resolve(tree, &path, true)?.ok_or_else(|| outside("cache", &name))?;
        match fs::symlink_metadata(&target) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            _ => {
                return Err(RunnerError::Request(format!(
                    "the cache directory {name} is part of the commit"
                )));
            }
        }
        fs::rename(&source, &target).map_err(RunnerError::file("moving the cache", &source))?;
    }
    Ok(())
}

/// Moves the caches out of a work tree, whatever became of it; returns remarks on what was not kept.
pub(crate) fn take_back(
    job: &Job,
    tree: &Path,
    kept: &Path,
    bytes_max: u64,
) -> Result<Vec<String>, RunnerError> {
    let mut remarks = Vec::new();
    for (name, path) in places(job) {
        let target = kept.join(store::escape(&name)?);
        let Some(source) = resolve(tree, &path, false)? else {
            continue;
        };
        match fs::symlink_metadata(&source) {
            Ok(metadata) if metadata.is_dir() => {
                // Both there: the kept one never left, so the other is the commit's.
                if !target.exists() {
                    store::create_directory(kept, 0o700)?;
                    fs::rename(&source, &target)
                        .map_err(RunnerError::file("keeping the cache", &source))?;
                }
            }
            Ok(_) => remarks.push(format!("the cache {name} is not kept: it is no directory")),
            Err(_) => {}
        }
    }
    remarks.extend(shrink(job, kept, bytes_max)?);
    Ok(remarks)
}

/// Drops the largest caches until the rest is within the limit.
fn shrink(job: &Job, kept: &Path, bytes_max: u64) -> Result<Vec<String>, RunnerError> {
    let mut sizes = Vec::new();
    for (name, _) in places(job) {
        let path = kept.join(store::escape(&name)?);
        sizes.push((size(&path), name, path));
    }
    sizes.sort();
    let mut total: u64 = sizes.iter().map(|(size, _, _)| size).sum();
    let mut remarks = Vec::new();
    while total > bytes_max
        && let Some((size, name, path)) = sizes.pop()
    {
        store::remove_tree(&path)?;
        total -= size;
        remarks.push(format!(
            "the cache {name} is not kept: {size} bytes, the limit of the check is {bytes_max}"
        ));
    }
    Ok(remarks)
}

/// The caches' names and paths in the tree, each once.
fn places(job: &Job) -> BTreeMap<String, PathBuf> {
    let directory = inside(&job.directory).unwrap_or_default();
    let place = |name: &String| {
        let path = directory.join(inside(name)?);
        Some((path.to_str()?.to_owned(), path))
    };
    job.cache.iter().filter_map(place).collect()
}

/// The place of a cache, if no directory above it is a symbolic link or a file; those missing are created if asked.
fn resolve(tree: &Path, path: &Path, create: bool) -> Result<Option<PathBuf>, RunnerError> {
    let mut place = tree.to_owned();
    let mut parts = path.components().peekable();
    while let Some(part) = parts.next() {
        place.push(part);
        if parts.peek().is_none() {
            break;
        }
        match fs::symlink_metadata(&place) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Ok(None),
            Err(_) if create => store::create_directory(&place, 0o755)?,
            Err(_) => return Ok(None),
        }
    }
    Ok(Some(place))
}

/// Bytes that a tree takes on disk, as far as it can be read.
fn size(path: &Path) -> u64 {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return 0;
    };
    if !metadata.is_dir() {
        return std::os::unix::fs::MetadataExt::blocks(&metadata) * 512;
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| size(&entry.path())).sum()
}

fn outside(what: &str, name: &str) -> RunnerError {
    RunnerError::Request(format!(
        "the {what} {name:?} must be a path inside of the repository, and not git's own"
    ))
}
