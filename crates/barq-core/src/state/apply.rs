//! How events change the state: each one at every place that it concerns, and nowhere else.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Retry, State, Token};
use crate::delivery::{self, Delivery};
use crate::effect::{EffectKey, EffectTarget};
use crate::event::{
    AccessEvent, AppEvent, DeliveryEvent, EffectEvent, Event, IncidentEvent, Lock, Recorded,
    RollbackCause, RolloutEvent, ServiceEvent,
};
use crate::identity::{AppName, DeliveryId, IncidentId, RolloutId, ServiceId};
use crate::incident::Incident;
use crate::rollout::{self, Rollout};
use crate::service::{RolledBack, Service};

/// Changes the state as the event says. Total: an event about something that is not remembered changes nothing.
pub fn apply(state: &mut State, recorded: &Recorded) {
    let at = recorded.at;
    match &recorded.event {
        Event::App(app, event) => app_event(state, app, event),
        Event::Delivery(id, event) => delivery_event(state, id, event, recorded),
        Event::Rollout(id, event) => rollout_event(state, id, event, at),
        Event::Service(id, event) => service_event(state, id, event, recorded),
        Event::Incident(id, event) => incident_event(state, id, event, at),
        Event::Effect(EffectEvent::AttemptFailed {
            key,
            error,
            retry_at,
        }) => attempt_failed(state, key, error, *retry_at, at),
        Event::Access(AccessEvent::TokenCreated { name, role, hash }) => {
            let token = Token {
                role: *role,
                hash: hash.clone(),
                created_at: at,
            };
            state.tokens.insert(name.clone(), token);
        }
        Event::Access(AccessEvent::TokenRevoked { name }) => {
            state.tokens.remove(name);
        }
    }
}

fn app_event(state: &mut State, name: &AppName, event: &AppEvent) {
    let app = state.apps.entry(name.clone()).or_default();
    match event {
        AppEvent::Created => {}
        AppEvent::RefMoved { name, to: Some(to) } => {
            app.refs.insert(name.clone(), to.clone());
        }
        AppEvent::RefMoved { name, to: None } => {
            app.refs.remove(name);
        }
    }
}

fn delivery_event(state: &mut State, id: &DeliveryId, event: &DeliveryEvent, recorded: &Recorded) {
    if let DeliveryEvent::Pushed(push) = event {
        let app = state.apps.entry(id.app.clone()).or_default();
        app.last_delivery = app.last_delivery.max(id.number);
        if let (None, Ok(configuration)) = (&app.service, &push.configuration) {
            app.service = Some(configuration.service.clone());
        }
        let delivery = Delivery::begin(
            id.clone(),
            push.as_ref().clone(),
            recorded.actor.clone(),
            recorded.at,
        );
        state.deliveries.insert(id.clone(), Arc::new(delivery));
    } else if let Some(delivery) = state.deliveries.get_mut(id) {
        delivery::apply(Arc::make_mut(delivery), event, &recorded.actor, recorded.at);
        if delivery.ended() {
            // What must be stopped is named by its last attempt, which is counted here.
            let stops = |check: &String| delivery.checks_to_stop().any(|it| it.name == *check);
            state.retries.retain(|target, _| match target {
                EffectTarget::Check(of, check) | EffectTarget::StopCheck(of, check) => {
                    of != id || stops(check)
                }
                EffectTarget::Build(of) | EffectTarget::StopBuild(of) => {
                    of != id || delivery.build_to_stop()
                }
                _ => true,
            });
            state.forget(&id.app);
        }
    }
}

fn rollout_event(state: &mut State, id: &RolloutId, event: &RolloutEvent, at: Timestamp) {
    if let RolloutEvent::Started(start) = event {
        let rollout = Rollout::begin(id.clone(), start.as_ref().clone(), at);
        let service = state
            .services
            .entry(start.service.clone())
            .or_insert_with(|| {
                Arc::new(Service::new(start.service.clone(), id.environment.clone()))
            });
        Arc::make_mut(service).begin(id, start, at);
        if let Some(delivery) = state.deliveries.get_mut(&id.delivery) {
            Arc::make_mut(delivery).enter(&id.environment, at);
        }
        state.rollouts.insert(id.clone(), Arc::new(rollout));
        return;
    }
    let Some(rollout) = state.rollouts.get_mut(id) else {
        return;
    };
    rollout::apply(Arc::make_mut(rollout), event, at);
    if let Some(service) = state.services.get_mut(&rollout.start.service) {
        service_after(Arc::make_mut(service), rollout, event, at);
    }
    if let RolloutEvent::TargetUnfit { failures, retry_at } = event {
        // The next question has a key of its own.
        let target = EffectTarget::Prove(id.clone());
        let attempt = state.retries.get(&target).map_or(0, |retry| retry.failed) + 1;
        let key = EffectKey { target, attempt };
        attempt_failed(state, &key, &failures.join("; "), *retry_at, at);
        return;
    }
    if rollout.ended() {
        state.retries.retain(|target, _| match target {
            EffectTarget::Smoke(of) | EffectTarget::Prove(of) | EffectTarget::Verify(of, _) => {
                of != id
            }
            _ => true,
        });
    }
}

