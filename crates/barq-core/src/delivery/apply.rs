//! How events change a delivery. Total, and the same live and in a replay.

use jiff::Timestamp;

use super::{Approval, CheckState, Delivery, End, Gate, Phase};
use crate::event::{Actor, CheckOutcome, DeliveryEvent, Push};
use crate::identity::DeliveryId;

impl Delivery {
    /// The state after `DeliveryEvent::Pushed`.
    pub fn begin(id: DeliveryId, push: Push, pushed_by: Actor, at: Timestamp) -> Self {
        let checks = push.configuration.as_ref().map_or_else(
            |_| Vec::new(),
            |configuration| {
                configuration
                    .checks
                    .iter()
                    .map(|check| CheckState {
                        name: check.name.clone(),
                        started_at: None,
                        finished: None,
                        to_stop: false,
                    })
                    .collect()
            },
        );
        Self {
            id,
            push,
            pushed_by,
            phase: Phase::Checking,
            phase_since: at,
            checks,
            build_started: None,
            build_ms: None,
            image: None,
            approval: None,
            entered: Vec::new(),
            build_stopped: false,
            created_at: at,
            finished_at: None,
        }
    }

    /// A rollout of this delivery begins.
    pub(crate) fn enter(&mut self, environment: &str, at: Timestamp) {
        self.entered.push(environment.to_owned());
        self.phase = Phase::RollingOut {
            environment: environment.to_owned(),
        };
        self.phase_since = at;
    }
}

/// Changes the delivery as the event says. `Pushed` is for `Delivery::begin`; here it changes nothing.
pub fn apply(delivery: &mut Delivery, event: &DeliveryEvent, actor: &Actor, at: Timestamp) {
    match event {
        // What it means for the older one is said by the event there.
        DeliveryEvent::Pushed(_) | DeliveryEvent::TookThePlace { .. } => {}
        DeliveryEvent::CheckStarted { check } => {
            if let Some(check) = find(delivery, check) {
                check.started_at = Some(at);
            }
        }
        DeliveryEvent::CheckFinished {
            check,
            outcome,
            duration_ms,
        } => {
            if let Some(check) = find(delivery, check) {
                check.finished = Some((outcome.clone(), *duration_ms));
                check.to_stop = false;
            }
        }
        DeliveryEvent::BuildStarted => {
            delivery.build_started = Some(at);
            enter(delivery, Phase::Building, at);
        }
        DeliveryEvent::ImageBuilt {
            image, duration_ms, ..
        } => {
            delivery.image = Some(image.clone());
            delivery.build_ms = Some(*duration_ms);
        }
        DeliveryEvent::Arrived { environment } => {
            let environment = environment.clone();
            enter(delivery, Phase::Entering { environment }, at);
        }
        DeliveryEvent::ApprovalAsked { .. } | DeliveryEvent::Approved { .. } => {
            at_gate(delivery, event, actor, at);
        }
        DeliveryEvent::Rejected { message } => {
            let message = message.clone();
            end(delivery, End::Rejected { message }, at);
        }
        DeliveryEvent::Expired => end(delivery, End::Expired, at),
        DeliveryEvent::Superseded { by } => end(delivery, End::Superseded { by: by.clone() }, at),
        DeliveryEvent::Cancelled { message } => {
            let message = message.clone();
            end(delivery, End::Cancelled { message }, at);
        }
        DeliveryEvent::Failed { reason } => {
            let reason = reason.clone();
            end(delivery, End::Failed { reason }, at);
        }
        DeliveryEvent::Succeeded => end(delivery, End::Succeeded, at),
        DeliveryEvent::RolledBack { environment } => {
            let environment = environment.clone();
            end(delivery, End::RolledBack { environment }, at);
        }
        DeliveryEvent::BuildStopped => delivery.build_stopped = true,
    }
}

/// The gate closes, or opens.
fn at_gate(delivery: &mut Delivery, event: &DeliveryEvent, actor: &Actor, at: Timestamp) {
    if let DeliveryEvent::ApprovalAsked {
        environment,
        role,
        expires_at,
        separate_approver,
        reasons,
    } = event
    {
        delivery.approval = None;
        let gate = Gate {
            environment: environment.clone(),
            role: *role,
            expires_at: *expires_at,
            separate_approver: *separate_approver,
            reasons: reasons.clone(),
        };
        enter(delivery, Phase::AwaitingApproval(gate), at);
    }
    if let DeliveryEvent::Approved {
        environment,
        binding,
        message,
    } = event
    {
        delivery.approval = Some(Approval {
            environment: environment.clone(),
            binding: binding.clone(),
            by: actor.clone(),
            at,
            message: message.clone(),
        });
        let environment = environment.clone();
        enter(delivery, Phase::Entering { environment }, at);
    }
}

fn find<'a>(delivery: &'a mut Delivery, name: &str) -> Option<&'a mut CheckState> {
    delivery.checks.iter_mut().find(|check| check.name == name)
}

fn enter(delivery: &mut Delivery, phase: Phase, at: Timestamp) {
    delivery.phase = phase;
    delivery.phase_since = at;
}

/// Checks that are not known to run are cancelled with the delivery. Those that were asked for may run all the same: they
/// are stopped by an effect, like those that run.
fn end(delivery: &mut Delivery, end: End, at: Timestamp) {
    let asked: Vec<String> = delivery.asked_checks().map(str::to_owned).collect();
    for check in &mut delivery.checks {
        if check.started_at.is_none() && check.finished.is_none() {
            check.finished = Some((CheckOutcome::Cancelled, 0));
            check.to_stop = asked.contains(&check.name);
        }
    }
    delivery.finished_at = Some(at);
    enter(delivery, Phase::Ended(end), at);
}
