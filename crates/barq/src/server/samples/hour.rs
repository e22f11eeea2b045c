//! The last hour of a service in bins of a minute: requests and errors.
//!
//! The present minute is told as it was a few seconds ago, but for errors: a sparkline that changes with every request
//! would be sent to every browser with every look.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::look::{Counters, Span, spread};

/// Minutes that are kept.
pub(in crate::server) const MINUTES: usize = 60;
/// A minute in milliseconds.
const MINUTE_MS: i64 = 60_000;
/// How old what is told of the present minute may be, in milliseconds.
const TOLD_AGE_MS: i64 = 10_000;

/// Requests and errors of one minute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::server) struct Minute {
    /// Completed.
    pub(in crate::server) requests: u64,
    /// Errors among them.
    pub(in crate::server) errors: u64,
}

/// The last hour, the oldest minute first; none where nobody looked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::server) struct Hour(pub(in crate::server) Vec<Option<Minute>>);

/// The minutes of one service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Minutes {
    /// The oldest first; minutes that nobody looked at are missing.
    kept: VecDeque<Kept>,
    /// The newest minute as it is told, and when that was so.
    #[serde(skip)]
    told: Option<(i64, Kept)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(i64, u64, u64)", into = "(i64, u64, u64)")]
struct Kept {
    /// Minutes since 1970.
    minute: i64,
    requests: u64,
    errors: u64,
}

impl Minutes {
    /// Whether there is something new to keep: requests, or a minute that has begun.
    pub(super) fn record(&mut self, span: Span, counters: Counters) -> bool {
        let mut changed = counters.requests > 0;
        for (minute, _, part) in spread(span, counters, 0, MINUTE_MS) {
            let newest = self.kept.back().map_or(i64::MIN, |newest| newest.minute);
            if newest < minute {
                self.kept.push_back(Kept {
                    minute,
                    requests: 0,
                    errors: 0,
                });
                changed = true;
            }
            // Where the clock was set back, what comes is of the newest minute.
            if let Some(newest) = self.kept.back_mut() {
                newest.requests += part.requests;
                newest.errors += part.errors;
            }
        }
        while self.kept.len() > MINUTES {
            self.kept.pop_front();
        }
        self.tell(span.to_ms);
        changed
    }

    fn tell(&mut self, at_ms: i64) {
        let Some(newest) = self.kept.back().copied() else {
            return;
        };
        let fresh = self.told.is_some_and(|(told_ms, told)| {
            told.minute == newest.minute
                && told.errors == newest.errors
                && (0..TOLD_AGE_MS).contains(&(at_ms - told_ms))
        });
        if !fresh {
            self.told = Some((at_ms, newest));
        }
    }

    /// The hour that ends with the minute of `now_ms`.
    pub(super) fn hour(&self, now_ms: i64) -> Hour {
        let last = now_ms.div_euclid(MINUTE_MS);
        let mut minutes = vec![None; MINUTES];
        for kept in &self.kept {
            let told = self.told.map(|(_, told)| told);
            let kept = told
                .filter(|told| told.minute == kept.minute)
                .unwrap_or(*kept);
            let place = usize::try_from(last - kept.minute)
                .ok()
                .and_then(|ago| (MINUTES - 1).checked_sub(ago));
            if let Some(place) = place {
                minutes[place] = Some(Minute {
                    requests: kept.requests,
                    errors: kept.errors,
                });
            }
        }
        Hour(minutes)
    }

    /// Whether all of it is longer ago than an hour.
    pub(super) fn is_over(&self, now_ms: i64) -> bool {
        let last = now_ms.div_euclid(MINUTE_MS);
        self.kept
            .back()
            .is_none_or(|newest| last - newest.minute >= MINUTES as i64)
    }

    /// Whether what was read can be what was written.
    pub(super) fn is_sound(&self) -> bool {
        self.kept.len() <= MINUTES
            && self.kept.iter().all(|kept| kept.errors <= kept.requests)
            && self
                .kept
                .iter()
                .zip(self.kept.iter().skip(1))
                .all(|(before, after)| before.minute < after.minute)
    }
}

impl Hour {
    /// All requests and all errors.
    pub(in crate::server) fn sum(&self) -> Minute {
        let minutes = self.0.iter().flatten();
        minutes.fold(Minute::default(), |sum, minute| Minute {
            requests: sum.requests + minute.requests,
            errors: sum.errors + minute.errors,
        })
    }
}

impl From<(i64, u64, u64)> for Kept {
    fn from((minute, requests, errors): (i64, u64, u64)) -> Self {
        Self {
            minute,
            requests,
            errors,
        }
    }
}

impl From<Kept> for (i64, u64, u64) {
    fn from(kept: Kept) -> Self {
        (kept.minute, kept.requests, kept.errors)
    }
}

#[cfg(test)]
mod tests;
