//! Two lines over time: the canary's solid, stable's dashed, with the moments at which something was decided.
//!
//! The drawing is as wide as there is room and its text keeps its size: places across are permille of the width, places
//! down are pixels, and only the lines themselves are stretched, with strokes that are not.

use jiff::Timestamp;
use maud::{Markup, html};

use super::scale::{time_format, time_ticks, value_ticks};

/// Units across: permille of the width.
const WIDTH: i64 = 1000;
/// Pixels down to the plot: room for the words at the marks.
const TOP: i64 = 38;
/// Pixels of the plot's height.
const PLOT: i64 = 132;
/// Pixels below the plot: room for the times.
const BOTTOM: i64 = 20;
/// Pixels beside the plot: room for the values.
const LEFT: i64 = 52;
/// Units of the stretched drawing for a pixel down: lines are smooth though their places are whole.
const FINE: i64 = 4;
/// Steps of the axis of values.
const VALUE_STEPS_MAX: u32 = 4;
/// Times below the plot: as many as have room on a phone.
const TIMES_MAX: i64 = 4;
/// Words that are nearer than this (permille) would be written over each other on a phone.
const WORDS_APART: i64 = 130;
/// Names of lines that are nearer than this (pixels) would be written over each other.
const NAMES_APART: i64 = 15;

/// What a chart shows.
#[derive(Debug)]
pub(in crate::server::web) struct Chart<'a> {
    /// What it is of, as a heading.
    pub(in crate::server::web) title: &'a str,
    /// When its first and last moment are, in milliseconds since 1970.
    pub(in crate::server::web) start_ms: i64,
    /// The same.
    pub(in crate::server::web) end_ms: i64,
    /// The lines; the first one is the one to look at.
    pub(in crate::server::web) lines: Vec<Line<'a>>,
    /// What was decided.
    pub(in crate::server::web) marks: &'a [Mark],
    /// The axis goes at least to this.
    pub(in crate::server::web) highest_min: f64,
    /// A value in words, with its unit.
    pub(in crate::server::web) words: fn(f64) -> String,
}

/// A line.
#[derive(Debug)]
pub(in crate::server::web) struct Line<'a> {
    /// Its name, a word.
    pub(in crate::server::web) name: &'a str,
    /// Where each value stands in time, and the value; none: a gap.
    pub(in crate::server::web) values: Vec<(i64, Option<f64>)>,
    /// Whether it is still watched: else its last value is not how it is now.
    pub(in crate::server::web) goes_on: bool,
}

/// A moment at which something was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::server::web) struct Mark {
    /// When, in milliseconds since 1970.
    pub(in crate::server::web) at_ms: i64,
    /// What, in a word or two.
    pub(in crate::server::web) words: String,
    /// What kind of moment.
    pub(in crate::server::web) kind: MarkKind,
}

/// What kind of moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server::web) enum MarkKind {
    /// A step began.
    Step,
    /// The traffic was taken back.
    Back,
    /// It ended well.
    Done,
}

/// Where everything is.
#[derive(Debug, PartialEq)]
struct Geometry {
    /// Pixels down, and the value in words.
    values: Vec<(i64, String)>,
    /// Permille across, and the time.
    times: Vec<(i64, String)>,
    lines: Vec<PlacedLine>,
    marks: Vec<PlacedMark>,
}

