//! The tripwire: the error that reaches the limit closes a revision to further requests, in the same instruction.
//!
//! Lock-free, shared by all threads of the proxy, one for each revision and for its whole life. Everything that decides is
//! in one word (`tripped`, `closed`, limit, errors), so that the error that reaches the limit and the closing are one
//! compare-and-swap, and exactly one caller is told.
//!
//! **Invariant.** Once `record_error` has given `TripNow` (or `close` has returned), no later `admit` succeeds, and every
//! admission that had succeeded is either in `in_flight` or has ended. Why: `admit` first counts itself in flight and then
//! reads the word; the trip first writes the word and then reads the count (Dekker). Both are sequentially consistent, so
//! of an admission and a trip that race at least one sees the other: the admission withdraws, or the trip counts it.
//!
//! **Invariant.** A trip is undone by `acknowledge` alone: `arm` and `arm_step` fail on a tripped wire, whoever wins the
//! race.
//!
//! **Invariant.** No error of a step is lost to its limit: `arm_step` with `Count::On` keeps the count in the same
//! compare-and-swap that sets the limit, so an error that races with it counts before or after, and once.
//!
//! It knows no time, no network and no configuration.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// Errors and limits are counted up to here; more is shown as so many. (31 bits each share the word with two flags.)
pub const COUNT_MAX: u64 = (1 << 31) - 1;

const LIMIT_SHIFT: u32 = 31;
const TRIPPED: u64 = 1 << 62;
const CLOSED: u64 = 1 << 63;

/// The gate in front of one revision.
#[derive(Debug, Default)]
pub struct Tripwire {
    word: AtomicU64,
    in_flight: AtomicU64,
}

/// A request that was let through: in flight until it is dropped.
#[derive(Debug)]
pub struct Admission {
    wire: Arc<Tripwire>,
}

/// Where the count of an armed wire begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Count {
    /// Of another step, or after a restart: with the errors that are known of it, mostly none.
    From(u64),
    /// Of the step that is being counted: it goes on where it is, and not below the errors that are known of it.
    On(u64),
}

/// Given to the one caller whose error reached the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TripNow {
    /// The errors counted: those of the whole step, over all the plans and runs that it had.
    pub errors: u64,
    /// Requests admitted and not ended at the trip, the one that failed among them if it is still held.
    pub in_flight: u64,
}

/// The wire has tripped, and nobody has acknowledged it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the tripwire has tripped")]
pub struct AlreadyTripped;

impl Tripwire {
    /// An open wire that is not armed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens the wire, counts errors from zero, and trips at the `limit`th; `None` never trips.
    ///
    /// # Errors
    /// When it has tripped: the trip must be told first.
    pub fn arm(&self, limit: Option<u64>) -> Result<(), AlreadyTripped> {
        self.arm_step(limit, Count::From(0)).map(|_| ())
    }

    /// Opens the wire for a step, whose errors are counted as `count` says, and trips at the `limit`th; `None` never trips.
    /// A count that is at the limit already trips at once: then no request is let through, and the trip is to be told.
    ///
    /// # Errors
    /// When it has tripped: the trip must be told first.
    pub fn arm_step(
        &self,
        limit: Option<u64>,
        count: Count,
    ) -> Result<Option<TripNow>, AlreadyTripped> {
        let limit = limit.map_or(0, |limit| limit.clamp(1, COUNT_MAX));
        let armed = |word: u64| {
            let errors = match count {
                Count::From(known) => known.min(COUNT_MAX),
                Count::On(known) => errors_in(word).max(known.min(COUNT_MAX)),
            };
            let trips = limit > 0 && errors >= limit;
            (limit << LIMIT_SHIFT) | errors | if trips { TRIPPED } else { 0 }
        };
        let before = self
            .word
            .fetch_update(SeqCst, SeqCst, |word| {
                (word & TRIPPED == 0).then(|| armed(word))
            })
            .map_err(|_| AlreadyTripped)?;
        let word = armed(before);
        Ok((word & TRIPPED != 0).then(|| TripNow {
            errors: errors_in(word),
            in_flight: self.in_flight(),
        }))
    }

    /// Lets no further request through, without a verdict; it counts on. `arm` and `arm_step` open it again.
    pub fn close(&self) {
        self.word.fetch_or(CLOSED, SeqCst);
    }

    /// Undoes the trip, forgets what was counted, and leaves the wire closed: the caller has a configuration that
    /// acknowledges it.
    pub fn acknowledge(&self) {
        self.word.store(CLOSED, SeqCst);
    }

    /// Lets a request through and counts it in flight, unless the wire has tripped or is closed.
    pub fn admit(self: &Arc<Self>) -> Option<Admission> {
        self.in_flight.fetch_add(1, SeqCst);
        let admission = Admission {
            wire: Arc::clone(self),
        };
        admission.is_open().then_some(admission)
    }

    /// Counts an error. The caller whose error reaches the limit gets `TripNow`: the wire is closed when this returns.
    /// Errors after the trip are counted, too.
    pub fn record_error(&self) -> Option<TripNow> {
        let mut word = self.word.load(SeqCst);
        loop {
            let errors = errors_in(word).saturating_add(1).min(COUNT_MAX);
            let limit = limit_in(word);
            let trips = word & TRIPPED == 0 && limit > 0 && errors >= limit;
            let mut next = (word & !COUNT_MAX) | errors;
            if trips {
                next |= TRIPPED;
            }
            match self.word.compare_exchange_weak(word, next, SeqCst, SeqCst) {
                Ok(_) => {
                    return trips.then(|| TripNow {
                        errors,
                        in_flight: self.in_flight(),
                    });
                }
                Err(seen) => word = seen,
            }
        }
    }

    /// The errors counted, those after the trip among them.
    pub fn errors(&self) -> u64 {
        errors_in(self.word.load(SeqCst))
    }

    /// Requests admitted and not ended.
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(SeqCst)
    }

    /// Whether it has tripped and was not acknowledged.
    pub fn has_tripped(&self) -> bool {
        self.word.load(SeqCst) & TRIPPED != 0
    }

    /// Whether a request would be let through now.
    pub fn is_open(&self) -> bool {
        self.word.load(SeqCst) & (TRIPPED | CLOSED) == 0
    }
}

impl Admission {
    /// Whether the wire is still open: to be asked again after every wait, before the request is sent.
    pub fn is_open(&self) -> bool {
        self.wire.is_open()
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.wire.in_flight.fetch_sub(1, SeqCst);
    }
}

fn errors_in(word: u64) -> u64 {
    word & COUNT_MAX
}

fn limit_in(word: u64) -> u64 {
    (word >> LIMIT_SHIFT) & COUNT_MAX
}

#[cfg(test)]
mod tests;
