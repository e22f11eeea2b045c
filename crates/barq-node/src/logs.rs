//! What the instances wrote, read back from the shims' output files.
//!
//! Nothing is copied or indexed: shims write the lines with their times, bounded for each process, the janitor bounds what
//! ended processes leave, and who asks reads the files. So logs cost nothing until someone looks, and survive any restart.
//! A position is a cursor of run numbers and offsets, which mean the same after a restart. It must not know processes.
//!
//! A line longer than the shim's limit (16 KiB) comes in pieces.

mod backwards;
mod budget;
mod cursor;
mod filter;
mod line_place;
mod reader;
mod severity;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use budget::Budget;
use jiff::Timestamp;

pub use cursor::CursorError;
pub use line_place::{LinePlace, NoLinePlace};
pub use reader::ReadError;
pub use severity::Severity;

use crate::api::LogPage;
use crate::instances::place;

/// Lines in a page.
pub const PAGE_LINES_MAX: usize = 1000;

/// What one question reads at most, in bytes; a page may be short because of it, the next one goes on.
pub const SCAN_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// And for how long: a page of the web UI waits for it.
pub const SCAN_MAX: Duration = Duration::from_millis(120);

/// What is asked of the logs.
#[derive(Debug, Clone, Default)]
pub struct LogQuery {
    /// The service.
    pub service: String,
    /// One revision; `None`: all of the service.
    pub revision: Option<String>,
    /// At least so severe.
    pub severity: Option<Severity>,
    /// With this text, however its letters are written.
    pub text: Option<String>,
    /// Not older.
    pub since: Option<Timestamp>,
    /// Which of them.
    pub window: Window,
    /// So many lines, at most [`PAGE_LINES_MAX`].
    pub limit: usize,
}

/// Which of the lines that are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Window {
    /// The last, and where to go on after them.
    #[default]
    Last,
    /// The first.
    First,
    /// What comes after a page's `next`.
    After(String),
    /// The last before a place.
    Before(LinePlace),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The cursor is none of ours.
    #[error("`after` can't be understood")]
    Cursor(#[source] CursorError),
    /// The files can't be read.
    #[error("the output of {service} can't be read")]
    Read {
        /// The service.
        service: String,
        /// Why.
        source: ReadError,
    },
    /// The reading thread failed.
    #[error("the reading of logs failed")]
    Thread(#[source] tokio::task::JoinError),
}

/// Reads logs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Logs {
    root: PathBuf,
}

impl Logs {
    /// The logs of the instances under a node's directory.
    #[must_use]
    pub fn new(node_directory: &Path) -> Self {
        Self {
            root: place::root(node_directory),
        }
    }

    /// A page of lines, oldest first. An unknown service has none.
    pub async fn page(&self, query: LogQuery) -> Result<LogPage, LogError> {
        let root = self.root.clone();
        blocking(move || reader::page(&root, &query, Budget::new(SCAN_BYTES_MAX, SCAN_MAX))).await
    }

    /// The lines with a request's id, oldest first, the last `limit` of them.
    pub async fn lines_with(
        &self,
        service: &str,
        revision: &str,
        request_id: &str,
        limit: usize,
    ) -> Result<Vec<String>, LogError> {
        let mut found = self
            .lines_with_any(service, revision, vec![request_id.to_owned()], limit)
            .await?;
        Ok(found.remove(request_id).unwrap_or_default())
    }

    /// The lines of several requests at once: the files are read once.
    pub async fn lines_with_any(
        &self,
        service: &str,
        revision: &str,
        request_ids: Vec<String>,
        limit: usize,
    ) -> Result<BTreeMap<String, Vec<String>>, LogError> {
        let (root, service, revision) =
            (self.root.clone(), service.to_owned(), revision.to_owned());
        blocking(move || reader::lines_with(&root, &service, &revision, request_ids, limit)).await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LogError> + Send + 'static,
) -> Result<T, LogError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(LogError::Thread)?
}
