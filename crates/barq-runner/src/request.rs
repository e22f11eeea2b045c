//! What is asked of the runner and what it answers.
//!
//! It must not know how any of it is done.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use barq_shim::output::Line;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The check name under which builds run.
pub(crate) const BUILD: &str = "build";

/// A check to run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckRequest {
    /// The idempotency key, such as delivery, check and attempt; at most 200 bytes.
    pub key: String,
    /// The app's name.
    pub app: String,
    /// The check's name; `build` is reserved.
    pub check: String,
    /// The bare repository.
    pub repository: PathBuf,
    /// The commit's full hash.
    pub commit: String,
    /// The command, run by `sh -c`.
    pub run: String,
    /// The directory in the commit where it runs; `.` is its root.
    pub directory: String,
    /// Longest time that it may run.
    pub timeout: Duration,
    /// Directories kept between runs, relative to `directory`.
    pub cache: Vec<String>,
    /// More environment variables.
    pub environment: BTreeMap<String, String>,
}

/// A bundle to build.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BuildRequest {
    /// The idempotency key; at most 200 bytes.
    pub key: String,
    /// The app's name.
    pub app: String,
    /// The bare repository.
    pub repository: PathBuf,
    /// The commit's full hash.
    pub commit: String,
    /// The command; `None` where the commit holds all files as they are.
    pub run: Option<String>,
    /// Longest time that the command may run.
    pub timeout: Duration,
    /// Files and directories of the tree (keys) and their paths in the bundle (values).
    pub files: BTreeMap<String, String>,
    /// Directories kept between builds.
    pub cache: Vec<String>,
    /// More environment variables.
    pub environment: BTreeMap<String, String>,
}

/// How a check or build ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckResult {
    /// The end.
    pub outcome: Outcome,
    /// When its command was started; for one that never was, when it was given up.
    pub started_at: Timestamp,
    /// When nothing of it was left.
    pub finished_at: Timestamp,
    /// From start to end, in milliseconds.
    pub duration_ms: u64,
    /// The directory of its output (see `barq_shim::output`); `None` if its command was never started.
    pub output: Option<PathBuf>,
    /// Output was dropped at the limit.
    pub output_truncated: bool,
    /// Whether the kernel confined it, or why not.
    pub sandbox: barq_shim::Enforced,
    /// The directory that holds the bundle, for a build that passed.
    pub bundle: Option<PathBuf>,
}

/// The end of a check or build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The command ended with code 0.
    Passed,
    /// The command ended with another code.
    Failed {
        /// The code.
        exit_code: i32,
    },
    /// A signal that nobody here sent ended it.
    Signalled {
        /// The signal's number.
        signal: i32,
    },
    /// It ran longer than it may.
    TimedOut,
    /// It was cancelled.
    Cancelled,
    /// It could not be run, for a reason that is not the commit's command.
    Error {
        /// What failed, and why.
        reason: String,
    },
}

/// Where a run stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// It waits for another run of the same check, or for a free place.
    Queued,
    /// It is being prepared, runs, or is being cleaned up.
    Running,
    /// It has ended.
    Finished(CheckResult),
}

/// A page of output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputPage {
    /// The lines.
    pub lines: Vec<Line>,
    /// Where to go on.
    pub next_offset: u64,
    /// Nothing will follow the lines read so far once this is true and no lines come.
    pub finished: bool,
}

/// Either request, in one form: what a run directory remembers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) key: String,
    pub(crate) app: String,
    pub(crate) check: String,
    pub(crate) repository: PathBuf,
    pub(crate) commit: String,
    pub(crate) run: Option<String>,
    pub(crate) directory: String,
    pub(crate) timeout: Duration,
    pub(crate) cache: Vec<String>,
    pub(crate) environment: BTreeMap<String, String>,
    /// For a build: what goes into the bundle.
    pub(crate) files: Option<BTreeMap<String, String>>,
}

impl From<CheckRequest> for Job {
    fn from(request: CheckRequest) -> Self {
        let CheckRequest {
            key,
            app,
            check,
            repository,
            commit,
            run,
            directory,
            timeout,
            cache,
            environment,
        } = request;
        let run = Some(run);
        Self {
            key,
            app,
            check,
            repository,
            commit,
            run,
            directory,
            timeout,
            cache,
            environment,
            files: None,
        }
    }
}

impl From<BuildRequest> for Job {
    fn from(request: BuildRequest) -> Self {
        let BuildRequest {
            key,
            app,
            repository,
            commit,
            run,
            timeout,
            files,
            cache,
            environment,
        } = request;
        let (check, directory, files) = (BUILD.to_owned(), ".".to_owned(), Some(files));
        Self {
            key,
            app,
            check,
            repository,
            commit,
            run,
            directory,
            timeout,
            cache,
            environment,
            files,
        }
    }
}
