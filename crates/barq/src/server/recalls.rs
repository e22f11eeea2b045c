//! Rollbacks while nothing can be recorded: the node moves the traffic at once, on its veto towards stable, and the engine
//! records it when it hears of that.
//!
//! The rules decide where the traffic goes, as always. What was ordered is kept here in memory until it is recorded: a node
//! that restarts on a full disk has forgotten it, and is told again. Neither this nor the node survives the end of both.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use barq_core::command::Command;
use barq_core::event::Trip;
use barq_core::identity::ServiceId;
use barq_engine::engine::View;
use barq_engine::ports::{RecallOrder, Recalled};
use barq_engine::recall;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};

use super::convert::in_milliseconds;
use super::idempotency::{Done, Order};
use super::problem::Problem;
use super::shapes::Rollback;
use super::{Server, Shared, disk, dry};
use crate::output::chain;

/// A journal that has not answered by then counts as one that can't be written: the traffic must not wait for it.
const RECORD_MAX: Duration = Duration::from_secs(3);
/// The node is looked at twice a second, and at once when something changed there.
const SEEN_MAX: Duration = Duration::from_secs(2);
/// Between two looks at what is not recorded yet.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What was ordered and is not recorded yet: the last order of each service.
#[derive(Default)]
pub(super) struct Recalls(Mutex<BTreeMap<ServiceId, Pending>>);

#[derive(Clone)]
struct Pending {
    order: RecallOrder,
    /// The number of the trip that it was told as.
    trip: u64,
}

impl Recalls {
    fn keep(&self, order: RecallOrder, trip: u64) {
        let service = order.service.clone();
        self.lock().insert(service, Pending { order, trip });
    }

    fn all(&self) -> Vec<Pending> {
        self.lock().values().cloned().collect()
    }

    /// The order was told again, as another trip. Only if nothing was ordered since.
    fn told_again(&self, pending: &Pending, trip: u64) {
        let mut all = self.lock();
        let kept = all.get_mut(&pending.order.service);
        if let Some(kept) = kept.filter(|it| it.order == pending.order) {
            kept.trip = trip;
        }
    }

