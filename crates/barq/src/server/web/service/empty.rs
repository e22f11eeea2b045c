//! An environment that is declared and has nothing yet: what will bring something, and what is on its way.

use barq_core::delivery::Delivery;
use barq_core::identity::ServiceId;
use barq_engine::engine::View;
use jiff::Timestamp;
use maud::{Markup, html};

use super::super::super::Server;
use super::super::super::problem::Problem;
use super::super::elements;
use super::super::icons::{self, Icon};
use super::super::page::{Fragment, Mood, Page, Section};
use super::super::place::Audience;
use super::super::steer;
use super::names;

/// Deliveries on their way that are shown, the newest; more are counted.
const UNDER_WAY_MAX: usize = 20;

/// The page; a problem where nothing declares the service.
pub(super) fn page(
    server: &Server,
    view: &View,
    id: &ServiceId,
    audience: &Audience,
    now: Timestamp,
) -> Result<Page, Problem> {
    let environment =
        names::environment(view, id).ok_or_else(|| Problem::unknown("service", id.as_str()))?;
    let app = names::app(view, id, &environment);
    let known = view.state.service(id);
    let lock = known.and_then(|service| service.lock.as_ref());
    let head = html! {
        div.heading { h1 { (id) } span.state.idle { (icons::icon(Icon::Idle)) "empty" } }
    };
    let content = html! {
        div.card {
            h2 { "Nothing has entered " (environment) " yet" }
            p {
                "A commit that is pushed to the app's branch comes here once its checks have passed, its image is built, and the "
                "environments before this one have it; and somebody has approved it, where that is asked for."
            }
            @if let Some(app) = &app { pre { code { "git push " (server.url) "/git/" (app) ".git HEAD:main" } } }
        }
        @if let Some(lock) = lock {
            div.notice.wait {
                h2 { (icons::icon(Icon::Lock)) "Locked" }
                p { (lock.message) " " span.quiet { (lock.by) ", " (elements::time(lock.since)) } }
            }
        }
    };
    let on_its_way = under_way(view, app.as_deref());
    Ok(Page {
        kind: "service",
        title: format!("{id} · empty"),
        mood: if lock.is_some() {
            Mood::Waiting
        } else {
            Mood::Calm
        },
        section: Section::Home,
        trail: names::trail_to(view, id),
        fragments: vec![
            Fragment::new("head", head),
            Fragment::new("nothing", content),
            Fragment::new("steer", steer::empty(view, id, audience, now)),
            Fragment::new("under-way", on_its_way),
        ],
    })
}

fn under_way(view: &View, app: Option<&str>) -> Markup {
    let deliveries: Vec<&Delivery> = view
        .state
        .deliveries
        .values()
        .rev()
        .map(AsRef::as_ref)
        .filter(|delivery| Some(delivery.id.app.as_str()) == app && !delivery.ended())
        .collect();
    html! {
        @if !deliveries.is_empty() {
            h2 { "On its way" }
            ul.plain {
                @for delivery in deliveries.iter().take(UNDER_WAY_MAX) {
                    li.row {
                        (elements::state(delivery.state_name()))
                        (elements::delivery(&delivery.id.to_string()))
                        span { (elements::subject(&delivery.push.commit.subject)) }
                    }
                }
            }
            @if let Some(app) = app.filter(|_| deliveries.len() > UNDER_WAY_MAX) {
                p { a href=(format!("/deliveries?app={app}")) { "and " (deliveries.len() - UNDER_WAY_MAX) " more" } }
            }
        }
    }
}
