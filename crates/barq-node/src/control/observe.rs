//! What the node sees, put together for whoever asks. Observed, never intended: the shares are those of the judge, the
//! generation is that of the route table.

use std::collections::BTreeMap;
use std::time::Duration;

use barq_judge::Standing;
use jiff::Timestamp;

use super::service::{Service, State};
use super::step::beyond;
use super::{Services, lock};
use crate::api::{
    CanaryObservation, CanaryState, Observations, RevisionObservation, ServiceObservation, Share,
    WatchConfiguration, WatchObservation,
};
use crate::proxy::Revision;

impl Services {
    /// Everything, now.
    pub(crate) fn observe(&self) -> Observations {
        // Read first: what changes while the rest is gathered is seen again by the next look.
        let change = *self.changes.borrow();
        let services = self.all();
        let observed = services
            .iter()
            .map(|service| (service.name.clone(), self.observe_service(service)));
        let services: BTreeMap<String, ServiceObservation> = observed
            .filter(|(_, observation)| observation.generation > 0)
            .collect();
        Observations {
            change,
            run: self.run,
            at: Timestamp::now(),
            services,
        }
    }

    /// The errors inside the watch's window now.
    pub(super) fn watch_errors(&self, state: &State, watch: &WatchConfiguration) -> u64 {
        let revision = state.revisions.get(&watch.revision);
        let window = Duration::from_millis(watch.window_ms);
        revision.map_or(0, |revision| {
            revision.statistics.errors_within(window, self.second())
        })
    }

    fn observe_service(&self, service: &Service) -> ServiceObservation {
        let generation = lock(&self.routes)
            .get(&service.name)
            .map_or(0, |route| route.generation);
        // Whoever looks must not see a canary whose lease has run out as serving.
        self.keep_one(service, false);
        let state = service.lock();
        let recently: u64 = state
            .revisions
            .values()
            .map(|revision| self.recently(revision))
            .sum();
        let revisions = state.revisions.values().map(|revision| {
            (
                revision.name.clone(),
                self.observe_revision(service, &state, revision, recently),
            )
        });
        let shares = state.control.shares().into_iter();
        ServiceObservation {
            generation,
            durable: state.durable,
            trip: state.last_trip.clone(),
            canary: self.observe_canary(&state),
            traffic: shares
                .map(|share| Share {
                    revision: share.revision,
                    percent: share.percent,
                })
                .collect(),
            revisions: revisions.collect(),
            watch: self.observe_watch(&state),
        }
    }

    fn observe_canary(&self, state: &State) -> Option<CanaryObservation> {
        let canary = state.control.canary()?;
        let counted = &state.configuration.as_ref()?.canary.as_ref()?.counted;
        let counts = beyond(state.step.as_ref()?.counts(), counted);
        let standing = match state.control.standing() {
            Standing::Serving => CanaryState::Serving,
            Standing::Tripped => CanaryState::Tripped,
            Standing::LeaseExpired => CanaryState::LeaseExpired,
            Standing::Suspended => CanaryState::Suspended,
        };
        Some(CanaryObservation {
            revision: canary.revision.clone(),
            step: canary.step,
            state: standing,
            lease: self.lease(state),
            served_ms: u64::try_from(state.served.total(self.now()).as_millis())
                .unwrap_or(u64::MAX),
            requests: counts.requests,
            errors: counts.errors,
            recent_errors: (state.canary()).map_or(0, |it| it.wire.errors(self.now())),
            shielded: counts.shielded,
            clients: counts.clients,
            clients_with_errors: counts.clients_with_errors,
            stable_requests: counts.stable_requests,
            stable_errors: counts.stable_errors,
        })
    }

    fn observe_revision(
        &self,
        service: &Service,
        state: &State,
        revision: &Revision,
        recently: u64,
    ) -> RevisionObservation {
        let counts = revision.statistics.counts();
        RevisionObservation {
            address: state
                .addresses
                .get(&revision.name)
                .map(|own| own.address.to_string()),
            requests: counts.requests,
            errors: counts.errors,
            responses: counts.responses,
            in_flight: revision.wire.in_flight(),
            latency_us: revision.statistics.latency_us(self.second()),
            counted_percent: percent(self.recently(revision), recently),
            ..self
                .fleet
                .observe(&service.name, &revision.name)
                .unwrap_or_default()
        }
    }

    fn observe_watch(&self, state: &State) -> Option<WatchObservation> {
        let watch = state.configuration.as_ref()?.watch.as_ref()?;
        Some(WatchObservation {
            revision: watch.revision.clone(),
            errors: self.watch_errors(state, watch),
            exceeded_at: state.watch_exceeded_at,
        })
    }

    fn recently(&self, revision: &Revision) -> u64 {
        revision.statistics.recently_completed(self.second())
    }

    fn second(&self) -> u64 {
        self.now().as_secs()
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "requests of ten seconds are far below 2^52"
)]
fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 * 100.0 / whole as f64)
}
