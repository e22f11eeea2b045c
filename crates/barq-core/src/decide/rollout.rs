//! How a rollout goes on by itself: what it waits for in each phase, and what makes it fail.

use std::sync::Arc;

use jiff::SignedDuration;

use super::Draft;
use crate::configuration::GuardAction;
use crate::event::{
    Counts, DirectReason, Event, IncidentCause, IncidentEvent, Interruption, RollbackCause,
    RolloutEvent, ServiceEvent, StepEntry,
};
use crate::identity::{RevisionName, RolloutId};
use crate::observation::{CanaryObservation, CanaryState, RevisionObservation};
use crate::pending::deadline;
use crate::rollout::{Phase, Rollout, STEP_ENTRIES_MAX};
use crate::service::{Service, canary_size};

/// So many starts in a row that fail are a failed deploy: the startup probe's own failures in a row (`flow.md` section 4).
const FAILED_STARTS_MAX: u32 = 3;
/// A canary's progress is recorded so often where nothing else is to be said: the most that a restart of the server takes
/// from a hold's credit is then nothing, since the node's clock goes on; it bounds what the timeline lacks.
const PROGRESS_EVERY_MS: u64 = 10_000;
/// An accepted plan is seen in force within this, however late a look at the data plane arrives.
const PLAN_SEEN_WITHIN: SignedDuration = SignedDuration::from_secs(5);
/// A canary that nobody has asked anything has shown nothing: a hold needs at least so many requests.
const STEP_REQUESTS_MIN: u64 = 1;

