//! Where a service answers, what serves, and what is on its way to it.

use maud::{Markup, html};

use super::super::elements;
use super::super::icons::{self, Icon};
use super::sight::{Sight, serves_since, short_name};

/// The card.
pub(super) fn card(sight: &Sight) -> Markup {
    html! {
        div.card {
            h2 { "What serves" }
            dl.facts { (facts(sight)) }
            (under_way(sight))
        }
    }
}

fn facts(sight: &Sight) -> Markup {
    html! {
        dt { "Answers at" }
        dd { (addresses(sight)) }
        @match sight.serving() {
            None => {
                dt { "Revision" }
                dd { "None has proved itself yet." }
            }
            Some(revision) => {
                dt { "Revision" }
                dd { strong { (revision.name) } }
                dt { "Commit" }
                dd {
                    (elements::hash(revision.commit.as_str()))
                    @if let Some(subject) = sight.subject(revision) { " " (subject) }
                }
                dt { "Image" }
                dd { (elements::hash(revision.image.as_str())) }
                dt { "Delivered by" }
                dd { (elements::delivery(&revision.rollout.delivery.to_string())) }
                @if let Some(since) = serves_since(sight.view, revision) {
                    dt { "Serves since" }
                    dd { (elements::time(since)) }
                }
            }
        }
        (lock(sight))
    }
}

fn addresses(sight: &Sight) -> Markup {
    let domains = sight.serving().map(|revision| &revision.settings.domains);
    html! {
        ul.plain {
            li { a href=(sight.shown.url) { (sight.shown.url) } }
            @for domain in domains.into_iter().flatten() {
                li { a href=(format!("http://{domain}")) { (domain) } }
            }
        }
    }
}

fn lock(sight: &Sight) -> Markup {
    html! {
        @if let Some(lock) = &sight.shown.lock {
            dt { "Lock" }
            dd {
                span.state.wait { (icons::icon(Icon::Lock)) "locked" } " "
                (lock.message)
                span.quiet { " · " (lock.by) ", " (elements::time(lock.at)) }
            }
        }
    }
}

fn under_way(sight: &Sight) -> Markup {
    let Some(rollout) = sight.view.state.running(&sight.service) else {
        return html! {};
    };
    let delivery = sight.view.state.delivery(&rollout.id.delivery);
    html! {
        div.notice.move {
            h3 {
                a href=(format!("/rollouts/{}", rollout.id)) { "Rollout of " (short_name(&rollout.start.revision)) } " "
                (elements::state(rollout.state_name()))
            }
            @if let Some(delivery) = delivery { p { (elements::subject(&delivery.push.commit.subject)) } }
            @if let Some(waiting) = &sight.shown.waiting {
                p {
                    "Waits: " (waiting.message)
                    @if let Some(until) = waiting.until { " · " (elements::until(until)) }
                }
            }
        }
    }
}
