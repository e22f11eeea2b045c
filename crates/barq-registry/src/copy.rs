//! Copying that tells a failed read from a failed write: the first is the input's fault, the second the disk's, and
//! who reads the message must do different things. `std::io::copy` gives one error for both.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

/// How much is read at once: large enough that system calls do not matter, small enough for any stack of readers.
const CHUNK_BYTES: usize = 64 * 1024;

/// Which side of a copy failed.
#[derive(Debug)]
pub(crate) enum CopyError {
    Read(io::Error),
    Write(io::Error),
}

/// Copies until the reader ends; how many bytes that was.
pub(crate) fn copy(reader: &mut impl Read, writer: &mut impl Write) -> Result<u64, CopyError> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut copied_bytes = 0;
    loop {
        let length = match reader.read(&mut chunk) {
            Ok(0) => return Ok(copied_bytes),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(CopyError::Read(error)),
        };
        writer
            .write_all(&chunk[..length])
            .map_err(CopyError::Write)?;
        copied_bytes += length as u64;
    }
}

/// Whether the disk, or the user's share of it, is full: nothing is wrong but space.
pub(crate) fn is_disk_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// Makes the names in a directory durable: without it, a file that was renamed may be gone after a power failure.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
