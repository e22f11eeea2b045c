//! Merges the output of many runs by time, from positions, within limits.
//!
//! It must not know how a run is written (that is the shim's), nor keep anything between two questions.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use barq_shim::output::{self, Line, OutputError};
use jiff::Timestamp;

use super::backwards::Start;
use super::budget::Budget;
use super::cursor::{Cursor, Position};
use super::filter::Filter;
use super::line_place::{LinePlace, UpTo};
use super::{LogError, LogQuery, PAGE_LINES_MAX, SCAN_BYTES_MAX, Severity, Window};
use crate::api::{LogLine, LogPage};
use crate::instances::place::{self, Run};

/// What is read of one run at a time, in bytes.
pub(super) const CHUNK_BYTES: usize = 64 * 1024;

/// How long lines of requests are looked for: nobody waits for them at a page.
const EVIDENCE_MAX: Duration = Duration::from_secs(2);

/// Files may be written a little after the time of their last line.
const CLOCK_SLACK: Duration = Duration::from_secs(2);

/// Files that can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A directory.
    #[error("{} can't be listed", path.display())]
    List {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A run's output.
    #[error("a run's output can't be read")]
    Output(#[source] OutputError),
}

/// A run and the revision that it belongs to.
pub(super) struct Place {
    pub(super) revision: String,
    pub(super) run: Run,
}

/// One run, read in chunks.
struct Source {
    place: Place,
    /// Whether it had ended before anything of it was read: then what was read to its end is all.
    ended: bool,
    /// What was handed out.
    position: Position,
    /// Where the next chunk begins.
    next_offset: u64,
    /// What was read and not yet handed out.
    lines: VecDeque<Line>,
    /// Something of it was read.
    begun: bool,
    exhausted: bool,
}

/// Answers a query.
pub(super) fn page(root: &Path, query: &LogQuery, budget: Budget) -> Result<LogPage, LogError> {
    let failed = |source| LogError::Read {
        service: query.service.clone(),
        source,
    };
    let limit = query.limit.clamp(1, PAGE_LINES_MAX);
    let places = places(root, &query.service, query.revision.as_deref()).map_err(failed)?;
    let filter = Filter::of(query);
    match &query.window {
        Window::Last => last(places, query, &filter, limit, budget).map_err(failed),
        Window::Before(before) => {
            let starts = places.into_iter().map(|place| {
                let up_to = before.in_run(place.run.number);
                let newest_ms = place.newest_ms(place.has_ended()).min(before.at_ms());
                Start {
                    place,
                    up_to,
                    newest_ms,
                }
            });
            backwards(starts.collect(), query, &filter, limit, budget).map_err(failed)
        }
        Window::First => {
            forwards(places, &Cursor::default(), query, &filter, limit, budget).map_err(failed)
        }
        Window::After(text) => {
            let cursor = text.parse().map_err(LogError::Cursor)?;
            forwards(places, &cursor, query, &filter, limit, budget).map_err(failed)
        }
    }
}

fn forwards(
    places: Vec<Place>,
    cursor: &Cursor,
    query: &LogQuery,
    filter: &Filter,
    limit: usize,
    budget: Budget,
) -> Result<LogPage, ReadError> {
    let youngest = youngest(&places);
    let mut sources = Vec::new();
    for place in places {
        let Some(position) = cursor.of(place.run.number) else {
            continue;
        };
        let mut source = Source::new(place, position);
        if let Some(since) = query.since {
            if source.ended && source.place.newest_ms(true) < since.as_millisecond() {
                continue;
            }
            source.skip_to(since)?;
        }
        sources.push(source);
    }
    let lines = merge(&mut sources, filter, limit, budget)?;
    let positions = sources
        .iter()
        .filter(|source| !source.is_done())
        .map(Source::position)
        .collect();
    let next = Cursor {
        youngest: youngest.max(cursor.youngest),
        positions,
    };
    Ok(LogPage {
        lines,
        next: Some(next.to_string()),
        ..LogPage::default()
    })
}

/// The lines with any of these request ids, the last `limit` for each.
pub(super) fn lines_with(
    root: &Path,
    service: &str,
    revision: &str,
    ids: Vec<String>,
    limit: usize,
) -> Result<BTreeMap<String, Vec<String>>, LogError> {
    let failed = |source| LogError::Read {
        service: service.to_owned(),
        source,
    };
    let places = places(root, service, Some(revision)).map_err(failed)?;
    let mut found: BTreeMap<String, Vec<(Timestamp, String)>> =
        ids.into_iter().map(|id| (id, Vec::new())).collect();
    let mut budget = Budget::new(SCAN_BYTES_MAX, EVIDENCE_MAX);
    // The youngest first: if it is too much to read, the oldest is left out.
    for place in places.into_iter().rev() {
        let mut source = Source::new(place, Position::default());
        while !budget.is_spent() {
            source.fill(&mut budget).map_err(failed)?;
            let Some(line) = source.take() else { break };
            for (id, lines) in &mut found {
                if mentions(&line.text, id) {
                    lines.push((line.at, line.text.clone()));
                }
            }
        }
    }
    Ok(found
        .into_iter()
        .map(|(id, lines)| (id, latest(lines, limit)))
        .collect())
}

/// The runs of a service, those of one revision only if it is given.
fn places(root: &Path, service: &str, revision: Option<&str>) -> Result<Vec<Place>, ReadError> {
    let listing = |path: &Path| {
        let path = path.to_owned();
        move |source| ReadError::List { path, source }
    };
    // What cannot be a name has no output: a path out of the directory, above all.
    if !place::is_name(service) || revision.is_some_and(|revision| !place::is_name(revision)) {
        return Ok(Vec::new());
    }
    let service = root.join(service);
    let revisions = match revision {
        Some(revision) => vec![revision.to_owned()],
        None => place::names(&service).map_err(listing(&service))?,
    };
    let mut places = Vec::new();
    for revision in revisions {
        let directory = service.join(&revision);
        let runs = place::runs(&directory).map_err(listing(&directory))?;
        places.extend(runs.into_iter().map(|run| Place {
            revision: revision.clone(),
            run,
        }));
    }
    Ok(places)
}

fn youngest(places: &[Place]) -> u64 {
    let numbers = places.iter().map(|place| place.run.number);
    numbers.max().unwrap_or(0)
}

/// The last lines of all runs, and where to go on after them.
fn last(
    places: Vec<Place>,
    query: &LogQuery,
    filter: &Filter,
    limit: usize,
    budget: Budget,
) -> Result<LogPage, ReadError> {
    let mut next = Cursor {
        youngest: youngest(&places),
        positions: BTreeMap::new(),
    };
    let mut starts = Vec::new();
    for place in places {
        let ended = place.has_ended();
        let mut up_to = u64::MAX;
        if !ended {
            up_to = output::end(&place.run.directory).map_err(ReadError::Output)?;
            let position = Position {
                offset: up_to,
                lines: 0,
            };
            next.positions.insert(place.run.number, position);
        }
        starts.push(Start {
            newest_ms: place.newest_ms(ended),
            up_to: UpTo::Offset(up_to),
            place,
        });
    }
    let page = backwards(starts, query, filter, limit, budget)?;
    Ok(LogPage {
        next: Some(next.to_string()),
        ..page
    })
}

fn backwards(
    mut starts: Vec<Start>,
    query: &LogQuery,
    filter: &Filter,
    limit: usize,
    budget: Budget,
) -> Result<LogPage, ReadError> {
    if let Some(since) = query.since {
        starts.retain(|start| start.newest_ms >= since.as_millisecond());
    }
    let found = super::backwards::read(starts, filter, limit, budget)?;
    Ok(LogPage {
        lines: found.lines,
        next: None,
        older: found.older.map(|place| place.to_string()),
        searched_to: found.searched_to,
    })
}

fn merge(
    sources: &mut [Source],
    filter: &Filter,
    limit: usize,
    mut budget: Budget,
) -> Result<Vec<LogLine>, ReadError> {
    let mut lines = Vec::new();
    while lines.len() < limit
        && let Some((place, line)) = oldest(sources, &mut budget)?
    {
        let severity = filter.wanted(&line);
        lines.extend(severity.map(|severity| place.line(line, severity)));
    }
    Ok(lines)
}

/// Takes the oldest line of all; `None` if there is none, or enough was read.
fn oldest<'a>(
    sources: &'a mut [Source],
    budget: &mut Budget,
) -> Result<Option<(&'a Place, Line)>, ReadError> {
    for source in sources.iter_mut() {
        if !source.fill(budget)? {
            return Ok(None);
        }
    }
    let heads = sources
        .iter()
        .enumerate()
        .filter_map(|(index, source)| Some((source.lines.front()?.at, index)));
    let Some((_, index)) = heads.min() else {
        return Ok(None);
    };
    let source = &mut sources[index];
    let line = source.take();
    Ok(line.map(|line| (&source.place, line)))
}

