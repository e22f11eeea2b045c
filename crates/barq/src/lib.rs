//! The binary's parts: command line, API client, git, the processes and what they share.
//!
//! A library beside the binary so that tests can use each part by itself. Only here do all crates meet: parts are wired
//! together in [`cli`], and nothing is decided.

pub mod cli;
pub mod client;
#[cfg(feature = "crash-points")]
mod crash_points;
pub mod data;
pub mod demo;
pub mod git;
pub mod node;
pub mod output;
pub mod server;
pub mod sockets;
pub mod up;