    /// Only if nothing was ordered since.
    fn forget(&self, pending: &Pending) {
        let mut all = self.lock();
        let service = &pending.order.service;
        if all.get(service).is_some_and(|it| it.order == pending.order) {
            all.remove(service);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ServiceId, Pending>> {
        // Nothing is done under the lock that could leave it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells a node again what it has forgotten, until it is recorded.
pub(super) async fn repeat_for_ever(server: Shared) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        for pending in server.recalls.all() {
            server.repeat(pending).await;
        }
    }
}

impl Server {
    /// Gives a rollback's command; the inner error says why it could not be recorded.
    pub(super) async fn record_rollback(
        &self,
        order: &Order,
        command: Command,
        now: Timestamp,
    ) -> Result<Result<Done, String>, Problem> {
        let given = self.try_to_carry_out(order, command, now);
        let Ok(done) = tokio::time::timeout(RECORD_MAX, given).await else {
            let waited_s = RECORD_MAX.as_secs();
            return Ok(Err(format!(
                "the journal did not answer within {waited_s} s"
            )));
        };
        Ok(done?.map_err(|error| disk::because(self.data.root(), &chain(&error))))
    }

    /// Moves the traffic of a rollback that could not be recorded, as far as the node can do that alone.
    pub(super) async fn recall(
        &self,
        order: &Order,
        service: &ServiceId,
        command: Command,
        requested_at: Timestamp,
        unrecorded: String,
    ) -> Result<Rollback, Problem> {
        let begun = Instant::now();
        let refuse = |why: String| {
            let title = format!("{service} was not rolled back");
            Problem::new(StatusCode::INSUFFICIENT_STORAGE, title)
                .because(format!(
                    "{unrecorded}; and nothing can move before it is recorded: {why}"
                ))
                .hint("make room on the disk of the data directory, then try it again")
        };
        let view = self.engine.view();
        let decided = dry::decide(&view, command, &order.actor, requested_at)?;
        let request = order.record(String::new(), requested_at);
        let ordered = recall::order(
            &view.state,
            service,
            &order.actor,
            &decided,
            request.as_ref(),
        );
        let ordered = ordered.map_err(refuse)?;
        let recalled = self.data_plane.recall(&ordered).await;
        let (trip, durable) = match recalled.map_err(|error| refuse(error.to_string()))? {
            Recalled::Moved { trip, durable } => (trip, durable),
            Recalled::Refused { why } => return Err(refuse(why)),
        };
        tracing::warn!(%service, by = %order.actor, "traffic was taken back without a record");
        let answer = answered(&view, &ordered, &trip, requested_at, begun.elapsed());
        let number = trip.number;
        self.recalls.keep(ordered, number);
        // What is asked next is to be answered by what is so now.
        let seen = |view: &View| {
            let service = view.observed.get(service);
            let trip = service.and_then(|it| it.trip.as_ref());
            trip.is_some_and(|trip| trip.number >= number)
        };
        let mut watch = self.engine.watch();
        let told = tokio::time::timeout(SEEN_MAX, watch.wait_for(seen)).await;
        if !told.is_ok_and(|told| told.is_ok()) {
            tracing::warn!(%service, "the node moved the traffic and is not seen");
        }
        Ok(Rollback {
            unrecorded: Some(in_words(&unrecorded, durable)),
            ..answer
        })
    }

    async fn repeat(&self, pending: Pending) {
        let view = self.engine.view();
        let service = &pending.order.service;
        let heard = view.state.service(service).map_or(0, |it| it.last_trip);
        if heard >= pending.trip {
            tracing::warn!(%service, "what was taken back without a record is recorded now");
            return self.recalls.forget(&pending);
        }
        let seen = view.seen.services.get(service);
        let told = seen.and_then(|it| it.observation.trip.as_ref());
        let is_known = told.is_some_and(|trip| trip.number >= pending.trip);
        if is_known || view.data_plane_error.is_some() {
            return;
        }
        match self.data_plane.recall(&pending.order).await {
            Ok(Recalled::Moved { trip, .. }) => {
                self.recalls.told_again(&pending, trip.number);
            }
            Ok(Recalled::Refused { why }) => {
                tracing::error!(%service, why, "what was taken back could not be taken back again");
                self.recalls.forget(&pending);
            }
            Err(error) => tracing::debug!(%service, %error, "the node is asked again"),
        }
    }
}

fn answered(
    view: &View,
    ordered: &RecallOrder,
    trip: &Trip,
    requested_at: Timestamp,
    took: Duration,
) -> Rollback {
    let shifted_us =
        SignedDuration::from_micros(i64::try_from(trip.shifted_us).unwrap_or(i64::MAX));
    let shifted_at = trip.at.checked_add(shifted_us).ok();
    // By this command, or by what came before it.
    let took_us = match trip.at < requested_at {
        true => trip.shifted_us,
        false => u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
    };
    let rollout = view
        .state
        .service(&ordered.service)
        .and_then(|service| service.revision(&ordered.revision))
        .map(|revision| revision.rollout.to_string());
    Rollback {
        service: ordered.service.to_string(),
        from: Some(ordered.revision.to_string()),
        to: ordered.recall.to.to_string(),
        reason: ordered.recall.message.clone(),
        rollout,
        incident: None,
        requested_at,
        shifted_at,
        shifted_ms: Some(in_milliseconds(took_us)),
        recorded: false,
        unrecorded: None,
    }
}

fn in_words(unrecorded: &str, durable: bool) -> String {
    let kept = match durable {
        true => "the node has it on its disk",
        false => "the node keeps it in memory",
    };
    format!(
        "{unrecorded}; {kept}. Make room: then it is recorded, with its incident, by itself. Until then nothing is deployed"
    )
}

#[cfg(test)]
mod tests;
