//! What a check or a build writes, while it runs and afterwards.
//!
//! The last lines are shown, and grow; what came before is a link away, page by page, so that no page is heavier than it
//! should be, however much was written. A search goes through all of it. While the check runs the page is rendered again
//! several times a second; once it has ended, only when something changes.

mod ansi;
mod reader;
mod rows;

use std::time::Duration;

use barq_core::delivery::Delivery;
use barq_core::identity::DeliveryId;
use barq_runner::api::{RunState, RunnerError};
use http::Uri;
use maud::{Markup, html};
use serde::Deserialize;

use super::super::Server;
use super::super::outputs::{self, Run};
use super::super::problem::Problem;
use super::check::Check;
use super::page::{Fragment, Line, Mood, Page, Section};
use super::{deliveries, elements};
use crate::output::text;
use reader::{Excerpt, LINES_MAX, Part};
use rows::Manner;

pub(super) use reader::Outputs;
pub(super) use rows::places;

/// Markup of the lines of one page, in bytes.
const LINES_BYTES_MAX: usize = 80 * 1024;
/// What can be searched for, in bytes.
const SOUGHT_BYTES_MAX: usize = 200;
/// Lines found that are shown; all are counted.
const FOUND_MAX: usize = 300;
/// Lines before the one that a link leads to.
const LINES_BEFORE: u64 = 20;
/// Lines that are seen without scrolling, about.
const LINES_ON_A_SCREEN: u64 = 30;
/// Between two looks at an output that grows: what is written is seen well within a second.
const LOOK_EVERY: Duration = Duration::from_millis(400);

/// Whose output, and what of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct OutputPlace {
    delivery: DeliveryId,
    check: String,
    wanted: Wanted,
}

/// What of an output.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Wanted {
    Part(Part),
    Found(String),
}

/// The page's parameters; the first that is given holds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OutputQuery {
    /// Text that is sought.
    #[serde(default)]
    q: String,
    /// From this line.
    from: Option<u64>,
    /// The lines before this one.
    before: Option<u64>,
}

impl OutputPlace {
    /// Of an address.
    pub(super) fn of(delivery: &str, check: &str, uri: &Uri) -> Result<Self, Problem> {
        let query: OutputQuery = super::place::query(uri)?;
        if query.q.len() > SOUGHT_BYTES_MAX {
            let why = format!("what is sought is longer than {SOUGHT_BYTES_MAX} bytes");
            return Err(Problem::invalid(why));
        }
        let wanted = match (query.q.as_str(), query.from, query.before) {
            ("", None, None) => Wanted::Part(Part::End(LINES_MAX)),
            ("", Some(line), _) => Wanted::Part(Part::From(line)),
            ("", None, Some(line)) => Wanted::Part(Part::Before(line)),
            (sought, _, _) => Wanted::Found(sought.to_owned()),
        };
        Ok(Self {
            delivery: deliveries::parse(delivery)?,
            check: check.to_owned(),
            wanted,
        })
    }

    /// How often there may be something new.
    pub(super) fn refreshes(&self, server: &Server) -> Option<Duration> {
        let view = server.engine.view();
        let delivery = view.state.delivery(&self.delivery)?;
        let running = Check::of(delivery, &self.check)?.under_way();
        let grows = matches!(self.wanted, Wanted::Part(Part::End(_) | Part::From(_)));
        (running && grows).then_some(LOOK_EVERY)
    }

    fn path(&self) -> String {
        format!("/deliveries/{}/checks/{}", self.delivery, self.check)
    }
}

/// The page.
pub(super) async fn page(server: &Server, place: &OutputPlace) -> Result<Page, Problem> {
    let delivery = delivery(server, &place.delivery).await?;
    let check = Check::of(&delivery, &place.check)
        .ok_or_else(|| Problem::unknown("check", &place.check))?;
    let unreadable = |error: RunnerError| Problem::internal("the output can't be read", &error);
    let run = outputs::latest(&server.runner, &place.delivery, &check.name).map_err(unreadable)?;
    let shown = match &run {
        Some(run) => shown(server, place, run).await.map_err(unreadable)?,
        None => Shown::default(),
    };
    let id = &place.delivery;
    Ok(Page {
        kind: "output",
        title: format!("{} · {} · {id}", check.state.replace('_', " "), check.name),
        mood: mood(&check),
        section: Section::Deliveries,
        trail: vec![
            ("Deliveries".to_owned(), "/deliveries".to_owned()),
            (id.to_string(), format!("/deliveries/{id}")),
        ],
        fragments: vec![
            Fragment::new("check", heading(&delivery, &check)),
            Fragment::new("search", search(place)),
            Fragment::new("part", part(place, &shown)),
            Fragment::lines("output", shown.lines),
            Fragment::new(
                "end",
                end(place, &check, run.is_some(), shown.all, shown.last),
            ),
        ],
    })
}

