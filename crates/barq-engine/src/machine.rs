//! The part of the loop that has no clock, no storage and no tasks: the state, what is seen, what is in flight.
//!
//! The live loop and the simulation drive the same value, so what the simulation finds is what would happen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use barq_core::command::{Command, Context, Rejection};
use barq_core::effect::{Effect, EffectKey};
use barq_core::event::{Actor, Recorded};
use barq_core::identity::ServiceId;
use barq_core::observation::{Observation, Observed};
use barq_core::rollout::Phase;
use barq_core::state::State;
use jiff::Timestamp;

use crate::ports::Lease;

/// A lease is renewed once less than this share of it is left: 1 / `RENEW_BELOW_PARTS` of it has passed.
const RENEW_BELOW_PARTS: u64 = 3;

/// State, observations, and effects in flight.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    state: Arc<State>,
    observed: Arc<Observed>,
    in_flight: BTreeSet<EffectKey>,
}

impl Machine {
    /// What the journal adds up to.
    pub fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// The latest observations.
    pub fn observed(&self) -> &Arc<Observed> {
        &self.observed
    }

    /// What would happen if `command` were given. Nothing changes until the events are appended and `apply`ed.
    ///
    /// # Errors
    /// `Rejection`: the rules refuse it.
    pub fn decide(
        &self,
        actor: &Actor,
        command: Command,
        now: Timestamp,
        jitter: f64,
    ) -> Result<Vec<Recorded>, Rejection> {
        let context = Context {
            now,
            actor,
            observed: &self.observed,
            jitter,
        };
        barq_core::decide(&self.state, command, &context)
    }

    /// Changes the state as events say that are in the journal now.
    pub fn apply<'a>(&mut self, events: impl IntoIterator<Item = &'a Recorded>) {
        let state = Arc::make_mut(&mut self.state);
        for event in events {
            barq_core::state::apply(state, event);
        }
    }

    /// Remembers what is seen of a service.
    pub fn see(&mut self, service: ServiceId, observation: Observation) {
        Arc::make_mut(&mut self.observed).insert(service, observation);
    }

    /// The effects that must begin now; from here on they are in flight.
    pub fn begin_due(&mut self, now: Timestamp) -> BTreeMap<EffectKey, Effect> {
        let mut due = barq_core::pending(&self.state, now);
        due.retain(|key, _| !self.in_flight.contains(key));
        self.in_flight.extend(due.keys().cloned());
        due
    }

    /// The effect came to its end, whatever that was.
    pub fn end(&mut self, key: &EffectKey) {
        self.in_flight.remove(key);
    }

    /// Effects in flight whose outcome no longer matters; they are no longer counted as in flight.
    pub fn drop_obsolete(&mut self) -> Vec<EffectKey> {
        let wanted = barq_core::unfinished(&self.state);
        let obsolete: Vec<EffectKey> = self
            .in_flight
            .iter()
            .filter(|key| !wanted.contains_key(key))
            .cloned()
            .collect();
        for key in &obsolete {
            self.in_flight.remove(key);
        }
        obsolete
    }

    /// When to wake, where nothing else comes before.
    pub fn next_deadline(&self, now: Timestamp) -> Option<Timestamp> {
        barq_core::next_deadline(&self.state, now)
    }

    /// Whether a lease must be renewed: its canary was just judged and may go on. A rollout that is being taken back is
    /// not kept alive, and neither is a lease of a plan that is no longer the present one.
    pub fn renews(&self, lease: &Lease) -> bool {
        let Some(service) = self.state.service(&lease.service) else {
            return false;
        };
        let Some(rollout) = self.state.running(service) else {
            return false;
        };
        let wanted = matches!(
            rollout.phase,
            Phase::Preparing { .. } | Phase::Holding | Phase::Verifying { .. }
        );
        let lease_ms = u64::try_from(rollout.start.settings.lease.as_millis()).unwrap_or(u64::MAX);
        let aged = lease.remaining_ms < lease_ms.saturating_sub(lease_ms / RENEW_BELOW_PARTS);
        wanted && aged && lease.remaining_ms > 0 && lease.generation == service.generation
    }
}
