//! The revisions that run: their numbers, and their instances one by one.

use barq_core::service::Revision;
use barq_engine::ports::{InstanceDetail, RevisionDetail};
use maud::{Markup, html};

use super::super::elements;
use super::super::icons::{self, Icon};
use super::sight::{Sight, short_name};
use super::trouble;
use crate::output::text;

/// Instances of a revision that are listed; more are counted.
const INSTANCES_MAX: usize = 100;
/// With so many instances the list is open from the beginning.
const OPEN_INSTANCES_MAX: usize = 4;

/// The table of what runs.
pub(super) fn table(sight: &Sight) -> Markup {
    html! {
        h2 { "Running revisions" }
        div.card.scroll tabindex="0" role="region" aria-label="Running revisions" {
            table.revisions {
                caption.unseen { "Revisions with traffic or instances, the newest first" }
                thead { tr {
                    th scope="col" { "Revision" }
                    th scope="col" { "Health" }
                    th.number scope="col" { "Ready" }
                    th.number scope="col" { "Traffic" }
                    th.number scope="col" { "Counted" }
                    th.number scope="col" title="Since the node began to serve" { "Requests" }
                    th.number scope="col" title="Since the node began to serve" { "Errors" }
                    th.number scope="col" title="Of the last minute" { "p95" }
                    th scope="col" { "Commit" }
                    th scope="col" { "Made" }
                } }
                tbody { @for revision in sight.running() { (row(sight, revision)) } }
            }
        }
    }
}

fn row(sight: &Sight, revision: &Revision) -> Markup {
    let name = &revision.name;
    let detail = sight.detail(name);
    let counted = detail.and_then(|it| it.counted_percent);
    let p95 = detail.and_then(|it| it.latency_us).map(|it| it[1]);
    html! {
        tr {
            th scope="row" { a href=(format!("#instances-{}", short_name(name))) { (short_name(name)) } " " (marks(sight, revision)) }
            td { (elements::state(sight.health(name))) }
            td.number { (ready(sight, revision)) }
            td.number { (sight.service.planned_percent(name)) " %" }
            td.number { (known(counted.map(elements::percent))) }
            td.number { (known(detail.map(|it| elements::number(it.requests)))) }
            td.number { (errors(detail)) }
            td.number { (known(p95.map(milliseconds))) }
            td.commit { (elements::hash(revision.commit.as_str())) @if let Some(subject) = sight.subject(revision) { " " span.subject { (subject) } } }
            td { (elements::time(revision.created_at)) }
        }
    }
}

/// What a revision is beside its number.
pub(super) fn marks(sight: &Sight, revision: &Revision) -> Markup {
    let name = &revision.name;
    let on_trial = sight.canary().is_some_and(|(canary, _)| canary == name);
    let warm = sight.service.warm.as_ref();
    html! {
        @if sight.service.stable.as_ref() == Some(name) { span.mark { "stable" } }
        @if on_trial { span.mark.move { "on trial" } }
        @if warm.is_some_and(|warm| warm.revision == *name) { span.mark { "kept warm" } }
        @if sight.service.quarantine.contains_key(&revision.release()) {
            span.mark.bad { (icons::icon(Icon::Bad)) "quarantined" }
        }
    }
}

fn ready(sight: &Sight, revision: &Revision) -> String {
    let seen = sight.observed(&revision.name);
    seen.map_or_else(
        || "–".to_owned(),
        |seen| format!("{} / {}", seen.ready, seen.total),
    )
}

fn errors(detail: Option<&RevisionDetail>) -> Markup {
    let errors = detail.map(|it| it.errors);
    html! {
        @match errors {
            None => "–",
            Some(0) => "0",
            Some(errors) => strong.bad { (elements::number(errors)) },
        }
    }
}

fn known(text: Option<String>) -> String {
    text.unwrap_or_else(|| "–".to_owned())
}

fn milliseconds(microseconds: u64) -> String {
    text::duration_ms(super::super::super::convert::in_milliseconds(microseconds))
}

