//! An incident: for the one who is woken by it. What happened, whether it is over, what serves now, whom it hit; then the
//! evidence; then what is to be done. Made of the same report as its Markdown and JSON, and of what is seen to serve.

mod sections;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use barq_core::identity::IncidentId;
use barq_core::incident::Incident;
use barq_core::report::{Report, milliseconds};
use barq_engine::engine::View;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use maud::{Markup, html};

use super::super::problem::Problem;
use super::super::shapes::{Revision, Service};
use super::super::{Server, Shared, convert};
use super::icons::{self, Icon};
use super::page::{Fragment, Mood, Page, Section};
use super::session::Viewer;
use super::{elements, failed_at, times};

/// An incident's id, of a part of an address.
pub(super) fn id(text: &str) -> Result<IncidentId, Problem> {
    text.parse().map_err(|_| Problem::unknown("incident", text))
}

/// The page.
pub(super) async fn page(
    server: &Server,
    id: &IncidentId,
    now: Timestamp,
) -> Result<Page, Problem> {
    let (incident, report) = server.report(id).await?;
    let view = server.engine.view();
    let service = view
        .state
        .service(&report.service)
        .map(|service| convert::service(&view, service, server.ingress.port(), now));
    let open = report.resolved.is_none();
    let (mark, state, mood) = match open {
        true => ("✕", "open", Mood::Trouble),
        false => ("✓", "over", Mood::Calm),
    };
    let gathering = incident.evidence.is_none();
    let fragments = [
        ("incident-head", head(&incident, &report)),
        ("incident-over", over(&incident, &report, service.as_ref())),
        ("incident-serves", serves(&view, &report, service.as_ref())),
        ("incident-hit", sections::hit(&report, gathering)),
        ("incident-facts", sections::facts(&report)),
        ("incident-todo", sections::follow_ups(&report)),
        ("incident-failures", sections::failures(&report, gathering)),
        (
            "incident-endpoints",
            sections::endpoints(&report, gathering),
        ),
        ("incident-commits", sections::commits(&report)),
        ("incident-timeline", sections::timeline(&report)),
    ];
    Ok(Page {
        kind: "incident",
        title: format!("{mark} {state} · {}", report.title),
        mood,
        section: Section::Incidents,
        trail: vec![("Incidents".to_owned(), "/incidents".to_owned())],
        fragments: fragments
            .into_iter()
            .map(|(id, markup)| Fragment::new(id, markup))
            .collect(),
    })
}

/// The report as a text to be copied: browsers show it where `text/markdown` would be kept as a file.
pub(super) async fn markdown(
    State(server): State<Shared>,
    viewer: Viewer,
    Path(text): Path<String>,
) -> Response {
    let report = async { server.report(&id(&text)?).await };
    match report.await {
        Ok((_, report)) => {
            let kind = [(CONTENT_TYPE, "text/plain; charset=utf-8")];
            (kind, report.to_markdown()).into_response()
        }
        Err(problem) => failed_at("/incidents", &viewer, &problem),
    }
}

fn head(incident: &Incident, report: &Report) -> Markup {
    let state = match report.resolved {
        Some(_) => "resolved",
        None => "open",
    };
    html! {
        h1 { (report.title) }
        p.row {
            (elements::state(state))
            span { (report.id) }
            span { "in " a href=(format!("/services/{}", report.service)) { (report.service) } }
            span { "opened " (elements::time(incident.opened_at)) }
        }
        p.summary { (report.summary) }
        p.row.aside {
            a href=(format!("/incidents/{}/report.md", report.id)) { "The report as Markdown" }
            a href=(format!("/journal?subject=incident/{}", report.id)) { "Its events in the journal" }
        }
    }
}

/// Whether the harm goes on; what is seen to serve counts, not what was meant.
fn over(incident: &Incident, report: &Report, service: Option<&Service>) -> Markup {
    let bad = report.revision.to_string();
    let serving = service
        .iter()
        .flat_map(|service| &service.revisions)
        .any(|it| it.name == bad && it.traffic > 0);
    let environment = &incident.rollout.environment;
    let (icon, class, verdict, more) = match (&report.resolved, &report.rollback, serving) {
        (Some((by, at)), _, _) => (
            Icon::Good,
            "good",
            "It is over.",
            html! { (elements::delivery(&by.to_string())) " succeeded in " (environment) " at " (times::moment(*at)) "." },
        ),
        (None, Some(back), false) if back.shifted_us.is_some() => (
            Icon::Back,
            "wait",
            "The harm has ended.",
            html! { (bad) " gets no requests any more. The incident stays open until a later delivery succeeds in " (environment) "." },
        ),
        (None, Some(_), _) => (
            Icon::Moving,
            "bad",
            "The traffic is going back.",
            html! { "Not all of it has left " (bad) " yet; this page shows when it has." },
        ),
        (None, None, true) => (
            Icon::Warning,
            "bad",
            "It goes on.",
            html! {
                (bad) " still serves. "
                a href=(format!("/services/{}", report.service)) { "Roll it back" }
                ", or " code { "barq rollback " (environment) } "."
            },
        ),
        (None, None, false) => (
            Icon::Waiting,
            "wait",
            "It no longer serves.",
            html! { (bad) " gets no requests. The incident stays open until a later delivery succeeds in " (environment) "." },
        ),
    };
    html! {
        h2.unseen { "Is it over?" }
        div.notice.(class) { p { strong { span.(class) { (icons::icon(icon)) } " " (verdict) } } p { (more) } }
    }
}

fn serves(view: &View, report: &Report, service: Option<&Service>) -> Markup {
    let Some(service) = service else {
        return html! { h2 { "Serves now" } p.empty { (report.service) " is not known any more." } };
    };
    let serving: Vec<&Revision> = service
        .revisions
        .iter()
        .filter(|it| it.traffic > 0)
        .collect();
    html! {
        h2 { "Serves now" }
        @if let Some(error) = &view.data_plane_error {
            p.notice.wait { strong { "The node can't be seen: " } span { (error) ". " (elements::last_seen(view)) } }
        }
        @if serving.is_empty() { p.empty { "Nothing." } }
        ul.plain {
            @for revision in serving {
                li.row {
                    strong { (revision.traffic) " %" }
                    a href=(format!("/services/{}", service.name)) { (revision.name) }
                    (elements::state(&revision.health))
                    span.quiet { (revision.instances.ready) " of " (revision.instances.total) " ready" }
                    (elements::hash(&revision.commit))
                }
            }
        }
        @if let Some(lock) = &service.lock {
            p { span.wait { (icons::icon(Icon::Lock)) } " Locked: " (lock.message) }
        }
        @if let Some(span) = report.rollback.as_ref().and_then(|back| back.shifted_us) {
            p.quiet { "All traffic had moved in " (milliseconds(span)) "." }
        }
    }
}
