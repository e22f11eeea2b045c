//! What a shim is asked to run: the content of `spec.json`.
//!
//! The specification is complete. Nothing is inherited from the process that starts a shim, since that process may be
//! gone, upgraded, or hold secrets in its environment.
//! It must not know how any of it is carried out.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A program to run under a shim, with everything that it may use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShimSpec {
    /// The program: a path, relative to `working_directory`, or a name that is looked up in the `PATH` of `environment`.
    pub program: PathBuf,
    /// Its arguments, without the program's name.
    pub arguments: Vec<String>,
    /// Its whole environment (the shim adds [`TREE_VARIABLE`] to it).
    pub environment: BTreeMap<String, String>,
    /// The directory in which it starts.
    pub working_directory: PathBuf,
    /// How much of its output is kept.
    pub output: OutputLimit,
    /// It is stopped when it has run for so long; `None`: it may run for ever.
    pub timeout: Option<Duration>,
    /// The time between SIGTERM and SIGKILL when it is stopped by `timeout`.
    pub stop_grace: Duration,
    /// What it may touch; `None`: what the user may touch.
    pub sandbox: Option<Sandbox>,
    /// Its memory and processor limits.
    pub limits: Limits,
    /// How far it stands back from others when the processors and disks are busy.
    #[serde(default)]
    pub priority: Priority,
}

/// A variable in the environment of every process under a shim, its value names the shim: it finds what is left when
/// the shim itself was killed.
pub const TREE_VARIABLE: &str = "BARQ_SHIM_TREE";

/// How a process and all that it starts stand back from others. The kernel derives the order at the disks from the same
/// number (`ioprio_set(2)`: class "best effort", level (nice + 20) / 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Priority {
    /// `nice(2)`: 0 is like everybody else, [`Priority::NICE_MAX`] leaves the most to others.
    pub nice: u8,
}

impl Priority {
    /// The kernel's most.
    pub const NICE_MAX: u8 = 19;
}

/// How much output is kept on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputLimit {
    /// The size of all output files together, in bytes.
    pub bytes_max: u64,
    /// What happens beyond.
    pub on_limit: OnLimit,
}

/// What happens to output beyond its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnLimit {
    /// The oldest half is dropped: `output` becomes `output.1` when it holds half the limit.
    Rotate,
    /// The rest is dropped, and a line says so.
    Truncate,
}

/// What a process may touch: enforced by Landlock where the kernel has it, and by another user where the shim is root.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    /// Files and directory trees that may be read and executed; those that do not exist are left out.
    pub read_only: Vec<PathBuf>,
    /// Files and directory trees that may be changed too.
    pub writable: Vec<PathBuf>,
    /// The user and group to run as; needs a shim that runs as root.
    pub user: Option<(u32, u32)>,
}

/// Limits enforced by cgroups (version 2 or 1) where the shim can write to them, else reported as not enforced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Resident memory of the whole tree in bytes; beyond it the kernel kills.
    pub memory_bytes: Option<u64>,
    /// Processor time per time, in whole processors: 0.5 is half of one.
    pub cpus: Option<f64>,
}
