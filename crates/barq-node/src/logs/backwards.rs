//! Reads the output of many runs backwards, from a place or from the end, newest line first, within limits.
//!
//! Only the runs that can have lines of the time that is read are opened, and of each only as much as is needed: the last
//! lines of a long log cost no more than those of a short one. It keeps nothing between two questions.

use std::collections::VecDeque;

use barq_shim::output::{self, Line};
use jiff::Timestamp;

use super::budget::Budget;
use super::filter::Filter;
use super::line_place::{LinePlace, UpTo};
use super::reader::{CHUNK_BYTES, Place, ReadError};
use crate::api::LogLine;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Oldest first.
    pub(super) lines: Vec<LogLine>,
    /// Before which place there may be more; none where there is nothing.
    pub(super) older: Option<LinePlace>,
    /// How far back was read, where the limit of reading came before the limit of lines.
    pub(super) searched_to: Option<Timestamp>,
}

/// A run, and where its reading begins.
pub(super) struct Start {
    pub(super) place: Place,
    pub(super) up_to: UpTo,
    /// None of its lines is younger than this, in Unix milliseconds.
    pub(super) newest_ms: i64,
}

/// A run that is read.
struct Source {
    place: Place,
    /// Where the next chunk ends.
    offset: u64,
    /// What was read and not yet handed out, oldest first.
    lines: VecDeque<Line>,
}

/// The last lines that are wanted, at most `limit`; within the budget, but at least a part of each run that it needs.
pub(super) fn read(
    starts: Vec<Start>,
    filter: &Filter,
    limit: usize,
    budget: Budget,
) -> Result<Found, ReadError> {
    let mut merge = Merge::new(starts, budget);
    let mut found = Found::default();
    while let Some((place, line)) = merge.newest()? {
        if filter.is_before(&line) {
            found.older = None;
            break;
        }
        let at = line.at;
        found.older = Some(LinePlace::of(place.run.number, &line));
        if let Some(severity) = filter.wanted(&line) {
            found.lines.push(place.line(line, severity));
            if found.lines.len() >= limit {
                break;
            }
        }
        if merge.needs_more() && merge.budget.is_spent() {
            found.searched_to = Some(at);
            break;
        }
    }
    if merge.is_over() {
        found.older = None;
    }
    found.lines.reverse();
    Ok(found)
}

/// The runs by their newest lines.
struct Merge {
    /// Those that were not needed yet, the one that may have the newest lines last.
    waiting: Vec<Start>,
    open: Vec<Source>,
    budget: Budget,
}

impl Merge {
    fn new(mut starts: Vec<Start>, budget: Budget) -> Self {
        starts.sort_by_key(|start| start.newest_ms);
        Self {
            waiting: starts,
            open: Vec::new(),
            budget,
        }
    }

    /// Takes the newest line of all.
    fn newest(&mut self) -> Result<Option<(&Place, Line)>, ReadError> {
        loop {
            let newest = self.fill()?;
            let newest_ms = newest.map(|(place, _)| place.at_ms());
            let may_be_newer = |start: &&Start| newest_ms.is_none_or(|at| start.newest_ms >= at);
            if self.waiting.last().filter(may_be_newer).is_some() {
                let start = self.waiting.pop();
                self.open.extend(start.map(Source::open).transpose()?);
                continue;
            }
            let Some((_, index)) = newest else {
                return Ok(None);
            };
            let source = &mut self.open[index];
            let line = source.lines.pop_back();
            return Ok(line.map(|line| (&source.place, line)));
        }
    }

    /// Reads on where everything that was read is handed out, and gives the newest line's place and the index of its run.
    fn fill(&mut self) -> Result<Option<(LinePlace, usize)>, ReadError> {
        for source in &mut self.open {
            self.budget.spend(source.fill()?);
        }
        self.open.retain(|source| !source.lines.is_empty());
        let heads = self.open.iter().enumerate();
        Ok(heads
            .filter_map(|(index, source)| Some((source.last()?, index)))
            .max())
    }

    /// Whether something must be read before the next line can be told.
    fn needs_more(&self) -> bool {
        self.open.iter().any(|source| source.lines.is_empty())
    }

    fn is_over(&self) -> bool {
        let nothing = |source: &Source| source.lines.is_empty() && source.offset == 0;
        self.waiting.is_empty() && self.open.iter().all(nothing)
    }
}

impl Source {
    fn open(start: Start) -> Result<Self, ReadError> {
        let directory = &start.place.run.directory;
        let offset = match start.up_to {
            UpTo::Offset(offset) => offset,
            UpTo::Moment(at_ms) => match Timestamp::from_millisecond(at_ms) {
                Ok(moment) => output::seek(directory, moment).map_err(ReadError::Output)?,
                Err(_) => u64::MAX,
            },
        };
        Ok(Self {
            place: start.place,
            offset,
            lines: VecDeque::new(),
        })
    }

    /// Reads on until there is a line, or nothing more; how many bytes that took.
    fn fill(&mut self) -> Result<u64, ReadError> {
        let mut scanned = 0;
        while self.lines.is_empty() && self.offset > 0 {
            let chunk = output::read_before(&self.place.run.directory, self.offset, CHUNK_BYTES)
                .map_err(ReadError::Output)?;
            let passed = self.offset.saturating_sub(chunk.next_offset);
            scanned += passed.min(CHUNK_BYTES as u64);
            let is_all = chunk.next_offset == self.offset;
            self.offset = if is_all { 0 } else { chunk.next_offset };
            self.lines = chunk.lines.into();
        }
        Ok(scanned)
    }

    fn last(&self) -> Option<LinePlace> {
        let line = self.lines.back()?;
        Some(LinePlace::of(self.place.run.number, line))
    }
}

#[cfg(test)]
mod tests;