/// The last lines, as items of a list elsewhere.
pub(super) async fn tail(
    server: &Server,
    delivery: &DeliveryId,
    name: &str,
    lines: u64,
) -> Result<Vec<Line>, RunnerError> {
    let Some(run) = outputs::latest(&server.runner, delivery, name)? else {
        return Ok(Vec::new());
    };
    let kept = &server.kept.outputs;
    let excerpt = kept.excerpt(&server.runner, &run, Part::End(lines)).await?;
    let path = format!("/deliveries/{delivery}/checks/{name}");
    let manner = Manner {
        path: &path,
        ..Manner::default()
    };
    let rows = excerpt.rows.iter();
    Ok(rows.map(|row| rows::line(row, manner)).collect())
}

/// From the state, or, once that has forgotten it, from the journal.
async fn delivery(server: &Server, id: &DeliveryId) -> Result<Delivery, Problem> {
    let view = server.engine.view();
    if let Some(delivery) = view.state.delivery(id) {
        return Ok(delivery.clone());
    }
    Ok(server.journey(&view, id).await?.delivery.clone())
}

fn mood(check: &Check) -> Mood {
    match check.state {
        "running" | "queued" => Mood::Moving,
        _ if check.bad() => Mood::Trouble,
        _ => Mood::Calm,
    }
}

/// What of an output is on the page.
#[derive(Debug, Default)]
struct Shown {
    lines: Vec<Line>,
    /// The number of the first line; 0: there is none.
    first: u64,
    /// The number of the last line.
    last: u64,
    /// How many lines there are in all.
    all: u64,
    /// How many lines were found, where something was sought.
    found: u64,
}

async fn shown(server: &Server, place: &OutputPlace, run: &Run) -> Result<Shown, RunnerError> {
    match &place.wanted {
        Wanted::Part(part) => {
            let outputs = &server.kept.outputs;
            let excerpt = outputs.excerpt(&server.runner, run, *part).await?;
            let ended = matches!(run.state, RunState::Finished(_));
            Ok(fitting(&excerpt, *part, ended))
        }
        Wanted::Found(sought) => found(server, place, run, sought).await,
    }
}

/// The address of a line that stays where it is: on the page of the last lines only while there are no others.
fn fitting(excerpt: &Excerpt, part: Part, ended: bool) -> Shown {
    let stays = |_: u64| String::new();
    let moves = |line: u64| format!("?from={}", begin_of(line));
    let folded = excerpt.rows.first().is_some_and(|row| row.number > 1);
    match part {
        Part::From(_) | Part::Before(_) => page_of(excerpt, part, stays),
        Part::End(_) if folded || !ended => page_of(excerpt, part, moves),
        Part::End(_) => match page_of(excerpt, part, stays) {
            all if all.first <= 1 => all,
            _ => page_of(excerpt, part, moves),
        },
    }
}

/// As many lines as a page may have: the last ones, or the first ones of a part that is read from its beginning.
fn page_of(excerpt: &Excerpt, part: Part, path: impl Fn(u64) -> String) -> Shown {
    let mut bytes = 0;
    let mut fits = |line: &Line| {
        let first = bytes == 0;
        bytes += line.markup.len();
        first || bytes <= LINES_BYTES_MAX
    };
    let lines = excerpt.rows.iter().map(|row| {
        let manner = Manner {
            targets: true,
            path: &path(row.number),
            sought: None,
        };
        rows::line(row, manner)
    });
    let lines: Vec<Line> = match part {
        Part::From(_) => lines.take_while(|line| fits(line)).collect(),
        Part::End(_) | Part::Before(_) => {
            let mut lines: Vec<Line> = lines.rev().take_while(|line| fits(line)).collect();
            lines.reverse();
            lines
        }
    };
    let number = |line: Option<&Line>| line.and_then(|line| line.key.parse().ok()).unwrap_or(0);
    Shown {
        first: number(lines.first()),
        last: number(lines.last()),
        all: excerpt.lines,
        found: 0,
        lines,
    }
}

/// Where a page begins that is about this line.
fn begin_of(line: u64) -> u64 {
    line.saturating_sub(LINES_BEFORE).max(1)
}

