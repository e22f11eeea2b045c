//! Whether the journal's chain is whole: asked by a form, since it reads all of it.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use maud::{Markup, html};

use super::super::super::Shared;
use super::super::super::shapes::AuditVerification;
use super::super::icons::{self, Icon};
use super::super::page::{Fragment, Mood};
use super::super::session::Viewer;
use super::super::{elements, failed_at, layout};
use super::{PATH, VERIFY, page_of};

/// The form.
pub(super) fn form() -> Markup {
    html! {
        h2 { "Is it whole?" }
        p { "Checks the code of every event, from the first to the last: one that was altered, removed, inserted or moved is found." }
        form method="post" action=(VERIFY) { button #verify type="submit" { "Verify the chain" } }
    }
}

/// Checks the chain, and shows what was found.
pub(super) async fn verify(State(server): State<Shared>, viewer: Viewer) -> Response {
    match server.verified(&[]).await {
        Ok(found) => {
            let content = found_page(&found, Timestamp::now());
            let title = if found.ok {
                "✓ The journal is whole"
            } else {
                "✕ The journal is not whole"
            };
            let mut page = page_of(title, vec![Fragment::new("journal-verified", content)]);
            page.trail = vec![("Journal".to_owned(), PATH.to_owned())];
            page.mood = if found.ok { Mood::Calm } else { Mood::Trouble };
            layout::still(&viewer, &page).into_response()
        }
        Err(problem) => failed_at(PATH, &viewer, &problem),
    }
}

fn found_page(found: &AuditVerification, now: Timestamp) -> Markup {
    html! {
        @if found.ok {
            h1 { "The journal is whole" }
            p.notice.good { span.good { (icons::icon(Icon::Good)) } " " span { "All " strong { (found.events) } " events are as they were written. Checked " (elements::time(now)) "." } }
        } @else {
            h1 { "The journal is not whole" }
            p.notice.bad { span.bad { (icons::icon(Icon::Bad)) } " " span { strong { (found.events) } " events hold" @if let Some(problem) = &found.problem { "; then: " (problem.detail) } "." } }
        }
        @if let Some(head) = &found.head {
            p { "Its head, to be kept elsewhere: with it " code { "barq audit verify" } " also finds a journal that was put back to an earlier state." }
            pre { code { (head.sequence) ":" (head.mac) } }
        }
        p { a.button href=(PATH) { "To the journal" } }
    }
}
