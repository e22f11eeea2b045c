//! The latest failed requests of the canary, each with the way to its log lines.
//!
//! While it runs they are asked of the node, only when it has counted another error: it gathers them under the locks that
//! requests need. Afterwards the incident has them.

use std::sync::Arc;
use std::time::Duration;

use barq_adapters::node::evidence;
use barq_core::event::FailedRequest;
use barq_core::identity::RevisionName;
use maud::{Markup, html};

use super::super::super::Server;
use super::super::recent::Recent;
use super::super::session::encoded;
use super::super::times;
use super::compare::latency;
use super::sight::Sight;
use crate::output::text;

/// Failed requests that are shown.
const SHOWN_MAX: usize = 8;
/// Revisions whose failed requests are kept.
const REVISIONS_MAX: usize = 32;
/// The page does not wait longer for the node; what is not known then comes with the next change.
const WAIT_MAX: Duration = Duration::from_millis(400);

/// What the node told of failed requests, until it counts another error.
#[derive(Debug, Default)]
pub(in super::super) struct Failures(Recent<RevisionName, Told, REVISIONS_MAX>);

#[derive(Debug, Clone)]
struct Told {
    /// When it was asked, it had counted so many.
    errors: u64,
    requests: Arc<[FailedRequest]>,
}

/// The part of the page; empty where nothing failed.
pub(super) async fn shown(server: &Server, sight: &Sight<'_>) -> Markup {
    let of_incident = sight
        .incident
        .and_then(|incident| incident.evidence.as_ref()?.as_ref().ok());
    if let Some(evidence) = of_incident {
        return list(sight, &evidence.failures, evidence.errors);
    }
    let revision = &sight.rollout.start.revision;
    let errors = sight.detail(revision).map_or(0, |detail| detail.errors);
    if errors == 0 || !is_on_trial(sight) {
        return html! {};
    }
    match server.failures(revision, errors).await {
        Some(requests) => list(sight, &requests, errors),
        None => html! {
            h2 { "Latest failed requests" }
            p.quiet { "The node can't tell now." }
        },
    }
}

/// Afterwards its errors are those of the revision that serves, whatever they are.
fn is_on_trial(sight: &Sight<'_>) -> bool {
    !sight.rollout.ended() || sight.rollout.rollback.is_some() || sight.guard().is_some()
}

impl Server {
    /// The latest failed requests of a revision that has made so many errors; none where nobody can tell.
    async fn failures(&self, revision: &RevisionName, errors: u64) -> Option<Arc<[FailedRequest]>> {
        let known = self.kept.failures.0.get(revision);
        if let Some(known) = known.as_ref().filter(|known| known.errors == errors) {
            return Some(Arc::clone(&known.requests));
        }
        let asked = evidence(&self.node, &revision.service, revision);
        let answer = tokio::time::timeout(WAIT_MAX, asked).await;
        let Ok(Ok(evidence)) = answer else {
            return known.map(|known| known.requests);
        };
        let requests: Arc<[FailedRequest]> = evidence.failures.into();
        let told = Told {
            errors: evidence.errors,
            requests: Arc::clone(&requests),
        };
        self.kept.failures.0.keep(revision.clone(), told);
        Some(requests)
    }
}

fn list(sight: &Sight<'_>, requests: &[FailedRequest], errors: u64) -> Markup {
    if requests.is_empty() {
        return html! {};
    }
    let all = requests.len() as u64;
    html! {
        h2 { "Latest failed requests" }
        div.scroll tabindex="0" role="region" aria-label="Latest failed requests" {
            table.failed-requests {
                caption.unseen { "Requests that the canary failed, the newest first" }
                thead { tr {
                    th scope="col" { "At" }
                    th scope="col" { "Request" }
                    th scope="col" { "Answer" }
                    th.number scope="col" { "After" }
                    th scope="col" { "Log" }
                } }
                tbody { @for request in requests.iter().take(SHOWN_MAX) { (line(sight, request)) } }
            }
        }
        p.small.quiet {
            @if errors > all.min(SHOWN_MAX as u64) { "The newest of " (text::count(errors, "error")) " since it began. " }
            @if let Some(incident) = sight.incident { a href=(format!("/incidents/{}", incident.id)) { "All the evidence" } }
        }
    }
}

fn line(sight: &Sight<'_>, request: &FailedRequest) -> Markup {
    let start = &sight.rollout.start;
    let log = format!(
        "/services/{}/logs?revision={}&q={}",
        start.service,
        start.revision,
        encoded(&request.request_id)
    );
    html! {
        tr {
            td { (times::precise(request.at)) }
            td { code { (request.method) " " (request.path) } }
            td {
                @match (request.status, &request.failure) {
                    (0, Some(failure)) => span.bad { (failure) },
                    (0, None) => span.bad { "no answer" },
                    (status, _) => span.bad { (status) },
                }
                @if request.shielded { " " span.quiet.small { "stable answered" } }
            }
            td.number { (latency(request.latency_us)) }
            td { a href=(log) aria-label={ "Log lines of request " (request.request_id) } { "lines" } }
        }
    }
}
