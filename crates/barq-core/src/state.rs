//! Everything that the control plane remembers, and how events change it.
//!
//! One value, changed by one function, the same live and in a replay. Deliveries and rollouts are behind `Arc`, so that a
//! decision can work on a copy. Ended deliveries are forgotten after a while: the journal has them.

mod apply;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::configuration::{Role, ServiceName};
use crate::delivery::Delivery;
use crate::effect::EffectTarget;
use crate::identity::{
    AppName, CommitHash, DeliveryId, IncidentId, OWN_TOKEN_MARK, RolloutId, ServiceId, person,
};
use crate::incident::Incident;
use crate::rollout::{Phase, Rollout};
use crate::service::Service;

pub use apply::apply;

/// Ended deliveries of an app that are remembered beside those that a service still needs.
pub const ENDED_DELIVERIES_MAX: usize = 100;
/// Incidents of an app that are remembered.
pub const INCIDENTS_MAX: usize = 100;

/// The state of everything.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    /// By name.
    pub apps: BTreeMap<AppName, App>,
    /// By id.
    pub deliveries: BTreeMap<DeliveryId, Arc<Delivery>>,
    /// By id.
    pub rollouts: BTreeMap<RolloutId, Arc<Rollout>>,
    /// By name.
    pub services: BTreeMap<ServiceId, Arc<Service>>,
    /// By id.
    pub incidents: BTreeMap<IncidentId, Arc<Incident>>,
    /// Effects whose last attempt came to no result.
    pub retries: BTreeMap<EffectTarget, Retry>,
    /// By name; those that are not revoked.
    pub tokens: BTreeMap<String, Token>,
}

/// An app: one repository.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct App {
    /// The first part of its services' names, once a configuration has said it; it does not change.
    pub service: Option<ServiceName>,
    /// The number of the last delivery.
    pub last_delivery: u64,
    /// The number of the last incident.
    pub last_incident: u64,
    /// Where branches and tags point, as far as it has been recorded.
    pub refs: BTreeMap<String, CommitHash>,
}

/// An effect that must be tried again: it came to no result, or must be asked again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// Attempts that came to no result, or to none that ends it.
    pub failed: u32,
    /// When the next may begin.
    pub not_before: Timestamp,
    /// Since when.
    pub since: Timestamp,
    /// What the last attempt came to, in words.
    pub error: String,
}

/// A token that may give commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What its owner may do.
    pub role: Role,
    /// SHA-256 of the token, hexadecimal.
    pub hash: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The rollout of a delivery that is being taken back after it had succeeded, if there is one.
pub(crate) fn delivery_is_taken_back<'a>(
    state: &'a State,
    delivery: &Delivery,
) -> Option<&'a Rollout> {
    let rollouts = delivery.entered.iter().map(|environment| RolloutId {
        delivery: delivery.id.clone(),
        environment: environment.clone(),
    });
    rollouts
        .filter_map(|id| state.rollout(&id))
        .find(|rollout| matches!(rollout.phase, Phase::RollingBack(_)))
}

impl State {
    /// The delivery of that id, if it is remembered.
    pub fn delivery(&self, id: &DeliveryId) -> Option<&Delivery> {
        self.deliveries.get(id).map(Arc::as_ref)
    }

    /// The rollout of that id, if it is remembered.
    pub fn rollout(&self, id: &RolloutId) -> Option<&Rollout> {
        self.rollouts.get(id).map(Arc::as_ref)
    }

    /// The service of that name.
    pub fn service(&self, id: &ServiceId) -> Option<&Service> {
        self.services.get(id).map(Arc::as_ref)
    }

    /// The environment of a service that nothing has entered yet, where a delivered configuration declares it.
    pub fn declared(&self, id: &ServiceId) -> Option<String> {
        let deliveries = self.deliveries.values().rev();
        deliveries
            .filter(|delivery| delivery.push.delivered)
            .filter_map(|delivery| delivery.configuration())
            .find_map(|configuration| {
                let names = configuration.environments.iter().map(|it| &it.name);
                let mut names = names.filter(|name| configuration.service_in(name) == id.as_str());
                names.next().cloned()
            })
    }

    /// The incident of that id, if it is remembered.
    pub fn incident(&self, id: &IncidentId) -> Option<&Incident> {
        self.incidents.get(id).map(Arc::as_ref)
    }

    /// The rollout that runs in a service.
    pub fn running(&self, service: &Service) -> Option<&Rollout> {
        self.rollout(service.rollout.as_ref()?)
    }

    /// What the owner of a token may do; none where there is no such token. A person's own token never may more than the
    /// person, whatever was recorded of it.
    pub fn role(&self, token: &str) -> Option<Role> {
        let role = self.tokens.get(token)?.role;
        let persons = self.tokens.get(person(token)).map(|it| it.role);
        Some(persons.map_or(role, |persons| persons.min(role)))
    }

    /// The names of a person's own tokens.
    pub fn own_tokens<'a>(&'a self, person: &'a str) -> impl Iterator<Item = &'a String> {
        let own = move |name: &&String| {
            name.strip_prefix(person)
                .is_some_and(|rest| rest.starts_with(OWN_TOKEN_MARK))
        };
        self.tokens.keys().filter(own)
    }

    /// Forgets ended deliveries that nobody needs any more: deterministic, so a replay forgets the same.
    fn forget(&mut self, app: &AppName) {
        let needed: BTreeSet<&DeliveryId> = self
            .services
            .values()
            .flat_map(|service| service.revisions.values())
            .map(|revision| &revision.rollout.delivery)
            .collect();
        let ended: Vec<DeliveryId> = self
            .deliveries
            .values()
            .filter(|delivery| delivery.id.app == *app && delivery.ended())
            .filter(|delivery| !needed.contains(&delivery.id))
            .filter(|delivery| !self.has_work(delivery))
            .map(|delivery| delivery.id.clone())
            .collect();
        let surplus = ended.len().saturating_sub(ENDED_DELIVERIES_MAX);
        for id in ended.into_iter().take(surplus) {
            self.deliveries.remove(&id);
            self.rollouts.retain(|rollout, _| rollout.delivery != id);
        }
        let incidents: Vec<IncidentId> = self
            .incidents
            .keys()
            .filter(|id| id.app == *app)
            .cloned()
            .collect();
        let surplus = incidents.len().saturating_sub(INCIDENTS_MAX);
        for id in incidents.into_iter().take(surplus) {
            self.incidents.remove(&id);
        }
    }

    /// Whether an ended delivery still has something to stop or a rollout that moves.
    fn has_work(&self, delivery: &Delivery) -> bool {
        delivery.checks_to_stop().next().is_some()
            || delivery.build_to_stop()
            || self
                .rollouts
                .values()
                .any(|rollout| rollout.id.delivery == delivery.id && !rollout.ended())
    }
}
