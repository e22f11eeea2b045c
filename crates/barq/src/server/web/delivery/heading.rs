//! What is delivered, by whom and since when: the first thing that a delivery's page tells.

use barq_core::delivery::Delivery;
use maud::{Markup, html};

use super::super::elements;

pub(super) fn heading(delivery: &Delivery) -> Markup {
    let push = &delivery.push;
    let commit = &push.commit;
    html! {
        div.title {
            h1 { (elements::subject(&commit.subject)) }
            (elements::state(delivery.state_name()))
        }
        p.quiet.facts-line {
            strong { (delivery.id) }
            span { (elements::hash(commit.hash.as_str())) " on " code { (push.branch) } }
            span { "by " (commit.author_name) }
            @if delivery.pushed_by.name != commit.author_name {
                span { "pushed by " (delivery.pushed_by.name) }
            }
            span { (elements::time(delivery.created_at)) }
            span {
                @match delivery.finished_at {
                    Some(end) => { "took " (elements::took(delivery.created_at, end)) }
                    None => { "under way " (elements::lasting(delivery.created_at, None)) }
                }
            }
            @if let Some(of) = &push.retry_of {
                span { "again after " (elements::delivery(&of.to_string())) }
            }
        }
    }
}
