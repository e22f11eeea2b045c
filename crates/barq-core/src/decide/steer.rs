//! People take the wheel: pause, resume, promote, abort, cancel, lock, unlock.

use super::Draft;
use super::gate::STEERS;
use crate::command::Rejection;
use crate::delivery::{self, Delivery};
use crate::event::{DeliveryEvent, Event, RollbackCause, RolloutEvent, ServiceEvent};
use crate::identity::{DeliveryId, RolloutId, ServiceId};
use crate::rollout::{Phase, Rollout};

impl Draft<'_> {
    pub(super) fn pause(&mut self, id: &RolloutId) -> Result<(), Rejection> {
        let rollout = self.steered(id, "paused")?;
        if rollout.paused.is_some() {
            return Ok(());
        }
        if matches!(rollout.phase, Phase::Verifying { .. }) {
            return Err(conflict(
                id,
                "paused",
                "all traffic is on it already, it is being verified",
            ));
        }
        self.record_held(&rollout);
        self.by_actor(Event::Rollout(id.clone(), RolloutEvent::Paused));
        Ok(())
    }

    pub(super) fn resume(&mut self, id: &RolloutId) -> Result<(), Rejection> {
        let rollout = self.steered(id, "resumed")?;
        if rollout.paused.is_none() {
            return Err(conflict(id, "resumed", "it is not paused"));
        }
        self.record_held(&rollout);
        self.by_actor(Event::Rollout(id.clone(), RolloutEvent::Resumed));
        Ok(())
    }

    /// The hold is over, whatever was seen; the tripwire's verdicts so far stay.
    pub(super) fn promote(&mut self, id: &RolloutId, full: bool) -> Result<(), Rejection> {
        let rollout = self.steered(id, "promoted")?;
        if !matches!(rollout.phase, Phase::Holding) {
            let why = format!(
                "it is {}; only a canary that has traffic can go to its next step",
                rollout.state_name()
            );
            return Err(conflict(id, "promoted", &why));
        }
        self.by_actor(Event::Rollout(id.clone(), RolloutEvent::Promoted { full }));
        let rollout = self.known_rollout(id)?;
        self.prepare_next(&rollout);
        Ok(())
    }

    pub(super) fn abort(
        &mut self,
        id: &RolloutId,
        message: Option<String>,
    ) -> Result<(), Rejection> {
        let rollout = self.steered(id, "aborted")?;
        self.abort_rollout(&rollout, message);
        Ok(())
    }

    fn abort_rollout(&mut self, rollout: &Rollout, message: Option<String>) {
        if rollout.moved {
            self.record_held(rollout);
            let now = self.now();
            self.take_back(rollout, RollbackCause::Aborted { message }, now);
        } else {
            self.by_actor(Event::Rollout(rollout.id.clone(), RolloutEvent::Aborted));
        }
    }

    pub(super) fn cancel(
        &mut self,
        id: &DeliveryId,
        message: Option<String>,
    ) -> Result<(), Rejection> {
        let delivery: Delivery = self.known_delivery(id)?.clone();
        match &delivery.phase {
            delivery::Phase::Ended(_) => Err(Rejection::Conflict {
                what: format!("{id} can't be cancelled"),
                why: format!("it has ended: {}", delivery.state_name()),
            }),
            delivery::Phase::RollingOut { environment } => {
                let rollout = RolloutId {
                    delivery: id.clone(),
                    environment: environment.clone(),
                };
                self.abort(&rollout, message)
            }
            delivery::Phase::Checking
            | delivery::Phase::Building
            | delivery::Phase::Entering { .. }
            | delivery::Phase::AwaitingApproval(_) => {
                self.by_actor(Event::Delivery(
                    id.clone(),
                    DeliveryEvent::Cancelled { message },
                ));
                Ok(())
            }
        }
    }

    pub(super) fn lock(&mut self, id: &ServiceId, message: String) -> Result<(), Rejection> {
        self.require(STEERS, || format!("lock {id}"))?;
        if let Some(lock) = self.state.service(id).and_then(|it| it.lock.as_ref()) {
            return Err(Rejection::Conflict {
                what: format!("{id} can't be locked"),
                why: format!("{} locked it: {}", lock.by, lock.message),
            });
        }
        if self.state.service(id).is_none() {
            let Some(environment) = self.state.declared(id) else {
                return self.known_service(id).map(drop);
            };
            self.by_actor(Event::Service(
                id.clone(),
                ServiceEvent::Created { environment },
            ));
        }
        self.by_actor(Event::Service(id.clone(), ServiceEvent::Locked { message }));
        Ok(())
    }

    pub(super) fn unlock(
        &mut self,
        id: &ServiceId,
        message: Option<String>,
    ) -> Result<(), Rejection> {
        self.require(STEERS, || format!("unlock {id}"))?;
        let service = self.known_service(id)?;
        if service.lock.is_none() && service.rolled_back.is_none() {
            return Err(Rejection::Conflict {
                what: format!("{id} can't be unlocked"),
                why: "it is not locked".to_owned(),
            });
        }
        self.by_actor(Event::Service(
            id.clone(),
            ServiceEvent::Unlocked { message },
        ));
        Ok(())
    }

    /// A rollout that can still be steered.
    fn steered(&self, id: &RolloutId, what: &str) -> Result<Rollout, Rejection> {
        self.require(STEERS, || format!("steer {id}"))?;
        let rollout = self.known_rollout(id)?;
        if rollout.ended() {
            let why = format!("it has ended: {}", rollout.state_name());
            return Err(conflict(id, what, &why));
        }
        if matches!(rollout.phase, Phase::RollingBack(_)) {
            return Err(conflict(id, what, "it is being rolled back"));
        }
        Ok(rollout)
    }
}

fn conflict(id: &RolloutId, what: &str, why: &str) -> Rejection {
    Rejection::Conflict {
        what: format!("{id} can't be {what}"),
        why: why.to_owned(),
    }
}
