//! All that others may use of the runner: adapters import this module and nothing else of the crate.
//!
//! A list of names, so that what it takes to run a check can change behind it.

pub use crate::error::RunnerError;
pub use crate::request::{BuildRequest, CheckRequest, CheckResult, Outcome, OutputPage, RunState};
pub use crate::runner::Runner;
pub use crate::settings::{
    CACHE_BYTES_MAX, CHECKS_AT_ONCE_MIN, OUTPUT_BYTES_MAX, PRIORITY, RUNS_KEPT_MAX, RunnerSettings,
    STOP_GRACE,
};
