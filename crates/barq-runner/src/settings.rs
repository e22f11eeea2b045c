//! How a runner is set up, with its limits.
//!
//! It must not read the process's environment behind its caller's back, but for the defaults that it documents.

use std::path::{Path, PathBuf};
use std::time::Duration;

use barq_shim::{Launcher, Priority};

/// Output kept of one check, in bytes.
pub const OUTPUT_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Cache directories kept of one check, in bytes.
pub const CACHE_BYTES_MAX: u64 = 10 * 1024 * 1024 * 1024;
/// Finished runs that are remembered.
pub const RUNS_KEPT_MAX: usize = 2000;
/// Time between SIGTERM and SIGKILL for a check that is cancelled or out of time.
pub const STOP_GRACE: Duration = Duration::from_secs(5);
/// Checks that may run at once at least, however few processors there are: with fewer, the longest one may start last and
/// leave processors idle at the end, which cost six seconds of thirty on two of them.
pub const CHECKS_AT_ONCE_MIN: usize = 4;

/// Checks and builds stand back by so much, so that they take nothing from what serves on the same machine: the default of
/// `nice(1)`, about a tenth of the weight of a process with 0.
pub const PRIORITY: Priority = Priority { nice: 10 };

/// How a runner is set up; [`RunnerSettings::new`] fills in the defaults.
#[derive(Clone, Debug)]
pub struct RunnerSettings {
    /// The runner's directory, its alone. With `user`, all directories above it must let that user pass (mode `x`).
    pub directory: PathBuf,
    /// How to run the shim.
    pub launcher: Launcher,
    /// Barq's data directory: no check may look into it, but for its own work tree.
    pub data_directory: PathBuf,
    /// Checks that run at once; default: one for each processor, at least [`CHECKS_AT_ONCE_MIN`].
    pub checks_at_once_max: usize,
    /// The user and group of the checks where the server is root; default: the server's own.
    pub user: Option<(u32, u32)>,
    /// The home of the server's user: its Cargo, rustup and npm caches are offered to checks, so that they work
    /// without a network. Default: `HOME`.
    pub home: PathBuf,
    /// `CARGO_HOME`; default: that of the server, else `.cargo` in `home`.
    pub cargo_home: PathBuf,
    /// `RUSTUP_HOME`; default: that of the server, else `.rustup` in `home`.
    pub rustup_home: PathBuf,
    /// Time between SIGTERM and SIGKILL; default [`STOP_GRACE`].
    pub stop_grace: Duration,
    /// Output kept of one check, in bytes; default [`OUTPUT_BYTES_MAX`].
    pub output_bytes_max: u64,
    /// Caches kept of one check, in bytes; default [`CACHE_BYTES_MAX`].
    pub cache_bytes_max: u64,
    /// How far checks stand back from what serves; default [`PRIORITY`].
    pub priority: Priority,
    /// Finished runs that are remembered; default [`RUNS_KEPT_MAX`].
    pub runs_kept_max: usize,
}

impl RunnerSettings {
    /// The defaults for a runner in `directory`, with barq's data in `data_directory`.
    #[must_use]
    pub fn new(directory: &Path, data_directory: &Path, launcher: Launcher) -> Self {
        let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let home = variable("HOME").unwrap_or_else(|| PathBuf::from("/"));
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            directory: directory.to_owned(),
            launcher,
            data_directory: data_directory.to_owned(),
            checks_at_once_max: processors.max(CHECKS_AT_ONCE_MIN),
            user: None,
            cargo_home: variable("CARGO_HOME").unwrap_or_else(|| home.join(".cargo")),
            rustup_home: variable("RUSTUP_HOME").unwrap_or_else(|| home.join(".rustup")),
            home,
            stop_grace: STOP_GRACE,
            output_bytes_max: OUTPUT_BYTES_MAX,
            cache_bytes_max: CACHE_BYTES_MAX,
            priority: PRIORITY,
            runs_kept_max: RUNS_KEPT_MAX,
        }
    }
}
