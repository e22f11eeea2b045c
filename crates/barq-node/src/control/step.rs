//! The count of a canary's step: it goes on from one configuration to the next, and from one run to the next as far as it
//! was written.
//!
//! The tripwire and the statistics belong to a step, not to a generation: the server may plan a running step anew at any
//! time, and no error that was counted until then is lost to the limit. What it knew when it planned (`counted`) is where
//! the count begins at the least: after a restart that is all there is of what was not written. It must not know how a
//! request is counted.

use std::sync::Arc;

use barq_judge::Count;

use super::Services;
use super::disk::StoredCounters;
use super::service::State;
use crate::api::{CanaryConfiguration, CanaryCounts};
use crate::statistics::{StepCounts, StepStatistics};

impl Services {
    /// What an earlier run is known to have counted of the step of a configuration that was found on disk.
    pub(super) fn counted_before(
        &self,
        service: &str,
        generation: u64,
        canary: &CanaryConfiguration,
    ) -> StoredCounters {
        let mut found = self
            .disk
            .counters(service)
            .filter(|found| found.revision == canary.revision && found.step == canary.step)
            .unwrap_or_default();
        if found.generation != generation {
            // The time that a canary was served is counted by generation.
            found.served_ms = 0;
        }
        found.tripwire_errors = found.tripwire_errors.max(canary.counted.errors);
        // The statistics are written a moment later than the tripwire's: nothing that was counted may be missing when the
        // server is told.
        found.counts.errors = found.counts.errors.max(found.tripwire_errors);
        found.counts.requests = found.counts.requests.max(found.counts.errors);
        found.counts = found.counts.at_least(&known(&canary.counted));
        found
    }

    /// The statistics under a configuration that is about to be accepted.
    pub(super) fn statistics(
        &self,
        state: &State,
        count: Count,
        canary: &CanaryConfiguration,
    ) -> Arc<StepStatistics> {
        let known = known(&canary.counted);
        let present = state
            .step
            .as_ref()
            .filter(|_| matches!(count, Count::On(_)));
        let counts = present.map_or(known, |step| step.counts().at_least(&known));
        match present {
            // What is on its way is counted here when it ends.
            Some(step) if step.counts().at_least(&known) == step.counts() => Arc::clone(step),
            _ => Arc::new(StepStatistics::new(counts, self.threads)),
        }
    }
}

/// What was counted beyond what the server knew.
pub(super) fn beyond(counts: StepCounts, counted: &CanaryCounts) -> StepCounts {
    StepCounts {
        requests: counts.requests.saturating_sub(counted.requests),
        errors: counts.errors.saturating_sub(counted.errors),
        shielded: counts.shielded.saturating_sub(counted.shielded),
        stable_requests: counts
            .stable_requests
            .saturating_sub(counted.stable_requests),
        stable_errors: counts.stable_errors.saturating_sub(counted.stable_errors),
        ..counts
    }
}

fn known(counted: &CanaryCounts) -> StepCounts {
    StepCounts {
        requests: counted.requests,
        errors: counted.errors,
        shielded: counted.shielded,
        stable_requests: counted.stable_requests,
        stable_errors: counted.stable_errors,
        ..StepCounts::default()
    }
}
