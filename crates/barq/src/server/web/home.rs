//! All apps: what serves in each environment, and what is on its way.

use barq_core::delivery::Delivery;
use barq_core::identity::AppName;
use barq_core::service::Service;
use barq_engine::engine::View;
use jiff::Timestamp;
use maud::{Markup, html};

use super::super::problem::Problem;
use super::super::{Server, convert};
use super::elements;
use super::{chart, elements};
use super::page::{Fragment, Mood, Page, Section};

/// The page.
pub(super) async fn page(server: &Server, now: Timestamp) -> Result<Page, Problem> {
    let view = server.engine.view();
    let content = if view.state.apps.is_empty() {
        nothing_yet(server)
    } else {
        html! {
            h1 { "Apps" }
            @for app in view.state.apps.keys() { (self::app(server, &view, app, now)) }
        }
    };
    Ok(Page {
        kind: "home",
        title: "Apps".to_owned(),
        mood: mood(&view),
        section: Section::Home,
        trail: Vec::new(),
        fragments: vec![Fragment::new("apps", content)],
    })
}

fn mood(view: &View) -> Mood {
    let open = view
        .state
        .incidents
        .values()
        .any(|it| it.resolved.is_none());
    let states = || view.state.deliveries.values().filter(|it| !it.ended());
    if open {
        Mood::Trouble
    } else if states().any(|it| it.state_name() == "awaiting_approval") {
        Mood::Waiting
    } else if states().next().is_some() {
        Mood::Moving
    } else {
        Mood::Calm
    }
}

fn nothing_yet(server: &Server) -> Markup {
    let app = "my-app";
    html! {
        h1 { "Nothing here yet" }
        p { "Three commands, in the repository of an application, bring the first one here:" }
        ol.commands {
            li { pre { code { "barq init" } } p { "writes a " code { "barq.toml" } " for what it finds, and adds the git remote " code { "barq" } } }
            li { pre { code { "git add barq.toml && git commit -m 'Deliver by barq'" } } p { "the file travels with the commit that it is for" } }
            li { pre { code { "git push barq main" } } p { "creates the app at " code { (server.url) "/git/" (app) ".git" } " and starts its first delivery" } }
        }
    }
}

fn app(server: &Server, view: &View, name: &AppName, now: Timestamp) -> Markup {
    let of_app =
        |service: &&Service| convert::app_of(view, service).as_deref() == Some(name.as_str());
    let services = view.state.services.values().map(AsRef::as_ref);
    let under_way = view
        .state
        .deliveries
        .values()
        .filter(|delivery| delivery.id.app == *name && !delivery.ended());
    html! {
        article.app {
            h2 { (name) }
            div.environments {
                @for service in services.filter(of_app) { (environment(server, view, service, now)) }
            }
            @for delivery in under_way { (on_its_way(view, delivery, now)) }
        }
    }
}

fn environment(server: &Server, view: &View, service: &Service, now: Timestamp) -> Markup {
    let shown = convert::service(view, service, server.ingress.port(), now);
    let serving = shown
        .revisions
        .iter()
        .find(|it| Some(&it.name) == shown.stable.as_ref());
    html! {
        section.environment {
            h3 { a href=(format!("/services/{}", shown.name)) { (shown.environment) } }
            @match serving {
                Some(revision) => {
                    p { (elements::state(&revision.health)) }
                    p { strong { (revision.name) } " " (elements::hash(&revision.commit)) }
                    p.quiet { "since " (elements::time(revision.created_at)) }
                }
                None => p.quiet { "Nothing serves here yet" },
            (chart::sparkline(&server.samples.hour(&service.id, now)))
            }
            @if let Some(rollout) = &shown.rollout {
                p { a href=(format!("/rollouts/{rollout}")) { (rollout) } }
            }
        }
    }
}

fn on_its_way(view: &View, delivery: &Delivery, now: Timestamp) -> Markup {
    let waiting = convert::waiting(view, delivery, now);
    html! {
        p.under-way {
            (elements::state(delivery.state_name())) " "
            (elements::delivery(&delivery.id.to_string())) " "
            (delivery.push.commit.subject)
            @if let Some(waiting) = waiting { span.quiet { " waits until " (waiting.message) } }
        }
    }
}
