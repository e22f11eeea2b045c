//! Lines of the past: what is before a line or a moment is asked of the node once, and once what comes after a moment.

use barq_node::api::{LogLine, LogPage};
use barq_node::logs::LinePlace;
use jiff::Timestamp;

use super::super::super::Server;
use super::super::super::problem::Problem;
use super::question::{LogsPlace, Window};
use super::reading::{LINES_MAX, ask};

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Oldest first.
    pub(super) lines: Vec<LogLine>,
    /// Before which line was not looked; none where there is nothing.
    pub(super) older: Option<LinePlace>,
    /// How far back was looked, where too little was found for a page.
    pub(super) searched_to: Option<Timestamp>,
    /// More lines are after the last one.
    pub(super) more_after: bool,
}

/// What a window of the past shows.
pub(super) async fn search(
    server: &Server,
    place: &LogsPlace,
    now: Timestamp,
) -> Result<Found, Problem> {
    let floor = place.not_before(now);
    match place.window {
        Window::Before(before) => older(server, place, before, floor, LINES_MAX).await,
        Window::Around(moment) => {
            let before = LinePlace::moment(moment);
            let mut found = older(server, place, before, floor, LINES_MAX / 2).await?;
            found.searched_to = None;
            let after = newer(server, place, floor.map_or(moment, |it| it.max(moment))).await?;
            found.more_after = after.lines.len() >= LINES_MAX;
            found.lines.extend(after.lines);
            Ok(found)
        }
        Window::Newest => Ok(Found::default()),
    }
}

/// The last lines before a place, none of them from before `floor`.
async fn older(
    server: &Server,
    place: &LogsPlace,
    before: LinePlace,
    floor: Option<i64>,
    limit: usize,
) -> Result<Found, Problem> {
    let mut parameters = place.parameters(limit);
    parameters.push(("before", before.to_string()));
    parameters.extend(floor.map(|floor| ("since_ms", floor.to_string())));
    let page = ask(server, place, &parameters).await?;
    Ok(Found {
        older: older_than(&page),
        searched_to: page.searched_to,
        lines: page.lines,
        more_after: false,
    })
}

/// The first lines from a moment on.
async fn newer(server: &Server, place: &LogsPlace, moment: i64) -> Result<LogPage, Problem> {
    let mut parameters = place.parameters(LINES_MAX);
    parameters.push(("since_ms", moment.to_string()));
    ask(server, place, &parameters).await
}

/// Before which line there may be more than what a page has.
pub(super) fn older_than(page: &LogPage) -> Option<LinePlace> {
    page.older.as_deref()?.parse().ok()
}
