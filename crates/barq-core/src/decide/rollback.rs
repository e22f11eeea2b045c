//! Back: why, to what, and with what left behind. One path for the tripwire, a failed verification, the guard and people.

use jiff::Timestamp;

use super::Draft;
use super::gate::STEERS;
use crate::command::Rejection;
use crate::event::{
    Actor, Event, IncidentCause, IncidentEvent, RollbackCause, RolloutEvent, ServiceEvent, Trip,
};
use crate::identity::{IncidentId, RevisionName, RolloutId, ServiceId};
use crate::incident;
use crate::observation::CanaryState;
use crate::rollout::{Phase, Rollout};
use crate::service::Service;

impl Draft<'_> {
    /// Takes the traffic of a rollout that has not ended back to what was stable when it began; where nothing was, away.
    pub(super) fn take_back(&mut self, rollout: &Rollout, cause: RollbackCause, at: Timestamp) {
        // Stable was kept at full size all along, so the traffic can move at once.
        let to = rollout.start.stable.clone();
        self.start_rollback(rollout, cause, to, 0, at);
    }

    fn start_rollback(
        &mut self,
        rollout: &Rollout,
        cause: RollbackCause,
        to: Option<RevisionName>,
        size: u32,
        detected_at: Timestamp,
    ) {
        let by = match &cause {
            RollbackCause::Manual { moved, .. } => (moved.as_ref())
                .and_then(|trip| trip.recall.as_ref())
                .map_or_else(|| self.context.actor.clone(), |recall| recall.by.clone()),
            RollbackCause::Aborted { .. } => self.context.actor.clone(),
            RollbackCause::Tripped(_)
            | RollbackCause::VerificationFailed { .. }
            | RollbackCause::NotReady { .. }
            | RollbackCause::Interrupted { .. }
            | RollbackCause::Guard { .. } => Actor::barq(),
        };
        let opens = cause.opens_incident();
        let event = Event::Rollout(
            rollout.id.clone(),
            RolloutEvent::RollbackStarted {
                cause: cause.clone(),
                to,
                size,
                detected_at,
            },
        );
        self.record(by, event);
        if opens {
            self.open_incident(rollout, IncidentCause::Rollback(cause));
        }
    }

    /// One incident per rollout: a rollback that a guard's incident offered belongs to that incident.
    pub(super) fn open_incident(&mut self, rollout: &Rollout, cause: IncidentCause) {
        let known = self
            .state
            .incidents
            .values()
            .find(|incident| incident.rollout == rollout.id)
            .map(|incident| incident.id.clone());
        if let Some(id) = known {
            if matches!(cause, IncidentCause::Rollback(_)) {
                self.by_itself(Event::Incident(id, IncidentEvent::RolledBack));
            }
            return;
        }
        let app = rollout.id.delivery.app.clone();
        let number = self
            .state
            .apps
            .get(&app)
            .map_or(0, |known| known.last_incident)
            + 1;
        let event = IncidentEvent::Opened {
            rollout: rollout.id.clone(),
            service: rollout.start.service.clone(),
            revision: rollout.start.revision.clone(),
            cause: Box::new(cause),
            follow_ups: incident::follow_ups(self.now()),
        };
        self.by_itself(Event::Incident(IncidentId { app, number }, event));
    }

    /// People or the guard want an older revision back.
    pub(super) fn roll_back(
        &mut self,
        id: &ServiceId,
        to: Option<&RevisionName>,
        message: Option<String>,
    ) -> Result<(), Rejection> {
        self.require(STEERS, || format!("roll back {id}"))?;
        let service = self.known_service(id)?;
        let rollout = self.to_take_back(&service, to)?;
        let cause = RollbackCause::Manual {
            message,
            moved: None,
        };
        if rollout.phase == Phase::Succeeded {
            let target = self.target(&service, to)?;
            self.roll_back_at_rest(&service, &rollout, &target, cause);
        } else {
            self.record_held(&rollout);
            let now = self.now();
            self.take_back(&rollout, cause, now);
        }
        Ok(())
    }

    /// The rollout that a rollback undoes: the one that runs, or the one that made the stable revision.
    fn to_take_back(
        &self,
        service: &Service,
        to: Option<&RevisionName>,
    ) -> Result<Rollout, Rejection> {
        let refuse = |why: String| Rejection::Conflict {
            what: format!("{} can't be rolled back", service.id),
            why,
        };
        if let Some(running) = self.state.running(service) {
            if matches!(running.phase, Phase::RollingBack(_)) {
                return Err(refuse(format!(
                    "{} is being rolled back already",
                    running.id
                )));
            }
            if to.is_some_and(|to| Some(to) != running.start.stable.as_ref()) {
                return Err(refuse(format!(
                    "{} is running, and a rollback in a canary goes to stable; leave --to out, then roll back further",
                    running.id
                )));
            }
            return Ok(running.clone());
        }
        service
            .stable_revision()
            .and_then(|revision| self.state.rollout(&revision.rollout))
            .filter(|rollout| rollout.phase == Phase::Succeeded)
            .cloned()
            .ok_or_else(|| refuse("nothing serves there that could be taken back".to_owned()))
    }

    fn target(
        &self,
        service: &Service,
        to: Option<&RevisionName>,
    ) -> Result<RevisionName, Rejection> {
        let refuse = |why: String| Rejection::Conflict {
            what: format!("{} can't be rolled back", service.id),
            why,
        };
        let Some(to) = to else {
            return service
                .rollback_target()
                .map(|revision| revision.name.clone())
                .ok_or_else(|| refuse(service.why_no_target()));
        };
        let revision = service.revision(to).ok_or_else(|| Rejection::Unknown {
            what: "kept revision",
            name: to.to_string(),
        })?;
        if service.stable.as_ref() == Some(to) {
            return Err(refuse(format!("{to} serves already")));
        }
        if !service.history.contains(to) {
            return Err(refuse(format!(
                "{to} never proved itself: it was not stable before the present one"
            )));
        }
        match service.unfit_target(revision) {
            Some(why) => Err(refuse(why)),
            None => Ok(to.clone()),
        }
    }

    /// The target gets the traffic once it has the size that the present revision needs.
    pub(super) fn roll_back_at_rest(
        &mut self,
        service: &Service,
        rollout: &Rollout,
        target: &RevisionName,
        cause: RollbackCause,
    ) {
        let observation = self.observed(&service.id);
        let seen = |name: &RevisionName| observation.and_then(|it| it.revisions.get(name));
        let wanted = seen(&rollout.start.revision).map_or(0, |revision| revision.desired);
        let bounds = service
            .revision(target)
            .map_or(rollout.start.settings.instances, |revision| {
                revision.settings.instances
            });
        let size = wanted.clamp(bounds.min, bounds.max);
        let ready = seen(target).map_or(0, |revision| revision.ready);
        let missing = if ready >= size { 0 } else { size };
        let now = self.now();
        self.start_rollback(rollout, cause, Some(target.clone()), missing, now);
    }

    /// The data plane took a canary's traffic away. Heard once; what it means depends on where the rollout is.
    pub(super) fn hear_trip(&mut self, service: &Service, trip: &Trip) {
        if trip.number <= service.last_trip {
            return;
        }
        self.by_itself(Event::Service(
            service.id.clone(),
            ServiceEvent::Tripped(trip.clone()),
        ));
        let running = self.state.running(service).cloned();
        let Some(rollout) = running.filter(|it| it.start.revision == trip.revision) else {
            return self.hear_late_trip(service, trip);
        };
        if !matches!(rollout.phase, Phase::RollingBack(_)) {
            self.record_what_tripped(&rollout, trip);
            self.take_back(&rollout, cause_of(trip), trip.at);
        }
    }

    /// What was counted until the trip belongs to the rollout's story, as far as the data plane still tells it.
    fn record_what_tripped(&mut self, rollout: &Rollout, trip: &Trip) {
        let tripped = self
            .canary(rollout)
            .filter(|canary| canary.state == CanaryState::Tripped);
        if let Some(canary) = tripped
            && rollout.step == trip.step
        {
            let held_ms = rollout.progress.held_ms;
            self.record_progress(rollout, &canary, held_ms);
        }
    }

    /// The canary tripped in the moment in which its verification passed, or what serves was recalled: it counts as stable,
    /// and the data plane has already given its traffic to the revision before.
    fn hear_late_trip(&mut self, service: &Service, trip: &Trip) {
        let made = service
            .stable_revision()
            .filter(|revision| revision.name == trip.revision)
            .and_then(|revision| self.state.rollout(&revision.rollout))
            .filter(|rollout| rollout.phase == Phase::Succeeded)
            .cloned();
        let target = (trip.recall.as_ref())
            .and_then(|recall| service.revision(&recall.to))
            .or_else(|| service.stable_before())
            .map(|it| it.name.clone());
        let (Some(rollout), Some(target)) = (made, target) else {
            return;
        };
        // The next rollout may have begun in that moment; the data plane can't have followed any plan of it.
        if let Some(next) = self.state.running(service).cloned() {
            let reason = format!("{} tripped, which it was to replace", trip.revision);
            self.of_rollout(&next, RolloutEvent::Failed { reason });
        }
        self.start_rollback(&rollout, cause_of(trip), Some(target), 0, trip.at);
    }

    pub(super) fn known_service(&self, id: &ServiceId) -> Result<Service, Rejection> {
        self.state
            .service(id)
            .cloned()
            .ok_or_else(|| Rejection::Unknown {
                what: "service",
                name: id.to_string(),
            })
    }

    pub(super) fn known_rollout(&self, id: &RolloutId) -> Result<Rollout, Rejection> {
        self.state
            .rollout(id)
            .cloned()
            .ok_or_else(|| Rejection::Unknown {
                what: "rollout",
                name: id.to_string(),
            })
    }
}

fn cause_of(trip: &Trip) -> RollbackCause {
    match &trip.recall {
        None => RollbackCause::Tripped(trip.clone()),
        Some(recall) => RollbackCause::Manual {
            message: recall.message.clone(),
            moved: Some(Box::new(trip.clone())),
        },
    }
}
