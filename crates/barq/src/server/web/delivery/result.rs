//! What the delivery waits for, or how it ended and what to do about it.

use barq_engine::engine::View;
use barq_engine::history::Journey;
use jiff::Timestamp;
use maud::{Markup, html};

use super::super::super::convert;
use super::super::elements;

pub(super) fn result(view: &View, journey: &Journey, now: Timestamp) -> Markup {
    let delivery = &journey.delivery;
    let rollouts: Vec<_> = journey.rollouts.iter().collect();
    let (_, class) = elements::look(delivery.state_name());
    if let Some(waiting) = convert::waiting(view, delivery, now) {
        return html! {
            div.notice.(class) {
                p { strong { "Waits until " } (waiting.message) }
                p.quiet.small {
                    "for " (elements::lasting(waiting.since, None))
                    @if let Some(until) = waiting.until { " · " (elements::until(until)) }
                }
            }
        };
    }
    let reason = convert::reason(delivery, &rollouts);
    html! {
        @if let Some(reason) = reason {
            div.notice.(class) { p.reason { (reason) } }
        }
    }
}
