//! What is kept in memory, and how a look changes it: pure, the time is an argument.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use barq_core::identity::{RevisionName, RolloutId, ServiceId};
use barq_core::state::State;
use barq_engine::ports::{Seen, ServiceSeen};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::hour::{Hour, Minutes};
use super::look::{Counters, Looks, Since};
use super::series::{Series, Side};

/// Rollouts of which a series is kept: the newest.
pub(super) const ROLLOUTS_MAX: usize = 100;
/// A series goes on for so long after its rollout's end: how stable does once it has all traffic again is part of it.
const AFTER_END: SignedDuration = SignedDuration::from_secs(60);

/// Everything that is kept.
#[derive(Debug, Default)]
pub(super) struct Store {
    seen: Option<Arc<Seen>>,
    looks: Looks,
    hours: BTreeMap<ServiceId, Minutes>,
    rollouts: BTreeMap<RolloutId, Watched>,
    hours_changed: bool,
    rollouts_changed: BTreeSet<RolloutId>,
    rollouts_dropped: BTreeSet<RolloutId>,
}

/// A rollout's series, and what it is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Watched {
    pub(super) rollout: RolloutId,
    pub(super) service: ServiceId,
    pub(super) canary: RevisionName,
    pub(super) stable: Option<RevisionName>,
    pub(super) started_at: Timestamp,
    /// Nothing more is added.
    pub(super) closed: bool,
    pub(super) series: Series,
}

/// What is to be written, or could not be.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) hours: Option<BTreeMap<ServiceId, Minutes>>,
    pub(super) rollouts: Vec<Watched>,
    pub(super) dropped: Vec<RolloutId>,
}

impl Store {
    /// With what was read.
    pub(super) fn of(hours: BTreeMap<ServiceId, Minutes>, rollouts: Vec<Watched>) -> Self {
        let rollouts = rollouts.into_iter().map(|it| (it.rollout.clone(), it));
        let mut store = Self {
            hours,
            rollouts: rollouts.collect(),
            ..Self::default()
        };
        store.drop_oldest();
        store
    }

    /// Takes a look into account. The same look again changes nothing.
    pub(super) fn see(&mut self, state: &State, seen: &Arc<Seen>, now: Timestamp) {
        self.open(state, now);
        self.close(state, now);
        let new = self
            .seen
            .as_ref()
            .is_none_or(|before| !Arc::ptr_eq(before, seen));
        if !new {
            return;
        }
        self.seen = Some(Arc::clone(seen));
        for (service, it) in &seen.services {
            let since = self.looks.look(service, sums(it), now.as_millisecond());
            if let Some(since) = since {
                self.record(service, it, &since);
            }
        }
        self.hours
            .retain(|_, minutes| !minutes.is_over(now.as_millisecond()));
        self.looks
            .retain(|service| seen.services.contains_key(service));
    }

    /// The hour that ends now.
    pub(super) fn hour(&self, service: &ServiceId, now: Timestamp) -> Hour {
        let none = Minutes::default();
        let minutes = self.hours.get(service).unwrap_or(&none);
        minutes.hour(now.as_millisecond())
    }

    /// What is kept of a rollout.
    pub(super) fn rollout(&self, id: &RolloutId) -> Option<Series> {
        self.rollouts.get(id).map(|watched| watched.series.clone())
    }

    /// What has changed since it was taken last.
    pub(super) fn take_changes(&mut self) -> Changes {
        let hours = std::mem::take(&mut self.hours_changed).then(|| self.hours.clone());
        let changed = std::mem::take(&mut self.rollouts_changed);
        let rollouts = changed.iter().filter_map(|id| self.rollouts.get(id));
        Changes {
            hours,
            rollouts: rollouts.cloned().collect(),
            dropped: std::mem::take(&mut self.rollouts_dropped)
                .into_iter()
                .collect(),
        }
    }

