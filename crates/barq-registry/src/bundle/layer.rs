//! The layer: a gzip-compressed tar in which only names, contents and the executable bit come from the bundle. Owners,
//! times and other modes are constants, and the gzip header has neither name nor time.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use rustix::fs::OFlags;
use tar::{Builder, EntryType, Header};

use crate::digest::{Digest, Hashing};
use crate::store::{Blob, BlobWriter, Store};

use super::tree::{Entry, Kind};
use super::{BUNDLE_DIRECTORY, BundleError};

#[cfg(test)]
mod tests;

/// Fast, because a person waits for the deployment; changing it changes the digest of every image.
const COMPRESSION_LEVEL: u32 = 1;
/// "Unknown" in the gzip header (RFC 1952), so that it does not tell where the image was built.
const GZIP_SYSTEM_UNKNOWN: u8 = 255;
/// Of everything in a layer, in seconds since 1970.
const MODIFIED_UNIX_SECONDS: u64 = 0;
const MODE_EXECUTABLE: u32 = 0o755;
const MODE_PLAIN: u32 = 0o644;

/// A layer that is in the store.
pub(super) struct Layer {
    pub(super) blob: Blob,
    /// The digest of the tar before compression: the `diff_id` of the image's configuration.
    pub(super) uncompressed: Digest,
}

type Archive = Builder<Hashing<GzEncoder<BlobWriter>>>;

/// Writes the layer of these entries, which must be sorted.
pub(super) fn write(store: &Store, root: &Path, entries: &[Entry]) -> Result<Layer, BundleError> {
    let gzip = GzBuilder::new()
        .mtime(0)
        .operating_system(GZIP_SYSTEM_UNKNOWN)
        .write(store.writer()?, Compression::new(COMPRESSION_LEVEL));
    let mut archive = Builder::new(Hashing::new(gzip));
    append_directory(&mut archive, Path::new(BUNDLE_DIRECTORY))
        .map_err(|source| write_error(&archive, source))?;
    for entry in entries {
        append(&mut archive, root, entry)?;
    }
    archive
        .finish()
        .map_err(|source| write_error(&archive, source))?;
    let (mut gzip, uncompressed, _) = archive
        .into_inner()
        .expect("a finished archive writes nothing more")
        .finish();
    // In two steps: `finish` takes the writer along, which is needed to say what failed.
    gzip.try_finish()
        .map_err(|source| gzip.get_ref().failure(source))?;
    let blob = gzip
        .finish()
        .expect("a finished stream writes nothing more")
        .finish()?;
    Ok(Layer { blob, uncompressed })
}

fn append(archive: &mut Archive, root: &Path, entry: &Entry) -> Result<(), BundleError> {
    let name = Path::new(BUNDLE_DIRECTORY).join(&entry.path);
    let written = match &entry.kind {
        Kind::Directory => append_directory(archive, &name),
        Kind::Link { target } => archive.append_link(
            &mut header(EntryType::Symlink, MODE_EXECUTABLE, 0),
            name,
            target,
        ),
        Kind::File {
            executable,
            size_bytes,
        } => {
            let mode = if *executable {
                MODE_EXECUTABLE
            } else {
                MODE_PLAIN
            };
            let mut content = Content::open(root.join(&entry.path), *size_bytes)?;
            let written = archive.append_data(
                &mut header(EntryType::Regular, mode, *size_bytes),
                name,
                &mut content,
            );
            content.check()?;
            written
        }
    };
    written.map_err(|source| write_error(archive, source))
}

fn append_directory(archive: &mut Archive, name: &Path) -> io::Result<()> {
    archive.append_data(
        &mut header(EntryType::Directory, MODE_EXECUTABLE, 0),
        name,
        io::empty(),
    )
}

fn header(kind: EntryType, mode: u32, size_bytes: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size_bytes);
    header.set_mtime(MODIFIED_UNIX_SECONDS);
    header.set_uid(0);
    header.set_gid(0);
    header
}

fn write_error(archive: &Archive, source: io::Error) -> BundleError {
    BundleError::Store(archive.get_ref().get_ref().get_ref().failure(source))
}

/// A file's content at the length that its header states: a tar whose lengths do not match is garbage from there on.
struct Content {
    path: PathBuf,
    file: io::Take<File>,
    /// Why reading stopped early. The archive's own error does not tell reading from writing.
    failure: Option<io::Error>,
}

impl Content {
    fn open(path: PathBuf, size_bytes: u64) -> Result<Self, BundleError> {
        // Not through a link that took the file's place since it was looked at.
        let flags = OFlags::NOFOLLOW.bits() as i32;
        match File::options().read(true).custom_flags(flags).open(&path) {
            Ok(file) => Ok(Self {
                path,
                file: file.take(size_bytes),
                failure: None,
            }),
            Err(source) => Err(BundleError::Read { path, source }),
        }
    }

    /// After the archive took all it could get: whether that was all, and all there is.
    fn check(mut self) -> Result<(), BundleError> {
        if let Some(source) = self.failure {
            return Err(BundleError::Read {
                path: self.path,
                source,
            });
        }
        let missing_bytes = self.file.limit();
        match self.file.get_mut().read(&mut [0]) {
            Ok(0) if missing_bytes == 0 => Ok(()),
            Ok(_) => Err(BundleError::Changed { path: self.path }),
            Err(source) => Err(BundleError::Read {
                path: self.path,
                source,
            }),
        }
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer).inspect_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                self.failure = Some(io::Error::new(error.kind(), error.to_string()));
            }
        })
    }
}
