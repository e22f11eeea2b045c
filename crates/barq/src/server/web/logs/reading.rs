//! What is known of the log pages that somebody looks at: the lines of each address, read once for all.
//!
//! The newest lines go on from where the node was read last. If more came than one answer holds, the last lines are asked
//! for anew, so a page never lags behind its log. A search is made once and kept for as long as it is looked at.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use barq_node::api::{LogLine, LogPage};
use barq_node::logs::LinePlace;
use jiff::Timestamp;
use tokio::time::Instant;

use super::super::super::Server;
use super::super::super::problem::Problem;
use super::super::page::Line;
use super::line;
use super::question::{LogsPlace, Window};
use super::search;

/// Lines that a page shows at most.
pub(super) const LINES_MAX: usize = 500;
/// Their markup, in bytes: with what surrounds it a page stays below 100 KB.
const MARKUP_BYTES_MAX: usize = 84 * 1024;
/// Lines that the node is asked for at once: as many as it gives.
const NODE_LINES_MAX: usize = barq_node::logs::PAGE_LINES_MAX;
/// The node is not asked more often for one address.
const ASK_EVERY_MIN: Duration = Duration::from_millis(500);
/// A question to the node takes no longer.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// A reading that nobody wanted for so long is forgotten.
const UNUSED_MAX: Duration = Duration::from_secs(60);
/// Readings that are kept at most; beyond, the one that was wanted longest ago is forgotten.
const READINGS_MAX: usize = 32;

/// What a log page shows.
#[derive(Debug, Clone, Default)]
pub(super) struct Shown {
    /// Oldest first.
    pub(super) lines: Vec<Line>,
    /// Why the node can't be asked, if it can't.
    pub(super) error: Option<String>,
    /// Before which line there may be more.
    pub(super) older: Option<LinePlace>,
    /// After what moment there is more.
    pub(super) newer: Option<i64>,
    /// How far back was searched, where that was not far enough.
    pub(super) searched_to: Option<Timestamp>,
}

/// All readings.
#[derive(Debug, Default)]
pub(in super::super) struct Readings(Mutex<HashMap<LogsPlace, Wanted>>);

#[derive(Debug)]
struct Wanted {
    reading: Arc<tokio::sync::Mutex<Reading>>,
    at: Instant,
}

/// One address's lines.
#[derive(Debug, Default)]
struct Reading {
    kept: Vec<Kept>,
    bytes: usize,
    cursor: Option<String>,
    asked_at: Option<Instant>,
    /// Lines were left out before the first one.
    cut: bool,
    /// Where the node stopped, when it was asked for the last lines.
    older: Option<LinePlace>,
    searched_to: Option<Timestamp>,
    shown: Shown,
}

#[derive(Debug)]
struct Kept {
    at_ms: i64,
    fingerprint: u32,
    /// Of those that are the same to the letter.
    ordinal: u32,
    place: Option<LinePlace>,
    line: Line,
}

impl Readings {
    /// What an address shows now.
    pub(super) async fn read(
        &self,
        server: &Server,
        place: &LogsPlace,
        now: Timestamp,
    ) -> Result<Shown, Problem> {
        let reading = self.wanted(place);
        // Who comes meanwhile waits for the same answer.
        let mut reading = reading.lock().await;
        match place.window {
            Window::Newest => reading.go_on(server, place, now).await,
            Window::Before(_) | Window::Around(_) => reading.find(server, place, now).await?,
        }
        Ok(reading.shown.clone())
    }

    fn wanted(&self, place: &LogsPlace) -> Arc<tokio::sync::Mutex<Reading>> {
        // Nothing is done under the lock that could leave it half changed.
        let mut readings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        readings.retain(|_, wanted| now.duration_since(wanted.at) < UNUSED_MAX);
        if readings.len() >= READINGS_MAX && !readings.contains_key(place) {
            let oldest = readings.iter().min_by_key(|(_, wanted)| wanted.at);
            if let Some(oldest) = oldest.map(|(place, _)| place.clone()) {
                readings.remove(&oldest);
            }
        }
        let wanted = readings.entry(place.clone()).or_insert_with(|| Wanted {
            reading: Arc::default(),
            at: now,
        });
        wanted.at = now;
        Arc::clone(&wanted.reading)
    }
}

impl Reading {
    /// Adds what came since the node was asked last.
    async fn go_on(&mut self, server: &Server, place: &LogsPlace, now: Timestamp) {
        if self.asked_at.is_some_and(|at| at.elapsed() < ASK_EVERY_MIN) {
            return;
        }
        self.asked_at = Some(Instant::now());
        let not_before_ms = place.not_before(now);
        let first = self.cursor.is_none();
        match ask(server, place, &self.next(place, not_before_ms)).await {
            Ok(page) => {
                let full = page.lines.len() >= NODE_LINES_MAX;
                if first {
                    self.make_room_for(&page.lines);
                    self.older = search::older_than(&page);
                    self.searched_to = page.searched_to;
                    self.cut = false;
                }
                self.cursor = page.next.filter(|_| first || !full);
                for line in &page.lines {
                    self.add(place, line);
                }
                self.shown.error = None;
            }
            Err(problem) => self.shown.error = Some(words(&problem)),
        }
        self.keep_newest(not_before_ms);
        self.show();
        (self.shown.older, self.shown.searched_to) = match self.cut {
            true => (self.oldest(), None),
            false => (self.older, self.searched_to),
        };
    }

