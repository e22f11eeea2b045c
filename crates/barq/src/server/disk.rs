//! A full disk in words: which one, how much is left, and what to do. It frees nothing.

use std::path::Path;

use rustix::fs::StatVfs;

/// With less room than this (bytes) a disk counts as full: the journal's log needs a few pages for one append.
const ROOM_BYTES_MIN: u64 = 1024 * 1024;

/// What is to be done about it.
pub(super) const HINT: &str = "make room there: barq goes on by itself";

/// That the disk of a path is full, in words; none where it is not, or can't be asked.
pub(super) fn full(path: &Path) -> Option<String> {
    let disk = rustix::fs::statvfs(path).ok()?;
    let left_bytes = left_bytes(&disk);
    // Some file systems count no files at all.
    let left = if disk.f_favail == 0 && disk.f_files > 0 {
        "no file can be made".to_owned()
    } else if left_bytes < ROOM_BYTES_MIN {
        format!("{} KiB are left", left_bytes / 1024)
    } else {
        return None;
    };
    Some(format!("the disk of {} is full ({left})", path.display()))
}

/// How much room there is for this process on the disk of a path, in bytes; none where it can't be asked.
pub(super) fn room_bytes(path: &Path) -> Option<u64> {
    rustix::fs::statvfs(path).ok().map(|disk| left_bytes(&disk))
}

/// Why something failed, with the full disk first where that is the reason.
pub(super) fn because(path: &Path, error: &str) -> String {
    match full(path) {
        Some(full) => format!("{full}: {error}"),
        None => error.to_owned(),
    }
}

fn left_bytes(disk: &StatVfs) -> u64 {
    disk.f_bavail.saturating_mul(disk.f_frsize)
}
