//! The engine's ports, implemented for one machine: the embedded node, the runner and the registry.
//!
//! An adapter converts and calls, and decides nothing: by hand, at the edge, so that neither the domain nor its neighbours
//! know each other's forms. What drives Cloud Run or Kubernetes instead will stand beside these.

pub mod images;
pub mod node;
pub mod pipeline;
pub mod prober;
