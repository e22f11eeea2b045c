//! The parts of an incident's report: whom it hit, why, what failed, what happened when, and what is to be done.

use barq_core::event::{EndpointCount, FailedRequest};
use barq_core::report::{Line, Report, milliseconds};
use maud::{Markup, html};

use super::super::icons::{self, Icon};
use super::super::{elements, filters, times};

/// Failed requests that are shown at once; the others are folded.
const FAILURES_SHOWN: usize = 5;

/// Whom and what it met.
pub(super) fn hit(report: &Report, gathering: bool) -> Markup {
    html! {
        h2 { "Whom it hit" }
        @match &report.blast_radius {
            Ok(it) => dl.numbers {
                (number(it.errors.saturating_sub(it.shielded), "error", "reached a client"))
                (number(it.shielded, "error", "answered by stable"))
                (number(it.errors, "error", "in all"))
                (number(it.requests, "request", "went to it"))
                (number(it.clients, "client", "came to it"))
                (number(it.clients_with_errors, "client", "had a request fail on it"))
            },
            Err(_) if gathering => (under_way()),
            Err(reason) => p { strong { "Not known: " } (reason) "." },
        }
    }
}

fn number(count: u64, noun: &str, what: &str) -> Markup {
    html! { div { dd { (elements::number(count)) } dt { (noun) @if count != 1 { "s" } " " (what) } } }
}

/// The evidence is on its way.
fn under_way() -> Markup {
    html! { p { span.move { (icons::icon(Icon::Moving)) } " The evidence is being gathered from the node; it appears here." } }
}

/// Why, and how long it took to find and to undo.
pub(super) fn facts(report: &Report) -> Markup {
    let back = report.rollback.as_ref();
    html! {
        h2 { "Why" }
        p.cause { (report.cause) }
        dl.facts {
            dt { "Revision" } dd { (report.revision) }
            dt { "Delivery" } dd { (elements::delivery(&report.delivery.to_string())) }
            dt { "Rollout" } dd { a href=(format!("/rollouts/{}", report.rollout)) { (report.rollout) } }
            dt { "Found" }
            dd {
                @match report.detection_ms {
                    Some(span) => { (milliseconds(span * 1000)) " after its first traffic" },
                    None => "before it had any traffic",
                }
            }
            dt { "Way back" }
            dd {
                @match back.map(|back| (&back.to, back.shifted_us)) {
                    Some((Some(to), Some(span))) => { "to " (to) " in " (milliseconds(span)) },
                    Some((None, Some(span))) => { "its traffic was taken away in " (milliseconds(span)) },
                    Some((_, None)) => "under way",
                    None => "not taken",
                }
            }
        }
    }
}

/// What is to be done.
pub(super) fn follow_ups(report: &Report) -> Markup {
    html! {
        h2 { "To do" }
        @if let Some(due) = report.postmortem_due() {
            p { "The postmortem is due by " strong { (times::moment(due)) } "." }
        }
        ul.todo {
            @for it in &report.follow_ups {
                li.ticked[report.does(it)] {
                    (it.what)
                    @match it.due_at {
                        _ if report.does(it) => span.quiet { ": done, this is it" },
                        Some(_) if report.is_at_once(it) => span.quiet { " at once" },
                        Some(due) => span.quiet { " by " (times::moment(due)) },
                        None => {},
                    }
                }
            }
        }
    }
}

/// Samples of what failed, with what was logged.
pub(super) fn failures(report: &Report, gathering: bool) -> Markup {
    let (shown, folded) = report
        .failures
        .split_at(FAILURES_SHOWN.min(report.failures.len()));
    html! {
        h2 { "Failed requests" }
        @if gathering { (under_way()) }
        @else if shown.is_empty() { p.empty { "No samples were kept." } }
        @else { p.quiet { "The latest that were kept, newest first, each with what the instance logged under its id." } }
        ol.failures { @for request in shown { (failure(report, request)) } }
        @if !folded.is_empty() {
            details #more-failures {
                summary { (folded.len()) " more" }
                ol.failures { @for request in folded { (failure(report, request)) } }
            }
        }
    }
}

fn failure(report: &Report, request: &FailedRequest) -> Markup {
    let around = filters::address(
        &format!("/services/{}/logs", report.service),
        &[
            ("revision", Some(&report.revision.to_string())),
            ("at", Some(&request.at.as_millisecond().to_string())),
        ],
    );
    html! {
        li {
            p.row {
                (times::precise(request.at))
                code { (request.method) " " (request.path) }
                strong.bad { (status(request.status)) }
                @if let Some(why) = &request.failure { span { (why) } }
                span.quiet { "after " (milliseconds(request.latency_us)) }
                @if request.shielded { span.state.good { (icons::icon(Icon::Good)) "answered by stable" } }
                a.quiet.small href=(around) { "lines around it" }
            }
            @if request.log_lines.is_empty() {
                p.quiet.small { "Nothing was logged under " code { (request.request_id) } "." }
            } @else {
                pre.logged tabindex="0" aria-label=(format!("Log lines of request {}", request.request_id)) {
                    @for line in &request.log_lines { (line) "\n" }
                }
            }
        }
    }
}

/// Requests by endpoint and status.
pub(super) fn endpoints(report: &Report, gathering: bool) -> Markup {
    html! {
        h2 { "By endpoint" }
        @if gathering { (under_way()) }
        @else if report.endpoints.is_empty() { p.empty { "No requests were counted." } }
        @else {
            div.scroll tabindex="0" role="region" aria-label="Requests by endpoint and status" {
                table {
                    caption.unseen { "Requests that met the revision, by endpoint and status, errors first" }
                    thead { tr { th scope="col" { "Endpoint" } th scope="col" { "Answer" } th.number scope="col" { "Requests" } } }
                    tbody { @for it in &report.endpoints { (endpoint(it)) } }
                }
            }
        }
    }
}

fn endpoint(it: &EndpointCount) -> Markup {
    let bad = it.status == 0 || it.status >= 500;
    html! {
        tr {
            th scope="row" { code { (it.method) " " (it.endpoint) } }
            td { @if bad { strong.bad { (icons::icon(Icon::Bad)) " " (status(it.status)) } } @else { (status(it.status)) } }
            td.number { (it.count) }
        }
    }
}

/// What happened when.
pub(super) fn timeline(report: &Report) -> Markup {
    let mut day = String::new();
    html! {
        h2 { "Timeline" }
        ol.timeline {
            @for line in &report.timeline {
                @let today = times::day(line.at);
                @if today != day {
                    li.day { strong { (today) } }
                    @let () = day = today;
                }
                (moment(line))
            }
        }
    }
}

fn moment(line: &Line) -> Markup {
    html! {
        li {
            (times::precise(line.at))
            span { (line.what) @if let Some(actor) = &line.actor { span.quiet { " · " (actor) } } }
        }
    }
}

/// What came with it.
pub(super) fn commits(report: &Report) -> Markup {
    html! {
        h2 { "Commits" }
        @if let Some(before) = &report.commits_after { p.quiet { "What came after " (elements::hash(before.as_str())) "." } }
        ol.commits-of-incident {
            @for commit in &report.commits {
                li { (elements::hash(commit.hash.as_str())) span { (commit.subject) span.quiet { " · " (commit.author_name) } } }
            }
        }
    }
}

fn status(status: u16) -> String {
    match status {
        0 => "no answer".to_owned(),
        status => status.to_string(),
    }
}
