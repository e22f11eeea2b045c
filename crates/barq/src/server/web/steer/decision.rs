//! The gate's form: approve at once, or reject, which asks once and takes along what was already said.

use barq_core::command::Rejection;
use barq_core::event::Actor;
use barq_core::identity::DeliveryId;
use barq_engine::engine::View;
use jiff::Timestamp;
use maud::{Markup, html};

use super::super::icons::{self, Icon};
use super::super::place::Audience;
use super::action::Action;
use super::{effect, form, offer, pages};

/// What may be decided of a delivery that waits for an approval.
pub(in super::super) fn decision(
    view: &View,
    id: &DeliveryId,
    audience: &Audience,
    now: Timestamp,
) -> Markup {
    let approve = offer(view, Action::Approve(id.clone()), audience, now);
    let reject = offer(view, Action::Reject(id.clone()), audience, now);
    html! {
        div.card.decision {
            h2 { "Decide" }
            form #decision method="post" action=(approve.action.path()) {
                @if let Ok(Some(effect)) = &approve.effect {
                    (form::carried(&approve.action, effect, None))
                    (pages::told(&effect.words))
                }
                @if approve.effect.is_ok() || reject.effect.is_ok() { (pages::reason(&approve.action, "")) }
                @match &approve.effect {
                    Ok(Some(effect)) => button.primary #steer-approve type="submit" { (icons::icon(Icon::Good)) (effect.button) },
                    Ok(None) | Err(_) => button #steer-approve type="button" disabled aria-describedby="why-not-approve" {
                        (icons::icon(Icon::Good)) "Approve"
                    }
                }
                @match &reject.effect {
                    Ok(_) => button.danger #steer-reject type="submit" formmethod="get" formaction=(reject.action.path()) {
                        (icons::icon(Icon::Bad)) "Reject…"
                    },
                    Err(_) => button #steer-reject type="button" disabled aria-describedby="why-not-reject" {
                        (icons::icon(Icon::Bad)) "Reject"
                    }
                }
            }
            @if let Err(why) = &approve.effect { p.why #why-not-approve { "Approve: " (why) "." } }
            @if let Err(why) = &reject.effect { p.why #why-not-reject { "Reject: " (why) "." } }
        }
    }
}

/// Whether the gate is closed to this person alone, whatever their role.
pub(in super::super) fn is_closed_to(view: &View, id: &DeliveryId, actor: &Actor) -> bool {
    let approve = Action::Approve(id.clone());
    matches!(
        effect::ask(view, &approve, actor, Timestamp::now()),
        Err(Rejection::NotSeparate { .. })
    )
}
