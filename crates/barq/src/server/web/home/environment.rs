//! One environment of an app: what serves there and since when, how well, what comes, what keeps others out.

use barq_core::rollout::Rollout;
use barq_core::service::Revision;
use barq_engine::engine::View;
use jiff::Timestamp;
use maud::{Markup, html};

use super::super::super::{Server, convert};
use super::super::icons::{self, Icon};
use super::super::service::{serves_since, short_name};
use super::super::{chart, elements};
use super::survey::Environment;
use crate::output::text;

/// Its part of the app's card.
pub(super) fn section(
    server: &Server,
    view: &View,
    environment: &Environment,
    now: Timestamp,
) -> Markup {
    html! {
        section.environment {
            div.heading {
                h3 { a href=(format!("/services/{}", environment.id)) { (environment.name) } }
                @match environment.health {
                    Some(health) => (elements::state(health)),
                    None => span.state.idle { (icons::icon(Icon::Idle)) "empty" },
                }
                (locked(environment))
            }
            (serving(view, environment))
            @if let Some(rollout) = environment.service.and_then(|service| view.state.running(service)) { (coming(view, rollout, now)) }
            @for incident in &environment.incidents {
                p.incident.bad { (icons::icon(Icon::Warning)) a href=(format!("/incidents/{}", incident.id)) { (incident.id) } " is open" }
            }
            @if environment.service.is_some() { (chart::sparkline(&server.samples.hour(&environment.id, now))) }
        }
    }
}

fn locked(environment: &Environment) -> Markup {
    let service = environment.service;
    let lock = service.and_then(|service| service.lock.as_ref());
    let rolled_back = service.and_then(|service| service.rolled_back.as_ref());
    let why = lock
        .map(|lock| format!("{}: {}", lock.by, lock.message))
        .or_else(|| {
            let rolled_back = rolled_back?;
            Some(format!("{} was rolled back", rolled_back.rollout))
        });
    html! {
        @if let Some(why) = why { span.state.wait title=(why) { (icons::icon(Icon::Lock)) "locked" } }
    }
}

fn serving(view: &View, environment: &Environment) -> Markup {
    let revision = environment
        .service
        .zip(environment.serving.as_ref())
        .and_then(|(service, name)| service.revision(name));
    html! {
        @match revision {
            Some(revision) => (revision_served(view, revision)),
            None if environment.service.is_some_and(|service| service.last_revision > 0) => p.quiet { "Nothing has proved itself here yet." },
            None => p.quiet { "Nothing has entered it yet." },
        }
    }
}

fn revision_served(view: &View, revision: &Revision) -> Markup {
    let delivery = view.state.delivery(&revision.rollout.delivery);
    let subject = delivery.map(|delivery| delivery.push.commit.subject.as_str());
    let since = serves_since(view, revision).unwrap_or(revision.created_at);
    html! {
        p.serving {
            strong title=(revision.name) { (short_name(&revision.name)) } " "
            (elements::hash(revision.commit.as_str())) " "
            @if let Some(subject) = subject { span.subject title=(subject) { (elements::subject(subject)) } }
        }
        p.quiet.small { "serving " (elements::lasting(since, None)) }
    }
}

fn coming(view: &View, rollout: &Rollout, now: Timestamp) -> Markup {
    let shown = convert::rollout(view, rollout, None, now);
    html! {
        p.coming.row {
            (elements::state(&shown.state))
            a href=(format!("/rollouts/{}", rollout.id)) { (short_name(&rollout.start.revision)) }
            span { (shown.traffic) " % of the traffic" }
            @if let Some(max) = shown.max_errors { span { (shown.recent_errors) " of " (text::count(max, "error")) } }
        }
    }
}
