//! Paging backwards, over files as shims write them: every line that is wanted comes once, whatever the pages are.

use std::fs;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;

use super::super::{LogError, LogQuery, Window, reader};
use super::*;
use crate::api::LogPage;
use crate::instances::place::Run;

/// A run's output: lines with their times in milliseconds, how many of them are in the file before, and a torn end.
#[derive(Debug, Clone)]
struct Output {
    lines: Vec<(i64, String)>,
    rotated: usize,
    dropped_bytes: u64,
    torn: bool,
}

const TEXTS: [&str; 4] = ["plain", "Wanted", "so it is wanted here", "ünïcode"];

fn outputs() -> impl Strategy<Value = Vec<Output>> {
    // Few times and many lines, so that many are of the same millisecond.
    let line = (0..3_i64, 0..TEXTS.len(), 0..200_usize);
    let output = (
        prop::collection::vec(line, 0..40),
        0..40_usize,
        0..3_u64,
        any::<bool>(),
    );
    let output = output.prop_map(|(lines, rotated, dropped, torn)| {
        let mut at = 1_000;
        let lines = lines.into_iter().map(|(later, text, more)| {
            at += later;
            (at, format!("{} {}", TEXTS[text], "x".repeat(more * more)))
        });
        let lines: Vec<_> = lines.collect();
        Output {
            rotated: rotated.min(lines.len()),
            lines,
            dropped_bytes: dropped * 1000,
            torn,
        }
    });
    prop::collection::vec(output, 1..5)
}

fn write(root: &Path, number: usize, output: &Output) {
    let revision = format!("r{}", number % 2);
    let directory = root
        .join("api")
        .join(revision)
        .join(format!("i{number}"))
        .join("runs")
        .join(number.to_string());
    fs::create_dir_all(&directory).expect("a run");
    let records = |lines: &[(i64, String)]| -> String {
        let record = |(at, text): &(i64, String)| format!("{at} o F {text}\n");
        lines.iter().map(record).collect()
    };
    let (before, after) = output.lines.split_at(output.rotated);
    let (before, mut after) = (records(before), records(after));
    let base = output.dropped_bytes + before.len() as u64;
    if output.torn {
        after.push_str("1003 o F torn wanted");
    }
    let file = |name: &str, base: u64, text: &str| {
        let text = format!("#barq-output 1 {base}\n{text}");
        fs::write(directory.join(name), text).expect("output");
    };
    if !before.is_empty() {
        file("output.1", output.dropped_bytes, &before);
    }
    file("output", base, &after);
}

/// All lines in the order of their places, as (time, run, text).
fn expected(outputs: &[Output], wanted: &str) -> Vec<(i64, usize, String)> {
    let mut all = Vec::new();
    for (index, output) in outputs.iter().enumerate() {
        let lines = output.lines.iter();
        let lines = lines.filter(|(_, text)| text.to_lowercase().contains(wanted));
        all.extend(lines.map(|(at, text)| (*at, index + 1, text.clone())));
    }
    // Stable: in one run they are in their order already.
    all.sort_by_key(|(at, run, _)| (*at, *run));
    all
}

fn seen(lines: &[LogLine]) -> Vec<(i64, usize, String)> {
    let run = |line: &LogLine| line.instance[1..].parse().expect("a number");
    lines
        .iter()
        .map(|line| (line.at.as_millisecond(), run(line), line.text.clone()))
        .collect()
}

fn bytes(bytes: u64) -> Budget {
    Budget::new(bytes, Duration::from_secs(60))
}

fn page(root: &Path, query: &LogQuery) -> Result<LogPage, LogError> {
    reader::page(root, query, bytes(u64::MAX))
}

fn query(wanted: &str, limit: usize) -> LogQuery {
    LogQuery {
        service: "api".to_owned(),
        text: Some(wanted.to_owned()),
        limit,
        ..LogQuery::default()
    }
}

