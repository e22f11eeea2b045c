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

use super::cursor::{Cursor, Position};
use super::{LogError, LogQuery, PAGE_LINES_MAX, SCAN_BYTES_MAX, Severity};
use crate::api::{LogLine, LogPage};
use crate::instances::place::{self, Run};

/// What is read of one run at a time, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;

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
struct Place {
    revision: String,
    run: Run,
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
    exhausted: bool,
}

/// Answers a query.
pub(super) fn page(root: &Path, query: &LogQuery) -> Result<LogPage, LogError> {
    let failed = |source| LogError::Read {
        service: query.service.clone(),
        source,
    };
    let limit = query.limit.clamp(1, PAGE_LINES_MAX);
    let places = places(root, &query.service, query.revision.as_deref()).map_err(failed)?;
    let youngest = places
        .iter()
        .map(|place| place.run.number)
        .max()
        .unwrap_or(0);
    let cursor = match &query.after {
        Some(text) => text.parse().map_err(LogError::Cursor)?,
        None if query.since.is_none() => {
            return last(places, query, limit, youngest).map_err(failed);
        }
        None => Cursor::default(),
    };
    let mut sources: Vec<Source> = places
        .into_iter()
        .filter_map(|place| {
            cursor
                .of(place.run.number)
                .map(|position| Source::new(place, position))
        })
        .filter(|source| !query.since.is_some_and(|since| source.is_older_than(since)))
        .collect();
    let lines = merge(&mut sources, query, limit).map_err(failed)?;
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
        next: next.to_string(),
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
    let mut scanned = 0;
    // The youngest first: if it is too much to read, the oldest is left out.
    for place in places.into_iter().rev() {
        let mut source = Source::new(place, Position::default());
        while scanned < SCAN_BYTES_MAX {
            source.fill(&mut scanned).map_err(failed)?;
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

/// The last lines of all runs.
fn last(
    places: Vec<Place>,
    query: &LogQuery,
    limit: usize,
    youngest: u64,
) -> Result<LogPage, ReadError> {
    let mut lines: Vec<LogLine> = Vec::new();
    let mut positions = BTreeMap::new();
    for place in places.into_iter().rev() {
        let source = Source::new(place, Position::default());
        let enough = lines.first().filter(|_| lines.len() >= limit);
        if enough.is_some_and(|oldest| source.is_older_than(oldest.at)) {
            continue;
        }
        let chunk =
            output::tail(&source.place.run.directory, PAGE_LINES_MAX).map_err(ReadError::Output)?;
        if !source.ended {
            positions.insert(
                source.place.run.number,
                Position {
                    offset: chunk.next_offset,
                    lines: 0,
                },
            );
        }
        lines.extend(
            chunk
                .lines
                .into_iter()
                .filter_map(|line| wanted(&source.place, &line, query)),
        );
        lines.sort_by_key(|line| line.at);
        lines.drain(..lines.len().saturating_sub(limit));
    }
    Ok(LogPage {
        lines,
        next: Cursor {
            youngest,
            positions,
        }
        .to_string(),
    })
}

fn merge(
    sources: &mut [Source],
    query: &LogQuery,
    limit: usize,
) -> Result<Vec<LogLine>, ReadError> {
    let mut lines = Vec::new();
    let mut scanned = 0;
    while lines.len() < limit
        && let Some((place, line)) = oldest(sources, &mut scanned)?
    {
        lines.extend(wanted(place, &line, query));
    }
    Ok(lines)
}

/// Takes the oldest line of all; `None` if there is none, or enough was read.
fn oldest<'a>(
    sources: &'a mut [Source],
    scanned: &mut u64,
) -> Result<Option<(&'a Place, Line)>, ReadError> {
    for source in sources.iter_mut() {
        if !source.fill(scanned)? {
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

fn wanted(place: &Place, line: &Line, query: &LogQuery) -> Option<LogLine> {
    if query.since.is_some_and(|since| line.at < since) {
        return None;
    }
    let severity = Severity::of(&line.text);
    if query.severity.is_some_and(|least| severity < least) {
        return None;
    }
    Some(LogLine {
        at: line.at,
        revision: place.revision.clone(),
        instance: place.run.instance.clone(),
        severity: severity.as_str().to_owned(),
        text: line.text.clone(),
    })
}

impl Source {
    fn new(place: Place, position: Position) -> Self {
        // An instance's record names the run that may still write; it is changed after the end of a run.
        let current = place
            .run
            .directory
            .ancestors()
            .nth(2)
            .map(place::current_run);
        let ended = match current {
            Some(Ok(current)) => current != Some(place.run.number),
            Some(Err(_)) | None => false,
        };
        Self {
            place,
            ended,
            position,
            next_offset: position.offset,
            lines: VecDeque::new(),
            exhausted: false,
        }
    }

    /// Reads on if everything that was read is handed out; false if that would be too much.
    fn fill(&mut self, scanned: &mut u64) -> Result<bool, ReadError> {
        while self.lines.is_empty() && !self.exhausted {
            if *scanned >= SCAN_BYTES_MAX {
                return Ok(false);
            }
            let directory = &self.place.run.directory;
            let chunk = output::read(directory, self.next_offset, CHUNK_BYTES)
                .map_err(ReadError::Output)?;
            *scanned += chunk.next_offset - self.next_offset - chunk.skipped_bytes;
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

    /// Whether all of it is older, as far as that can be told without reading it.
    fn is_older_than(&self, time: Timestamp) -> bool {
        let written = fs::metadata(self.place.run.directory.join(output::OUTPUT_FILE))
            .and_then(|file| file.modified());
        let written = written
            .ok()
            .and_then(|written| Timestamp::try_from(written).ok());
        self.ended
            && written
                .and_then(|written| written.checked_add(CLOCK_SLACK).ok())
                .is_some_and(|end| end < time)
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
