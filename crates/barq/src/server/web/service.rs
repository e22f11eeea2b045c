//! A service: where it answers, what serves and how well, how its traffic is shared, and the revisions that it has.
//!
//! What the node sees is shown as seen; while it can't be seen, its numbers are left out rather than shown as if fresh. The
//! page is cut so that a count that moves replaces a small table, and never a form.

mod empty;
mod history;
mod names;
mod running;
mod serving;
mod sight;
mod traffic;
mod trouble;
mod verification;

use barq_core::identity::ServiceId;
use http::Uri;
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Deserialize;

use super::super::Server;
use super::super::problem::Problem;
use super::elements;
use super::page::{Fragment, Mood, Page, Section};
use super::place::Audience;
use super::steer;
use sight::Sight;

pub(super) use names::trail_to;
pub(super) use sight::{serves_since, short_name};
pub(super) use verification::{Verifications, verify};

/// Which part of a service's page is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ServicePlace {
    /// Which service.
    pub(super) service: ServiceId,
    /// Of the revisions that don't run: those below this number.
    before: Option<u32>,
}

impl ServicePlace {
    /// Of an address.
    pub(super) fn of(name: &str, uri: &Uri) -> Result<Self, Problem> {
        let service = name
            .parse()
            .map_err(|_| Problem::unknown("service", name))?;
        let ServiceQuery { before } = super::place::query(uri)?;
        Ok(Self { service, before })
    }
}

/// What is asked of a service's page.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceQuery {
    before: Option<u32>,
}

/// The page.
pub(super) async fn page(
    server: &Server,
    place: &ServicePlace,
    audience: &Audience,
    now: Timestamp,
) -> Result<Page, Problem> {
    let view = server.engine.view();
    let id = &place.service;
    let known = view.state.service(id);
    let Some(service) = known.filter(|service| service.last_revision > 0) else {
        return empty::page(server, &view, id, audience, now);
    };
    let sight = Sight::new(server, &view, service, now);
    let fragments = vec![
        Fragment::new("head", head(&sight)),
        Fragment::new("trouble", trouble::notices(&sight)),
        Fragment::new("steer", steer::service(&view, service, audience, now)),
        Fragment::new("serving", serving::card(&sight)),
        Fragment::new("traffic", traffic::card(&sight)),
        Fragment::new("running", running::table(&sight)),
        Fragment::new("instances", running::instances(&sight)),
        Fragment::new("verify", verification::card(server, &sight)),
        Fragment::new("history", history::table(&sight, place.before)),
    ];
    Ok(Page {
        kind: "service",
        title: title(&sight),
        mood: mood(&sight),
        section: Section::Home,
        trail: trail_to(&view, id),
        fragments,
    })
}

fn title(sight: &Sight) -> String {
    let name = &sight.shown.name;
    let canary = sight.canary().filter(|(_, percent)| *percent > 0);
    let moving = canary.map_or_else(String::new, |(revision, percent)| {
        format!("▲ {percent} % {} · ", short_name(revision))
    });
    match sight.serving() {
        Some(revision) => format!(
            "{moving}{name} · {} {}",
            short_name(&revision.name),
            sight.health(&revision.name)
        ),
        None => format!("{moving}{name} · nothing serves"),
    }
}

fn mood(sight: &Sight) -> Mood {
    let serves_well = sight
        .serving()
        .is_none_or(|revision| matches!(sight.health(&revision.name), "healthy" | "starting"));
    if sight.away().is_some() || !serves_well || sight.incidents().next().is_some() {
        Mood::Trouble
    } else if sight.shown.rollout.is_some() {
        Mood::Moving
    } else if sight.shown.lock.is_some() {
        Mood::Waiting
    } else {
        Mood::Calm
    }
}

fn head(sight: &Sight) -> Markup {
    let name = &sight.shown.name;
    html! {
        div.heading {
            h1 { (name) }
            @match sight.serving() {
                Some(revision) => (elements::state(sight.health(&revision.name))),
                None => span.state.idle { "nothing serves" },
            }
        }
        nav.actions aria-label="Of this service" {
            a.button href=(format!("/services/{name}/logs#newest")) { "Logs" }
            a.button href=(format!("/journal?subject={name}")) { "Journal" }
        }
    }
}
