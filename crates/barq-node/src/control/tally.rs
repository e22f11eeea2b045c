//! The errors of a canary's step, one byte each, in a file that the thread appends to which saw the error, before anything
//! follows from it.
//!
//! The counters are written a moment later and by somebody else; a node that is killed in that moment, of all moments the one
//! in which the limit was reached, would give the canary what is left of a limit that is used up. A byte more in a file is a
//! microsecond, and the kernel keeps it when the process dies; it needs no lock, no order and no sync. It must not know what
//! the limit is.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

/// Bytes of a file that is read: more errors than any limit counts, so a longer one is of a step that had none.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A step's tally, open.
#[derive(Debug)]
pub(super) struct Tally {
    file: File,
}

impl Tally {
    /// Goes on with the step's tally, or begins it: whatever is there of another step is gone then.
    pub(super) fn open(path: &Path, revision: &str, step: u32) -> io::Result<Self> {
        if Self::read(path, revision, step)?.is_none() {
            let temporary = path.with_extension("new-errors");
            fs::write(&temporary, head(revision, step))?;
            fs::rename(&temporary, path)?;
        }
        let file = OpenOptions::new().append(true).open(path)?;
        Ok(Self { file })
    }

    /// The errors noted of a step; none where there is no tally of it.
    pub(super) fn read(path: &Path, revision: &str, step: u32) -> io::Result<Option<u64>> {
        let bytes = match fs::metadata(path) {
            Ok(metadata) if metadata.len() <= FILE_BYTES_MAX => fs::read(path)?,
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let noted = bytes.strip_prefix(head(revision, step).as_bytes());
        Ok(noted.map(|noted| noted.len() as u64))
    }

    /// One error more.
    pub(super) fn note(&self) -> io::Result<()> {
        (&self.file).write_all(b".")
    }
}

fn head(revision: &str, step: u32) -> String {
    format!("{revision} {step}\n")
}

#[cfg(test)]
mod tests;
