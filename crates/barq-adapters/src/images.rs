//! Images on this machine: built into the store, unpacked for the node.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use barq_core::identity::ImageDigest;
use barq_registry::api::{self as registry, BundleSpec, Store, UnpackedImage};

/// Why an image could not be built or unpacked.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The digest names no image.
    #[error("{digest} is not an image's digest")]
    Digest {
        /// What it was.
        digest: ImageDigest,
    },
    /// The bundle is no image.
    #[error("the bundle could not be made into an image")]
    Bundle(#[source] registry::BundleError),
    /// The image could not be unpacked.
    #[error("{digest} could not be unpacked")]
    Unpack {
        /// Which.
        digest: ImageDigest,
        /// Why.
        source: registry::UnpackError,
    },
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopped,
}

/// The store and the directory of unpacked images.
#[derive(Debug)]
pub struct Images {
    store: Store,
    unpacked: PathBuf,
}

impl Images {
    /// `unpacked` gets a directory for each image.
    pub fn new(store: Store, unpacked: PathBuf) -> Self {
        Self { store, unpacked }
    }

    /// Builds an image of a bundle. Returns its digest and its size in bytes.
    ///
    /// # Errors
    /// `ImageError::Bundle`: it has no command, is too large, or can't be read or kept.
    pub async fn build(
        &self,
        bundle: &Path,
        command: Vec<String>,
    ) -> Result<(ImageDigest, u64), ImageError> {
        let (store, bundle) = (self.store.clone(), bundle.to_owned());
        let digest = tokio::task::spawn_blocking(move || {
            let spec = BundleSpec {
                root: bundle,
                command,
                labels: BTreeMap::new(),
            };
            registry::build_image(&store, &spec).map_err(ImageError::Bundle)
        })
        .await
        .map_err(|_stopped| ImageError::Stopped)??;
        let size_bytes = self.size_bytes(&digest).await;
        let text = digest.to_string();
        let digest = text.parse().map_err(|_| ImageError::Stopped)?;
        Ok((digest, size_bytes))
    }

    /// Where the image is as files.
    ///
    /// # Errors
    /// `ImageError`: it is not in the store, or is not what its digest says, or there is no room.
    pub async fn unpack(&self, digest: &ImageDigest) -> Result<UnpackedImage, ImageError> {
        let image: registry::ImageDigest =
            digest.as_str().parse().map_err(|_| ImageError::Digest {
                digest: digest.clone(),
            })?;
        let directory = self
            .unpacked
            .join(digest.as_str().trim_start_matches("sha256:"));
        let (store, digest) = (self.store.clone(), digest.clone());
        tokio::task::spawn_blocking(move || {
            registry::unpack(&store, &image, &directory)
                .map_err(|source| ImageError::Unpack { digest, source })
        })
        .await
        .map_err(|_stopped| ImageError::Stopped)?
    }

    /// What the manifest says that its layers and configuration weigh; 0 where it can't be read, since it is only shown.
    async fn size_bytes(&self, digest: &registry::ImageDigest) -> u64 {
        let (store, manifest) = (self.store.clone(), digest.manifest());
        let read = tokio::task::spawn_blocking(move || store.read_document(&manifest)).await;
        let Ok(Ok(bytes)) = read else { return 0 };
        let Ok(manifest) = serde_json::from_slice::<serde_json::Value>(&bytes) else {
            return 0;
        };
        let size = |value: &serde_json::Value| value["size"].as_u64().unwrap_or(0);
        let layers = manifest["layers"].as_array().into_iter().flatten();
        size(&manifest["config"]) + layers.map(size).sum::<u64>()
    }
}
