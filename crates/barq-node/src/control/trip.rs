//! A trip: the traffic is moved in memory by the thread that saw the deciding error; everything else follows.
//!
//! What `kill -9` does: before the table is swapped, the wire had closed already; after the swap and before the write, the
//! node starts again with the canary at 0 % and, from the tally of its errors, finds the limit reached: the trip is told
//! then.

use std::sync::Arc;
use std::time::{Duration, Instant};

use barq_judge::{Standing, TripNow};
use jiff::{SignedDuration, Timestamp};

use super::service::{Service, State};
use super::{Dirty, Services};
use crate::api::{Recall, Trip};
use crate::moment;
use crate::proxy::Verdict;

impl Services {
    /// Takes a verdict from a thread of the proxy.
    pub(crate) fn on_verdict(&self, verdict: &Verdict<'_>) {
        match verdict {
            Verdict::CanaryError { service, client } => {
                if let Some(service) = self.find(service) {
                    self.note_error(&service, *client);
                }
                self.mark_dirty(service, Dirty::Counters);
            }
            Verdict::CanaryCounted { service } => self.mark_dirty(service, Dirty::Counters),
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
        let tripped = (state.canary().cloned()).and_then(|it| Some((it.wire.tripped()?, it)));
        let Some((trip, canary)) = tripped else {
            return;
        };
        if state.control.standing() != Standing::Tripped {
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
        let occasion = Occasion {
            since: decided,
            recall: None,
        };
        self.remember(service, state, trip, occasion);
    }

    /// The table is swapped: tells the trip to whoever asks, and leaves the writing to the writer.
    pub(super) fn remember(
        &self,
        service: &Service,
        state: &mut State,
        judged: barq_judge::Trip,
        occasion: Occasion,
    ) -> Trip {
        moment::reached(moment::TRIPPED, &service.name, judged.generation);
        let shifted = occasion.since.elapsed();
        let trip = Trip {
            number: judged.number,
            revision: judged.revision,
            generation: judged.generation,
            step: judged.step,
            errors: judged.errors,
            at: before(Timestamp::now(), shifted),
            shifted_us: u64::try_from(shifted.as_micros()).unwrap_or(u64::MAX),
            in_flight: judged.in_flight,
            recall: occasion.recall,
        };
        tracing::warn!(
            service = service.name,
            revision = trip.revision,
            errors = trip.errors,
            shifted_us = trip.shifted_us,
            "{}",
            match &trip.recall {
                None => "the tripwire has tripped",
                Some(_) => "the traffic was recalled",
            }
        );
        state.count_served(self.now());
        state.last_trip = Some(trip.clone());
        state.latched.insert(trip.revision.clone(), trip.clone());
        state.durable = false;
        self.mark_dirty(&service.name, Dirty::Configuration);
        self.mark_dirty(&service.name, Dirty::Counters);
        self.changed();
        trip
    }
}

/// What a trip came of.
pub(super) struct Occasion {
    /// The deciding error, or the arrival of the word.
    pub(super) since: Instant,
    /// The word, if it was one.
    pub(super) recall: Option<Box<Recall>>,
}

fn before(at: Timestamp, span: Duration) -> Timestamp {
    SignedDuration::try_from(span)
        .ok()
        .and_then(|span| at.checked_sub(span).ok())
        .unwrap_or(at)
}