/// What a rollout's event means for its service.
fn service_after(service: &mut Service, rollout: &Rollout, event: &RolloutEvent, at: Timestamp) {
    match event {
        RolloutEvent::Succeeded => {
            service.succeed(&rollout.id, &rollout.start, rollout.stable_size, at);
        }
        RolloutEvent::Failed { .. }
        | RolloutEvent::Aborted
        | RolloutEvent::RollbackAbandoned { .. } => {
            service.rollout = None;
        }
        RolloutEvent::RollbackStarted { .. } => service.rollout = Some(rollout.id.clone()),
        RolloutEvent::RolledBack { .. } => service.roll_back(rollout, at),
        RolloutEvent::GuardExceeded { .. } => {
            if let Some(guard) = &mut service.guard {
                guard.exceeded = true;
            }
        }
        RolloutEvent::Started(_)
        | RolloutEvent::Deployed { .. }
        | RolloutEvent::SmokePassed { .. }
        | RolloutEvent::TargetProven { .. }
        | RolloutEvent::TargetUnfit { .. }
        | RolloutEvent::WentDirect(_)
        | RolloutEvent::StepPrepared { .. }
        | RolloutEvent::StepEntered(_)
        | RolloutEvent::Progressed { .. }
        | RolloutEvent::Interrupted(_)
        | RolloutEvent::StepPassed { .. }
        | RolloutEvent::Paused
        | RolloutEvent::Resumed
        | RolloutEvent::Promoted { .. }
        | RolloutEvent::Verified { .. }
        | RolloutEvent::VerificationRetried { .. }
        | RolloutEvent::RollbackPrepared => {}
    }
}

impl Service {
    /// All traffic is back from a rollout's revision.
    fn roll_back(&mut self, rollout: &Rollout, at: Timestamp) {
        self.rollout = None;
        if rollout.was_stable {
            self.guard = None;
            self.warm = None;
            self.stable = rollout
                .rollback
                .as_ref()
                .and_then(|record| record.to.clone());
            // What came after the target has been taken back with it.
            if let Some(position) = self
                .history
                .iter()
                .position(|name| Some(name) == self.stable.as_ref())
            {
                self.history.truncate(position);
            }
        }
        let Some(record) = &rollout.rollback else {
            return;
        };
        if record.cause.quarantines() {
            self.quarantine.insert(
                (
                    rollout.start.image.clone(),
                    rollout.start.configuration.clone(),
                ),
                rollout.id.clone(),
            );
        }
        if !matches!(record.cause, RollbackCause::Aborted { .. }) {
            self.rolled_back = Some(RolledBack {
                rollout: rollout.id.clone(),
                commit: rollout.start.commit.clone(),
                at,
            });
        }
    }
}

fn service_event(state: &mut State, id: &ServiceId, event: &ServiceEvent, recorded: &Recorded) {
    if let ServiceEvent::Created { environment } = event {
        state
            .services
            .entry(id.clone())
            .or_insert_with(|| Arc::new(Service::new(id.clone(), environment.clone())));
    }
    let Some(service) = state.services.get_mut(id) else {
        return;
    };
    let service = Arc::make_mut(service);
    match event {
        ServiceEvent::Created { .. } => {}
        ServiceEvent::Planned { generation, plan } => {
            service.generation = *generation;
            service.plan = plan.clone();
            if let Some(rollout) = service
                .rollout
                .as_ref()
                .and_then(|it| state.rollouts.get_mut(it))
            {
                Arc::make_mut(rollout).count_anew();
            }
            state
                .retries
                .retain(|target, _| !matches!(target, EffectTarget::Configure(of, _) if of == id));
        }
        ServiceEvent::PlanAccepted { generation, .. } => {
            service.accepted = service.accepted.max(*generation);
            service.accepted_at = Some(recorded.at);
            state
                .retries
                .retain(|target, _| !matches!(target, EffectTarget::Configure(of, _) if of == id));
        }
        // What was accepted there is not what was planned here: the next plan gets a newer number.
        ServiceEvent::GenerationSeen { generation } => {
            service.generation = service.generation.max(*generation);
            service.accepted = 0;
            service.plan = crate::event::Plan::default();
        }
        ServiceEvent::Tripped(trip) => service.last_trip = service.last_trip.max(trip.number),
        ServiceEvent::Locked { message } => {
            service.lock = Some(Lock {
                by: recorded.actor.name.clone(),
                since: recorded.at,
                message: message.clone(),
            });
        }
        ServiceEvent::Unlocked { .. } => {
            service.lock = None;
            service.rolled_back = None;
        }
        ServiceEvent::WarmEnded => service.warm = None,
        ServiceEvent::GuardEnded => service.guard = None,
    }
}

fn incident_event(state: &mut State, id: &IncidentId, event: &IncidentEvent, at: Timestamp) {
    let app = state.apps.entry(id.app.clone()).or_default();
    app.last_incident = app.last_incident.max(id.number);
    let mut incident = state.incidents.remove(id).map(Arc::unwrap_or_clone);
    Incident::apply(&mut incident, id, event, at);
    if let Some(incident) = incident {
        if incident.evidence.is_some() {
            state.retries.remove(&EffectTarget::Evidence(id.clone()));
        }
        state.incidents.insert(id.clone(), Arc::new(incident));
    }
}

fn attempt_failed(
    state: &mut State,
    key: &EffectKey,
    error: &str,
    retry_at: Timestamp,
    at: Timestamp,
) {
    let retry = state
        .retries
        .entry(key.target.clone())
        .or_insert_with(|| Retry {
            failed: 0,
            not_before: retry_at,
            since: at,
            error: String::new(),
        });
    retry.failed = retry.failed.max(key.attempt);
    retry.not_before = retry_at;
    error.clone_into(&mut retry.error);
}
