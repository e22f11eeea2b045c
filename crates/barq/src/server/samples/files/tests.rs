//! What is written is read again, and what is damaged begins anew.

use barq_core::identity::RolloutId;
use jiff::Timestamp;

use super::super::super::testing::{at, revision, rollout, service};
use super::super::look::{Counters, Span};
use super::super::series::{Series, Side};
use super::*;

fn changes() -> Changes {
    let second = |at: Timestamp| Span {
        from_ms: at.as_millisecond(),
        to_ms: at.as_millisecond() + 1000,
    };
    let counters = Counters {
        requests: 5,
        errors: 1,
    };
    let mut minutes = Minutes::default();
    minutes.record(second(at(0)), counters);
    let mut series = Series::new(at(0).as_millisecond());
    series.record(Side::Canary, second(at(0)), counters, Some([1, 2, 3]));
    let watched = Watched {
        rollout: rollout(),
        service: service(),
        canary: revision(3),
        stable: None,
        started_at: at(0),
        closed: false,
        series,
    };
    Changes {
        hours: Some([(service(), minutes)].into()),
        rollouts: vec![watched],
        dropped: Vec::new(),
    }
}

/// What is read where `damage` was done to what was written: the hour's requests, and whether there is a series.
fn check(damage: impl Fn(&Files), requests: u64, series: bool) {
    let directory = tempfile::tempdir().expect("a directory");
    let files = Files::new(directory.path().join("samples"));
    files.write(changes()).expect("written");
    damage(&files);
    for _ in 0..2 {
        let store = files.read();
        assert_eq!(store.hour(&service(), at(1)).sum().requests, requests);
        assert_eq!(store.rollout(&rollout()).is_some(), series);
    }
}

fn replace(path: &Path, content: &str) {
    std::fs::write(path, content).expect("written");
}

#[test]
fn what_is_written_is_read_again() {
    check(|_| {}, 5, true);
}

#[test]
fn what_is_damaged_begins_anew() {
    let rollout = |files: &Files| files.rollout(&rollout());
    check(|files| replace(&files.hours(), "{\"form\":1,"), 0, true);
    check(|files| replace(&files.hours(), ""), 0, true);
    check(|files| replace(&rollout(files), "{}"), 5, false);
    let other_form = |files: &Files| {
        let text = std::fs::read_to_string(rollout(files)).expect("text");
        replace(&rollout(files), &text.replace("\"form\":1", "\"form\":9"));
    };
    check(other_form, 5, false);
    let impossible = |files: &Files| {
        let text = std::fs::read_to_string(rollout(files)).expect("text");
        replace(&rollout(files), &text.replace("1000", "1001"));
    };
    check(impossible, 5, false);
}

#[test]
fn what_a_killed_writer_left_is_removed() {
    let directory = tempfile::tempdir().expect("a directory");
    let files = Files::new(directory.path().to_owned());
    files.write(changes()).expect("written");
    let left = files.rollouts().join(".shop-3-production.json.17");
    replace(&left, "{");
    files.read();
    assert!(!left.exists());
}

#[test]
fn what_is_dropped_is_gone() {
    let directory = tempfile::tempdir().expect("a directory");
    let files = Files::new(directory.path().to_owned());
    files.write(changes()).expect("written");
    let dropped: Vec<RolloutId> = vec![rollout()];
    let changes = Changes {
        dropped,
        ..Changes::default()
    };
    files.write(changes).expect("written");
    assert!(files.read().rollout(&rollout()).is_none());
}

#[test]
fn what_can_t_be_written_is_given_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let in_the_way = directory.path().join("file");
    replace(&in_the_way, "");
    let files = Files::new(in_the_way.join("samples"));
    let left = files.write(changes()).expect_err("no directory");
    assert!(left.hours.is_some() && left.rollouts.len() == 1);
}
