//! What is wrong with a service, in words: what cannot be seen, what does not start, and what was opened about it.

use barq_core::report::incident_cause;
use barq_core::service::Revision;
use maud::{Markup, html};

use super::super::elements;
use super::super::icons::{self, Icon};
use super::sight::{Sight, short_name};
use crate::output::text;

/// All notices; nothing where all is well.
pub(super) fn notices(sight: &Sight) -> Markup {
    html! {
        @if let Some(error) = sight.away() { (away(sight, error)) }
        @if let Some(error) = &sight.view.storage_error {
            div.notice.bad {
                h2 { (icons::icon(Icon::Warning)) "Nothing can be recorded" }
                p { (error) }
                p { "Users' requests go on, and a rollback moves traffic even now: from here, or by " code { "barq rollback" } "." }
            }
        }
        @for incident in sight.incidents() {
            div.notice.bad {
                h2 { (icons::icon(Icon::Warning)) a href=(format!("/incidents/{}", incident.id)) { (incident.id) } " is open" }
                p { (short_name(&incident.revision)) ": " (incident_cause(&incident.cause)) }
                p.quiet { "Opened " (elements::time(incident.opened_at)) }
            }
        }
        @for revision in sight.running() { (unwell(sight, revision)) }
    }
}

fn away(sight: &Sight, error: &str) -> Markup {
    html! {
        div.notice.wait {
            h2 { (icons::icon(Icon::Warning)) "The node can't be seen" }
            p { (elements::sentence(error)) ". " (elements::last_seen(sight.view)) }
            p {
                "Where it runs, users' requests go on; whether it does, what it counts and how its instances are is not known here "
                "now, so it is left out. " code { "barq up" } " starts the node again by itself; " code { "barq doctor" } " tells more."
            }
        }
    }
}

/// A revision that has not what it should, and why as far as the node knows.
fn unwell(sight: &Sight, revision: &Revision) -> Markup {
    let Some(seen) = sight.observed(&revision.name) else {
        return html! {};
    };
    if sight.health(&revision.name) != "unhealthy" {
        return html! {};
    }
    let wanted = sight.service.planned_instances(&revision.name).min;
    html! {
        div.notice.bad {
            h2 { (icons::icon(Icon::Bad)) (short_name(&revision.name)) " is unhealthy" }
            p {
                (seen.ready) " of " (text::count(u64::from(seen.total), "instance")) " are ready, at least "
                @if wanted == 1 { "1 is" } @else { (wanted) " are" } " wanted."
                @match seen.failed_starts {
                    0 => {},
                    1 => " The last start failed.",
                    failed => { " The last " (elements::number(u64::from(failed))) " starts failed." }
                }
            }
            (last_failure(seen.last_failure.as_deref()))
            p { a href=(format!("/services/{}/logs?revision={}#newest", sight.service.id, revision.name)) { "Its logs" } }
        }
    }
}

/// A failure, with the end of the output that came with it.
pub(super) fn last_failure(failure: Option<&str>) -> Markup {
    let Some(failure) = failure else {
        return html! {};
    };
    let (what, output) = failure.split_once('\n').unwrap_or((failure, ""));
    html! {
        p { (what) }
        @if !output.is_empty() {
            pre tabindex="0" role="region" aria-label="The end of its output" { (anstream::adapter::strip_str(output).to_string()) }
        }
    }
}
