//! An instance that keeps failing gets no requests for a while, so that the others answer what it would not.
//!
//! What counts is that there was no answer: no connection, a connection that broke, or nothing in time. A 5xx is an answer;
//! it is the revision's matter, not the instance's. After the defaults of Envoy's outlier detection: five in a row, and each
//! time longer. It must not know what is in flight, or who else is there.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Failures in a row.
pub const FAILURES_MAX: u32 = 5;
/// How long the first time; the second time twice as long, and so on.
pub const EJECTED_FIRST: Duration = Duration::from_secs(5);
/// How long at most.
pub const EJECTED_MAX: Duration = Duration::from_secs(60);

/// What is known of an instance's failures.
#[derive(Debug, Default)]
pub(super) struct Ejection {
    failures: AtomicU32,
    times: AtomicU32,
    /// When it gets requests again, in milliseconds since `begin`; 0: now.
    until_ms: AtomicU64,
    begin: OnceLock<Instant>,
}

impl Ejection {
    /// There was an answer.
    pub(super) fn succeeded(&self) {
        // Read first: the word is written only where something had gone wrong.
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
            self.times.store(0, Ordering::Relaxed);
        }
    }

    /// There was none; the time that it is passed over, if it is from now on.
    pub(super) fn failed(&self, now: Instant) -> Option<Duration> {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if failures < FAILURES_MAX || self.is_ejected(now) {
            return None;
        }
        // One failure is enough the next time: it had its chance.
        let times = self
            .times
            .fetch_add(1, Ordering::Relaxed)
            .min(u32::from(u8::MAX))
            + 1;
        let ejected = (EJECTED_FIRST * times).min(EJECTED_MAX);
        let begin = *self.begin.get_or_init(|| now);
        let until = now.saturating_duration_since(begin) + ejected;
        let until_ms = u64::try_from(until.as_millis()).unwrap_or(u64::MAX);
        self.until_ms.store(until_ms, Ordering::Relaxed);
        Some(ejected)
    }

    /// Whether it is passed over.
    pub(super) fn is_ejected(&self, now: Instant) -> bool {
        let until_ms = self.until_ms.load(Ordering::Relaxed);
        let Some(begin) = self.begin.get().filter(|_| until_ms > 0) else {
            return false;
        };
        now.saturating_duration_since(*begin).as_millis() < u128::from(until_ms)
    }
}

#[cfg(test)]
mod tests;
