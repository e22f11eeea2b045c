//! What the delivery brings: its image and its commits; and the rollouts that bring it.

use barq_core::rollout::Rollout;
use barq_engine::history::Journey;
use maud::{Markup, html};

use super::super::elements;

pub(super) fn release(journey: &Journey) -> Markup {
    let delivery = &journey.delivery;
    let commits = &delivery.push.commits;
    html! {
        h2 { "Release" }
        dl.facts {
            dt { "Image" }
            dd {
                @match &delivery.image {
                    Some(image) => code.digest { (image) },
                    None => span.quiet { "not built" },
                }
            }
        }
        h3 { "Commits" }
        ol.commits {
            @for commit in commits {
                li {
                    span { (elements::subject(&commit.subject)) }
                    span.quiet.small { (elements::hash(commit.hash.as_str())) " " (commit.author_name) }
                }
            }
        }
    }
}

pub(super) fn rollouts(journey: &Journey) -> Markup {
    html! {
        @if !journey.rollouts.is_empty() {
            h2 { "Rollouts" }
            ul.rollouts { @for rollout in &journey.rollouts { (self::rollout(rollout)) } }
        }
    }
}

fn rollout(rollout: &Rollout) -> Markup {
    html! {
        li {
            (elements::state(rollout.state_name()))
            a href=(format!("/rollouts/{}", rollout.id)) { (rollout.id.environment) }
            span.quiet.small {
                (rollout.start.revision) " of "
                a href=(format!("/services/{}", rollout.start.service)) { (rollout.start.service) }
            }
        }
    }
}
