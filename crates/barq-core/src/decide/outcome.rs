//! What came of an effect. An outcome whose key is no longer pending is late, and yields no event.

use jiff::{SignedDuration, Timestamp};

use super::Draft;
use crate::effect::{EffectKey, EffectTarget, Outcome, PlanRefusal};
use crate::event::{
    CheckOutcome, DeliveryEvent, DirectReason, EffectEvent, Event, IncidentEvent, ProbeLine,
    RollbackCause, RolloutEvent, ServiceEvent, Trip,
};
use crate::identity::{DeliveryId, IncidentId, RolloutId, ServiceId};
use crate::pending::unfinished;
use crate::report::failed;
use crate::rollout::{Phase, Rollout, UNFIT_ANSWERS_MAX};
use crate::service::Service;

/// Attempts of an effect whose lasting failure ends what it is for; the others go on for ever, since giving up would
/// leave something half done.
pub(super) const ATTEMPTS_MAX: u32 = 5;
/// Rounds of the final verification that may fail before the traffic is taken back.
pub(super) const VERIFY_ROUNDS_MAX: u32 = 5;
/// Between two rounds.
const VERIFY_PAUSE: SignedDuration = SignedDuration::from_secs(1);
/// The pause after the first attempt; doubled with each further one.
const RETRY_PAUSE: SignedDuration = SignedDuration::from_millis(500);
/// The longest pause.
const RETRY_PAUSE_MAX: SignedDuration = SignedDuration::from_secs(15);
/// Doublings of the pause until it is certainly the longest.
const RETRY_DOUBLINGS_MAX: u32 = 6;