impl Place {
    /// A line of this run, as it is told.
    pub(super) fn line(&self, line: Line, severity: Severity) -> LogLine {
        LogLine {
            at: line.at,
            place: LinePlace::of(self.run.number, &line).to_string(),
            revision: self.revision.clone(),
            instance: self.run.instance.clone(),
            severity: severity.as_str().to_owned(),
            text: line.text,
        }
    }

    /// Whether nothing more will be written. Asked before anything is read: then what is read to its end is all.
    fn has_ended(&self) -> bool {
        // An instance's record names the run that may still write; it is changed after the end of a run.
        let instance = self.run.directory.ancestors().nth(2);
        match instance.map(place::current_run) {
            Some(Ok(current)) => current != Some(self.run.number),
            Some(Err(_)) | None => false,
        }
    }

    /// No line of it is younger, as far as that can be told without reading it; in Unix milliseconds.
    fn newest_ms(&self, ended: bool) -> i64 {
        let output = self.run.directory.join(output::OUTPUT_FILE);
        let written = fs::metadata(output).and_then(|file| file.modified()).ok();
        let written = written.and_then(|written| Timestamp::try_from(written).ok());
        written
            .filter(|_| ended)
            .and_then(|written| written.checked_add(CLOCK_SLACK).ok())
            .map_or(i64::MAX, Timestamp::as_millisecond)
    }
}

