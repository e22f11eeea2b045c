//! OCI images on a content-addressed store: a bundle of files becomes an image, an image becomes files again.
//!
//! Everything is synchronous and works on one directory, so that it can be called from any thread and tested without
//! a runtime. The digest of an image names its content and nothing else: the digest that was built is the digest that
//! is deployed. This crate knows OCI only: no app, no environment, no delivery, no HTTP.

pub mod api;

mod bundle;
mod copy;
mod digest;
mod manifest;
mod paths;
mod store;
mod unpack;
