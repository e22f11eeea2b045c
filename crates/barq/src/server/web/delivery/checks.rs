//! The delivery's checks and its build: how each one ended, how long it took, and what a failed one wrote last.

use barq_core::delivery::Delivery;
use barq_runner::api::RunnerError;
use maud::{Markup, html};

use super::super::super::Server;
use super::super::super::problem::Problem;
use super::super::check::Check;
use super::super::page::Line;
use super::super::{elements, output};
use crate::output::text;

/// Failed checks whose last lines are shown; of the others there is a link.
const TAILS_MAX: usize = 3;
/// Lines of each.
const TAIL_LINES: u64 = 15;

/// A check, and the end of what it wrote where that tells what is wrong.
pub(super) struct Told {
    check: Check,
    tail: Vec<Line>,
}

/// The checks in file order, and the build once the delivery comes to it.
pub(super) async fn read(server: &Server, delivery: &Delivery) -> Result<Vec<Told>, Problem> {
    let mut checks = Check::all(delivery);
    if delivery.push.delivered && delivery.push.configuration.is_ok() {
        checks.push(Check::build(delivery));
    }
    let mut told = Vec::with_capacity(checks.len());
    let mut tails = 0;
    for check in checks {
        let mut tail = Vec::new();
        if check.bad() && tails < TAILS_MAX {
            tails += 1;
            let unreadable =
                |error: RunnerError| Problem::internal("the output can't be read", &error);
            tail = output::tail(server, &delivery.id, &check.name, TAIL_LINES)
                .await
                .map_err(unreadable)?;
        }
        told.push(Told { check, tail });
    }
    Ok(told)
}

pub(super) fn checks(delivery: &Delivery, all: &[Told]) -> Markup {
    html! {
        h2 { "Checks and build" }
        @if delivery.checks.is_empty() { p.empty { "This commit has no checks." } }
        ul.checks { @for told in all { (item(delivery, told)) } }
    }
}

fn item(delivery: &Delivery, told: &Told) -> Markup {
    let Told { check, tail } = told;
    let path = format!("/deliveries/{}/checks/{}", delivery.id, check.name);
    html! {
        li {
            (elements::state(check.state))
            a.name href=(path) { (check.name) }
            span.took.quiet {
                @match (check.ran_ms, check.started_at) {
                    (Some(ran_ms), _) => (text::duration_ms(ran_ms as f64)),
                    (None, Some(started)) if check.under_way() => {
                        (elements::lasting(started, check.limit))
                    }
                    _ => {}
                }
            }
            @if let Some(why) = &check.why { p.why.small { (why) } }
            @if !tail.is_empty() {
                div.end {
                    p.quiet.small { "Its last lines:" }
                    ol.tail { @for line in tail { (maud::PreEscaped(&line.markup)) } }
                    p.small { a href=(path) { "All that " (check.name) " wrote" } }
                }
            }
        }
    }
}
