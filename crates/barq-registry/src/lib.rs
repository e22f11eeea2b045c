//! OCI images on a content-addressed store.
