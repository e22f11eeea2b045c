//! What can fail in the runner itself, apart from checks: those fail by a result.
//!
//! It must not know how callers show it.

use std::io;
use std::path::PathBuf;

use barq_shim::ShimError;
use barq_shim::output::OutputError;

/// An operation of the runner that failed.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// A file or directory of the runner's own.
    #[error("{operation} {} failed", path.display())]
    File {
        /// What was tried.
        operation: &'static str,
        /// With what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A file of the runner's own holds something else than it should.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// A request that can never run.
    #[error("{0}")]
    Request(String),
    /// Nothing is known of a key.
    #[error("there is no run with the key {0:?}")]
    Unknown(String),
    /// git failed in a way that says something.
    #[error("git {command} failed: {message}")]
    Git {
        /// The subcommand.
        command: &'static str,
        /// Its last words.
        message: String,
    },
    /// The shim.
    #[error("the shim failed")]
    Shim(#[from] ShimError),
    /// The output.
    #[error("the output could not be read")]
    Output(#[from] OutputError),
    /// The runner was dropped while a run was waited for.
    #[error("the runner was shut down")]
    ShutDown,
}

impl RunnerError {
    /// For `map_err` on an operation with a path.
    pub(crate) fn file(
        operation: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            operation,
            path,
            source,
        }
    }

    /// The error with its causes, as a reason for people; a full disk is called by its name.
    pub(crate) fn reason(&self) -> String {
        let mut text = self.to_string();
        let mut full = false;
        let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            let io = error.downcast_ref::<io::Error>();
            full |= io.is_some_and(|error| error.kind() == io::ErrorKind::StorageFull);
            cause = error.source();
        }
        full |= text.contains("No space left on device");
        if full {
            format!("the disk is full: {text}")
        } else {
            text
        }
    }
}
