//! The data plane: everything that serves users' requests, and goes on serving them without the control plane.
//!
//! `proxy` routes and judges each request; `tls` has the certificates; `instances` starts, probes, scales and drains the
//! processes behind it; `control` decides which configuration is in force; `api` is what the control plane and the node say
//! to each other. Nothing here knows what a delivery, a rollout or an approval is.

pub mod api;
mod control;
pub mod instances;
pub mod logs;
mod moment;
mod proxy;
pub mod server;
mod statistics;
pub mod tls;
