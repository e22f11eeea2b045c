//! The journal, as the audit log: who did what to what, newest first, by pages; and whether its chain is whole.
//!
//! Each event is told in the sentence that every other page uses, with what is stored folded behind it.

mod event;
mod verify;
mod wanted;

use axum::Router;
use axum::routing::post;
use barq_engine::engine::View;
use barq_engine::journal::{EventFilter, Recorded};
use maud::{Markup, html};

use super::super::api::audit::entry;
use super::super::problem::Problem;
use super::super::shapes::AuditEntry;
use super::super::{Server, Shared};
use super::filters::{self, Choice};
use super::page::{Fragment, Mood, Page, Section};
use super::times;

pub(super) use event::page as event_page;
pub(super) use wanted::Wanted;

/// Where it is.
const PATH: &str = "/journal";
/// Where its chain is checked.
const VERIFY: &str = "/journal/verify";
/// Events of a page.
const EVENTS_SHOWN: usize = 50;
/// Bytes of what is stored that a list shows folded; longer ones have a page of their own.
const STORED_BYTES_MAX: usize = 400;

/// The form that has the chain checked.
pub(super) fn routes() -> Router<Shared> {
    Router::new().route(VERIFY, post(verify::verify))
}

/// The page.
pub(super) async fn page(server: &Server, wanted: &Wanted) -> Result<Page, Problem> {
    let view = server.engine.view();
    let (stored, more) = newest(server, &view, wanted).await?;
    let entries = stored.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
    let title = match wanted.any() {
        true => "Journal, filtered",
        false => "Journal",
    };
    Ok(page_of(
        title,
        vec![
            Fragment::new("journal-head", head(&view, wanted)),
            Fragment::new("journal-events", events(wanted, &entries, more)),
            Fragment::new("journal-chain", verify::form()),
        ],
    ))
}

fn page_of(title: &str, fragments: Vec<Fragment>) -> Page {
    Page {
        kind: "journal",
        title: title.to_owned(),
        mood: Mood::Calm,
        section: Section::Journal,
        trail: Vec::new(),
        fragments,
    }
}

/// The newest events that match, and whether there are older ones. An app's services are not the app's by their events, so
/// what matches any of several filters is put together.
async fn newest(
    server: &Server,
    view: &View,
    wanted: &Wanted,
) -> Result<(Vec<Recorded>, bool), Problem> {
    let filters: Vec<EventFilter> = wanted.filters(view);
    let mut found: Vec<Recorded> = Vec::new();
    for filter in &filters {
        let journal = server.engine.journal();
        let events = journal.read_newest(filter, wanted.before, EVENTS_SHOWN + 1);
        found.extend(events.await?);
    }
    found.sort_by_key(|it| std::cmp::Reverse(it.sequence));
    found.dedup_by_key(|it| it.sequence);
    let more = found.len() > EVENTS_SHOWN;
    found.truncate(EVENTS_SHOWN);
    Ok((found, more))
}

fn head(view: &View, wanted: &Wanted) -> Markup {
    let apps = view.state.apps.keys().map(ToString::to_string).collect();
    let app = Choice {
        name: "app",
        label: "App",
        all: "all apps",
        chosen: wanted.app.as_deref(),
        options: apps,
    };
    html! {
        h1 { "Journal" }
        p.quiet { "All that ever happened here, newest first. Nothing is changed or removed: each event is chained to the one before." }
        form.filters method="get" action=(PATH) aria-label="Which events" {
            (filters::select(&app))
            (field("actor", "By whom", "alice", wanted.actor.as_deref()))
            (field("subject", "About", "shop-3, shop-production", wanted.subject.as_deref()))
            (field("kind", "Event", "delivery.approved", wanted.kind.as_deref()))
            (time("since", "Since (UTC)", wanted.since.as_deref()))
            (time("until", "Until (UTC)", wanted.until.as_deref()))
            button type="submit" { "Show" }
            @if wanted.any() { a.button href=(PATH) { "Show all" } }
        }
    }
}

fn field(name: &str, label: &str, example: &str, value: Option<&str>) -> Markup {
    html! {
        div.field {
            label for=(name) { (label) }
            input id=(name) name=(name) value=[value] placeholder=(example) autocomplete="off" spellcheck="false";
        }
    }
}

fn time(name: &str, label: &str, value: Option<&str>) -> Markup {
    html! {
        div.field {
            label for=(name) { (label) }
            input id=(name) name=(name) type="datetime-local" value=[value];
        }
    }
}

fn events(wanted: &Wanted, entries: &[AuditEntry], more: bool) -> Markup {
    let mut day = String::new();
    let older = entries.last().filter(|_| more).map(|it| it.sequence);
    html! {
        h2.unseen { "Events" }
        @if entries.is_empty() { p.empty { "Nothing matches." } }
        @else {
            div.scroll tabindex="0" role="region" aria-label="Events" {
                table {
                    caption.unseen { "Events, newest first" }
                    thead { tr {
                        th scope="col" { "Time" } th scope="col" { "By whom" } th scope="col" { "About" } th scope="col" { "What" }
                    } }
                    tbody {
                        @for it in entries {
                            @let today = times::day(it.at);
                            @if today != day {
                                tr.day { th colspan="4" scope="rowgroup" { (today) } }
                                @let () = day = today;
                            }
                            (row(wanted, it))
                        }
                    }
                }
            }
        }
        @if older.is_some() || wanted.before.is_some() {
            nav.pager aria-label="Pages" {
                @if wanted.before.is_some() { a href=(wanted.address(None)) { "Newest" } }
                @if let Some(older) = older { a href=(wanted.address(Some(older))) { "Older" } }
            }
        }
    }
}

fn row(wanted: &Wanted, it: &AuditEntry) -> Markup {
    html! {
        tr {
            td { (times::precise(it.at)) }
            td { a.plain-link href=(wanted.with("actor", &it.actor)) { (it.actor) } }
            td.about { (subject(&it.subject)) }
            td {
                span { (it.message) }
                div.small { (stored(it)) " " a.plain-link href=(wanted.with("kind", &it.event)) { (it.event) } }
            }
        }
    }
}

/// What is stored: folded where it is short, else on a page of its own.
fn stored(it: &AuditEntry) -> Markup {
    let text = it.data.to_string();
    html! {
        @if text.len() > STORED_BYTES_MAX {
            a href=(format!("{PATH}/{}", it.sequence)) { "event " (it.sequence) }
        } @else {
            details id=(format!("event-{}", it.sequence)) {
                summary { "event " (it.sequence) }
                pre { (text) }
            }
        }
    }
}

/// What an event is about, with its page where it has one.
fn subject(subject: &str) -> Markup {
    let (kind, name) = subject.split_once('/').unwrap_or(("", subject));
    let page = match kind {
        "delivery" => format!("/deliveries/{name}"),
        "incident" => format!("/incidents/{name}"),
        "service" => format!("/services/{name}"),
        "token" => "/tokens".to_owned(),
        "app" => "/".to_owned(),
        _ => return html! { (subject) },
    };
    html! { span.quiet { (kind) } " " a href=(page) { (name) } }
}
