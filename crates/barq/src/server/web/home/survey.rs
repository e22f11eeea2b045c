//! All apps at a glance: each one's environments in the order of its configuration, its deliveries and its open incidents.
//!
//! Everything is gone through once, however many apps there are.

use std::collections::BTreeMap;

use barq_core::configuration::Configuration;
use barq_core::delivery::{Delivery, Phase};
use barq_core::identity::{AppName, RevisionName, ServiceId};
use barq_core::incident::Incident;
use barq_core::service::Service;
use barq_engine::engine::View;

use super::super::super::convert;

/// All of it.
pub(super) struct Survey<'a> {
    /// By name.
    pub(super) apps: Vec<App<'a>>,
}

/// An app.
pub(super) struct App<'a> {
    pub(super) name: &'a AppName,
    /// In the order in which a release goes through them.
    pub(super) environments: Vec<Environment<'a>>,
    /// What has not ended, the newest first.
    pub(super) under_way: Vec<&'a Delivery>,
    /// The last that has ended.
    pub(super) last_ended: Option<&'a Delivery>,
}

/// One of its environments.
pub(super) struct Environment<'a> {
    pub(super) name: String,
    pub(super) id: ServiceId,
    /// Once something has entered it.
    pub(super) service: Option<&'a Service>,
    /// What serves, where the node has the traffic.
    pub(super) serving: Option<RevisionName>,
    /// How that is.
    pub(super) health: Option<&'static str>,
    /// What is open.
    pub(super) incidents: Vec<&'a Incident>,
}

/// By service.
type OpenIncidents<'a> = BTreeMap<&'a ServiceId, Vec<&'a Incident>>;

impl<'a> Survey<'a> {
    pub(super) fn of(view: &'a View) -> Self {
        let mut services: BTreeMap<String, Vec<&Service>> = BTreeMap::new();
        for service in view.state.services.values() {
            let app = convert::app_of(view, service).unwrap_or_default();
            services.entry(app).or_default().push(service.as_ref());
        }
        let mut deliveries: BTreeMap<&AppName, Vec<&Delivery>> = BTreeMap::new();
        for delivery in view.state.deliveries.values().rev() {
            let app = &delivery.id.app;
            deliveries.entry(app).or_default().push(delivery.as_ref());
        }
        let mut incidents = OpenIncidents::new();
        let open = view.state.incidents.values();
        for incident in open.filter(|incident| incident.resolved.is_none()) {
            let of_service = incidents.entry(&incident.service).or_default();
            of_service.push(incident.as_ref());
        }
        let apps = view.state.apps.keys().map(|name| {
            let of_app = deliveries.remove(name).unwrap_or_default();
            let entered = services.remove(name.as_str()).unwrap_or_default();
            App {
                name,
                environments: environments(view, &of_app, &entered, &incidents),
                last_ended: of_app.iter().copied().find(|delivery| delivery.ended()),
                under_way: of_app.into_iter().filter(|it| !it.ended()).collect(),
            }
        });
        Self {
            apps: apps.collect(),
        }
    }

    /// Deliveries that somebody must approve.
    pub(super) fn to_approve(&self) -> usize {
        let under_way = self.apps.iter().flat_map(|app| &app.under_way);
        under_way
            .filter(|delivery| waits_for_people(delivery))
            .count()
    }

    /// Deliveries that go on by themselves.
    pub(super) fn moving(&self) -> usize {
        self.under_way() - self.to_approve()
    }

    /// Deliveries that have not ended.
    pub(super) fn under_way(&self) -> usize {
        self.apps.iter().map(|app| app.under_way.len()).sum()
    }

    /// Open incidents.
    pub(super) fn incidents(&self) -> usize {
        let environments = self.apps.iter().flat_map(|app| &app.environments);
        environments
            .map(|environment| environment.incidents.len())
            .sum()
    }

    /// Environments whose serving revision is not well.
    pub(super) fn unhealthy(&self) -> usize {
        let environments = self.apps.iter().flat_map(|app| &app.environments);
        environments
            .filter(|environment| environment.health == Some("unhealthy"))
            .count()
    }
}

/// Whether a delivery waits for somebody to agree.
pub(super) fn waits_for_people(delivery: &Delivery) -> bool {
    matches!(delivery.phase, Phase::AwaitingApproval(_))
}

/// Those that the newest configuration declares, in its order, then what else has been entered.
fn environments<'a>(
    view: &'a View,
    deliveries: &[&'a Delivery],
    entered: &[&'a Service],
    incidents: &OpenIncidents<'a>,
) -> Vec<Environment<'a>> {
    let newest = deliveries
        .iter()
        .filter(|delivery| delivery.push.delivered)
        .find_map(|delivery| delivery.configuration());
    let mut all: Vec<Environment> = newest
        .into_iter()
        .flat_map(declared)
        .map(|(name, id)| {
            let service = entered.iter().find(|service| service.id == id).copied();
            environment(view, incidents, name, id, service)
        })
        .collect();
    for service in entered {
        if !all.iter().any(|known| known.id == service.id) {
            let (name, id) = (service.environment.clone(), service.id.clone());
            all.push(environment(view, incidents, name, id, Some(service)));
        }
    }
    all
}

fn declared(configuration: &Configuration) -> impl Iterator<Item = (String, ServiceId)> {
    configuration.environments.iter().filter_map(|environment| {
        let id = configuration.service_in(&environment.name).parse().ok()?;
        Some((environment.name.clone(), id))
    })
}

fn environment<'a>(
    view: &'a View,
    incidents: &OpenIncidents<'a>,
    name: String,
    id: ServiceId,
    service: Option<&'a Service>,
) -> Environment<'a> {
    let serving = service.and_then(|service| {
        let moved = convert::unrecorded(view, service).map(|(_, to)| to);
        moved.or_else(|| service.stable.clone())
    });
    let health = service.zip(serving.as_ref());
    let health = health.map(|(service, revision)| convert::health(view, service, revision));
    Environment {
        incidents: incidents.get(&id).cloned().unwrap_or_default(),
        name,
        id,
        service,
        serving,
        health,
    }
}
