//! The count of a canary's step: it goes on from one configuration to the next, and from one run to the next as far as it
//! was written.
//!
//! The tripwire and the statistics belong to a step, not to a generation: the server may plan a running step anew at any
//! time, and no error that was counted until then is lost to the limit. After a restart the count begins with the greatest
//! of what was noted (`tally`), what was written (`counters`) and what the server knew when it planned (`counted`). It must
//! not know how a request is counted.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use barq_judge::{Count, Noted, Past};

use super::disk::StoredCounters;
use super::service::{Service, State};
use super::tally::{Found, Tally};
use super::{Services, wall_ms};
use crate::api::{CanaryConfiguration, CanaryCounts, ServiceConfiguration};
use crate::statistics::{StepCounts, StepStatistics};

/// What earlier runs and the server know of a step.
pub(super) struct Before {
    pub(super) counters: StoredCounters,
    /// Errors one by one.
    pub(super) noted: Vec<Noted>,
    /// What others know of them.
    pub(super) known: [Past; 2],
}

impl Services {
    /// What an earlier run is known to have counted of the step of a configuration that was found on disk.
    pub(super) fn counted_before(
        &self,
        service: &str,
        generation: u64,
        canary: &CanaryConfiguration,
        planned: Past,
    ) -> Before {
        let now_ms = wall_ms();
        let mut found = self
            .disk
            .counters(service)
            .filter(|found| found.revision == canary.revision && found.step == canary.step)
            .unwrap_or_default();
        if found.generation != generation {
            // The time that a canary was served is counted by generation.
            found.served_ms = 0;
        }
        let noted = self.noted(service, canary, now_ms);
        let known = [written(&found, now_ms), planned];
        let errors = known.iter().map(|past| past.errors).max();
        found.tripwire_errors = noted.errors.max(errors.unwrap_or(0));
        // The statistics are written a moment later than the tripwire's: nothing that was counted may be missing when the
        // server is told.
        found.counts.errors = found.counts.errors.max(found.tripwire_errors);
        found.counts.requests = found.counts.requests.max(found.counts.errors);
        found.counts = found.counts.at_least(&counts(&canary.counted));
        Before {
            counters: found,
            noted: noted.last,
            known,
        }
    }

    /// Opens the tally of the step that a configuration is about to begin or to go on with.
    pub(super) async fn begin_tally(
        &self,
        service: &Arc<Service>,
        configuration: &ServiceConfiguration,
    ) {
        let Some(canary) = &configuration.canary else {
            return;
        };
        let path = self.disk.tally_path(&service.name);
        let (revision, step) = (canary.revision.clone(), canary.step);
        let opened = tokio::task::spawn_blocking(move || Tally::open(&path, &revision, step)).await;
        let opened = opened.map_err(io::Error::other).flatten();
        self.note_may_fail(&service.name, opened.as_ref().err());
        // A disk that takes no tally takes no configuration either: then the present step goes on with its own.
        if let Ok(tally) = opened {
            service.lock().tally = Some(Arc::new(tally));
        }
    }

    /// Notes an error of the canary: the thread that saw it calls this, before anything follows from the error.
    pub(super) fn note_error(&self, service: &Service, client: Option<u64>) {
        let tally = service.lock().tally.clone();
        if let Some(Err(error)) = tally.map(|tally| tally.note(wall_ms(), client)) {
            self.note_may_fail(&service.name, Some(&error));
        }
    }

    fn noted(&self, service: &str, canary: &CanaryConfiguration, now_ms: u64) -> Found {
        let path = self.disk.tally_path(service);
        let noted = Tally::read(&path, &canary.revision, canary.step, now_ms);
        self.note_may_fail(service, noted.as_ref().err());
        noted.ok().flatten().unwrap_or_default()
    }

    fn note_may_fail(&self, service: &str, error: Option<&io::Error>) {
        let words =
            |error| format!("an error of {service}'s canary may not survive a crash: {error}");
        self.degrade(&format!("tally {service}"), error.map(words));
    }

    /// The statistics under a configuration that is about to be accepted.
    pub(super) fn statistics(
        &self,
        state: &State,
        count: Count,
        canary: &CanaryConfiguration,
    ) -> Arc<StepStatistics> {
        let known = counts(&canary.counted);
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

/// What the counters' file knows of the tripwire's count.
fn written(found: &StoredCounters, now_ms: u64) -> Past {
    let errors = found.tripwire_errors;
    match &found.recent {
        Some(recent) => Past {
            errors,
            recent: recent.errors,
            age: Duration::from_millis(now_ms.saturating_sub(recent.at_ms)),
        },
        None => Past {
            errors,
            recent: errors,
            age: Duration::ZERO,
        },
    }
}

fn counts(counted: &CanaryCounts) -> StepCounts {
    StepCounts {
        requests: counted.requests,
        errors: counted.errors,
        shielded: counted.shielded,
        stable_requests: counted.stable_requests,
        stable_errors: counted.stable_errors,
        ..StepCounts::default()
    }
}