impl Draft<'_> {
    pub(super) fn outcome(&mut self, key: &EffectKey, outcome: Outcome) {
        if !unfinished(&self.state).contains_key(key) {
            return;
        }
        if let Outcome::NoResult { error } = outcome {
            return self.no_result(key, error);
        }
        match &key.target {
            EffectTarget::Check(id, check) => self.of_check(id, check, outcome),
            EffectTarget::StopCheck(id, check) => {
                if outcome == Outcome::Stopped {
                    self.check_finished(id, check, CheckOutcome::Cancelled, 0);
                }
            }
            EffectTarget::Build(id) => self.of_build(id, outcome),
            EffectTarget::StopBuild(id) => {
                self.by_itself(Event::Delivery(id.clone(), DeliveryEvent::BuildStopped));
            }
            EffectTarget::Configure(id, generation) => self.of_plan(id, *generation, outcome),
            EffectTarget::Smoke(id) => self.of_smoke(id, outcome),
            EffectTarget::Prove(id) => self.of_prove(id, key, outcome),
            EffectTarget::Verify(id, round) => self.of_verify(id, *round, outcome),
            EffectTarget::Evidence(id) => self.of_evidence(id, outcome),
        }
    }

    fn of_check(&mut self, id: &DeliveryId, check: &str, outcome: Outcome) {
        match outcome {
            Outcome::CheckStarted => {
                let started = self
                    .state
                    .delivery(id)
                    .and_then(|delivery| delivery.check(check))
                    .is_some_and(|check| check.started_at.is_some());
                if !started {
                    let check = check.to_owned();
                    let event = DeliveryEvent::CheckStarted { check };
                    self.by_itself(Event::Delivery(id.clone(), event));
                }
            }
            Outcome::CheckFinished {
                outcome,
                duration_ms,
            } => self.check_finished(id, check, outcome, duration_ms),
            // No port answers a check with anything else.
            _ => {}
        }
    }

    fn check_finished(
        &mut self,
        id: &DeliveryId,
        check: &str,
        outcome: CheckOutcome,
        duration_ms: u64,
    ) {
        let event = DeliveryEvent::CheckFinished {
            check: check.to_owned(),
            outcome,
            duration_ms,
        };
        self.by_itself(Event::Delivery(id.clone(), event));
    }

    fn of_build(&mut self, id: &DeliveryId, outcome: Outcome) {
        match outcome {
            Outcome::ImageBuilt {
                image,
                size_bytes,
                duration_ms,
            } => {
                let event = DeliveryEvent::ImageBuilt {
                    image,
                    size_bytes,
                    duration_ms,
                };
                self.by_itself(Event::Delivery(id.clone(), event));
            }
            Outcome::BuildFailed { reason } => self.build_failed(id, &reason),
            // No port answers a build with anything else.
            _ => {}
        }
    }

    fn build_failed(&mut self, id: &DeliveryId, reason: &str) {
        self.by_itself(Event::Delivery(id.clone(), DeliveryEvent::BuildStopped));
        let event = DeliveryEvent::Failed {
            reason: format!("the image was not built: {reason}"),
        };
        self.by_itself(Event::Delivery(id.clone(), event));
    }

    fn of_plan(&mut self, id: &ServiceId, generation: u64, outcome: Outcome) {
        let event = match outcome {
            Outcome::Configured {
                durable,
                switched_us,
            } => ServiceEvent::PlanAccepted {
                generation,
                durable,
                switched_us,
            },
            Outcome::ConfigurationRefused(PlanRefusal::StaleGeneration { current }) => {
                ServiceEvent::GenerationSeen {
                    generation: current,
                }
            }
            Outcome::ConfigurationRefused(PlanRefusal::UnheardTrip(trip)) => {
                if let Some(service) = self.state.services.get(id).cloned() {
                    return self.of_unheard_trip(&service, generation, &trip);
                }
                return;
            }
            Outcome::ConfigurationRefused(PlanRefusal::Invalid { reason }) => {
                return self.plan_is_invalid(id, &reason);
            }
            // No port answers a plan with anything else.
            _ => return,
        };
        self.by_itself(Event::Service(id.clone(), event));
    }

    /// A trip that was heard of already is no reason for the data plane to refuse: asked again after a pause, in the open.
    fn of_unheard_trip(&mut self, service: &Service, generation: u64, trip: &Trip) {
        if trip.number > service.last_trip {
            return self.hear_trip(service, trip);
        }
        let error = format!(
            "the data plane still refuses {} because of trip {}",
            trip.revision, trip.number
        );
        self.try_again(
            EffectTarget::Configure(service.id.clone(), generation),
            error,
        );
    }

    /// A plan that the data plane calls contradictory will not get better: the rollout that made it must end. Without one
    /// it is tried again, in the open.
    fn plan_is_invalid(&mut self, id: &ServiceId, reason: &str) {
        let running = self
            .state
            .service(id)
            .and_then(|service| self.state.running(service))
            .filter(|rollout| !matches!(rollout.phase, Phase::RollingBack(_)))
            .cloned();
        match running {
            Some(rollout) if rollout.moved => {
                let cause = RollbackCause::NotReady {
                    reason: reason.to_owned(),
                };
                let now = self.now();
                self.take_back(&rollout, cause, now);
            }
            Some(rollout) => {
                let reason = format!("the data plane refused it: {reason}");
                self.of_rollout(&rollout, RolloutEvent::Failed { reason });
            }
            None => {
                if let Some(service) = self.state.service(id) {
                    let target = EffectTarget::Configure(id.clone(), service.generation);
                    self.try_again(target, reason.to_owned());
                }
            }
        }
    }

    fn of_smoke(&mut self, id: &RolloutId, outcome: Outcome) {
        let (Outcome::SmokeTested { lines }, Some(rollout)) =
            (outcome, self.state.rollout(id).cloned())
        else {
            return;
        };
        let event = match failed(&lines) {
            None => RolloutEvent::SmokePassed { lines },
            Some(failed) => RolloutEvent::Failed {
                reason: format!("smoke tests failed: {failed}"),
            },
        };
        self.of_rollout(&rollout, event);
    }

    /// Only the node's own answer that stable is not fit counts: a bad stable must not block its fix, but one that could
    /// not be asked may be a good one.
    fn of_prove(&mut self, id: &RolloutId, key: &EffectKey, outcome: Outcome) {
        let (
            Outcome::TargetProbed {
                ready,
                desired,
                failures,
            },
            Some(rollout),
        ) = (outcome, self.state.rollout(id).cloned())
        else {
            return;
        };
        if failures.is_empty() && ready > 0 && ready >= desired {
            let size = ready.max(desired);
            return self.of_rollout(&rollout, RolloutEvent::TargetProven { size });
        }
        let mut failures = failures;
        if ready < desired {
            failures.insert(0, format!("{ready} of {desired} instances are ready"));
        }
        if rollout.target_unfit + 1 < UNFIT_ANSWERS_MAX {
            let retry_at = self.retry_at(&key.target);
            let event = RolloutEvent::TargetUnfit { failures, retry_at };
            self.of_rollout(&rollout, event);
        } else {
            let reason = DirectReason::StableNotReady { failures };
            self.go_direct(&rollout, reason, desired);
        }
    }

    fn of_verify(&mut self, id: &RolloutId, round: u32, outcome: Outcome) {
        let (Outcome::VersionProbed { lines }, Some(rollout)) =
            (outcome, self.state.rollout(id).cloned())
        else {
            return;
        };
        if failed(&lines).is_none() {
            self.of_rollout(&rollout, RolloutEvent::Verified { lines });
            self.of_rollout(&rollout, RolloutEvent::Succeeded);
            self.resolve_incidents(&rollout);
        } else if round < VERIFY_ROUNDS_MAX {
            let retry_at = self.after(VERIFY_PAUSE);
            self.of_rollout(
                &rollout,
                RolloutEvent::VerificationRetried { lines, retry_at },
            );
        } else {
            self.verification_failed(&rollout, lines);
        }
    }

    fn verification_failed(&mut self, rollout: &Rollout, lines: Vec<ProbeLine>) {
        let now = self.now();
        self.take_back(rollout, RollbackCause::VerificationFailed { lines }, now);
    }

    fn of_evidence(&mut self, id: &IncidentId, outcome: Outcome) {
        if let Outcome::EvidenceGathered(evidence) = outcome {
            let event = IncidentEvent::EvidenceGathered(evidence);
            self.by_itself(Event::Incident(id.clone(), event));
        }
    }

    /// The attempt failed: again after a pause, or the end of what it was for.
    fn no_result(&mut self, key: &EffectKey, error: String) {
        self.try_again(key.target.clone(), error.clone());
        if key.attempt < ATTEMPTS_MAX {
            return;
        }
        match &key.target {
            EffectTarget::Check(id, check) => {
                let outcome = CheckOutcome::Error { reason: error };
                self.check_finished(id, check, outcome, 0);
            }
            EffectTarget::Build(id) => self.build_failed(id, &error),
            EffectTarget::Smoke(id) => {
                if let Some(rollout) = self.state.rollout(id).cloned() {
                    let reason = format!("smoke tests could not be made: {error}");
                    self.of_rollout(&rollout, RolloutEvent::Failed { reason });
                }
            }
            EffectTarget::Verify(id, _) => {
                if let Some(rollout) = self.state.rollout(id).cloned() {
                    let line = ProbeLine {
                        what: "verification".to_owned(),
                        passed: false,
                        detail: error,
                        duration_ms: 0,
                    };
                    self.verification_failed(&rollout, vec![line]);
                }
            }
            EffectTarget::Evidence(id) => {
                let event = IncidentEvent::EvidenceMissing { reason: error };
                self.by_itself(Event::Incident(id.clone(), event));
            }
            EffectTarget::StopCheck(..)
            | EffectTarget::StopBuild(_)
            | EffectTarget::Configure(..)
            | EffectTarget::Prove(_) => {}
        }
    }

    fn try_again(&mut self, target: EffectTarget, error: String) {
        let event = EffectEvent::AttemptFailed {
            retry_at: self.retry_at(&target),
            key: EffectKey {
                attempt: self.failed_attempts(&target) + 1,
                target,
            },
            error,
        };
        self.by_itself(Event::Effect(event));
    }

    /// When an effect may be tried again whose present attempt did not bring what is needed.
    fn retry_at(&self, target: &EffectTarget) -> Timestamp {
        let doublings = self.failed_attempts(target).min(RETRY_DOUBLINGS_MAX);
        let pause = RETRY_PAUSE
            .saturating_mul(1 << doublings)
            .min(RETRY_PAUSE_MAX);
        // Half of the pause is fixed, half is chance, so that what failed together does not come back together.
        self.after(pause.mul_f64(0.5 + 0.5 * self.context.jitter.clamp(0.0, 1.0)))
    }
}
