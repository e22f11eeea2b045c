//! What the delivery waits for, or how it ended and what to do about it.

use barq_core::configuration::PRODUCTION;
use barq_core::delivery::{Delivery, End, Phase};
use barq_core::identity::DeliveryId;
use barq_core::rollout;
use barq_core::service::Service;
use barq_engine::engine::View;
use barq_engine::history::Journey;
use jiff::Timestamp;
use maud::{Markup, html};

use super::super::super::convert;
use super::super::super::shapes::Waiting;
use super::super::check::Check;
use super::super::elements::{self, sentence};
use super::super::icons;

pub(super) fn result(view: &View, journey: &Journey, now: Timestamp) -> Markup {
    let delivery = &journey.delivery;
    let waiting = convert::waiting(view, delivery, now);
    let (icon, class) = elements::look(delivery.state_name());
    let Phase::Ended(end) = &delivery.phase else {
        return html! { @if let Some(waiting) = waiting { (waits(journey, &waiting, class)) } };
    };
    let rollouts: Vec<_> = journey.rollouts.iter().collect();
    let reason = convert::reason(delivery, &rollouts);
    html! {
        div.notice.(class) {
            @if let Some(reason) = reason {
                p.reason { span.(class) { (icons::icon(icon)) } " " (sentence(&reason)) }
            }
            (next(view, journey, end))
        }
    }
}

/// Where somebody can end a wait that ends by nothing else; an approval has its button on the page.
fn way(journey: &Journey, waiting: &Waiting) -> Option<(String, &'static str)> {
    let delivery = &journey.delivery;
    match (waiting.kind.as_str(), &delivery.phase) {
        ("lock", Phase::Entering { environment }) => {
            let service = delivery.configuration()?.service_in(environment);
            Some((format!("/services/{service}"), "To the lock"))
        }
        ("paused" | "traffic", Phase::RollingOut { environment }) => {
            let path = format!("/rollouts/{}-{environment}", delivery.id);
            Some((path, "Steer the rollout"))
        }
        _ => None,
    }
}

fn waits(journey: &Journey, waiting: &Waiting, class: &str) -> Markup {
    let way = way(journey, waiting);
    html! {
        div.notice.(class) {
            p.quiet.small { "What it waits for" }
            p.message { (sentence(&waiting.message)) }
            @if let Some((path, words)) = way { p { a href=(path) { (words) } } }
            p.quiet.small {
                (elements::lasting(waiting.since, None))
                @if let Some(until) = waiting.until { " · " (elements::until(until)) }
            }
        }
    }
}

/// What comes of it, or what somebody does now.
fn next(view: &View, journey: &Journey, end: &End) -> Markup {
    let delivery = &journey.delivery;
    match end {
        End::Succeeded => succeeded(view, journey),
        End::Failed { .. } => failed(journey),
        End::RolledBack { environment } => rolled_back(view, journey, environment),
        End::Rejected { .. } => html! {
            p { "It goes no further. A new commit begins a new delivery." }
        },
        End::Expired => html! { p { "Retry it to build and ask again." } },
        End::Superseded { by } => html! {
            p { "Its commits are part of " (elements::delivery(&by.to_string())) ", which was pushed after it." }
        },
        End::Cancelled { .. } => html! {
            p {
                @if delivery.entered.is_empty() { "Nothing of it was rolled out. " }
                "Retry it, or push a new commit."
            }
        },
    }
}

fn succeeded(view: &View, journey: &Journey) -> Markup {
    let delivery = &journey.delivery;
    if !delivery.push.delivered {
        return html! {
            p { "The checks passed. Pushes to " code { (delivery.push.branch) } " are only checked, not delivered." }
        };
    }
    let service = delivery
        .configuration()
        .and_then(|it| it.service_in(PRODUCTION).parse().ok())
        .and_then(|id| view.state.service(&id));
    let Some(service) = service else {
        return html! { p { "It went all the way." } };
    };
    let link = html! { a href=(format!("/services/{}", service.id)) { (service.id) } };
    match serving(service) {
        Some(serving) if *serving == delivery.id => html! {
            p { strong { "It serves in production" } ", as the stable revision of " (link) "." }
        },
        Some(serving) => html! {
            p { "It went to production. Today " (elements::delivery(&serving.to_string())) " serves in " (link) "." }
        },
        None => html! { p { "It went to production: " (link) "." } },
    }
}

/// The delivery whose revision is stable.
fn serving(service: &Service) -> Option<&DeliveryId> {
    let stable = service.stable_revision()?;
    Some(&stable.rollout.delivery)
}

/// The way to what is wrong.
fn failed(journey: &Journey) -> Markup {
    let delivery = &journey.delivery;
    let bad = |check: &Check| check.bad();
    let checks: Vec<Check> = Check::all(delivery).into_iter().filter(bad).collect();
    let build = Check::build(delivery);
    let rollouts = journey.rollouts.iter();
    let mut fallen = rollouts.filter(|it| it.phase == rollout::Phase::Failed);
    html! {
        p {
            @if delivery.push.configuration.is_err() {
                "Mend " code { "barq.toml" } " (" code { "barq config check" } " says where it is wrong), and push again."
            } @else if !checks.is_empty() {
                "What to do: read " (outputs(delivery, &checks)) ", mend it, and push again. Retry, if the commit is not to blame."
            } @else if build.bad() {
                "What to do: read " (outputs(delivery, &[build])) ", mend it, and push again."
            } @else if let Some(rollout) = fallen.next() {
                "No traffic was moved. See the " a href=(format!("/rollouts/{}", rollout.id)) { "rollout into " (rollout.id.environment) }
                " and the " a href=(format!("/services/{}/logs", rollout.start.service)) { "logs" }
                " of " (rollout.start.revision) ", mend it, and push again."
            } @else { "Mend it and push again, or retry." }
        }
    }
}

fn outputs(delivery: &Delivery, checks: &[Check]) -> Markup {
    html! {
        "what "
        @for (index, check) in checks.iter().enumerate() {
            @if index > 0 { @if index + 1 == checks.len() { " and " } @else { ", " } }
            a href=(format!("/deliveries/{}/checks/{}", delivery.id, check.name)) { (check.name) }
        }
        " wrote"
    }
}

fn rolled_back(view: &View, journey: &Journey, environment: &str) -> Markup {
    let delivery = &journey.delivery;
    let mut incidents = view.state.incidents.values().rev();
    let incident = incidents.find(|it| it.rollout.delivery == delivery.id);
    let rollout = journey
        .rollouts
        .iter()
        .find(|it| it.id.environment == environment);
    html! {
        @if let Some(to) = rollout.and_then(|it| it.rollback.as_ref()).and_then(|it| it.to.as_ref()) {
            p { "All traffic is on " strong { (to) } " again." }
        }
        p {
            "What to do: read "
            @match incident {
                Some(incident) => { "the report of " a href=(format!("/incidents/{}", incident.id)) { (incident.id) } },
                None => { "the " a href=(format!("/incidents?app={}", delivery.id.app)) { "incident’s report" } },
            }
            @if let Some(rollout) = rollout {
                ", see the " a href=(format!("/rollouts/{}", rollout.id)) { "rollout" }
            }
            ", mend the cause, and push again."
        }
    }
}