impl Draft<'_> {
    pub(super) fn advance_rollouts(&mut self) {
        let running: Vec<RolloutId> = self
            .state
            .rollouts
            .values()
            .filter(|rollout| !rollout.ended())
            .map(|rollout| rollout.id.clone())
            .collect();
        self.hear_the_data_plane();
        for id in running {
            let Some(rollout) = self.state.rollouts.get(&id).cloned() else {
                continue;
            };
            self.advance_rollout(&rollout);
        }
    }

    /// Trips are heard whatever plan is in force; the guard's limit only under the plan that set it.
    fn hear_the_data_plane(&mut self) {
        let Some((id, observation)) = self.observing.clone() else {
            return;
        };
        let Some(service) = self.state.services.get(&id).cloned() else {
            return;
        };
        if let Some(trip) = &observation.trip {
            self.hear_trip(&service, trip);
        }
        // What was heard may have begun a rollback, which the guard then must not begin once more.
        let Some(service) = self.state.services.get(&id).cloned() else {
            return;
        };
        self.miss_the_plan(&service, observation.generation);
        let Some(guard) = service.guard.as_ref().filter(|guard| !guard.exceeded) else {
            return;
        };
        let exceeded = self.observed(&id).and_then(|it| it.watch_exceeded);
        let (Some(errors), Some(rollout)) = (exceeded, self.state.rollout(&guard.rollout).cloned())
        else {
            return;
        };
        self.by_itself(Event::Rollout(
            rollout.id.clone(),
            RolloutEvent::GuardExceeded { errors },
        ));
        self.open_incident(&rollout, IncidentCause::Guard { errors });
        let target = service
            .rollback_target()
            .map(|revision| revision.name.clone());
        if let (GuardAction::Rollback, None, Some(target)) =
            (guard.action, &service.rollout, target)
        {
            self.roll_back_at_rest(&service, &rollout, &target, RollbackCause::Guard { errors });
        }
    }

    /// A data plane that lost its disk, or was set back, does not follow what it accepted: it gets a new plan.
    fn miss_the_plan(&mut self, service: &Service, generation: u64) {
        let settled = service.accepted == service.generation && generation != service.accepted;
        let since = service
            .accepted_at
            .and_then(|at| at.checked_add(PLAN_SEEN_WITHIN).ok());
        if settled && since.is_some_and(|since| since <= self.now()) {
            let event = ServiceEvent::GenerationSeen { generation };
            self.by_itself(Event::Service(service.id.clone(), event));
        }
    }

    fn advance_rollout(&mut self, rollout: &Arc<Rollout>) {
        match &rollout.phase {
            Phase::Deploying => self.advance_deploying(rollout),
            Phase::ProvingTarget => self.advance_proving(rollout),
            Phase::Preparing { step } => {
                if !self.lost_its_traffic(rollout) {
                    self.advance_preparing(rollout, *step);
                }
            }
            Phase::Holding => {
                if !self.lost_its_traffic(rollout) {
                    self.advance_holding(rollout);
                }
            }
            Phase::Verifying { .. } => {
                self.lost_its_traffic(rollout);
            }
            Phase::RollingBack(rollback) if rollback.prepared => self.advance_rollback(rollout),
            Phase::RollingBack(rollback) => {
                let (to, size) = (rollback.to.clone(), rollback.size);
                self.advance_target(rollout, to.as_ref(), size);
            }
            // These wait for the outcome of an effect.
            Phase::SmokeTesting => {}
            Phase::Succeeded | Phase::RolledBack | Phase::Failed | Phase::Aborted => {}
        }
    }

    fn advance_deploying(&mut self, rollout: &Rollout) {
        let seen = self.seen(rollout, &rollout.start.revision);
        if seen.ready >= rollout.size {
            let ready = seen.ready;
            self.of_rollout(rollout, RolloutEvent::Deployed { ready });
        } else if let Some(reason) = self.not_ready(rollout, &seen) {
            self.of_rollout(rollout, RolloutEvent::Failed { reason });
        }
    }

    fn advance_proving(&mut self, rollout: &Rollout) {
        if rollout.start.stable.is_none() {
            self.go_direct(rollout, DirectReason::NoStable, 0);
        } else if rollout.stable_size > 0 {
            self.prepare(rollout, 1, rollout.stable_size);
        }
    }

    /// There is nothing fit to go back to: straight to all traffic, at the size that all traffic needs.
    pub(super) fn go_direct(&mut self, rollout: &Rollout, reason: DirectReason, whole: u32) {
        self.of_rollout(rollout, RolloutEvent::WentDirect(reason));
        let last = last_step(rollout);
        self.prepare(rollout, last, whole);
    }

    /// From a step to the next one, or to the last where somebody asked for it.
    pub(super) fn prepare_next(&mut self, rollout: &Rollout) {
        let next = if rollout.full {
            last_step(rollout)
        } else {
            rollout.step + 1
        };
        self.prepare(rollout, next, rollout.stable_size);
    }

    /// `whole`: the instances that all traffic needs, as far as that is known.
    fn prepare(&mut self, rollout: &Rollout, step: u32, whole: u32) {
        let share = step_of(rollout, step).map_or(100, |step| step.traffic);
        let bounds = rollout.start.settings.instances;
        let whole = whole.max(rollout.size);
        let size = canary_size(whole, share, bounds.min, bounds.max);
        self.of_rollout(rollout, RolloutEvent::StepPrepared { step, size });
    }

    fn advance_preparing(&mut self, rollout: &Rollout, step: u32) {
        // A data plane that is not seen is no verdict on the canary that it serves; the lease ends that in time.
        if rollout.moved && self.observed(&rollout.start.service).is_none() {
            return;
        }
        let seen = self.seen(rollout, &rollout.start.revision);
        if seen.ready >= rollout.size {
            if rollout.paused.is_some() {
                return;
            }
            if let Some(entered) = step_of(rollout, step) {
                let entry = StepEntry {
                    step,
                    traffic: entered.traffic,
                    max_errors: entered.max_errors,
                };
                self.of_rollout(rollout, RolloutEvent::StepEntered(entry));
            }
        } else if let Some(reason) = self.not_ready(rollout, &seen) {
            if rollout.moved {
                let now = self.now();
                self.take_back(rollout, RollbackCause::NotReady { reason }, now);
            } else {
                self.of_rollout(rollout, RolloutEvent::Failed { reason });
            }
        }
    }

    fn advance_holding(&mut self, rollout: &Rollout) {
        let Some(canary) = self.canary(rollout) else {
            return;
        };
        let held_ms = held_ms(rollout, &canary);
        let counts = rollout.progress.before.plus(canary.counts);
        let hold_ms = rollout.present_step().map_or(0, |step| {
            u64::try_from(step.hold.as_millis()).unwrap_or(u64::MAX)
        });
        let limit = rollout.present_step().and_then(|step| step.max_errors);
        // At the limit the tripwire is about to be heard of: nothing is passed any more.
        let within = limit.is_none_or(|limit| canary.recent_errors < u64::from(limit));
        let over = rollout.paused.is_none()
            && held_ms >= hold_ms
            && counts.requests >= STEP_REQUESTS_MIN
            && within;
        if over || worth_recording(rollout, &canary) {
            self.record_progress(rollout, &canary, held_ms);
        }
        if over {
            let step = rollout.step;
            self.of_rollout(rollout, RolloutEvent::StepPassed { step });
            self.prepare_next(rollout);
        }
    }

    /// Before the hold's clock is stopped or started: what it shows now, so that neither takes a second too much.
    pub(super) fn record_held(&mut self, rollout: &Rollout) {
        if let (Phase::Holding, Some(canary)) = (&rollout.phase, self.canary(rollout)) {
            let held_ms = held_ms(rollout, &canary);
            self.record_progress(rollout, &canary, held_ms);
        }
    }

    pub(super) fn record_progress(
        &mut self,
        rollout: &Rollout,
        canary: &CanaryObservation,
        held_ms: u64,
    ) {
        let generation = self
            .state
            .service(&rollout.start.service)
            .map_or(0, |service| service.generation);
        let event = RolloutEvent::Progressed {
            generation,
            served_ms: canary.served_ms,
            held_ms,
            counts: canary.counts,
            recent_errors: Some(canary.recent_errors),
        };
        self.of_rollout(rollout, event);
    }

    /// Whether the data plane took the canary's traffic away with no verdict; then the step is entered again.
    fn lost_its_traffic(&mut self, rollout: &Rollout) -> bool {
        if rollout.direct.is_some() || rollout.step == 0 {
            return false;
        }
        let Some(canary) = self.canary(rollout) else {
            return false;
        };
        let interruption = match canary.state {
            CanaryState::Serving => return false,
            // The trip itself is heard; until then there is nothing to do.
            CanaryState::Tripped => return true,
            CanaryState::LeaseExpired => Interruption::LeaseExpired,
            CanaryState::Suspended => Interruption::NodeRestarted,
        };
        // What a node counted before its restart is gone with it; what was recorded of it stays.
        if canary.counts.requests >= rollout.progress.counts.requests {
            let held_ms = held_ms(rollout, &canary);
            self.record_progress(rollout, &canary, held_ms);
        }
        if rollout.progress.entry >= STEP_ENTRIES_MAX {
            let cause = RollbackCause::Interrupted {
                interruption,
                times: rollout.progress.entry,
            };
            let now = self.now();
            self.take_back(rollout, cause, now);
        } else {
            self.of_rollout(rollout, RolloutEvent::Interrupted(interruption));
        }
        true
    }

    fn advance_rollback(&mut self, rollout: &Rollout) {
        let Some(service) = self.state.service(&rollout.start.service) else {
            return;
        };
        // The plan of this decision comes after it, so the traffic of the accepted one is what counts.
        let moved = service.accepted == service.generation
            && service.planned_percent(&rollout.start.revision) == 0;
        let Some(record) = rollout.rollback.as_ref().filter(|_| moved) else {
            return;
        };
        let event = match &record.cause {
            RollbackCause::Aborted { .. } => RolloutEvent::Aborted,
            RollbackCause::Tripped(trip) => RolloutEvent::RolledBack {
                shifted_us: trip.shifted_us,
            },
            RollbackCause::Manual {
                moved: Some(trip), ..
            } => RolloutEvent::RolledBack {
                shifted_us: trip.shifted_us,
            },
            RollbackCause::VerificationFailed { .. }
            | RollbackCause::NotReady { .. }
            | RollbackCause::Interrupted { .. }
            | RollbackCause::Manual { .. }
            | RollbackCause::Guard { .. } => {
                let took = self.now().duration_since(record.detected_at).as_micros();
                RolloutEvent::RolledBack {
                    shifted_us: u64::try_from(took).unwrap_or(0),
                }
            }
        };
        self.of_rollout(rollout, event);
    }

    /// The revision to go back to must be ready before it gets traffic; where it does not get there, nothing moves.
    fn advance_target(&mut self, rollout: &Rollout, to: Option<&RevisionName>, size: u32) {
        let Some(to) = to else { return };
        let seen = self.seen(rollout, to);
        if seen.ready >= size {
            self.of_rollout(rollout, RolloutEvent::RollbackPrepared);
        } else if let Some(reason) = self.not_ready(rollout, &seen) {
            let reason = format!("{to} did not become ready: {reason}");
            self.of_rollout(rollout, RolloutEvent::RollbackAbandoned { reason });
        }
    }

    /// A rollout has succeeded: open incidents of its service are over.
    pub(super) fn resolve_incidents(&mut self, rollout: &Rollout) {
        let open: Vec<_> = self
            .state
            .incidents
            .values()
            .filter(|incident| {
                incident.service == rollout.start.service
                    && incident.resolved.is_none()
                    && incident.rollout != rollout.id
            })
            .map(|incident| incident.id.clone())
            .collect();
        for id in open {
            let by = rollout.id.delivery.clone();
            self.by_itself(Event::Incident(id, IncidentEvent::Resolved { by }));
        }
    }

    pub(super) fn of_rollout(&mut self, rollout: &Rollout, event: RolloutEvent) {
        self.by_itself(Event::Rollout(rollout.id.clone(), event));
    }

    /// What the data plane sees of a revision under the present plan; nothing while another plan is in force.
    fn seen(&self, rollout: &Rollout, revision: &RevisionName) -> RevisionObservation {
        self.observed(&rollout.start.service)
            .and_then(|observation| observation.revisions.get(revision))
            .cloned()
            .unwrap_or_default()
    }

    pub(super) fn canary(&self, rollout: &Rollout) -> Option<CanaryObservation> {
        self.observed(&rollout.start.service)?.canary.clone()
    }

    /// Why instances will not be ready, once that is clear.
    fn not_ready(&self, rollout: &Rollout, seen: &RevisionObservation) -> Option<String> {
        let last = seen
            .last_failure
            .as_ref()
            .map(|failure| format!(": {failure}"))
            .unwrap_or_default();
        if seen.failed_starts >= FAILED_STARTS_MAX {
            return Some(format!(
                "its instances do not start ({} starts in a row failed){last}",
                seen.failed_starts
            ));
        }
        let late = deadline(rollout).is_some_and(|deadline| deadline <= self.now());
        late.then(|| {
            format!(
                "its instances were not ready in time ({} of {} ready){last}",
                seen.ready, rollout.size
            )
        })
    }
}

