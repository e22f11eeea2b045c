//! Pages over output files as shims write them: merged, filtered, cut, and gone on with.

use std::fs;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use super::{lines_with, mentions};
use crate::api::LogPage;
use crate::logs::budget::Budget;
use crate::logs::{LogError, LogQuery, Severity, Window};

/// Writes a run of an instance whose output begins at `base`; the instance may go on.
fn write(root: &Path, revision: &str, run: u64, base: u64, lines: &[(i64, &str)]) {
    let instance = root.join("api").join(revision).join(format!("i{run}"));
    let directory = instance.join("runs").join(run.to_string());
    fs::create_dir_all(&directory).expect("a run");
    let text: String = lines
        .iter()
        .map(|(at, text)| format!("{at} o F {text}\n"))
        .collect();
    fs::write(
        directory.join("output"),
        format!("#barq-output 1 {base}\n{text}"),
    )
    .expect("output");
    let probe = r#"{"path":"/","initial_delay_ms":0,"period_ms":1,"timeout_ms":1,"failures":1}"#;
    let record = format!(
        r#"{{"id":"i{run}","fingerprint":"","run":{run},"port":1,"started_at":"1970-01-01T00:00:00Z","restarts":0,
        "phase":"ready","drain_ms":1,"health":{{"startup":{probe},"liveness":{probe},"readiness":{probe},
        "detailed_path":"/"}}}}"#
    );
    fs::write(instance.join("instance.json"), record).expect("a record");
}

fn end(root: &Path, revision: &str, run: u64) {
    fs::remove_file(
        root.join("api")
            .join(revision)
            .join(format!("i{run}"))
            .join("instance.json"),
    )
    .expect("a record");
}

fn page(root: &Path, query: &LogQuery) -> Result<LogPage, LogError> {
    super::page(root, query, Budget::new(u64::MAX, Duration::from_secs(60)))
}

fn query(limit: usize) -> LogQuery {
    LogQuery {
        service: "api".to_owned(),
        limit,
        ..LogQuery::default()
    }
}

fn all() -> LogQuery {
    LogQuery {
        window: Window::First,
        since: Some(Timestamp::UNIX_EPOCH),
        ..query(100)
    }
}

fn texts(root: &Path, query: &LogQuery) -> (Vec<String>, String) {
    let page = page(root, query).expect("a page");
    (
        page.lines.into_iter().map(|line| line.text).collect(),
        page.next.expect("a cursor"),
    )
}

#[test]
fn pages_merge_by_time_and_go_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    write(root, "r1", 1, 0, &[(10, "a"), (30, "c"), (50, "e")]);
    write(root, "r2", 2, 0, &[(20, "b"), (40, "d")]);
    for limit in 1..=6 {
        let mut seen = Vec::new();
        let mut next = LogQuery { limit, ..all() };
        loop {
            let (lines, cursor) = texts(root, &next);
            if lines.is_empty() {
                break;
            }
            assert!(lines.len() <= limit);
            seen.extend(lines);
            next.window = Window::After(cursor);
        }
        assert_eq!(seen, ["a", "b", "c", "d", "e"], "by {limit}");
    }
}

#[test]
fn what_comes_later_follows_whatever_became_of_the_runs() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    write(root, "r1", 1, 0, &[(10, "a")]);
    write(root, "r1", 2, 0, &[(11, "b")]);
    end(root, "r1", 2);
    let (lines, next) = texts(root, &all());
    assert_eq!(lines, ["a", "b"]);
    write(root, "r1", 1, 0, &[(10, "a"), (12, "c")]);
    end(root, "r1", 1);
    write(root, "r1", 3, 0, &[(13, "d")]);
    let (lines, next) = texts(
        root,
        &LogQuery {
            window: Window::After(next),
            ..query(100)
        },
    );
    assert_eq!(lines, ["c", "d"]);
    assert_eq!(
        next.matches('~').count(),
        2,
        "only what may go on is in the cursor: {next}"
    );
    // Rotated: what was dropped is skipped, nothing comes twice.
    write(root, "r1", 3, 100, &[(14, "e")]);
    let (lines, next) = texts(
        root,
        &LogQuery {
            window: Window::After(next),
            ..query(100)
        },
    );
    assert_eq!(lines, ["e"]);
    assert_eq!(
        texts(
            root,
            &LogQuery {
                window: Window::After(next),
                ..query(100)
            }
        )
        .0,
        [""; 0]
    );
}

#[test]
fn without_a_position_the_last_lines() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    write(root, "r1", 1, 0, &[(10, "a"), (30, "c")]);
    write(root, "r2", 2, 0, &[(20, "b")]);
    let (lines, next) = texts(root, &query(2));
    assert_eq!(lines, ["b", "c"]);
    write(root, "r2", 2, 0, &[(20, "b"), (40, "d")]);
    assert_eq!(
        texts(
            root,
            &LogQuery {
                window: Window::After(next),
                ..query(2)
            }
        )
        .0,
        ["d"]
    );
    assert_eq!(
        texts(
            root,
            &LogQuery {
                revision: Some("r2".to_owned()),
                ..query(9)
            }
        )
        .0,
        ["b", "d"]
    );
}

#[test]
fn filters() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    let error = r#"{"severity":"ERROR","message":"x"}"#;
    write(
        root,
        "r1",
        1,
        0,
        &[(10, "plain"), (20, error), (30, r#"{"level":"info"}"#)],
    );
    let errors = LogQuery {
        severity: Some(Severity::Error),
        ..query(9)
    };
    assert_eq!(texts(root, &errors).0, [error]);
    let since = LogQuery {
        window: Window::First,
        since: Timestamp::from_millisecond(20).ok(),
        ..query(9)
    };
    assert_eq!(texts(root, &since).0.len(), 2);
    for service in ["other", "", "..", "../api", "api/r1"] {
        let nothing = LogQuery {
            service: service.to_owned(),
            ..query(9)
        };
        assert_eq!(texts(root, &nothing).0.len(), 0, "{service}");
    }
    let bad = page(
        root,
        &LogQuery {
            window: Window::After("x".to_owned()),
            ..query(9)
        },
    );
    assert!(matches!(bad, Err(LogError::Cursor(_))));
}

#[test]
fn finds_the_lines_of_requests() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path();
    write(
        root,
        "r1",
        1,
        0,
        &[
            (10, "abc-1 begins"),
            (30, r#"{"request_id":"abc-1"}"#),
            (40, "abc-12"),
        ],
    );
    write(root, "r1", 2, 0, &[(20, "[abc-1] goes on"), (50, "xyz")]);
    let ids = vec!["abc-1".to_owned(), "xyz".to_owned(), "none".to_owned()];
    let found = lines_with(root, "api", "r1", ids, 2).expect("lines");
    assert_eq!(
        found["abc-1"],
        ["[abc-1] goes on", r#"{"request_id":"abc-1"}"#]
    );
    assert_eq!(found["xyz"], ["xyz"]);
    assert!(found["none"].is_empty());
}

#[test]
fn an_id_is_named_whole() {
    for (text, id, expect) in [
        ("a", "a", true),
        ("x a.", "a", true),
        ("aa", "a", false),
        ("a-b", "a", false),
        ("a-b a", "a", true),
        ("projects/p/traces/a", "a", true),
        ("anything", "", false),
        ("ä", "a", false),
    ] {
        assert_eq!(mentions(text, id), expect, "{text} {id}");
    }
}
