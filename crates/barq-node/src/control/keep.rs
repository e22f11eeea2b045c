//! What time does: leases run out, the clock of a served canary goes on, watches fill and empty.
//!
//! One task, woken by the next deadline, by a change, or by the instances. It takes each service's lock for an instant.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use super::service::{Service, State};
use super::{Dirty, Services};
use crate::moment;

/// Between two looks at what only time changes.
const KEEP_PERIOD: Duration = Duration::from_millis(500);
/// How often a canary's counters are written where nothing else asks for it: what a node that is killed loses of the evidence.
const COUNTERS_PERIOD: Duration = Duration::from_secs(2);

impl Services {
    /// Keeps for ever. `instances` counts the changes of the instances.
    pub(crate) async fn keep(&self, mut instances: watch::Receiver<u64>) {
        let mut written_at = self.now();
        loop {
            let now = self.now();
            if now.saturating_sub(written_at) >= COUNTERS_PERIOD {
                self.mark_canaries();
                written_at = now;
            }
            let deadline = self
                .all()
                .iter()
                .filter_map(|service| service.lock().control.next_deadline())
                .min();
            let wait = deadline.map_or(KEEP_PERIOD, |deadline| {
                deadline.saturating_sub(now).min(KEEP_PERIOD)
            });
            let instances_changed = tokio::select! {
                // First what is due, then what has changed: a flood of changes must not delay a lease.
                biased;
                () = tokio::time::sleep(wait) => false,
                () = self.wake.notified() => false,
                changed = instances.changed() => {
                    if changed.is_err() {
                        // The instances are gone: the node is stopping, and only time is left.
                        tokio::time::sleep(wait).await;
                    }
                    true
                }
            };
            for service in self.all() {
                self.keep_one(&service, instances_changed);
            }
            if instances_changed {
                self.changes.send_modify(|change| *change += 1);
            }
        }
    }

    /// Looks at one service now.
    pub(super) fn keep_one(&self, service: &Service, instances_changed: bool) {
        let now = self.now();
        let mut state = service.lock();
        if state.control.tick(now) {
            tracing::warn!(
                service = service.name,
                "the canary's lease has run out: stable has all traffic"
            );
            self.take_back(service, &state);
        } else if instances_changed {
            self.publish(service, &state);
        }
        state.count_served(now);
        if self.look_at_watch(&mut state) {
            self.changes.send_modify(|change| *change += 1);
        }
    }

    pub(super) fn take_back(&self, service: &Service, state: &State) {
        if let Some(canary) = state.canary() {
            canary.wire.close();
        }
        self.publish(service, state);
        let generation = state.control.generation();
        moment::reached(moment::LEASE_ENDED, &service.name, generation);
        self.mark_dirty(&service.name, Dirty::Counters);
        self.changes.send_modify(|change| *change += 1);
    }

    /// True when the watch's limit was reached by now, for the first time.
    fn look_at_watch(&self, state: &mut State) -> bool {
        let exceeded = state
            .configuration
            .as_ref()
            .and_then(|configuration| configuration.watch.as_ref())
            .is_some_and(|watch| {
                state.watch_exceeded_at.is_none()
                    && self.watch_errors(state, watch) >= watch.max_errors
            });
        if exceeded {
            state.watch_exceeded_at = Some(Timestamp::now());
        }
        exceeded
    }
}