/// Pages from the end to the beginning; the lines, oldest first.
fn paged(root: &Path, wanted: &str, limits: &[usize]) -> Vec<LogLine> {
    let mut pages = Vec::new();
    let mut window = Window::Last;
    for limit in limits.iter().cycle() {
        let query = LogQuery {
            window,
            ..query(wanted, *limit)
        };
        let page = page(root, &query).expect("a page");
        assert!(page.lines.len() <= *limit);
        pages.push(page.lines);
        let Some(older) = page.older else { break };
        window = Window::Before(older.parse().expect("a place"));
    }
    pages.into_iter().rev().flatten().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn every_line_comes_once(
        outputs in outputs(),
        wanted in prop::sample::select(vec!["", "wanted", "ünïcode", "none"]),
        limits in prop::collection::vec(1..9_usize, 1..4),
    ) {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path();
        for (index, output) in outputs.iter().enumerate() {
            write(root, index + 1, output);
        }
        let expected = expected(&outputs, wanted);
        let lines = paged(root, wanted, &limits);
        prop_assert_eq!(&seen(&lines), &expected);
        // Before each line are those before it, wherever one begins.
        for (index, line) in lines.iter().enumerate().step_by(7) {
            let before = LogQuery {
                window: Window::Before(line.place.parse().expect("a place")),
                ..query(wanted, 3)
            };
            let page = page(root, &before).expect("a page");
            prop_assert_eq!(&seen(&page.lines), &expected[index.saturating_sub(3)..index]);
        }
        // And before a moment all that is older.
        let moment = LogQuery {
            window: Window::Before(LinePlace::moment(1_020)),
            ..query(wanted, 1000)
        };
        let older: Vec<_> = expected.iter().filter(|(at, ..)| *at < 1_020).cloned().collect();
        prop_assert_eq!(seen(&page(root, &moment).expect("a page").lines), older);
    }

    #[test]
    fn a_limit_of_reading_moves_on_and_loses_nothing(outputs in outputs(), bytes_max in 1..200_000_u64) {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path();
        for (index, output) in outputs.iter().enumerate() {
            write(root, index + 1, output);
        }
        let filter = Filter::of(&query("wanted", 1000));
        let mut before: Option<LinePlace> = None;
        let mut pages = Vec::new();
        loop {
            let found = read(starts(root, outputs.len(), before), &filter, 1000, bytes(bytes_max)).expect("lines");
            pages.push(found.lines);
            let Some(older) = found.older else { break };
            prop_assert!(found.searched_to.is_some());
            prop_assert!(before.is_none_or(|before| older < before), "it stands still");
            before = Some(older);
        }
        let lines: Vec<LogLine> = pages.into_iter().rev().flatten().collect();
        prop_assert_eq!(seen(&lines), expected(&outputs, "wanted"));
    }
}

fn starts(root: &Path, runs: usize, before: Option<LinePlace>) -> Vec<Start> {
    let start = |number: usize| {
        let run = number as u64;
        let revision = format!("r{}", number % 2);
        let instance = format!("i{number}");
        let directory = root.join("api").join(&revision).join(&instance);
        Start {
            up_to: before.map_or(UpTo::Offset(u64::MAX), |before| before.in_run(run)),
            newest_ms: i64::MAX,
            place: Place {
                revision,
                run: Run {
                    number: run,
                    instance,
                    directory: directory.join("runs").join(number.to_string()),
                },
            },
        }
    };
    (1..=runs).map(start).collect()
}

#[test]
fn what_was_written_later_than_wanted_is_not_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let lines = (0..10_000).map(|at| (1_000 + at, "y".repeat(100)));
    let output = Output {
        lines: lines.collect(),
        rotated: 0,
        dropped_bytes: 0,
        torn: false,
    };
    write(directory.path(), 1, &output);
    let starts = starts(directory.path(), 1, Some(LinePlace::moment(2_000)));
    let mut merge = Merge::new(starts, bytes(2 * CHUNK_BYTES as u64));
    let newest = merge.newest().expect("it can be read");
    assert_eq!(
        newest.map(|(_, line)| line.at),
        Timestamp::from_millisecond(1_999).ok()
    );
    assert!(!merge.budget.is_spent());
}