    /// What could not be written is tried again.
    pub(super) fn put_back(&mut self, changes: Changes) {
        self.hours_changed |= changes.hours.is_some();
        let rollouts = changes.rollouts.into_iter().map(|it| it.rollout);
        self.rollouts_changed
            .extend(rollouts.filter(|id| self.rollouts.contains_key(id)));
        self.rollouts_dropped.extend(changes.dropped);
    }

    /// A series for each rollout that has begun.
    fn open(&mut self, state: &State, now: Timestamp) {
        let running = state
            .services
            .values()
            .filter_map(|service| state.running(service));
        for rollout in running.filter(|rollout| !rollout.ended()) {
            if self.rollouts.contains_key(&rollout.id) {
                continue;
            }
            let watched = Watched {
                rollout: rollout.id.clone(),
                service: rollout.start.service.clone(),
                canary: rollout.start.revision.clone(),
                stable: rollout.start.stable.clone(),
                started_at: rollout.started_at,
                closed: false,
                series: Series::new(now.as_millisecond()),
            };
            self.rollouts.insert(rollout.id.clone(), watched);
        }
        self.drop_oldest();
    }

    /// No more is added once a rollout has ended, the time after it is over, and no guard watches its revision.
    fn close(&mut self, state: &State, now: Timestamp) {
        for watched in self.rollouts.values_mut().filter(|it| !it.closed) {
            let guarded = state
                .service(&watched.service)
                .and_then(|service| service.guard.as_ref())
                .is_some_and(|guard| guard.rollout == watched.rollout);
            let goes_on = state.rollout(&watched.rollout).is_some_and(|rollout| {
                let ended = rollout.finished_at.filter(|_| rollout.ended());
                ended.is_none_or(|ended| now < ended.saturating_add(AFTER_END).unwrap_or(now))
            });
            if !guarded && !goes_on {
                watched.closed = true;
                self.rollouts_changed.insert(watched.rollout.clone());
            }
        }
    }

    fn record(&mut self, service: &ServiceId, seen: &ServiceSeen, since: &Since) {
        let all = since
            .revisions
            .values()
            .fold(Counters::default(), |sum, it| Counters {
                requests: sum.requests + it.requests,
                errors: sum.errors + it.errors,
            });
        let minutes = self.hours.entry(service.clone()).or_default();
        self.hours_changed |= minutes.record(since.span, all);
        let open = self.rollouts.values_mut();
        for watched in open.filter(|it| !it.closed && it.service == *service) {
            let sides = [
                (Side::Canary, Some(&watched.canary)),
                (Side::Stable, watched.stable.as_ref()),
            ];
            for (side, name) in sides {
                let Some(name) = name else { continue };
                let Some(counters) = since.revisions.get(name) else {
                    continue;
                };
                let detail = seen.details.get(name);
                let latency_us = detail.and_then(|detail| detail.latency_us);
                watched
                    .series
                    .record(side, since.span, *counters, latency_us);
            }
            self.rollouts_changed.insert(watched.rollout.clone());
        }
    }

    fn drop_oldest(&mut self) {
        while self.rollouts.len() > ROLLOUTS_MAX {
            let oldest = self.rollouts.values().min_by_key(|it| it.started_at);
            let Some(oldest) = oldest.map(|it| it.rollout.clone()) else {
                return;
            };
            self.rollouts.remove(&oldest);
            self.rollouts_changed.remove(&oldest);
            self.rollouts_dropped.insert(oldest);
        }
    }
}

fn sums(seen: &ServiceSeen) -> BTreeMap<RevisionName, Counters> {
    let sum = |(name, detail): (&RevisionName, &barq_engine::ports::RevisionDetail)| {
        let counters = Counters {
            requests: detail.requests,
            errors: detail.errors,
        };
        (name.clone(), counters)
    };
    seen.details.iter().map(sum).collect()
}

#[cfg(test)]
mod tests;