#[derive(Debug, PartialEq)]
struct PlacedLine {
    name: String,
    /// In the stretched drawing.
    path: String,
    /// Where its name stands: permille across, pixels down; none without any value.
    end: Option<(i64, i64)>,
    /// The last value in words.
    last: Option<String>,
    /// Whether that is how it is now.
    is_now: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct PlacedMark {
    x: i64,
    /// None: another one that is near is told instead.
    words: Option<String>,
    kind: MarkKind,
}

/// A chart, drawn.
pub(in crate::server::web) fn chart(chart: &Chart<'_>) -> Markup {
    render(chart, &layout(chart))
}

fn layout(chart: &Chart<'_>) -> Geometry {
    let all = chart.lines.iter().flat_map(|line| &line.values);
    let highest = all
        .filter_map(|(_, value)| *value)
        .fold(chart.highest_min, f64::max);
    let ticks = value_ticks(highest, VALUE_STEPS_MAX);
    let top = ticks.last().copied().unwrap_or(1.0);
    let across = |at_ms: i64| {
        let span_ms = (chart.end_ms - chart.start_ms).max(1);
        ((at_ms - chart.start_ms) * WIDTH / span_ms).clamp(0, WIDTH)
    };
    let down = |value: f64| ((1.0 - value / top) * (PLOT * FINE) as f64).round() as i64;
    let mut lines: Vec<PlacedLine> = chart
        .lines
        .iter()
        .map(|line| place(chart, line, across, down))
        .collect();
    part_names(&mut lines);
    let format = time_format(chart.start_ms, chart.end_ms);
    let times = time_ticks(chart.start_ms, chart.end_ms, TIMES_MAX).into_iter();
    Geometry {
        values: ticks
            .iter()
            .map(|value| (TOP + down(*value) / FINE, (chart.words)(*value)))
            .collect(),
        times: times
            .map(|at_ms| (across(at_ms), clock(at_ms, format)))
            .collect(),
        lines,
        marks: marks(chart.marks, across),
    }
}

fn place(
    chart: &Chart<'_>,
    line: &Line<'_>,
    across: impl Fn(i64) -> i64,
    down: impl Fn(f64) -> i64,
) -> PlacedLine {
    let mut path = String::new();
    // Where the pen is, while it is down. From there on places are relative: they are shorter.
    let mut pen: Option<(i64, i64)> = None;
    for (at, (at_ms, value)) in line.values.iter().enumerate() {
        let Some(value) = value else {
            pen = None;
            continue;
        };
        let (x, y) = (across(*at_ms), down(*value));
        match pen {
            Some((from_x, from_y)) => path.push_str(&format!(" {} {}", x - from_x, y - from_y)),
            // A value between two gaps is a point.
            None if line.values.get(at + 1).is_none_or(|next| next.1.is_none()) => {
                path.push_str(&format!("M{x} {y}h1"));
            }
            None => path.push_str(&format!("M{x} {y}l")),
        }
        pen = Some((x, y));
    }
    let last = line
        .values
        .iter()
        .rev()
        .find_map(|(at_ms, value)| value.map(|value| (*at_ms, value)));
    PlacedLine {
        name: line.name.to_owned(),
        path,
        end: last.map(|(at_ms, value)| (across(at_ms), TOP + down(value) / FINE)),
        last: last.map(|(_, value)| (chart.words)(value)),
        is_now: line.goes_on && line.values.last().is_some_and(|(_, value)| value.is_some()),
    }
}

/// Moves names that would stand on each other: the upper one up, the lower one down.
fn part_names(lines: &mut [PlacedLine]) {
    let [one, other] = lines else { return };
    let (Some((_, one)), Some((_, other))) = (&mut one.end, &mut other.end) else {
        return;
    };
    let (upper, lower) = if one <= other {
        (one, other)
    } else {
        (other, one)
    };
    let missing = NAMES_APART - (*lower - *upper);
    if missing <= 0 {
        return;
    }
    // There is no room above the plot's top or below its foot.
    let up = (missing / 2).min((*upper - TOP).max(0));
    *upper -= up;
    *lower += missing - up;
    let over = (*lower - (TOP + PLOT)).max(0);
    *lower -= over;
    *upper -= over;
}

/// Of words that would stand on each other the later ones are told; a rollback always is.
fn marks(marks: &[Mark], across: impl Fn(i64) -> i64) -> Vec<PlacedMark> {
    let mut placed: Vec<PlacedMark> = Vec::new();
    for mark in marks {
        let x = across(mark.at_ms);
        let same_row = |before: &&mut PlacedMark| row(before.kind) == row(mark.kind);
        let before = placed.iter_mut().rev().find(same_row);
        if let Some(before) = before.filter(|before| x - before.x < WORDS_APART) {
            before.words = None;
        }
        placed.push(PlacedMark {
            x,
            words: Some(mark.words.clone()),
            kind: mark.kind,
        });
    }
    placed
}

/// Pixels down at which a mark's words stand: how it ended has a row of its own.
fn row(kind: MarkKind) -> i64 {
    match kind {
        MarkKind::Step => 27,
        MarkKind::Back | MarkKind::Done => 11,
    }
}

fn clock(at_ms: i64, format: &str) -> String {
    Timestamp::from_millisecond(at_ms)
        .map(|at| at.strftime(format).to_string())
        .unwrap_or_default()
}

fn render(chart: &Chart<'_>, geometry: &Geometry) -> Markup {
    let height = TOP + PLOT + BOTTOM;
    html! {
        figure.chart {
            figcaption.row {
                strong { (chart.title) }
                @for (at, line) in geometry.lines.iter().enumerate() {
                    span.{ "key line-" (at + 1) } {
                        svg width="22" height="8" aria-hidden="true" { path d="M0 4H22" { } }
                        (line.name) " "
                        @if line.last.is_some() && !line.is_now { span.quiet { "last " } }
                        span.value { (line.last.as_deref().unwrap_or("–")) }
                    }
                }
            }
            div.drawing {
                svg width=(LEFT) height=(height) aria-hidden="true" {
                    @for (y, words) in &geometry.values {
                        text.tick x=(LEFT - 6) y=(y + 4) text-anchor="end" { (words) }
                    }
                }
                svg.plot role="img" aria-label=(in_words(chart, geometry)) height=(height) { (plot(geometry)) }
            }
        }
    }
}

/// What is inside of the axes, as wide as there is room.
fn plot(geometry: &Geometry) -> Markup {
    let foot = TOP + PLOT;
    html! {
        @for (y, _) in &geometry.values { line.grid x1="0" x2="100%" y1=(y) y2=(y) { } }
        @for (x, words) in &geometry.times {
            line.grid x1=(percent(*x)) x2=(percent(*x)) y1=(foot) y2=(foot + 4) { }
            text.tick x=(percent(*x)) y=(foot + BOTTOM - 4) text-anchor=(anchor(*x)) { (words) }
        }
        @for mark in &geometry.marks { (mark_line(mark)) }
        // Over all lines, so that none goes through them.
        @for mark in &geometry.marks { (mark_words(mark)) }
        svg x="0" y=(TOP) width="100%" height=(PLOT) viewBox={ "0 0 " (WIDTH) " " (PLOT * FINE) } preserveAspectRatio="none" overflow="visible" {
            // The one to look at comes last, over the others.
            @for (at, line) in geometry.lines.iter().enumerate().rev() {
                path.{ "line-" (at + 1) } d=(line.path) { }
            }
        }
        @for (at, line) in geometry.lines.iter().enumerate().rev() {
            @if let Some((x, y)) = line.end {
                text.{ "name line-" (at + 1) } x=(percent(x)) y=(y - 4) text-anchor=(anchor(x)) { (line.name) }
            }
        }
    }
}

fn mark_line(mark: &PlacedMark) -> Markup {
    let x = percent(mark.x);
    html! {
        line.mark.(mark.kind.class()) x1=(x) x2=(x) y1=(row(mark.kind) - 10) y2=(TOP + PLOT) { }
    }
}

fn mark_words(mark: &PlacedMark) -> Markup {
    let x = percent(mark.x);
    // On the right there is no room after the mark, so its words stand before it.
    let (anchor, beside) = if mark.x > WIDTH - WORDS_APART {
        ("end", "-4")
    } else {
        ("start", "4")
    };
    html! {
        @if let Some(words) = &mark.words {
            text.mark.(mark.kind.class()) x=(x) dx=(beside) y=(row(mark.kind)) text-anchor=(anchor) { (words) }
        }
    }
}

impl MarkKind {
    fn class(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Back => "back",
            Self::Done => "done",
        }
    }
}

/// What is seen, for those who listen.
fn in_words(chart: &Chart<'_>, geometry: &Geometry) -> String {
    let format = time_format(chart.start_ms, chart.end_ms);
    let mut words = format!(
        "{} from {} to {} UTC",
        chart.title,
        clock(chart.start_ms, format),
        clock(chart.end_ms, format)
    );
    for line in &geometry.lines {
        let last = line.last.as_deref().unwrap_or("nothing seen");
        let when = if line.is_now { "now" } else { "last" };
        words.push_str(&format!("; {} {when} {last}", line.name));
    }
    for mark in chart.marks {
        words.push_str(&format!(
            "; {} at {}",
            mark.words,
            clock(mark.at_ms, "%H:%M:%S")
        ));
    }
    words
}

fn percent(permille: i64) -> String {
    match permille % 10 {
        0 => format!("{}%", permille / 10),
        tenth => format!("{}.{tenth}%", permille / 10),
    }
}

/// Words in the middle stand around their place, those at the edges inside.
fn anchor(x: i64) -> &'static str {
    match x {
        ..80 => "start",
        80..=920 => "middle",
        _ => "end",
    }
}

#[cfg(test)]
mod tests;