fn last_step(rollout: &Rollout) -> u32 {
    u32::try_from(rollout.start.settings.steps.len()).unwrap_or(u32::MAX)
}

fn step_of(rollout: &Rollout, step: u32) -> Option<crate::configuration::Step> {
    let index = (step as usize).checked_sub(1)?;
    rollout.start.settings.steps.get(index).copied()
}

/// Time credited to the hold: what the node saw served since the last record, less what was paused of it.
fn held_ms(rollout: &Rollout, canary: &CanaryObservation) -> u64 {
    let progress = &rollout.progress;
    let served = canary.served_ms.saturating_sub(progress.served_ms);
    let credited = match (rollout.paused, progress.recorded_at) {
        (Some(paused), Some(recorded)) => {
            let until_pause = paused.duration_since(recorded).as_millis();
            served.min(u64::try_from(until_pause).unwrap_or(0))
        }
        (Some(_), None) => 0,
        (None, _) => served,
    };
    progress.held_ms + credited
}

/// Every error is recorded at once, everything else now and then; the first request too, since a hold waits for it.
fn worth_recording(rollout: &Rollout, canary: &CanaryObservation) -> bool {
    let progress = &rollout.progress;
    let known = progress.counts;
    let Counts {
        requests, errors, ..
    } = canary.counts;
    errors != known.errors
        || (known.requests == 0 && requests > 0)
        || canary.served_ms >= progress.served_ms.saturating_add(PROGRESS_EVERY_MS)
}
