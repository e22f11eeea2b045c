//! How many instances a revision wants, from the requests that were in flight.
//!
//! Cloud Run's rule: so many that each handles 70 % of its concurrency on average. Up fast (a short window, of which what
//! was not seen counts as idle: the requests that queued while the node restarted are a moment, not a load), down slowly
//! (a long window, which must have been seen whole: after a restart of the node nobody knows what the load was). Pure:
//! samples come with their time. It must not know instances; which of them goes is the fleet's matter.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::api::InstanceRange;

/// The share of an instance's concurrency that scaling aims at, as Cloud Run's 60 % to 70 %.
pub const UTILIZATION_TARGET: f64 = 0.7;

/// The window whose average scales up (Knative's panic window).
pub const SCALE_UP_WINDOW: Duration = Duration::from_secs(6);

/// The window whose average scales down (Knative's stable window).
pub const SCALE_DOWN_WINDOW: Duration = Duration::from_secs(60);

/// Between two samples of what is in flight.
pub const SAMPLE_PERIOD: Duration = Duration::from_millis(500);

/// Samples kept: the long window's, and one more.
const SAMPLES_MAX: usize = samples_in(SCALE_DOWN_WINDOW) as usize + 1;

/// The instances that handle `in_flight` requests at the target utilization, within the bounds.
pub(super) fn desired(in_flight: f64, concurrency: u32, range: InstanceRange) -> u32 {
    let per_instance = UTILIZATION_TARGET * f64::from(concurrency.max(1));
    // A cast of a float saturates, and the bounds follow: nothing is lost that matters.
    let wanted = (in_flight.max(0.0) / per_instance).ceil() as u32;
    wanted.min(range.max).max(range.min.min(range.max))
}

/// The samples of the last window, and what was wanted last.
#[derive(Debug, Clone)]
pub(super) struct Autoscaler {
    since: Instant,
    samples: VecDeque<(Instant, u32)>,
    wanted: u32,
}

impl Autoscaler {
    /// Starts with so many wanted; it takes a whole long window until fewer are.
    pub(super) fn new(wanted: u32, now: Instant) -> Self {
        Self {
            since: now,
            samples: VecDeque::new(),
            wanted,
        }
    }

    /// Takes a sample of what is in flight or waits for an instance.
    pub(super) fn sample(&mut self, in_flight: u32, now: Instant) {
        self.samples.push_back((now, in_flight));
        while self.samples.len() > SAMPLES_MAX {
            self.samples.pop_front();
        }
    }

    /// Decides how many are wanted now.
    pub(super) fn decide(&mut self, concurrency: u32, range: InstanceRange, now: Instant) -> u32 {
        let current = desired(
            0.0,
            1,
            InstanceRange {
                min: self.wanted.max(range.min),
                max: range.max,
            },
        );
        let up = desired(self.average(SCALE_UP_WINDOW, now), concurrency, range);
        let down = if now.saturating_duration_since(self.since) >= SCALE_DOWN_WINDOW {
            desired(self.average(SCALE_DOWN_WINDOW, now), concurrency, range)
        } else {
            current
        };
        self.wanted = up.max(down.min(current));
        self.wanted
    }

    fn average(&self, window: Duration, now: Instant) -> f64 {
        let recent = self
            .samples
            .iter()
            .rev()
            .take_while(|(at, _)| now.saturating_duration_since(*at) <= window);
        let (seen, sum) = recent.fold((0_u32, 0_u64), |(seen, sum), (_, value)| {
            (seen + 1, sum + u64::from(*value))
        });
        sum as f64 / f64::from(seen.max(samples_in(window)))
    }
}

const fn samples_in(window: Duration) -> u32 {
    (window.as_millis() / SAMPLE_PERIOD.as_millis()) as u32
}

#[cfg(test)]
mod tests;
