//! Sessions that somebody has signed out of, until they would have ended by themselves: so that a copy of a browser's cookie
//! is worth nothing afterwards. Only that session ends; other browsers of the same token stay signed in.
//!
//! It is kept in a file, since sessions outlive the server. What is not known is over: where the file is not there (a data
//! directory that was restored) or can't be read, all sessions that began before are; and so are the oldest of them when
//! more were signed out of than are kept apart. People then sign in again, and nobody stays in who should not.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::data::{self, DataError, FILE_MODE};
use crate::output::chain;

/// Sessions that are kept apart; of more, the oldest half is forgotten, together with all that began before.
const SESSIONS_MAX: usize = 10_000;

/// All of them.
#[derive(Debug)]
pub(super) struct SignedOut {
    path: PathBuf,
    /// Held while the file is written: what was known last is written last.
    writing: Mutex<()>,
    known: Mutex<Known>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    /// Sessions that would end before this second are over, whichever they are.
    over_before: i64,
    /// The ids of the others that are over, and when they would have ended, in seconds.
    sessions: BTreeMap<String, i64>,
}

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("cannot be read")]
    Io(#[from] std::io::Error),
    #[error("is not what was written")]
    Form(#[from] serde_json::Error),
}

impl SignedOut {
    /// What the file says. Without it, a session that lasts until `newest_end` or longer begins from now on.
    pub(super) fn open(path: PathBuf, newest_end: i64) -> Self {
        let unknown = || Known {
            over_before: newest_end,
            sessions: BTreeMap::new(),
        };
        let (known, is_new) = match read(&path) {
            Ok(Some(known)) => (known, false),
            Ok(None) => (unknown(), true),
            Err(error) => {
                let (path, error) = (path.display(), chain(&error));
                tracing::warn!(%path, error, "who signed out is not known, so all sessions are over");
                (unknown(), true)
            }
        };
        let signed_out = Self {
            path,
            writing: Mutex::default(),
            known: Mutex::new(known),
        };
        // Without room for it all that began before is over at the next start, too.
        if let Some(error) = is_new.then(|| signed_out.write().err()).flatten() {
            tracing::warn!(error = chain(&error), "who signs out can't be kept for now");
        }
        signed_out
    }

    /// Whether a session is over that would end at this second.
    pub(super) fn has(&self, id: &str, ends: i64) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        ends < known.over_before || known.sessions.contains_key(id)
    }

    /// Ends a session that would end at this second.
    ///
    /// # Errors
    /// When that can't be kept: then it is over until the server starts again.
    pub(super) fn end(&self, id: &str, ends: i64, now: Timestamp) -> Result<(), DataError> {
        // Nothing is done under the lock that could leave it half changed.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.end(id, ends, now);
        drop(known);
        self.write()
    }

    fn write(&self) -> Result<(), DataError> {
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let text = serde_json::to_vec(&*known).expect("numbers by texts are JSON");
        drop(known);
        data::write_file(&self.path, &text, FILE_MODE)
    }
}

impl Known {
    fn end(&mut self, id: &str, ends: i64, now: Timestamp) {
        self.sessions.retain(|_, ends| *ends > now.as_second());
        self.sessions.insert(id.to_owned(), ends);
        if self.sessions.len() <= SESSIONS_MAX {
            return;
        }
        let mut by_end: Vec<i64> = self.sessions.values().copied().collect();
        by_end.sort_unstable();
        self.over_before = self.over_before.max(by_end[by_end.len() / 2] + 1);
        self.sessions.retain(|_, ends| *ends >= self.over_before);
    }
}

/// None where there is no file.
fn read(path: &Path) -> Result<Option<Known>, ReadError> {
    match std::fs::read(path) {
        Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests;
