//! The tripwire: the error that reaches the limit closes a revision to further requests before anything follows from it.
//!
//! Shared by all threads of the proxy, one for each revision and for its whole life. Whether a request may pass is one
//! atomic word, so what goes well takes no lock. An error is rare and takes a short one: which errors count for the limit
//! depends on when they came ([`recent`]), and that is more than fits a word. Under the lock the error is counted,
//! compared with the limit and the wire closed, so exactly one caller is told.
//!
//! **Invariant.** Once `record_error` has given `TripNow` (or `close` has returned), no later `admit` succeeds, and every
//! admission that had succeeded is either in `in_flight` or has ended. Why: `admit` first counts itself in flight and then
//! reads the word; the trip first writes the word and then reads the count (Dekker). Both are sequentially consistent, so
//! of an admission and a trip that race at least one sees the other: the admission withdraws, or the trip counts it.
//!
//! **Invariant.** A trip is undone by `acknowledge` alone: `arm` and `arm_step` fail on a tripped wire, whoever wins the
//! race.
//!
//! **Invariant.** No error of a step is lost to its limit before it is older than the limit's window: `arm_step` with
//! `Count::On` keeps the count under the lock that sets the limit, so an error that races with it counts before or after,
//! and once.
//!
//! It knows no network and no configuration, and has no clock: `now` is the time since the node's run began.

mod recent;

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use recent::Recent;
pub use recent::TIMES_MAX;

const TRIPPED: u8 = 1;
const CLOSED: u8 = 2;

/// The gate in front of one revision.
#[derive(Debug, Default)]
pub struct Tripwire {
    word: AtomicU8,
    in_flight: AtomicU64,
    counting: Mutex<Counting>,
}

/// How many errors trip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limit {
    /// The error that makes so many trips; at least 1.
    pub errors: u64,
    /// An error that is older counts no more. None: all that the step has had count.
    pub window: Option<Duration>,
}

/// Where the count of an armed wire begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Count {
    /// Of another step: from nothing but what is known of it, mostly nothing.
    From(Past),
    /// Of the step that is being counted: it goes on where it is, and not below what is known of it.
    On(Past),
}

/// What somebody else knows of a step's errors. It fills up what was lost here, and changes nothing where nothing was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Past {
    /// All errors of the step.
    pub errors: u64,
    /// Those of them that counted for the limit when it looked.
    pub recent: u64,
    /// How long ago it looked: what is filled up counts as of then, so rather too long than too short.
    pub age: Duration,
}

/// An error that was noted in an earlier run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Noted {
    /// How long ago it came.
    pub age: Duration,
    /// Whose request it was, where the traffic is sticky.
    pub client: Option<u64>,
}

/// A request that was let through: in flight until it is dropped.
#[derive(Debug)]
pub struct Admission {
    wire: Arc<Tripwire>,
}

/// Given to the one caller whose error reached the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TripNow {
    /// The errors that counted: those of the step inside the limit's window, over all the plans and runs that it had.
    pub errors: u64,
    /// Requests admitted and not ended at the trip, the one that failed among them if it is still held.
    pub in_flight: u64,
}

/// The wire has tripped, and nobody has acknowledged it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the tripwire has tripped")]
pub struct AlreadyTripped;

/// What is behind the lock.
#[derive(Debug, Default)]
struct Counting {
    limit: Option<Limit>,
    /// All errors of the step, those after a trip among them.
    total: u64,
    /// Only kept where there is a limit.
    recent: Recent,
    tripped: Option<TripNow>,
}

impl Limit {
    /// So many errors in the whole step.
    pub fn of_step(errors: u64) -> Self {
        Self {
            errors,
            window: None,
        }
    }
}

impl Tripwire {
    /// An open wire that is not armed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens the wire and counts errors from zero, for a revision that is not on trial.
    ///
    /// # Errors
    /// When it has tripped: the trip must be told first.
    pub fn arm(&self, limit: Option<Limit>) -> Result<(), AlreadyTripped> {
        let from_zero = Count::From(Past::default());
        self.arm_step(limit, from_zero, Duration::ZERO).map(|_| ())
    }

