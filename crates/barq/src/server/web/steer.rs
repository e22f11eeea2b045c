//! People take the wheel: the buttons on the pages of rollouts, deliveries and services, the pages that ask before
//! something can't be taken back, and what the forms do.
//!
//! Nothing here knows who may do what or when: the engine's own rules are run dry, and a button that they refuse is shown
//! with their reason. A form carries what it was made from, and is checked against what is so when it comes back; so a
//! stale page does no harm, and a second click gets the answer of the first.

mod action;
mod conflict;
mod decision;
mod effect;
mod form;
mod notice;
mod pages;
mod words;

use axum::Router;
use axum::routing::get;
use barq_core::delivery::{Delivery, Phase as DeliveryPhase};
use barq_core::event::Actor;
use barq_core::identity::ServiceId;
use barq_core::rollout::{Phase, Rollout};
use barq_core::service::{Revision, Service};
use barq_engine::engine::View;
use jiff::Timestamp;
use maud::{Markup, html};

use super::super::Shared;
use super::elements;
use super::icons::{self, Icon};
use super::place::Audience;
use action::Action;
use effect::Effect;

pub(super) use decision::{decision, is_closed_to};
pub(super) use notice::taken as notice;

/// Revisions that a rollback is offered to; any other that is kept can be named to the command line.
const TARGETS_MAX: usize = 20;

/// The pages that ask, and their forms.
pub(super) fn routes() -> Router<Shared> {
    let mut routes = Router::new();
    for path in action::PATHS {
        routes = routes.route(path, get(pages::ask).post(form::act));
    }
    routes
}

/// What can be done to a rollout.
pub(super) fn rollout(
    view: &View,
    rollout: &Rollout,
    audience: &Audience,
    now: Timestamp,
) -> Markup {
    let id = || rollout.id.clone();
    let service = &rollout.start.service;
    let roll_back = || Action::RollBack {
        service: service.clone(),
        to: None,
    };
    if effect::can_be_steered(rollout) {
        let mut actions = vec![match rollout.paused {
            Some(_) => Action::Resume(id()),
            None => Action::Pause(id()),
        }];
        if words::next_share(rollout).is_some_and(|share| share < 100) {
            actions.push(Action::Promote(id()));
        }
        actions.extend([Action::PromoteFull(id()), Action::Abort(id())]);
        if rollout.moved {
            actions.push(roll_back());
        }
        return controls(view, &actions, audience, now);
    }
    if matches!(rollout.phase, Phase::RollingBack(_)) {
        return html! { p.quiet { "It is being rolled back: there is nothing to steer until its traffic has moved." } };
    }
    let stable = view
        .state
        .service(service)
        .and_then(|it| it.stable.as_ref());
    if rollout.phase == Phase::Succeeded && stable == Some(&rollout.start.revision) {
        return controls(view, &[roll_back()], audience, now);
    }
    html! {}
}

/// What can be done to a delivery.
pub(super) fn delivery(
    view: &View,
    delivery: &Delivery,
    audience: &Audience,
    now: Timestamp,
) -> Markup {
    let id = || delivery.id.clone();
    if let DeliveryPhase::AwaitingApproval(gate) = &delivery.phase {
        return html! {
            div.steer {
                a.button.primary href=(format!("/deliveries/{}/review", delivery.id)) {
                    "Review for " (gate.environment)
                }
                (buttons(view, &[Action::Cancel(id())], audience, now))
            }
        };
    }
    if !delivery.ended() {
        return controls(view, &[Action::Cancel(id())], audience, now);
    }
    let retry = |force| Action::Retry {
        delivery: id(),
        force,
    };
    let refused = offer(view, retry(false), audience, now).effect.is_err();
    let forced = offer(view, retry(true), audience, now).effect.is_ok();
    let mut actions = vec![retry(false)];
    if refused && forced {
        actions.push(retry(true));
    }
    controls(view, &actions, audience, now)
}

/// What can be done to a service.
pub(super) fn service(
    view: &View,
    service: &Service,
    audience: &Audience,
    now: Timestamp,
) -> Markup {
    let id = || service.id.clone();
    let mut actions = Vec::new();
    if service.lock.is_some() || service.rolled_back.is_some() {
        actions.push(Action::Unlock(id()));
    }
    if service.lock.is_none() {
        actions.push(Action::Lock(id()));
    }
    let targets = targets(view, service, audience, now);
    if targets.is_none() {
        let roll_back = Action::RollBack {
            service: id(),
            to: None,
        };
        actions.insert(0, roll_back);
    }
    html! {
        @if let Some(targets) = &targets { (choice(service, targets)) }
        (controls(view, &actions, audience, now))
    }
}

/// What can be done where nothing has entered yet: it is kept so, or opened.
pub(super) fn empty(view: &View, id: &ServiceId, audience: &Audience, now: Timestamp) -> Markup {
    let locked = view.state.service(id).is_some_and(|it| it.lock.is_some());
    let action = match locked {
        true => Action::Unlock(id.clone()),
        false => Action::Lock(id.clone()),
    };
    controls(view, &[action], audience, now)
}

