//! What other crates use of this one: the store, the way into it (`build_image`) and the way out (`unpack`).
//!
//! One list, so that the rest stays free to change.

pub use crate::bundle::{BundleError, BundleSpec, build_image};
pub use crate::bundle::{LAYER_BYTES_MAX, LAYER_ENTRIES_MAX};
pub use crate::digest::{Digest, DigestError, ImageDigest};
pub use crate::store::{
    BLOB_BYTES_MAX, Blob, BlobWriter, Collected, DOCUMENT_BYTES_MAX, GARBAGE_AGE_MIN,
    ReferenceName, ReferenceNameError, Store, StoreError,
};
pub use crate::unpack::{UnpackError, UnpackedImage, unpack};
