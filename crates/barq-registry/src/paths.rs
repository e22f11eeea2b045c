//! Which paths and links may be in a layer: those that cannot leave the directory that it is unpacked into.
//!
//! The same rules hold when a layer is written and when it is read, so barq never builds what it refuses to unpack.

use std::path::{Component, Path, PathBuf};

#[cfg(test)]
mod tests;

/// To OCI, an entry whose name begins so deletes one of a lower layer.
const WHITEOUT_PREFIX: &[u8] = b".wh.";

/// The path without `.` parts, where it is relative and never goes up; `None` where it could lead outside.
pub(crate) fn normalised(path: &Path) -> Option<PathBuf> {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => normal.push(name),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(normal)
}

/// Whether a symbolic link at `link` (relative to the root) that points to `target` stays below the root.
///
/// `..` is allowed only at the beginning, at most once for each directory above the link. These directories are real
/// ones, so the way up is the written one; the rest only goes down, through directories or through links that obey the
/// same rule. With `..` further inside, a link to a link could climb out although its text looks harmless.
pub(crate) fn link_stays_inside(link: &Path, target: &Path) -> bool {
    let mut ups_left = link.components().count().saturating_sub(1);
    let mut going_down = false;
    for component in target.components() {
        match component {
            Component::ParentDir if going_down || ups_left == 0 => return false,
            Component::ParentDir => ups_left -= 1,
            Component::Normal(_) => going_down = true,
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    !target.as_os_str().is_empty()
}

/// Whether the path's name is one that OCI reserves for whiteouts, so that it cannot be an entry like others.
pub(crate) fn is_whiteout(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(WHITEOUT_PREFIX))
}
