//! Which page an address means, and for whom it looks the same.

use std::error::Error;
use std::time::Duration;

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use barq_core::configuration::Role;
use barq_core::identity::{DeliveryId, IncidentId};
use http::Uri;
use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::super::Server;
use super::super::problem::Problem;
use super::deliveries::{self, DeliveriesQuery};
use super::logs::{self, LogsPlace};
use super::output::{self, OutputPlace};
use super::page::Page;
use super::rollout::{self, RolloutPlace};
use super::service::{self, ServicePlace};
use super::session::Viewer;
use super::{delivery, home, incident, incidents, journal, review, steer, tokens};

/// The paths of all pages.
pub(super) const PATHS: &[&str] = &[
    "/",
    "/deliveries",
    "/deliveries/{id}",
    "/deliveries/{id}/checks/{name}",
    "/deliveries/{id}/review",
    "/rollouts/{id}",
    "/services/{name}",
    "/services/{name}/logs",
    "/incidents",
    "/incidents/{id}",
    "/journal",
    "/journal/{sequence}",
    "/tokens",
];

/// A page's address, understood.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// All apps and their environments.
    Home,
    /// Deliveries, a page of them.
    Deliveries(DeliveriesQuery),
    /// One delivery.
    Delivery(DeliveryId),
    /// What a check of it writes.
    Output(OutputPlace),
    /// A rollout.
    Rollout(RolloutPlace),
    /// What is known of it, for who decides whether it goes on.
    Review(DeliveryId),
    /// An app in an environment.
    Service(ServicePlace),
    /// What its instances write.
    Logs(LogsPlace),
    /// All incidents.
    Incidents(incidents::Wanted),
    /// An incident's report.
    Incident(IncidentId),
    /// The journal, a page of it.
    Journal(journal::Wanted),
    /// One event of it.
    Event(u64),
    /// Who looks, and the tokens.
    Tokens,
}

/// Those for whom a page looks the same: it is rendered once for all of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Audience {
    /// What they may do.
    pub(super) role: Role,
    /// Whose page it is, where it differs from person to person.
    pub(super) name: Option<String>,
}

impl Place {
    /// The page at an address.
    pub(super) fn of(uri: &Uri) -> Result<Self, Problem> {
        let segments: Vec<&str> = uri.path().split('/').filter(|it| !it.is_empty()).collect();
        match segments.as_slice() {
            [] => Ok(Self::Home),
            ["deliveries"] => query::<DeliveriesQuery>(uri)?
                .checked()
                .map(Self::Deliveries),
            ["deliveries", id] => deliveries::parse(id).map(Self::Delivery),
            ["deliveries", id, "review"] => deliveries::parse(id).map(Self::Review),
            ["deliveries", id, "checks", name] => OutputPlace::of(id, name, uri).map(Self::Output),
            ["rollouts", id] => RolloutPlace::of(id, uri).map(Self::Rollout),
            ["services", name] => ServicePlace::of(name, uri).map(Self::Service),
            ["services", name, "logs"] => LogsPlace::of(name, uri).map(Self::Logs),
            ["incidents"] => query(uri).map(Self::Incidents),
            ["incidents", id] => incident::id(id).map(Self::Incident),
            ["journal"] => query::<journal::Wanted>(uri)?.checked().map(Self::Journal),
            ["journal", sequence] => sequence
                .parse()
                .map(Self::Event)
                .map_err(|_| Problem::unknown("event", sequence)),
            ["tokens"] => Ok(Self::Tokens),
            _ => Err(Problem::unknown("page", uri.path())),
        }
    }

    /// For whom it looks as it does for this viewer.
    pub(super) fn audience(&self, server: &Server, viewer: &Viewer) -> Audience {
        let name = match self {
            Self::Home
            | Self::Deliveries(_)
            | Self::Delivery(_)
            | Self::Output(_)
            | Self::Rollout(_)
            | Self::Service(_)
            | Self::Logs(_)
            | Self::Incidents(_)
            | Self::Incident(_)
            | Self::Journal(_)
            | Self::Event(_) => None,
            Self::Tokens => Some(viewer.0.name.clone()),
            Self::Review(id) => {
                let closed = steer::is_closed_to(&server.engine.view(), id, &viewer.0);
                closed.then(|| viewer.0.name.clone())
            }
        };
        Audience {
            role: viewer.0.role,
            name,
        }
    }

    /// How often it is rendered again though the engine knows of no change: where it shows what others write.
    pub(super) fn refreshes(&self, server: &Server) -> Option<Duration> {
        match self {
            Self::Output(place) => place.refreshes(server),
            Self::Logs(place) => place.is_live().then_some(logs::REFRESH_EVERY),
            _ => None,
        }
    }

    /// The page as it is now.
    pub(super) async fn page(
        &self,
        server: &Server,
        audience: &Audience,
        now: Timestamp,
    ) -> Result<Page, Problem> {
        match self {
            Self::Home => home::page(server, now).await,
            Self::Deliveries(query) => deliveries::page(server, query, now).await,
            Self::Delivery(id) => delivery::page(server, id, audience, now).await,
            Self::Output(place) => output::page(server, place).await,
            Self::Review(id) => review::page(server, id, audience, now).await,
            Self::Rollout(place) => rollout::page(server, place, audience, now).await,
            Self::Service(place) => service::page(server, place, audience, now).await,
            Self::Logs(place) => logs::page(server, place, now).await,
            Self::Incidents(wanted) => incidents::page(server, wanted).await,
            Self::Incident(id) => incident::page(server, id, now).await,
            Self::Journal(wanted) => journal::page(server, wanted).await,
            Self::Event(sequence) => journal::event_page(server, *sequence).await,
            Self::Tokens => tokens::page(server, audience).await,
        }
    }
}

/// What an address asks for.
pub(super) fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    Query::try_from_uri(uri)
        .map(|Query(query)| query)
        .map_err(|error| Problem::invalid(in_words(&error)))
}

/// What is wrong with what an address asks for, in words of the page rather than of its parser.
fn in_words(rejection: &QueryRejection) -> String {
    let mut cause: &dyn Error = rejection;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let cause = cause.to_string();
    // Before it stands the name of the parameter, which is said again.
    let said = ["unknown field", "unknown variant"]
        .into_iter()
        .find_map(|it| cause.find(it));
    cause[said.unwrap_or(0)..]
        .replace("unknown field", "this page has no filter")
        .replace("unknown variant", "there is no value")
        .replace("expected one of", "but")
        .replace("expected", "but")
}

#[cfg(test)]
mod tests;