/// The instances of what runs.
pub(super) fn instances(sight: &Sight) -> Markup {
    html! {
        @if sight.away().is_none() {
            h2 { "Instances" }
            @for revision in sight.running() { (of_revision(sight, revision)) }
        }
    }
}

fn of_revision(sight: &Sight, revision: &Revision) -> Markup {
    let name = &revision.name;
    let short = short_name(name);
    let detail = sight.detail(name);
    let instances = detail.map_or(&[][..], |detail| &detail.instances);
    let failure = sight
        .observed(name)
        .and_then(|seen| seen.last_failure.as_deref());
    let few = instances.len() <= OPEN_INSTANCES_MAX;
    html! {
        details.card id=(format!("instances-{short}")) open[few && !instances.is_empty()] {
            summary {
                h3 { (short) }
                span { (text::count(instances.len() as u64, "instance")) }
                span.quiet { (size(sight, revision)) }
            }
            dl.facts.small {
                dt { "Reached alone at" }
                dd { (alone(sight, revision, detail)) }
                dt { "Limits" }
                dd { (limits(revision, detail)) }
            }
            @if !instances.is_empty() { (list(&short, instances)) }
            @if let Some(failure) = failure.filter(|_| sight.health(name) != "unhealthy") {
                details id=(format!("failure-{short}")) {
                    summary { "The last failure of an instance" }
                    (trouble::last_failure(Some(failure)))
                }
            }
        }
    }
}

fn size(sight: &Sight, revision: &Revision) -> String {
    let range = sight.service.planned_instances(&revision.name);
    match (range.min, range.max) {
        (_, 0) => "none wanted".to_owned(),
        (min, max) if min == max => format!("{min} wanted"),
        (min, max) => format!("{min} to {max} wanted"),
    }
}

/// Its tagged address, and the loopback address.
fn alone(sight: &Sight, revision: &Revision, detail: Option<&RevisionDetail>) -> Markup {
    let host = format!("{}---{}.localhost", revision.name.tag(), sight.service.id);
    let url = format!("http://{host}:{}", sight.ingress_port);
    html! {
        a href=(url) { (url) }
        @if let Some(address) = detail.and_then(|it| it.address.as_ref()) { " · " code { (address) } }
    }
}

fn limits(revision: &Revision, detail: Option<&RevisionDetail>) -> Markup {
    let settings = &revision.settings;
    let cpu = f64::from(settings.cpu_millis) / 1000.0;
    let enforced = detail.map(|it| it.limits_enforced);
    html! {
        (cpu) " CPU, " (elements::bytes(settings.memory_bytes)) " each"
        @match enforced {
            Some(true) => ", enforced",
            Some(false) => { ", " span.wait { (icons::icon(Icon::Warning)) "not enforced on this machine" } }
            None => {}
        }
    }
}

fn list(short: &str, instances: &[InstanceDetail]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(format!("Instances of {short}")) {
            table.instances {
                caption.unseen { "Instances of " (short) }
                thead { tr {
                    th scope="col" { "Instance" }
                    th scope="col" { "State" }
                    th scope="col" title="On this machine alone" { "Address" }
                    th scope="col" { "Since" }
                    th.number scope="col" { "Restarts" }
                    th scope="col" { "Last failed probe" }
                } }
                tbody { @for instance in instances.iter().take(INSTANCES_MAX) { (instance_row(instance)) } }
            }
        }
        @if instances.len() > INSTANCES_MAX {
            p.quiet { "and " (instances.len() - INSTANCES_MAX) " more" }
        }
    }
}

fn instance_row(instance: &InstanceDetail) -> Markup {
    html! {
        tr {
            th scope="row" { code { (instance.id) } }
            td { (elements::state(instance.state)) }
            td { @match instance.port { Some(port) => code { "127.0.0.1:" (port) }, None => span.quiet { "none" } } }
            td { (elements::time(instance.started_at)) }
            td.number { (instance.restarts) }
            td { @match &instance.last_probe_failure { Some(failure) => (failure), None => span.quiet { "none" } } }
        }
    }
}
