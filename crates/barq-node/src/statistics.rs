//! What the proxy counts: by revision for as long as the node runs, and by step for a canary.
//!
//! Counted by thread and merged on read: each thread of the proxy has a shard of its own behind a lock that nobody else
//! takes on the request path, so a request never waits for another thread's. It must not know sockets, instances or what
//! the counts are used for.

mod clients;
mod endpoint;
mod evidence;
mod revision;
mod step;

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use barq_judge::Outcome;
use jiff::Timestamp;

use clients::Clients;
use endpoint::template;
pub(crate) use evidence::Failure;
pub(crate) use revision::{RevisionStatistics, WATCH_WINDOW_S_MAX};
pub(crate) use step::{Role, StepCounts, StepStatistics};

/// A first attempt that has ended.
#[derive(Debug, Clone)]
pub(crate) struct Completed<'a> {
    /// E.g. `GET`.
    pub(crate) method: &'a str,
    /// Without the query string.
    pub(crate) path: &'a str,
    /// How it ended.
    pub(crate) outcome: Outcome,
    /// From the first byte of the request to the last of the response.
    pub(crate) latency: Duration,
    /// `x-request-id`.
    pub(crate) request_id: &'a str,
    /// Who asked.
    pub(crate) client: IpAddr,
    /// Whether stable answered in its place.
    pub(crate) shielded: bool,
    /// When it ended.
    pub(crate) at: Timestamp,
    /// The same in whole seconds since the node started.
    pub(crate) second: u64,
}

/// One `T` for each thread of the proxy.
#[derive(Debug)]
pub(crate) struct Shards<T>(Box<[Mutex<T>]>);

impl<T: Default> Shards<T> {
    /// `count` empty shards; at least one.
    pub(crate) fn new(count: usize) -> Self {
        Self((0..count.max(1)).map(|_| Mutex::default()).collect())
    }
}

impl<T> Shards<T> {
    /// The shard of thread number `index`.
    pub(crate) fn of(&self, index: usize) -> MutexGuard<'_, T> {
        lock(&self.0[index % self.0.len()])
    }

    /// All shards, one after the other.
    pub(crate) fn each(&self) -> impl Iterator<Item = MutexGuard<'_, T>> {
        self.0.iter().map(lock)
    }
}

/// Counts stay meaningful whatever a thread that panicked was doing: the lock is taken all the same.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
