//! The delivery's checks and its build: how each one ended, how long it took, and the way to what it wrote.

use barq_core::delivery::{CheckState, Delivery};
use barq_core::event::CheckOutcome;
use maud::{Markup, html};

use super::super::super::story;
use super::super::elements;
use crate::output::text;

pub(super) fn checks(delivery: &Delivery) -> Markup {
    html! {
        h2 { "Checks" }
        @if delivery.checks.is_empty() { p.empty { "This commit has no checks." } }
        ul.checks {
            @for check in &delivery.checks { (self::check(delivery, check)) }
        }
    }
}

fn check(delivery: &Delivery, check: &CheckState) -> Markup {
    let finished = check.finished.as_ref();
    let why = finished
        .map(|(outcome, _)| outcome)
        .filter(|outcome| **outcome != CheckOutcome::Passed)
        .map(story::check_outcome);
    html! {
        li {
            (elements::state(check.state_name()))
            a href=(format!("/deliveries/{}/checks/{}", delivery.id, check.name)) { (check.name) }
            span.quiet.number {
                @match (finished, check.started_at) {
                    (Some((_, milliseconds)), Some(_)) => (text::duration_ms(*milliseconds as f64)),
                    (None, Some(started)) => (elements::lasting(started, None)),
                    (_, None) => "–",
                }
            }
            @if let Some(why) = why { p.quiet.small { (why) } }
        }
    }
}