impl Source {
    fn new(place: Place, position: Position) -> Self {
        Self {
            ended: place.has_ended(),
            place,
            position,
            next_offset: position.offset,
            lines: VecDeque::new(),
            begun: false,
            exhausted: false,
        }
    }

    /// Passes over what is older, where nothing was read yet.
    fn skip_to(&mut self, since: Timestamp) -> Result<(), ReadError> {
        if self.position == Position::default() {
            let directory = &self.place.run.directory;
            let offset = output::seek(directory, since).map_err(ReadError::Output)?;
            self.next_offset = offset;
            self.position = Position { offset, lines: 0 };
        }
        Ok(())
    }

    /// Reads on if everything that was read is handed out; false if that would be too much. The first part is never too much:
    /// each question comes on by a line.
    fn fill(&mut self, budget: &mut Budget) -> Result<bool, ReadError> {
        while self.lines.is_empty() && !self.exhausted {
            if self.begun && budget.is_spent() {
                return Ok(false);
            }
            self.begun = true;
            let directory = &self.place.run.directory;
            let chunk = output::read(directory, self.next_offset, CHUNK_BYTES)
                .map_err(ReadError::Output)?;
            budget.spend(chunk.next_offset - self.next_offset - chunk.skipped_bytes);
            let first = self.next_offset == self.position.offset;
            let skip = if first && chunk.skipped_bytes == 0 {
                self.position.lines
            } else {
                0
            };
            self.exhausted = chunk.next_offset == self.next_offset;
            // The position moves on with the chunk, else it would be beyond what rotation has left.
            self.position = Position {
                offset: self.next_offset + chunk.skipped_bytes,
                lines: skip,
            };
            self.next_offset = chunk.next_offset;
            self.lines = chunk.lines.into();
            self.lines.drain(..skip.min(self.lines.len()));
            if self.lines.is_empty() {
                self.position = Position {
                    offset: self.next_offset,
                    lines: 0,
                };
            }
        }
        Ok(true)
    }

    fn take(&mut self) -> Option<Line> {
        let line = self.lines.pop_front()?;
        self.position.lines += 1;
        if self.lines.is_empty() {
            self.position = Position {
                offset: self.next_offset,
                lines: 0,
            };
        }
        Some(line)
    }

    /// Whether nothing more will come.
    fn is_done(&self) -> bool {
        self.ended && self.exhausted && self.lines.is_empty()
    }

    fn position(&self) -> (u64, Position) {
        (self.place.run.number, self.position)
    }
}

/// Whether a text names an id, and not only one that contains it.
fn mentions(text: &str, id: &str) -> bool {
    let goes_on =
        |character: char| character.is_alphanumeric() || character == '-' || character == '_';
    !id.is_empty()
        && text.match_indices(id).any(|(start, _)| {
            !text[..start].chars().next_back().is_some_and(goes_on)
                && !text[start + id.len()..].chars().next().is_some_and(goes_on)
        })
}

fn latest(mut lines: Vec<(Timestamp, String)>, limit: usize) -> Vec<String> {
    lines.sort_by_key(|(at, _)| *at);
    let surplus = lines.len().saturating_sub(limit);
    lines
        .into_iter()
        .skip(surplus)
        .map(|(_, line)| line)
        .collect()
}

#[cfg(test)]
mod tests;