    /// The last lines, and then what comes after them.
    fn next(&self, place: &LogsPlace, not_before_ms: Option<i64>) -> Vec<(&'static str, String)> {
        let Some(cursor) = &self.cursor else {
            let mut parameters = place.parameters(LINES_MAX);
            parameters.push(("window", "last".to_owned()));
            parameters.extend(not_before_ms.map(|moment| ("since_ms", moment.to_string())));
            return parameters;
        };
        let mut parameters = place.parameters(NODE_LINES_MAX);
        parameters.push(("after", cursor.clone()));
        parameters
    }

    /// Searches once.
    async fn find(
        &mut self,
        server: &Server,
        place: &LogsPlace,
        now: Timestamp,
    ) -> Result<(), Problem> {
        if self.asked_at.is_some() && self.shown.error.is_none() {
            return Ok(());
        }
        if self.asked_at.is_some_and(|at| at.elapsed() < ASK_EVERY_MIN) {
            return Ok(());
        }
        self.asked_at = Some(Instant::now());
        self.kept.clear();
        self.bytes = 0;
        match search::search(server, place, now).await {
            Ok(found) => {
                for line in &found.lines {
                    self.add(place, line);
                }
                self.shown = Shown {
                    searched_to: found.searched_to,
                    ..Shown::default()
                };
                self.cut_to_page(place.window, &found);
            }
            Err(problem) => self.shown.error = Some(words(&problem)),
        }
        self.show();
        Ok(())
    }

    /// Lines that come a second time take the place of what they were.
    fn make_room_for(&mut self, lines: &[LogLine]) {
        let Some(first) = lines.first().map(|line| line.at.as_millisecond()) else {
            return;
        };
        self.kept.retain(|kept| kept.at_ms < first);
        self.bytes = self.kept.iter().map(|kept| kept.line.markup.len()).sum();
    }

    fn add(&mut self, place: &LogsPlace, line: &LogLine) {
        let at_ms = line.at.as_millisecond();
        let fingerprint = line::fingerprint(line);
        let same = |kept: &&Kept| (kept.at_ms, kept.fingerprint) == (at_ms, fingerprint);
        let before = self.kept.iter().rev().find(same);
        let ordinal = before.map_or(0, |kept| kept.ordinal + 1);
        let key = line::id(at_ms, fingerprint, ordinal);
        let markup = line::item(place, line, &key).into_string();
        self.bytes += markup.len();
        self.kept.push(Kept {
            at_ms,
            fingerprint,
            ordinal,
            place: line.place.parse().ok(),
            line: Line { key, markup },
        });
    }

    /// Before which line those are that are not shown.
    fn oldest(&self) -> Option<LinePlace> {
        self.kept.first()?.place
    }

    /// Drops the oldest where there are too many, and those that are too old.
    fn keep_newest(&mut self, not_before_ms: Option<i64>) {
        let mut drop = self.kept.len().saturating_sub(LINES_MAX);
        let mut bytes = self.bytes;
        for (index, kept) in self.kept.iter().enumerate() {
            let too_old = not_before_ms.is_some_and(|moment| kept.at_ms < moment);
            if index >= drop && bytes <= MARKUP_BYTES_MAX && !too_old {
                break;
            }
            bytes -= kept.line.markup.len();
            drop = drop.max(index + 1);
            self.cut |= !too_old;
        }
        self.bytes = bytes;
        self.kept.drain(..drop);
    }

    /// As much of what was found as a page holds: nearest to the moment that was asked for.
    fn cut_to_page(&mut self, window: Window, found: &search::Found) {
        let moment = match window {
            Window::Around(at) => at,
            Window::Before(_) | Window::Newest => i64::MAX,
        };
        let middle = self.kept.partition_point(|kept| kept.at_ms < moment);
        let (mut first, mut end) = (0, self.kept.len());
        while end - first > LINES_MAX || self.bytes > MARKUP_BYTES_MAX {
            // From the side that has more.
            let dropped = if middle - first >= end - middle {
                first += 1;
                first - 1
            } else {
                end -= 1;
                end
            };
            self.bytes -= self.kept[dropped].line.markup.len();
        }
        let cut_before = first > 0;
        let cut_after = end < self.kept.len();
        self.kept.truncate(end);
        self.kept.drain(..first);
        let newest = self.kept.last().map(|it| it.at_ms);
        self.shown.older = if cut_before {
            self.oldest()
        } else {
            found.older
        };
        self.shown.newer = match window {
            Window::Before(before) => Some(before.at_ms()),
            Window::Around(_) if cut_after || found.more_after => newest,
            Window::Around(_) | Window::Newest => None,
        };
    }

    fn show(&mut self) {
        self.shown.lines = self.kept.iter().map(|kept| kept.line.clone()).collect();
    }
}

/// A page does not wait for a node that is known to be away, nor long for one that hangs.
pub(super) async fn ask(
    server: &Server,
    place: &LogsPlace,
    parameters: &[(&'static str, String)],
) -> Result<LogPage, Problem> {
    let away = |why: String| Problem::unavailable("the node can't be asked", why);
    if let Some(error) = server.engine.view().data_plane_error {
        return Err(away(error));
    }
    let asked = server.log_page(&place.service, parameters);
    let answer = tokio::time::timeout(ANSWER_MAX, asked).await;
    answer.unwrap_or_else(|_| {
        let seconds = ANSWER_MAX.as_secs();
        Err(away(format!("it did not answer within {seconds} s")))
    })
}

fn words(problem: &Problem) -> String {
    match problem.detail() {
        Some(detail) => detail.to_owned(),
        None => problem.title().to_owned(),
    }
}
