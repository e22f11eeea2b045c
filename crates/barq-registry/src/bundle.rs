//! From a directory of collected files to an image: one layer, one configuration, one manifest.
//!
//! Same files, same digest: the image says nothing about when, where, by whom or in what order it was built. The digest
//! is what is approved and what goes to production, so a rebuild of the same commit must not look like something new.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::digest::ImageDigest;
use crate::manifest::{
    CONFIGURATION_TYPE, Configuration, Descriptor, Execution, LAYER_TYPE, MANIFEST_TYPE, Manifest,
    RootFilesystem, native_architecture,
};
use crate::store::{Store, StoreError};

mod layer;
#[cfg(test)]
mod tests;
mod tree;

/// The most bytes in the files of a layer, uncompressed: half of what the store takes as one blob.
pub const LAYER_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;
/// The most files, directories and links in a layer: more than a large `node_modules` has.
pub const LAYER_ENTRIES_MAX: usize = 200_000;

/// Where the files of a bundle are in its image.
const BUNDLE_DIRECTORY: &str = "app";

/// What an image is made of.
#[derive(Debug, Clone)]
pub struct BundleSpec {
    /// A directory with the bundle's files at the paths that they have below `/app`.
    pub root: PathBuf,
    /// The entrypoint; it runs with `/app` as working directory.
    pub command: Vec<String>,
    /// Labels of the image's configuration. They are part of its identity: a time here makes every build a new image.
    pub labels: BTreeMap<String, String>,
}

/// Why no image could be built.
#[derive(Debug, Error)]
pub enum BundleError {
    /// Nothing to run.
    #[error("the bundle has no command")]
    NoCommand,
    /// The root is missing, or no directory.
    #[error("the bundle's root {path} is no directory", path = path.display())]
    NoRoot {
        /// The root.
        path: PathBuf,
    },
    /// A file or directory of the bundle could not be read.
    #[error("cannot read {path} for the bundle", path = path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file was written to while it was read.
    #[error("{path} changed while it was put into the bundle", path = path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A symbolic link that could lead out of the bundle.
    #[error(
        "the link {path} points to {target}: a bundle's links are relative, stay in the bundle, and have `..` only at \
         the beginning",
        path = path.display(),
        target = target.display()
    )]
    LinkLeaves {
        /// The link, relative to the root.
        path: PathBuf,
        /// Where it points.
        target: PathBuf,
    },
    /// A socket, pipe or device.
    #[error("{path} is neither a file, a directory nor a link", path = path.display())]
    Special {
        /// The path, relative to the root.
        path: PathBuf,
    },
    /// A name that means the deletion of a file in an image.
    #[error("{path} has a name that images reserve: one that begins with `.wh.`", path = path.display())]
    ReservedName {
        /// The path, relative to the root.
        path: PathBuf,
    },
    /// Over [`LAYER_ENTRIES_MAX`].
    #[error("the bundle has more than {LAYER_ENTRIES_MAX} files")]
    TooManyEntries,
    /// Over [`LAYER_BYTES_MAX`].
    #[error("the bundle's files have more than {LAYER_BYTES_MAX} bytes")]
    TooLarge,
    /// The image could not be stored.
    #[error("cannot store the image")]
    Store(#[from] StoreError),
}

/// Builds the image of a bundle for this machine's architecture and stores it. Nothing refers to it yet.
///
/// # Errors
/// The bundle cannot be read or holds what an image must not, or the store failed; a part of the image may be stored
/// then, which `Store::collect_garbage` removes.
pub fn build_image(store: &Store, spec: &BundleSpec) -> Result<ImageDigest, BundleError> {
    build_for(store, spec, native_architecture())
}

fn build_for(
    store: &Store,
    spec: &BundleSpec,
    architecture: &str,
) -> Result<ImageDigest, BundleError> {
    if spec.command.iter().all(String::is_empty) {
        return Err(BundleError::NoCommand);
    }
    let entries = tree::collect(&spec.root)?;
    let layer = layer::write(store, &spec.root, &entries)?;
    let configuration = Configuration {
        architecture: architecture.to_owned(),
        os: "linux".to_owned(),
        config: Execution {
            entrypoint: spec.command.clone(),
            working_dir: format!("/{BUNDLE_DIRECTORY}"),
            labels: spec.labels.clone(),
            ..Execution::default()
        },
        rootfs: RootFilesystem {
            kind: "layers".to_owned(),
            diff_ids: vec![layer.uncompressed],
        },
    };
    let manifest = Manifest {
        schema_version: 2,
        media_type: MANIFEST_TYPE.to_owned(),
        config: put_document(store, CONFIGURATION_TYPE, &configuration)?,
        layers: vec![Descriptor {
            media_type: LAYER_TYPE.to_owned(),
            digest: layer.blob.digest,
            size: layer.blob.size_bytes,
        }],
    };
    Ok(ImageDigest::from_manifest(
        put_document(store, MANIFEST_TYPE, &manifest)?.digest,
    ))
}

fn put_document(
    store: &Store,
    media_type: &str,
    document: &impl serde::Serialize,
) -> Result<Descriptor, BundleError> {
    let bytes = serde_json::to_vec(document)
        .expect("strings, numbers and maps with string keys are always JSON");
    let digest = store.put(bytes.as_slice())?;
    Ok(Descriptor {
        media_type: media_type.to_owned(),
        digest,
        size: bytes.len() as u64,
    })
}
