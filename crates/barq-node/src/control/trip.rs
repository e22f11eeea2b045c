//! A trip: the traffic is moved in memory by the thread that saw the deciding error; everything else follows.
//!
//! What `kill -9` does: before the table is swapped, the wire had closed already; after the swap and before the write, the
//! node starts again with the canary at 0 % and, from the counters, finds the limit reached: the trip is told then.

use std::sync::Arc;
use std::time::{Duration, Instant};

use barq_judge::{Standing, TripNow};
use jiff::{SignedDuration, Timestamp};

use super::service::{Service, State};
use super::{Dirty, Services};
use crate::api::Trip;
use crate::moment;
use crate::proxy::Verdict;

impl Services {
    /// Takes a verdict from a thread of the proxy.
    pub(crate) fn on_verdict(&self, verdict: &Verdict<'_>) {
        match verdict {
            Verdict::CanaryError { service } => self.mark_dirty(service, Dirty::Counters),
            Verdict::Tripped {
                service,
                revision,
                trip,
                decided,
            } => {
                let Some(service) = self.find(service) else {
                    return;
                };
                let mut state = service.lock();
                let is_held = state
                    .revisions
                    .get(&revision.name)
                    .is_some_and(|held| Arc::ptr_eq(held, revision));
                if is_held {
                    self.register_trip(&service, &mut state, &revision.name, *trip, *decided);
                }
            }
        }
    }

    /// A wire that has tripped while its thread still waits for the lock: the trip is told here, before anything else is
    /// decided.
    pub(super) fn absorb_trip(&self, service: &Service, state: &mut State) {
        let Some(canary) = state
            .canary()
            .filter(|canary| canary.wire.has_tripped())
            .cloned()
        else {
            return;
        };
        if state.control.standing() != Standing::Tripped {
            let trip = TripNow {
                errors: canary.wire.errors(),
                in_flight: canary.wire.in_flight(),
            };
            self.register_trip(service, state, &canary.name, trip, Instant::now());
        }
    }

    /// Tells the judge, swaps the table, and leaves the writing to the writer.
    pub(super) fn register_trip(
        &self,
        service: &Service,
        state: &mut State,
        revision: &str,
        now: TripNow,
        decided: Instant,
    ) {
        let Some(trip) = state.control.trip(revision, now.errors, now.in_flight) else {
            return;
        };
        self.publish(service, state);
        moment::reached(moment::TRIPPED, &service.name, trip.generation);
        let shifted = decided.elapsed();
        let trip = Trip {
            number: trip.number,
            revision: trip.revision,
            generation: trip.generation,
            step: trip.step,
            errors: trip.errors,
            at: before(Timestamp::now(), shifted),
            shifted_us: u64::try_from(shifted.as_micros()).unwrap_or(u64::MAX),
            in_flight: trip.in_flight,
        };
        tracing::warn!(
            service = service.name,
            revision,
            errors = trip.errors,
            shifted_us = trip.shifted_us,
            "the tripwire has tripped"
        );
        state.count_served(self.now());
        state.last_trip = Some(trip.clone());
        state.latched.insert(revision.to_owned(), trip);
        state.durable = false;
        self.mark_dirty(&service.name, Dirty::Configuration);
        self.mark_dirty(&service.name, Dirty::Counters);
        self.changed();
    }
}

fn before(at: Timestamp, span: Duration) -> Timestamp {
    SignedDuration::try_from(span)
        .ok()
        .and_then(|span| at.checked_sub(span).ok())
        .unwrap_or(at)
}
