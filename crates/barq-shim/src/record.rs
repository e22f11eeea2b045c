//! What is known of a process that has ended: the content of `exit.json`.
//!
//! The record is the only truth about an end; a shim that is gone without one is [`ExitOutcome::Lost`].
//! It must not know what the end means to anyone.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How a process under a shim ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// The end itself.
    pub outcome: ExitOutcome,
    /// It was stopped because its time was over.
    pub timed_out: bool,
    /// It was asked to stop, by [`crate::Handle::stop`] or [`crate::Handle::kill`].
    pub stop_requested: bool,
    /// When the process was started.
    pub started_at: Timestamp,
    /// When it, and all that it had left behind, was gone.
    pub finished_at: Timestamp,
    /// Output was dropped at the limit.
    pub output_truncated: bool,
    /// Bytes of output that could not be written (the disk was full).
    pub output_bytes_lost: u64,
    /// Descendants that could not be killed within the time for it; more than 0 only if the kernel holds them.
    pub survivors: u32,
    /// What became of [`crate::Limits::memory_bytes`].
    pub memory_limit: Enforced,
    /// What became of [`crate::Limits::cpus`].
    pub cpu_limit: Enforced,
    /// What became of the paths of [`crate::Sandbox`].
    pub sandbox: Enforced,
}

/// The end of a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitOutcome {
    /// It ended by itself with this code.
    Code(i32),
    /// A signal with this number ended it.
    Signal(i32),
    /// It could not be started, for this reason.
    SpawnFailed(String),
    /// The shim is gone and left no record: it was killed, or the machine was restarted.
    Lost,
}

/// Whether something asked for is enforced. What is shown to people must be this, not what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Enforced {
    /// Nothing was asked for.
    NotAsked,
    /// The kernel enforces it.
    Yes,
    /// It is not enforced, for this reason.
    No(String),
}

impl ExitRecord {
    /// Whether the program ended by itself with code 0.
    #[must_use]
    pub fn success(&self) -> bool {
        self.outcome == ExitOutcome::Code(0) && !self.timed_out
    }
}
