//! One app: its environments side by side, and below them what is on its way.

use barq_core::delivery::{Delivery, End, Phase};
use barq_engine::engine::View;
use jiff::Timestamp;
use maud::{Markup, html};

use super::super::super::{Server, convert};
use super::super::elements;
use super::super::icons::{self, Icon};
use super::App;
use super::environment;
use super::survey::waits_for_people;

/// Deliveries on their way that are shown; more are counted.
const UNDER_WAY_MAX: usize = 5;

/// The card.
pub(super) fn card(server: &Server, view: &View, app: &App, now: Timestamp) -> Markup {
    html! {
        article.card.app {
            header.heading {
                h2 { (app.name) }
                a href=(deliveries(app)) { "Deliveries" span.unseen { " of " (app.name) } }
            }
            @if app.environments.is_empty() { (no_environments(app)) }
            @else {
                div.environments {
                    @for it in &app.environments { (environment::section(server, view, it, now)) }
                }
            }
            @if !app.under_way.is_empty() {
                h3.unseen { "On its way in " (app.name) }
                ul.plain.under-way {
                    @for delivery in app.under_way.iter().take(UNDER_WAY_MAX) { (on_its_way(view, delivery, now)) }
                }
                @if app.under_way.len() > UNDER_WAY_MAX {
                    p { a href=(deliveries(app)) { "and " (app.under_way.len() - UNDER_WAY_MAX) " more" } }
                }
            } @else if let Some(last) = app.last_ended { (ended(last)) }
        }
    }
}

fn deliveries(app: &App) -> String {
    format!("/deliveries?app={}", app.name)
}

/// Nothing could be read of where it shall go.
fn no_environments(app: &App) -> Markup {
    let failed = app.last_ended.is_some();
    html! {
        p.empty {
            @if failed { "No environment yet: no delivery of it has come with a " code { "barq.toml" } " that can be read." }
            @else { "No environment yet: the first push to its branch says which there are." }
        }
    }
}

fn on_its_way(view: &View, delivery: &Delivery, now: Timestamp) -> Markup {
    let id = delivery.id.to_string();
    let waiting = convert::waiting(view, delivery, now);
    html! {
        li {
            p.row {
                (elements::state(delivery.state_name()))
                (elements::delivery(&id))
                span.subject title=(delivery.push.commit.subject) { (elements::subject(&delivery.push.commit.subject)) }
            }
            p.waits {
                @if let Some(waiting) = &waiting {
                    (waiting.message)
                    @if let Some(until) = waiting.until { " · " (elements::until(until)) }
                }
                @if waits_for_people(delivery) {
                    " " a.button.primary href=(format!("/deliveries/{id}/review")) { "Review" span.unseen { " " (id) } }
                }
            }
        }
    }
}

/// How the last delivery ended, where nothing moves.
fn ended(delivery: &Delivery) -> Markup {
    let reason = match &delivery.phase {
        Phase::Ended(End::Failed { reason }) => reason.lines().find(|line| !line.trim().is_empty()),
        _ => None,
    };
    html! {
        p.last.row {
            (elements::state(delivery.state_name()))
            (elements::delivery(&delivery.id.to_string()))
            span.subject title=(delivery.push.commit.subject) { (elements::subject(&delivery.push.commit.subject)) }
            @if let Some(at) = delivery.finished_at { span.quiet.small { (elements::time(at)) } }
        }
        @if let Some(reason) = reason {
            p.reason { (icons::icon(Icon::Bad)) span { (reason) } }
        }
    }
}
