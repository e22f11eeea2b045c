//! One event, with all that is stored of it.

use maud::html;

use super::super::super::Server;
use super::super::super::api::audit::entry;
use super::super::super::problem::Problem;
use super::super::page::{Fragment, Page};
use super::super::times;
use super::{PATH, page_of, subject};

/// The page.
pub(in super::super) async fn page(server: &Server, sequence: u64) -> Result<Page, Problem> {
    let unknown = || Problem::unknown("event", &sequence.to_string());
    let after = sequence.checked_sub(1).ok_or_else(unknown)?;
    let found = server.engine.journal().read(after, 1).await?;
    let stored = found.first().filter(|it| it.sequence == sequence);
    let stored = stored.ok_or_else(unknown)?;
    let it = entry(stored)?;
    let data = serde_json::to_string_pretty(&it.data)
        .map_err(|error| Problem::internal("the event can't be shown", &error))?;
    let content = html! {
        h1 { "Event " (sequence) }
        p { (it.message) }
        dl.facts {
            dt { "When" } dd { (times::day(it.at)) " " (times::precise(it.at)) }
            dt { "By whom" } dd { (it.actor) }
            dt { "About" } dd { (subject(&it.subject)) }
            dt { "Event" } dd { code { (it.event) } }
            dt { "Code" } dd { code.small { (stored.mac) } }
        }
        h2 { "As it is stored" }
        pre tabindex="0" aria-label="The event as it is stored" { (data) }
    };
    let mut page = page_of(
        &format!("Event {sequence}"),
        vec![Fragment::new("journal-event", content)],
    );
    page.trail = vec![("Journal".to_owned(), PATH.to_owned())];
    Ok(page)
}
