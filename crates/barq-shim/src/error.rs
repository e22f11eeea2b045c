//! What can fail when a process is started, found or stopped through its shim.
//!
//! It must not know the ends of processes: a program that fails is a record, no error.

use std::io;
use std::path::PathBuf;

/// An operation on a shim that failed.
#[derive(Debug, thiserror::Error)]
pub enum ShimError {
    /// A file could not be written.
    #[error("{} could not be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file could not be read.
    #[error("{} could not be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds something else than it should.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// The directory has already led a process; a directory leads one in its life.
    #[error("{} has already led a process", directory.display())]
    Used {
        /// The directory.
        directory: PathBuf,
    },
    /// The shim program itself could not be started.
    #[error("the shim program {} could not be started", program.display())]
    Launch {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The shim was started and gave up before it led anything.
    #[error("the shim in {} gave up: {reason}", directory.display())]
    GaveUp {
        /// The directory.
        directory: PathBuf,
        /// Its last words.
        reason: String,
    },
    /// A shim holds the directory, but does not say which process it is.
    #[error("a shim holds {} but has not come up", directory.display())]
    Stuck {
        /// The directory.
        directory: PathBuf,
    },
    /// The kernel refused an operation on processes.
    #[error("{operation} failed")]
    Process {
        /// The operation.
        operation: &'static str,
        /// Why.
        source: io::Error,
    },
}
