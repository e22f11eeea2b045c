//! The revisions that are kept and don't run, a page at a time.

use barq_core::service::Revision;
use maud::{Markup, html};

use super::super::elements;
use super::running::marks;
use super::sight::{Sight, short_name};

/// Revisions on a page.
const ROWS_MAX: usize = 25;

/// Those below a number, or the newest of them.
pub(super) fn table(sight: &Sight, before: Option<u32>) -> Markup {
    let kept = sight.service.revisions.values().rev().map(AsRef::as_ref);
    let mut rest = kept
        .filter(|revision| before.is_none_or(|before| revision.name.number < before))
        .filter(|revision| !sight.runs(revision));
    let rows: Vec<&Revision> = rest.by_ref().take(ROWS_MAX).collect();
    let more = rest.next().is_some();
    let page = format!("/services/{}", sight.service.id);
    html! {
        h2 { "Revisions before" }
        @if rows.is_empty() { p.empty { "None is kept beside what runs." } }
        @else {
            div.card.scroll tabindex="0" role="region" aria-label="Revisions before" {
                table.revisions {
                    caption.unseen { "Revisions that are kept without instances, the newest first" }
                    thead { tr {
                        th scope="col" { "Revision" }
                        th scope="col" { "Its rollout" }
                        th scope="col" { "Commit" }
                        th scope="col" { "Image" }
                        th scope="col" { "Made" }
                    } }
                    tbody { @for revision in &rows { (row(sight, revision)) } }
                }
            }
        }
        nav.pager aria-label="Pages of revisions" {
            @if before.is_some() { a href=(format!("{page}#history")) { "Newest" } }
            @if let Some(last) = rows.last().filter(|_| more) {
                a href=(format!("{page}?before={}#history", last.name.number)) rel="next" { "Older" }
            }
        }
    }
}

fn row(sight: &Sight, revision: &Revision) -> Markup {
    let rollout = sight.rollout_of(revision);
    html! {
        tr {
            th scope="row" { (short_name(&revision.name)) " " (marks(sight, revision)) }
            td {
                @match rollout {
                    Some(rollout) => {
                        (elements::state(rollout.state_name())) " "
                        a href=(format!("/rollouts/{}", rollout.id)) { (rollout.id.delivery) }
                    }
                    None => (revision.rollout.delivery),
                }
            }
            td.commit { (elements::hash(revision.commit.as_str())) @if let Some(subject) = sight.subject(revision) { " " span.subject { (subject) } } }
            td { (elements::hash(revision.image.as_str())) }
            td { (elements::time(revision.created_at)) }
        }
    }
}
