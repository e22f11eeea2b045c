//! Copies the files of a bundle out of a work tree.
//!
//! The build may have made anything of its tree, so a path is resolved and must still be inside. Contents and the
//! executable bit are kept, nothing else: the image fixes the rest. It must not know what becomes of the bundle.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::caches::inside;
use crate::error::RunnerError;
use crate::store;

/// Collects files into `bundle`, which is there only if all of them were copied.
pub(crate) fn collect(
    tree: &Path,
    files: &BTreeMap<String, String>,
    bundle: &Path,
) -> Result<(), RunnerError> {
    if bundle.is_dir() {
        return Ok(());
    }
    let unfinished = bundle.with_extension("unfinished");
    store::remove_tree(&unfinished)?;
    store::create_directory(&unfinished, 0o700)?;
    for (source, target) in files {
        let target = inside(target)
            .filter(|path| !path.as_os_str().is_empty() || target == ".")
            .ok_or_else(|| {
                RunnerError::Request(format!(
                    "the bundle path {target:?} must be a path inside of the bundle"
                ))
            })?;
        let found = find(tree, source)?;
        copy(tree, &found, &unfinished.join(target))?;
    }
    fs::rename(&unfinished, bundle).map_err(RunnerError::file("finishing", bundle))
}

fn find(tree: &Path, source: &str) -> Result<PathBuf, RunnerError> {
    let relative = inside(source).ok_or_else(|| {
        RunnerError::Request(format!(
            "{source:?} must be a path inside of the repository"
        ))
    })?;
    let path = tree.join(relative);
    match fs::symlink_metadata(&path) {
        Ok(_) => Ok(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(RunnerError::Request(
            format!("the build left no {source}, which [build] files names"),
        )),
        Err(error) => Err(RunnerError::file("reading", path)(error)),
    }
}

fn copy(tree: &Path, source: &Path, target: &Path) -> Result<(), RunnerError> {
    // Resolved for each entry: a link within the tree is copied as what it points to, one out of it is refused.
    let resolved = source
        .canonicalize()
        .map_err(RunnerError::file("resolving", source))?;
    let shown = source.strip_prefix(tree).unwrap_or(source).display();
    if !resolved.starts_with(tree) {
        return Err(RunnerError::Request(format!(
            "{shown} points out of the repository, to {}",
            resolved.display()
        )));
    }
    let metadata = fs::metadata(&resolved).map_err(RunnerError::file("reading", &resolved))?;
    if metadata.is_dir() {
        let is_link = fs::symlink_metadata(source).is_ok_and(|metadata| metadata.is_symlink());
        if is_link && source.starts_with(&resolved) {
            return Err(RunnerError::Request(format!(
                "{shown} is a link to a directory above it"
            )));
        }
        store::create_directory(target, 0o755)?;
        let list = || {
            fs::read_dir(&resolved)?
                .map(|entry| Ok(entry?.file_name()))
                .collect::<io::Result<Vec<_>>>()
        };
        for name in list().map_err(RunnerError::file("listing", &resolved))? {
            copy(tree, &source.join(&name), &target.join(&name))?;
        }
        return Ok(());
    }
    if !metadata.is_file() {
        return Err(RunnerError::Request(format!(
            "{shown} is neither a file nor a directory"
        )));
    }
    if let Some(parent) = target.parent() {
        store::create_directory(parent, 0o755)?;
    }
    fs::copy(&resolved, target).map_err(RunnerError::file("copying", &resolved))?;
    let mode = if metadata.permissions().mode() & 0o111 == 0 {
        0o644
    } else {
        0o755
    };
    fs::set_permissions(target, fs::Permissions::from_mode(mode))
        .map_err(RunnerError::file("permitting", target))
}