/// The revisions that a rollback at rest may go to, the one that it goes to by itself first; none where there is no choice,
/// or the rules refuse it.
fn targets<'a>(
    view: &View,
    service: &'a Service,
    audience: &Audience,
    now: Timestamp,
) -> Option<Vec<&'a Revision>> {
    let targets: Vec<&Revision> = service.rollback_targets().take(TARGETS_MAX).collect();
    if service.rollout.is_some() || targets.len() < 2 {
        return None;
    }
    let roll_back = Action::RollBack {
        service: service.id.clone(),
        to: None,
    };
    let offered = offer(view, roll_back, audience, now).effect.is_ok();
    offered.then_some(targets)
}

fn choice(service: &Service, targets: &[&Revision]) -> Markup {
    html! {
        form.choice method="get" action=(format!("/services/{}/rollback", service.id)) {
            div.field {
                label for="rollback-to" { "Go back to" }
                select #rollback-to name="to" {
                    @for revision in targets {
                        option value=(revision.name) {
                            (revision.name) " · commit " (revision.commit.short()) " · " (elements::exactly(revision.created_at))
                        }
                    }
                }
            }
            button.danger type="submit" { (icons::icon(Icon::Back)) "Roll back…" }
        }
    }
}

/// An action, and what it would do or why it may not be done. What an action would do that asks once is said by the page
/// that asks.
struct Offer {
    action: Action,
    effect: Result<Option<Effect>, String>,
}

/// What an action would be for this audience. One without a name may be anybody, so a rule about one person does not fit.
fn offer(view: &View, action: Action, audience: &Audience, now: Timestamp) -> Offer {
    let actor = Actor {
        name: audience.name.clone().unwrap_or_default(),
        role: audience.role,
    };
    let effect = if action.asks_once() {
        effect::ask(view, &action, &actor, now).map(|()| None)
    } else {
        effect::effect(view, &action, &actor, now).map(Some)
    };
    let effect = effect.map_err(|rejection| effect::refusal(&rejection, audience.role));
    Offer { action, effect }
}

fn controls(view: &View, actions: &[Action], audience: &Audience, now: Timestamp) -> Markup {
    html! { div.steer { (buttons(view, actions, audience, now)) } }
}

/// A button for each action; those that can't be pressed with the reason beside them, which is said once.
fn buttons(view: &View, actions: &[Action], audience: &Audience, now: Timestamp) -> Markup {
    let offers: Vec<Offer> = actions
        .iter()
        .map(|action| offer(view, action.clone(), audience, now))
        .collect();
    let mut reasons: Vec<(&String, Vec<&Action>)> = Vec::new();
    for Offer { action, effect } in &offers {
        let Err(reason) = effect else { continue };
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, actions)) => actions.push(action),
            None => reasons.push((reason, vec![action])),
        }
    }
    let described_by = |action: &Action| {
        let of = reasons
            .iter()
            .find(|(_, actions)| actions.contains(&action));
        of.map(|(_, actions)| why_id(actions[0]))
    };
    html! {
        @for Offer { action, effect } in &offers {
            @match effect {
                Ok(Some(effect)) => (at_once(action, effect)),
                Ok(None) => (asking(action)),
                Err(_) => button type="button" disabled aria-describedby=[described_by(action)] {
                    (icons::icon(icon(action))) (action.name())
                }
            }
        }
        @for (reason, actions) in &reasons {
            p.why id=(why_id(actions[0])) {
                @if reasons.len() > 1 || actions.len() < offers.len() {
                    strong { (names(actions)) ": " }
                }
                (reason) "."
            }
        }
    }
}

/// What asks once is a link to the page that asks.
fn asking(action: &Action) -> Markup {
    html! {
        a.button.(class(action)) id=(id(action)) href=(action.address()) {
            (icons::icon(icon(action))) (action.name()) "…"
        }
    }
}

/// Everything else is done at once.
fn at_once(action: &Action, effect: &Effect) -> Markup {
    html! {
        form.once method="post" action=(action.path()) {
            (form::carried(action, effect, None))
            button.(class(action)) id=(id(action)) type="submit" { (icons::icon(icon(action))) (effect.button) }
        }
    }
}

fn class(action: &Action) -> &'static str {
    if action.ends_something() {
        "danger"
    } else {
        "plainly"
    }
}

fn id(action: &Action) -> String {
    format!("steer-{}", action.verb())
}

fn why_id(action: &Action) -> String {
    format!("why-not-{}", action.verb())
}

fn names(actions: &[&Action]) -> String {
    let names: Vec<&str> = actions.iter().map(|action| action.name()).collect();
    names.join(", ")
}

fn icon(action: &Action) -> Icon {
    match action {
        Action::Pause(_) => Icon::Paused,
        Action::Resume(_)
        | Action::Promote(_)
        | Action::PromoteFull(_)
        | Action::Retry { .. }
        | Action::Unlock(_) => Icon::Moving,
        Action::Approve(_) => Icon::Good,
        Action::Abort(_) | Action::Reject(_) | Action::Cancel(_) => Icon::Bad,
        Action::RollBack { .. } => Icon::Back,
        Action::Lock(_) => Icon::Lock,
    }
}

#[cfg(test)]
mod tests;
