//! Reading parts of long outputs: lines by their numbers, from a file that knows none.
//!
//! An output is read once from its beginning, to count its lines and to note now and then where one begins and in which
//! style. From these marks any part is read without what comes before it; of an output that grows only the new end is read.
//! What is noted is small, and of the outputs that were looked at last.

use std::sync::Arc;

use barq_runner::api::{OutputPage, RunState, Runner, RunnerError};
use barq_shim::output::{Line, Stream};
use tokio::sync::Mutex;

use super::super::super::outputs::Run;
use super::super::recent::Recent;
use super::ansi::{Pen, Span, spans};

/// Outputs whose marks are kept.
const OUTPUTS_KEPT: usize = 64;
/// Bytes from one mark to the next, at least.
const MARK_EVERY_BYTES: u64 = 128 * 1024;
/// Lines of one excerpt.
pub(super) const LINES_MAX: u64 = 1000;

/// The marks of the outputs that were looked at last.
#[derive(Debug, Default)]
pub(in super::super) struct Outputs(Recent<String, Arc<Mutex<Marks>>, OUTPUTS_KEPT>);

/// Which part of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Part {
    /// Its last lines, at most so many.
    End(u64),
    /// The lines before this one.
    Before(u64),
    /// This line and what comes after it.
    From(u64),
}

/// A line, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// From 1.
    pub(super) number: u64,
    /// Whether it is barq's own remark.
    pub(super) remark: bool,
    /// What it says.
    pub(super) spans: Vec<Span>,
}

/// Lines that follow each other.
#[derive(Debug, Clone, Default)]
pub(super) struct Excerpt {
    /// The lines.
    pub(super) rows: Vec<Row>,
    /// How many lines the output has in all, so far.
    pub(super) lines: u64,
}

/// What is known of an output.
#[derive(Debug, Clone, Default)]
struct Marks {
    /// Up to where it was read.
    end: Mark,
    /// The beginnings of some lines, in order.
    marks: Vec<Mark>,
    /// Whether it was read to its end after that had come.
    complete: bool,
}

/// A place between two lines.
#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    /// The runner's position.
    offset: u64,
    /// Lines before it.
    lines: u64,
    /// The style in which the next one begins.
    pen: Pen,
}

impl Outputs {
    /// A part of a run's output.
    pub(super) async fn excerpt(
        &self,
        runner: &Runner,
        run: &Run,
        part: Part,
    ) -> Result<Excerpt, RunnerError> {
        let marks = self.0.get_or_default(run.key.clone());
        let mut marks = marks.lock().await;
        marks.catch_up(runner, run).await?;
        let lines = marks.end.lines;
        let (first, last) = part.bounds(lines);
        let mark = marks.before(first);
        drop(marks);
        let rows = between(runner, run, mark, first, last).await?;
        Ok(Excerpt { rows, lines })
    }
}

impl Part {
    /// The first and the last line, from 1; the last is less than the first where there are none.
    fn bounds(self, lines: u64) -> (u64, u64) {
        match self {
            Self::End(count) => (lines.saturating_sub(count) + 1, lines),
            Self::Before(line) => {
                let last = line.saturating_sub(1).min(lines);
                (last.saturating_sub(LINES_MAX) + 1, last)
            }
            Self::From(line) => {
                let first = line.clamp(1, lines.max(1));
                (first, lines.min(first.saturating_add(LINES_MAX - 1)))
            }
        }
    }
}

impl Marks {
    /// Reads what is new.
    async fn catch_up(&mut self, runner: &Runner, run: &Run) -> Result<(), RunnerError> {
        let finished = matches!(run.state, RunState::Finished(_));
        if self.complete {
            return Ok(());
        }
        if finished {
            // A run that had to be started again began a new output.
            *self = Self::default();
        }
        loop {
            let page = runner.output(&run.key, self.end.offset).await?;
            if page.lines.is_empty() {
                break;
            }
            let marked = self.marks.last().map_or(0, |mark| mark.offset);
            if self.end.offset >= marked + MARK_EVERY_BYTES {
                self.marks.push(self.end);
            }
            self.end.pass(&page);
        }
        self.complete = finished;
        Ok(())
    }

    /// The last mark before a line.
    fn before(&self, line: u64) -> Mark {
        let marks = self.marks.iter().rev();
        let mut fitting = marks.filter(|mark| mark.lines < line);
        fitting.next().copied().unwrap_or_default()
    }
}

impl Mark {
    fn pass(&mut self, page: &OutputPage) {
        for line in &page.lines {
            self.skip(line);
        }
        self.offset = page.next_offset;
    }

    fn skip(&mut self, line: &Line) {
        self.lines += 1;
        // Most lines have no escape, and then leave the style as it was.
        if line.stream != Stream::Barq && line.text.contains('\x1b') {
            spans(&line.text, &mut self.pen);
        }
    }

    fn row(&mut self, line: &Line) -> Row {
        self.lines += 1;
        let remark = line.stream == Stream::Barq;
        let mut own = Pen::default();
        let pen = if remark { &mut own } else { &mut self.pen };
        Row {
            number: self.lines,
            remark,
            spans: spans(&line.text, pen),
        }
    }
}

async fn between(
    runner: &Runner,
    run: &Run,
    mut mark: Mark,
    first: u64,
    last: u64,
) -> Result<Vec<Row>, RunnerError> {
    let mut rows = Vec::new();
    while mark.lines < last {
        let page = runner.output(&run.key, mark.offset).await?;
        if page.lines.is_empty() {
            break;
        }
        for line in &page.lines {
            if (first..=last).contains(&(mark.lines + 1)) {
                rows.push(mark.row(line));
            } else {
                mark.skip(line);
            }
        }
        mark.offset = page.next_offset;
    }
    Ok(rows)
}

/// Reads all of an output, line by line, until `each` wants no more.
pub(super) async fn all(
    runner: &Runner,
    run: &Run,
    mut each: impl FnMut(Row) -> bool,
) -> Result<(), RunnerError> {
    let mut mark = Mark::default();
    loop {
        let page = runner.output(&run.key, mark.offset).await?;
        if page.lines.is_empty() {
            return Ok(());
        }
        for line in &page.lines {
            if !each(mark.row(line)) {
                return Ok(());
            }
        }
        mark.offset = page.next_offset;
    }
}

#[cfg(test)]
mod tests {
    use super::{LINES_MAX, Part};

    #[test]
    fn a_part_has_its_lines_and_no_more_than_a_page() {
        let check = |part: Part, lines: u64, expect: (u64, u64)| {
            assert_eq!(part.bounds(lines), expect, "{part:?} of {lines}");
        };
        check(Part::End(LINES_MAX), 0, (1, 0));
        check(Part::End(LINES_MAX), 12, (1, 12));
        check(Part::End(LINES_MAX), 1700, (701, 1700));
        check(Part::End(20), 1700, (1681, 1700));
        check(Part::Before(701), 1700, (1, 700));
        check(Part::Before(1501), 1700, (501, 1500));
        check(Part::Before(1), 1700, (1, 0));
        check(Part::Before(0), 1700, (1, 0));
        check(Part::Before(u64::MAX), 12, (1, 12));
        check(Part::From(1), 1700, (1, 1000));
        check(Part::From(1500), 1700, (1500, 1700));
        check(Part::From(0), 0, (1, 0));
        check(Part::From(u64::MAX), 12, (12, 12));
    }
}
