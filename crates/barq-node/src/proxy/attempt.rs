//! The first attempt of a request that was routed by share: admitted, judged once, counted once.
//!
//! Judging and counting are apart: the tripwire hears of an error at once, while whether stable answered in the canary's
//! place is known only later. Whatever happens to the request, its attempt is judged and counted when it is dropped: then
//! the client went away. It must not know how the request is sent.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use barq_judge::{Admission, Outcome};
use jiff::Timestamp;

use super::request::Request;
use super::worker::Worker;
use super::{Revision, ServiceRoute, Verdict};
use crate::statistics::{Completed, Role};

/// What reports say of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) request: &'a Request,
    pub(super) client: IpAddr,
    pub(super) arrived: Instant,
}

/// A first attempt.
pub(super) struct Attempt<'a> {
    worker: &'a Worker,
    route: &'a ServiceRoute,
    revision: &'a Arc<Revision>,
    role: Option<Role>,
    gate: Option<Admission>,
    facts: Facts<'a>,
    judged: Option<Outcome>,
    counted: bool,
}

impl<'a> Attempt<'a> {
    /// An attempt of a request that the revision's wire has admitted.
    pub(super) fn new(
        worker: &'a Worker,
        route: &'a ServiceRoute,
        revision: &'a Arc<Revision>,
        gate: Admission,
        facts: Facts<'a>,
    ) -> Self {
        let role = route.trial.as_ref().and_then(|trial| {
            let is = |other: &Arc<Revision>| Arc::ptr_eq(other, revision);
            match (is(&trial.canary), is(&trial.stable.revision)) {
                (true, _) => Some(Role::Canary),
                (_, true) => Some(Role::Stable),
                _ => None,
            }
        });
        Self {
            worker,
            route,
            revision,
            role,
            gate: Some(gate),
            facts,
            judged: None,
            counted: false,
        }
    }

    /// The wire's admission, to be asked again after every wait.
    pub(super) fn gate(&self) -> Option<&Admission> {
        self.gate.as_ref()
    }

    /// Whether it goes to the canary.
    pub(super) fn is_canary(&self) -> bool {
        self.role == Some(Role::Canary)
    }

    /// The instance has nothing more to do with it: no longer in flight.
    pub(super) fn release(&mut self) {
        self.gate = None;
    }

    /// Says how it ended, the first time only; an error of the canary reaches the tripwire here.
    pub(super) fn judge(&mut self, outcome: Outcome) {
        if self.judged.is_some() {
            return;
        }
        self.judged = Some(outcome);
        if !outcome.is_error() || !self.is_canary() {
            return;
        }
        let decided = Instant::now();
        let service = self.route.service.as_str();
        let client = None;
        let now = self.worker.started.elapsed();
        let trip = self.revision.wire.record_error(client, now);
        (self.worker.on_verdict)(Verdict::CanaryError { service, client });
        if let Some(trip) = trip {
            let revision = self.revision;
            (self.worker.on_verdict)(Verdict::Tripped {
                service,
                revision,
                trip,
                decided,
            });
        }
    }

    /// Counts it, the first time only.
    pub(super) fn count(&mut self, shielded: bool) {
        if std::mem::replace(&mut self.counted, true) {
            return;
        }
        self.release();
        let now = Instant::now();
        let completed = Completed {
            method: self.facts.request.method(),
            path: self.facts.request.path(),
            outcome: self.judged.unwrap_or(Outcome::ClientGone),
            latency: now.saturating_duration_since(self.facts.arrived),
            request_id: self.facts.request.id(),
            client: self.facts.client,
            shielded,
            at: Timestamp::now(),
            second: now.saturating_duration_since(self.worker.started).as_secs(),
        };
        self.revision
            .statistics
            .record(self.worker.thread, &completed);
        if let (Some(role), Some(trial)) = (self.role, &self.route.trial) {
            trial.step.record(self.worker.thread, role, &completed);
            if completed.outcome.is_error() && self.is_canary() {
                let service = self.route.service.as_str();
                (self.worker.on_verdict)(Verdict::CanaryCounted { service });
            }
        }
    }

    /// Judges and counts.
    pub(super) fn finish(&mut self, outcome: Outcome) {
        self.judge(outcome);
        self.count(false);
    }

    /// Judges and counts, but leaves it in flight until the admission is dropped.
    pub(super) fn finish_and_hold(&mut self, outcome: Outcome) -> Option<Admission> {
        let gate = self.gate.take();
        self.finish(outcome);
        gate
    }

    /// It never began: the wire closed while it waited. It is routed anew, and counts there.
    pub(super) fn withdraw(mut self) {
        self.counted = true;
        self.release();
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.count(false);
    }
}
