//! The errors that count for a limit: those inside its window, each with its time, in bounded memory.
//!
//! Exact while the limit is at most [`TIMES_MAX`]: no more than the limit's number of errors can be inside the window
//! before it trips. Under a higher limit errors that are close together share the time of the last of them, so that one
//! counts too long by a `TIMES_MAX`th of the window, never too short. It must not know what reaching the limit means.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Limit, moment};

/// Times that are kept of a step's errors.
pub const TIMES_MAX: u64 = 4096;

/// The errors, by time.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// The latest last.
    entries: VecDeque<Entry>,
    /// The sum of the entries.
    errors: u64,
}

/// Errors that share a time.
#[derive(Debug, Clone, Copy)]
struct Entry {
    at: i64,
    errors: u64,
    client: Option<u64>,
}

impl Recent {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Adds errors that came at `at`, or with the latest where that is later; gives the time that they count as.
    pub(super) fn add(&mut self, errors: u64, client: Option<u64>, at: i64, limit: &Limit) -> i64 {
        let at = self.entries.back().map_or(at, |last| last.at.max(at));
        if client.is_some() {
            // The client counts once, by its last error.
            let known = self.entries.iter().position(|it| it.client == client);
            if let Some(entry) = known.and_then(|index| self.entries.remove(index)) {
                self.errors -= entry.errors;
            }
        }
        self.forget(limit.window, at);
        self.errors = self.errors.saturating_add(errors);
        let is_full = self.entries.len() as u64 >= 2 * TIMES_MAX;
        match self.entries.back_mut() {
            Some(last)
                if is_full
                    || (client, last.client) == (None, None) && shares(last.at, at, limit) =>
            {
                last.errors = last.errors.saturating_add(errors);
                last.at = at;
            }
            _ => self.entries.push_back(Entry { at, errors, client }),
        }
        at
    }

    /// Adds errors of which only is known that they came until `at`, before or after others.
    pub(super) fn fill_up(&mut self, errors: u64, at: i64, limit: &Limit) {
        if self.entries.back().is_none_or(|last| last.at <= at) {
            self.add(errors, None, at, limit);
            return;
        }
        let index = self.entries.partition_point(|entry| entry.at <= at);
        let entry = Entry {
            at,
            errors,
            client: None,
        };
        self.entries.insert(index, entry);
        self.errors = self.errors.saturating_add(errors);
    }

    /// How many are inside the window; what is older is forgotten.
    pub(super) fn within(&mut self, window: Option<Duration>, now: i64) -> u64 {
        self.forget(window, now);
        self.errors
    }

    fn forget(&mut self, window: Option<Duration>, now: i64) {
        let Some(window) = window else { return };
        let begin = now.saturating_sub(moment(window));
        while let Some(entry) = self.entries.front().filter(|entry| entry.at < begin) {
            self.errors -= entry.errors;
            self.entries.pop_front();
        }
    }
}

/// Whether two errors need no times of their own under the limit.
fn shares(one: i64, other: i64, limit: &Limit) -> bool {
    let Some(window) = limit.window else {
        // Nothing is ever too old: their number is all there is to know.
        return true;
    };
    let times = i64::try_from(TIMES_MAX).unwrap_or(i64::MAX);
    let grain = (moment(window) / times).max(1);
    let is_exact = limit.errors <= TIMES_MAX;
    !is_exact && one.div_euclid(grain) == other.div_euclid(grain)
}
