//! One probe's standing: when it is asked next, and how often it has failed in a row.
//!
//! It must not know what follows from a failure.

use std::time::{Duration, Instant};

use super::{Action, Probe};
use crate::api::ProbeConfiguration;

/// One probe's standing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::instances) struct Check {
    /// Failures in a row.
    failures: u32,
    /// When it is asked next; `None` while it is being asked.
    pub(super) next: Option<Instant>,
    /// When it was asked last: the period is measured between starts.
    asked: Instant,
}

impl Check {
    /// Not asked yet.
    pub(super) fn first(now: Instant, delay: Duration) -> Self {
        Self {
            failures: 0,
            next: Some(now + delay),
            asked: now,
        }
    }

    /// Has it asked if its time has come.
    pub(super) fn ask_if_due(&mut self, probe: Probe, now: Instant, actions: &mut Vec<Action>) {
        if self.next.is_some_and(|next| now >= next) {
            self.next = None;
            self.asked = now;
            actions.push(Action::Ask(probe));
        }
    }

    /// Forgets failures.
    pub(super) fn passed(&mut self, probe: &ProbeConfiguration, now: Instant) {
        self.failures = 0;
        self.again(probe, now);
    }

    /// Counts a failure; whether that was the last one allowed.
    pub(super) fn failed(&mut self, probe: &ProbeConfiguration, now: Instant) -> bool {
        self.failures = self.failures.saturating_add(1);
        self.again(probe, now);
        self.failures >= probe.failures.max(1)
    }

    fn again(&mut self, probe: &ProbeConfiguration, now: Instant) {
        self.next = Some(now.max(self.asked + Duration::from_millis(probe.period_ms.max(1))));
    }
}
