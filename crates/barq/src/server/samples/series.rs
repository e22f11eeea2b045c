//! A rollout from its beginning to its end, however long it takes, in fixed memory: bins of a second, which become twice
//! as wide whenever there are too many.
//!
//! A bin knows how much of it was watched: so a rate is right in a bin that was watched in part, and a bin that nobody
//! watched is a gap, which is neither zero nor a spike.

use serde::{Deserialize, Serialize};

use super::look::{Counters, Span, spread};

/// Bins of a series.
pub(super) const BINS_MAX: usize = 600;
/// The width of a bin at first, in milliseconds.
const WIDTH_MS: i64 = 1_000;
/// Doublings of a bin's width; beyond, a series would be longer than times can be.
const DOUBLINGS_MAX: u32 = 30;

/// What the two revisions of a rollout answered, over time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::server) struct Series {
    /// Where the first bin begins, in milliseconds since 1970.
    pub(in crate::server) start_ms: i64,
    /// How wide a bin is, in milliseconds.
    pub(in crate::server) width_ms: i64,
    /// Until when it was watched, in milliseconds since 1970.
    pub(in crate::server) until_ms: i64,
    /// The bins of the revision on trial.
    pub(in crate::server) canary: Vec<Bin>,
    /// The bins of the one beside it: as many.
    pub(in crate::server) stable: Vec<Bin>,
}

/// What one revision answered in one bin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub(in crate::server) struct Bin {
    /// How much of it was watched, in milliseconds; 0: a gap.
    pub(in crate::server) watched_ms: i64,
    /// Completed.
    pub(in crate::server) requests: u64,
    /// Errors among them.
    pub(in crate::server) errors: u64,
    /// p50, p95, p99 of the minute before, in microseconds: the worst that was seen; none without requests.
    pub(in crate::server) latency_us: Option<[u64; 3]>,
}

/// A bin as it is written: short.
type Written = (i64, u64, u64, Option<[u64; 3]>);

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Canary,
    Stable,
}

impl Series {
    /// An empty one, from the second of `at_ms` on.
    pub(super) fn new(at_ms: i64) -> Self {
        let start_ms = at_ms - at_ms.rem_euclid(WIDTH_MS);
        Self {
            start_ms,
            width_ms: WIDTH_MS,
            until_ms: start_ms,
            canary: Vec::new(),
            stable: Vec::new(),
        }
    }

    /// Adds what one revision answered in a span. What was before the beginning is left out: the clock was set back.
    pub(super) fn record(
        &mut self,
        side: Side,
        span: Span,
        counters: Counters,
        latency_us: Option<[u64; 3]>,
    ) {
        if span.from_ms < self.start_ms {
            return;
        }
        self.make_room(span.to_ms);
        let bins = match side {
            Side::Canary => &mut self.canary,
            Side::Stable => &mut self.stable,
        };
        for (index, watched_ms, part) in spread(span, counters, self.start_ms, self.width_ms) {
            let bin = usize::try_from(index)
                .ok()
                .and_then(|index| bins.get_mut(index));
            if let Some(bin) = bin {
                *bin = bin.and(Bin {
                    watched_ms,
                    requests: part.requests,
                    errors: part.errors,
                    latency_us,
                });
            }
        }
        self.until_ms = self.until_ms.max(span.to_ms);
    }

    fn make_room(&mut self, to_ms: i64) {
        let needed = |width_ms: i64| {
            let bins = (to_ms - self.start_ms + width_ms - 1).div_euclid(width_ms);
            usize::try_from(bins).unwrap_or(usize::MAX)
        };
        while needed(self.width_ms) > BINS_MAX && self.width_ms < WIDTH_MS << DOUBLINGS_MAX {
            self.width_ms *= 2;
            self.canary = halved(&self.canary);
            self.stable = halved(&self.stable);
        }
        let bins = needed(self.width_ms).clamp(self.canary.len(), BINS_MAX);
        self.canary.resize_with(bins, Bin::default);
        self.stable.resize_with(bins, Bin::default);
    }

    /// The same with no more than so many bins. The last bin is left out as long as it is watched, unless `all`.
    pub(in crate::server) fn at_most(&self, bins_max: usize, all: bool) -> Self {
        let mut series = self.clone();
        while series.canary.len() > bins_max.max(1) {
            series.width_ms *= 2;
            series.canary = halved(&series.canary);
            series.stable = halved(&series.stable);
        }
        let whole = (series.until_ms - series.start_ms).div_euclid(series.width_ms);
        let whole = usize::try_from(whole).unwrap_or_default();
        if !all && whole < series.canary.len() {
            series.canary.truncate(whole);
            series.stable.truncate(whole);
        }
        series
    }

    /// Whether what was read can be what was written.
    pub(super) fn is_sound(&self) -> bool {
        let mut widths = (0..=DOUBLINGS_MAX).map(|doublings| WIDTH_MS << doublings);
        self.canary.len() <= BINS_MAX
            && self.canary.len() == self.stable.len()
            && widths.any(|width| width == self.width_ms)
            && self.start_ms <= self.until_ms
            && self
                .canary
                .iter()
                .chain(&self.stable)
                .all(|bin| bin.watched_ms >= 0 && bin.errors <= bin.requests)
    }
}

impl Bin {
    /// Both together.
    fn and(self, other: Self) -> Self {
        let latency_us = match (self.latency_us, other.latency_us) {
            (Some(one), Some(other)) => Some([0, 1, 2].map(|at| one[at].max(other[at]))),
            (one, other) => one.or(other),
        };
        Self {
            watched_ms: self.watched_ms + other.watched_ms,
            requests: self.requests + other.requests,
            errors: self.errors + other.errors,
            latency_us,
        }
    }
}

fn halved(bins: &[Bin]) -> Vec<Bin> {
    bins.chunks(2)
        .map(|pair| pair.iter().fold(Bin::default(), |sum, bin| sum.and(*bin)))
        .collect()
}

impl From<Written> for Bin {
    fn from((watched_ms, requests, errors, latency_us): Written) -> Self {
        Self {
            watched_ms,
            requests,
            errors,
            latency_us,
        }
    }
}

impl From<Bin> for Written {
    fn from(bin: Bin) -> Self {
        (bin.watched_ms, bin.requests, bin.errors, bin.latency_us)
    }
}

#[cfg(test)]
mod tests;
