//! Why an image could not be unpacked. What is wrong with an entry of a layer names the entry.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::bundle::{LAYER_BYTES_MAX, LAYER_ENTRIES_MAX};
use crate::copy::is_disk_full;
use crate::digest::Digest;
use crate::store::StoreError;

/// A failed unpacking.
#[derive(Debug, Error)]
pub enum UnpackError {
    /// A blob of the image is missing, damaged or unreadable.
    #[error("cannot read the image from the store")]
    Store(#[source] StoreError),
    /// The manifest or the configuration is not what OCI says.
    #[error("the blob {digest} is not the manifest or configuration that it should be")]
    Document {
        /// The blob.
        digest: Digest,
        /// Where its JSON is wrong.
        source: serde_json::Error,
    },
    /// Another kind of layer than a gzip-compressed tar.
    #[error("the image has a layer of the unknown type `{media_type}`")]
    LayerType {
        /// Its media type.
        media_type: String,
    },
    /// A layer is no readable archive.
    #[error("the layer {digest} cannot be read")]
    Layer {
        /// The layer's blob.
        digest: Digest,
        /// What its reader said.
        source: io::Error,
    },
    /// A path that leads out of the image, or through something that is no directory.
    #[error("the layer has an entry `{path}` that leads out of the image", path = path.display())]
    PathLeaves {
        /// The entry's path.
        path: PathBuf,
    },
    /// A link that leads out of the image.
    #[error(
        "the layer has a link `{path}` to `{target}`, which leads out of the image",
        path = path.display(),
        target = target.display()
    )]
    LinkLeaves {
        /// The entry's path.
        path: PathBuf,
        /// Where it points.
        target: PathBuf,
    },
    /// A device, pipe, hard link or whiteout.
    #[error("the layer's entry `{path}` is neither a file, a directory nor a symbolic link", path = path.display())]
    Unsupported {
        /// The entry's path.
        path: PathBuf,
    },
    /// Two entries for one path.
    #[error("the image has `{path}` twice", path = path.display())]
    Twice {
        /// The entry's path.
        path: PathBuf,
    },
    /// Over [`LAYER_BYTES_MAX`].
    #[error("the image has more than {LAYER_BYTES_MAX} bytes")]
    TooLarge,
    /// Over [`LAYER_ENTRIES_MAX`].
    #[error("the image has more than {LAYER_ENTRIES_MAX} files")]
    TooManyEntries,
    /// The working directory that the image names leads out of it.
    #[error("the image's working directory `{path}` leads out of it", path = path.display())]
    WorkingDirectory {
        /// As the image's configuration has it.
        path: PathBuf,
    },
    /// Something else is where the image should go.
    #[error("{path} exists and is not this image", path = path.display())]
    DestinationTaken {
        /// The destination.
        path: PathBuf,
    },
    /// What is at the destination cannot be read.
    #[error("cannot read {path}", path = path.display())]
    Read {
        /// The destination.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no room to unpack the image.
    #[error("no space left to unpack an image to {path}: free some and try again", path = path.display())]
    DiskFull {
        /// What was to be written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Writing failed for another reason.
    #[error("cannot write {path}", path = path.display())]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl UnpackError {
    /// The error for a failed write at `path`.
    pub(super) fn write(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        if is_disk_full(&source) {
            Self::DiskFull { path, source }
        } else {
            Self::Write { path, source }
        }
    }
}