async fn found(
    server: &Server,
    place: &OutputPlace,
    run: &Run,
    sought: &str,
) -> Result<Shown, RunnerError> {
    let mut shown = Shown::default();
    let mut bytes = 0;
    let path = place.path();
    reader::all(&server.runner, run, |row| {
        shown.all = row.number;
        if places(&rows::text(&row), sought).is_empty() {
            return true;
        }
        shown.found += 1;
        if shown.lines.len() < FOUND_MAX && bytes < LINES_BYTES_MAX {
            let from = begin_of(row.number);
            let manner = Manner {
                sought: Some(sought),
                targets: true,
                path: &format!("{path}?from={from}"),
            };
            let line = rows::line(&row, manner);
            bytes += line.markup.len();
            shown.lines.push(line);
        }
        true
    })
    .await?;
    Ok(shown)
}

fn heading(delivery: &Delivery, check: &Check) -> Markup {
    html! {
        div.title {
            h1 { (check.name) }
            (elements::state(check.state))
        }
        p.facts-line.quiet {
            span { "of " (elements::delivery(&delivery.id.to_string())) }
            @if let Some(started) = check.started_at { span { "began " (elements::time(started)) } }
            @match (check.ran_ms, check.started_at) {
                (Some(ran_ms), _) => span { "took " strong { (text::duration_ms(ran_ms as f64)) } },
                (None, Some(started)) if check.under_way() => {
                    span { (elements::lasting(started, check.limit)) }
                }
                _ => {}
            }
            @if let Some(limit) = check.limit {
                span { "at most " (text::duration_ms(limit.as_millis() as f64)) }
            }
        }
        @if let Some(command) = &check.command { pre.command { code { (command) } } }
        @if let Some(why) = &check.why {
            p.reason.(elements::look(check.state).1) { (why) }
        }
    }
}

fn search(place: &OutputPlace) -> Markup {
    let sought = match &place.wanted {
        Wanted::Found(sought) => sought.as_str(),
        Wanted::Part(_) => "",
    };
    html! {
        form.search method="get" action=(place.path()) role="search" {
            p.field {
                label for="sought" { "Search in the output" }
                input #sought type="search" name="q" value=(sought) maxlength=(SOUGHT_BYTES_MAX);
            }
            button type="submit" { "Search" }
            @if !sought.is_empty() { a.clear href=(place.path()) { "Show the output" } }
        }
    }
}

/// Which lines are shown, and the way to those before.
fn part(place: &OutputPlace, shown: &Shown) -> Markup {
    let path = place.path();
    let Shown {
        first, last, all, ..
    } = shown;
    html! {
        @match &place.wanted {
            Wanted::Found(sought) => p {
                strong { (text::count(shown.found, "line")) }
                " of " (all) " with “" (sought) "”"
                @if shown.found > shown.lines.len() as u64 { ", the first " (shown.lines.len()) " are shown" }
            },
            Wanted::Part(_) if *all == 0 => {}
            Wanted::Part(_) => nav.pager aria-label="Parts of the output" {
                @if *first > 1 {
                    a href={ (path) "?before=" (first) } { "Earlier lines" }
                    a href={ (path) "?from=1" } { "First line" }
                }
                span.quiet { "lines " (first) "–" (last) " of " (all) }
                @if last - first >= LINES_ON_A_SCREEN { a href="#end" { "To the end" } }
            },
        }
    }
}

/// What there is after the lines.
fn end(place: &OutputPlace, check: &Check, kept: bool, all: u64, last: u64) -> Markup {
    let path = place.path();
    let is_part = matches!(place.wanted, Wanted::Part(_));
    html! {
        @if is_part && last < all {
            nav.pager aria-label="Later parts of the output" {
                a href={ (path) "?from=" (last + 1) } { "Later lines" }
                a href=(path) { "Last line" }
            }
        }
        @if is_part && last == all { p.quiet { (silence(check, kept, all)) } }
        @else if !is_part && check.under_way() { p.quiet { "It still runs: these are the lines up to now. " a href=(path) { "Follow the output" } } }
    }
}

/// What it means that no more is to be seen.
fn silence(check: &Check, kept: bool, lines: u64) -> String {
    let needs = check.needs.join(", ");
    match check.state {
        "running" if lines == 0 => "It runs, and has written nothing yet.".to_owned(),
        "running" => "It runs: new lines appear here.".to_owned(),
        "queued" if !needs.is_empty() => {
            format!("It has not begun: it needs {needs}, and a free place.")
        }
        "queued" => "It has not begun: it waits for its turn.".to_owned(),
        "skipped" | "cancelled" if lines == 0 => "It did not run, or wrote nothing.".to_owned(),
        _ if !kept => "Its output is no longer kept.".to_owned(),
        _ if lines == 0 && check.command.is_none() => {
            "Nothing was run: the commit holds the files as they are.".to_owned()
        }
        _ if lines == 0 => "It wrote nothing.".to_owned(),
        _ => "That is all it wrote.".to_owned(),
    }
}
