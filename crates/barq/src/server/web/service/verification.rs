//! "Verify now": what `barq verify` looks at, asked from the page. The last result of each service is kept for all to see,
//! until the server ends.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use axum::extract::{Path, State};
use axum::response::Response;
use barq_core::identity::ServiceId;
use maud::{Markup, html};

use super::super::super::problem::Problem;
use super::super::super::shapes::{Fact, Verification};
use super::super::super::{Server, Shared};
use super::super::elements;
use super::super::icons::{self, Icon};
use super::super::session::Viewer;
use super::sight::Sight;

/// The last verification of each service that has one. There are as many as services.
#[derive(Debug, Default)]
pub(in super::super) struct Verifications(Mutex<BTreeMap<ServiceId, Verification>>);

/// Verifies, then shows the service's page with what was seen.
pub(in super::super) async fn verify(
    State(server): State<Shared>,
    viewer: Viewer,
    Path(name): Path<String>,
) -> Response {
    let verified = async {
        let id: ServiceId = name
            .parse()
            .map_err(|_| Problem::unknown("service", &name))?;
        let seen = server.verification(&id).await?;
        server.kept.verifications.keep(id, seen);
        server.live.changed();
        Ok(())
    };
    match verified.await {
        Ok(()) => super::super::see(&format!("/services/{name}#verify")),
        Err(problem) => super::super::failed_at(&format!("/services/{name}"), &viewer, &problem),
    }
}

impl Verifications {
    fn keep(&self, id: ServiceId, verification: Verification) {
        self.lock().insert(id, verification);
    }

    fn last(&self, id: &ServiceId) -> Option<Verification> {
        self.lock().get(id).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<ServiceId, Verification>> {
        // Nothing is done under the lock that could leave it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The form, and what was seen last.
pub(super) fn card(server: &Server, sight: &Sight) -> Markup {
    let id = &sight.service.id;
    html! {
        div.card {
            div.heading {
                h2 { "Verification" }
                form method="post" action=(format!("/services/{id}/verify")) {
                    button type="submit" { "Verify now" }
                }
            }
            @match server.kept.verifications.last(id) {
                Some(last) => (result(&last)),
                None => p.quiet {
                    "Asks through the public address whether what runs is what was deployed, counts the traffic for a moment, and looks "
                    "at instances, latency and recent errors. It changes nothing."
                },
            }
        }
    }
}

fn result(last: &Verification) -> Markup {
    let (icon, class, words) = match last.ok {
        true => (Icon::Good, "good", "all is well"),
        false => (Icon::Bad, "bad", "something is not as it should be"),
    };
    html! {
        p.row {
            span.state.(class) { (icons::icon(icon)) (words) }
            span.quiet { "verified " (elements::time(last.checked_at)) }
        }
        div.scroll tabindex="0" role="region" aria-label="What was looked at" {
            table {
                caption.unseen { "What was looked at" }
                thead { tr { th scope="col" { "What" } th scope="col" { "Result" } th scope="col" { "Seen" } } }
                tbody { @for fact in &last.checks { (row(fact)) } }
            }
        }
    }
}

fn row(fact: &Fact) -> Markup {
    html! {
        tr {
            th scope="row" { (fact.name) }
            td { (elements::verdict(fact.ok)) }
            td { (fact.detail) }
        }
    }
}