    /// Opens the wire for a step, whose errors are counted as `count` says, and trips at the limit; `None` never trips.
    /// A count that is at the limit already trips at once: then no request is let through, and the trip is to be told.
    ///
    /// # Errors
    /// When it has tripped: the trip must be told first.
    pub fn arm_step(
        &self,
        limit: Option<Limit>,
        count: Count,
        now: Duration,
    ) -> Result<Option<TripNow>, AlreadyTripped> {
        let mut counting = self.counting();
        if counting.tripped.is_some() {
            return Err(AlreadyTripped);
        }
        counting.limit = limit;
        let past = match count {
            Count::On(past) => past,
            Count::From(past) => {
                counting.total = 0;
                counting.recent.clear();
                past
            }
        };
        counting.learn(past, now);
        let reached = counting.reached(moment(now));
        if reached.is_none() {
            self.word.store(0, SeqCst);
        }
        Ok(reached.map(|errors| self.trip(&mut counting, errors)))
    }

    /// Begins a run with what was noted of a step in earlier ones, oldest first, and with what others know of it. The
    /// errors count when they came: a limit that was reached then is reached, however long the node was away.
    pub fn restore(
        &self,
        limit: Option<Limit>,
        noted: &[Noted],
        known: &[Past],
        now: Duration,
    ) -> Option<TripNow> {
        let mut counting = self.counting();
        counting.limit = limit;
        let mut reached = None;
        for error in noted {
            let at = before(now, error.age);
            counting.add(error.client, at);
            reached = reached.or_else(|| counting.reached(at));
        }
        for past in known {
            counting.learn(*past, now);
        }
        let reached = reached.or_else(|| counting.reached(moment(now)));
        reached.map(|errors| self.trip(&mut counting, errors))
    }

    /// Lets no further request through, without a verdict; it counts on. `arm` and `arm_step` open it again.
    pub fn close(&self) {
        self.word.fetch_or(CLOSED, SeqCst);
    }

    /// Undoes the trip, forgets what was counted, and leaves the wire closed: the caller has a configuration that
    /// acknowledges it.
    pub fn acknowledge(&self) {
        let mut counting = self.counting();
        *counting = Counting::default();
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
    ///
    /// `client` is whose request it was, where the traffic is sticky: a client counts once for the limit, for as long as
    /// its last error is inside the window. Errors without a client count each.
    pub fn record_error(&self, client: Option<u64>, now: Duration) -> Option<TripNow> {
        let mut counting = self.counting();
        let now = counting.add(client, moment(now));
        if counting.tripped.is_some() {
            return None;
        }
        let errors = counting.reached(now)?;
        Some(self.trip(&mut counting, errors))
    }

    /// The errors that count for the limit now, those after the trip among them.
    pub fn errors(&self, now: Duration) -> u64 {
        self.counting().within(moment(now))
    }

    /// All errors of the step, however old.
    pub fn total(&self) -> u64 {
        self.counting().total
    }

    /// The trip, until it is acknowledged.
    pub fn tripped(&self) -> Option<TripNow> {
        self.counting().tripped
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
        self.word.load(SeqCst) == 0
    }

    /// The word first, then what is in flight: see the first invariant.
    fn trip(&self, counting: &mut Counting, errors: u64) -> TripNow {
        self.word.fetch_or(TRIPPED, SeqCst);
        let trip = TripNow {
            errors,
            in_flight: self.in_flight(),
        };
        counting.tripped = Some(trip);
        trip
    }

    /// What is counted is whole between any two statements, so a thread that panicked leaves nothing half-done.
    fn counting(&self) -> MutexGuard<'_, Counting> {
        self.counting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counting {
    /// When it counts: threads read the clock before they get the lock, so an error may come after a later one.
    fn add(&mut self, client: Option<u64>, at: i64) -> i64 {
        self.total = self.total.saturating_add(1);
        match &self.limit {
            Some(limit) => self.recent.add(1, client, at, limit),
            None => at,
        }
    }

    fn learn(&mut self, past: Past, now: Duration) {
        let missing = past.errors.saturating_sub(self.total);
        self.total += missing;
        let recent = missing.min(past.recent);
        if let Some(limit) = self.limit.as_ref().filter(|_| recent > 0) {
            self.recent.fill_up(recent, before(now, past.age), limit);
        }
    }

    fn within(&mut self, now: i64) -> u64 {
        match self.limit {
            Some(limit) => self.recent.within(limit.window, now),
            None => self.total,
        }
    }

    /// The errors that count, where they are at the limit.
    fn reached(&mut self, now: i64) -> Option<u64> {
        let limit = self.limit?.errors.max(1);
        Some(self.within(now)).filter(|errors| *errors >= limit)
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

/// Microseconds since the run began; before it they are negative.
fn moment(now: Duration) -> i64 {
    i64::try_from(now.as_micros()).unwrap_or(i64::MAX)
}

fn before(now: Duration, age: Duration) -> i64 {
    moment(now).saturating_sub(moment(age))
}

#[cfg(test)]
mod tests;
