//! What is removed, as a table, and on a real directory.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::{
    ENDED_RUNS_MAX, GONE_REVISIONS_MAX, Kept, LOG_BYTES_PER_REVISION_MAX, clean_revision,
    clean_service, surplus,
};
use crate::instances::place::{Run, runs};

fn kept(number: u64, bytes: u64, ended: bool) -> Kept {
    Kept {
        run: Run {
            number,
            instance: "a".to_owned(),
            directory: PathBuf::new(),
        },
        bytes,
        ended,
    }
}

#[test]
fn the_oldest_ended_runs_go_first() {
    let half = LOG_BYTES_PER_REVISION_MAX / 2;
    let cases: [(Vec<Kept>, &[u64]); 5] = [
        (vec![], &[]),
        (vec![kept(2, half, true), kept(1, half, true)], &[]),
        (
            vec![kept(2, half, true), kept(1, half, true), kept(3, 1, true)],
            &[1],
        ),
        (
            vec![kept(1, half * 4, false), kept(2, 1, true), kept(3, 1, true)],
            &[2, 3],
        ),
        (
            (1..=ENDED_RUNS_MAX as u64 + 2)
                .map(|number| kept(number, 0, number != 1))
                .collect(),
            &[2],
        ),
    ];
    for (runs, expect) in cases {
        let removed: Vec<u64> = surplus(runs).into_iter().map(|run| run.number).collect();
        assert_eq!(removed, expect);
    }
}

#[test]
fn removes_runs_and_what_is_empty_then() {
    let directory = tempfile::tempdir().expect("a directory");
    let count = ENDED_RUNS_MAX as u64 + 3;
    for number in 1..=count {
        let run = directory
            .path()
            .join(format!("instance{number}"))
            .join("runs")
            .join(number.to_string());
        std::fs::create_dir_all(&run).expect("a run");
        std::fs::write(run.join("output"), "text").expect("output");
    }
    clean_revision(directory.path());
    let left: Vec<u64> = runs(directory.path())
        .expect("runs")
        .iter()
        .map(|run| run.number)
        .collect();
    assert_eq!(left, (4..=count).collect::<Vec<_>>());
    assert!(!directory.path().join("instance1").exists());
}

#[test]
fn removes_revisions_that_have_been_gone_longest() {
    let directory = tempfile::tempdir().expect("a directory");
    let count = GONE_REVISIONS_MAX as u64 + 2;
    for number in 1..=count {
        let run = directory
            .path()
            .join(format!("revision{number}"))
            .join("a")
            .join("runs")
            .join(number.to_string());
        std::fs::create_dir_all(run).expect("a run");
    }
    clean_service(directory.path(), &BTreeSet::from(["revision1".to_owned()]));
    assert!(directory.path().join("revision1").exists(), "known");
    assert!(!directory.path().join("revision2").exists(), "oldest");
    assert!(directory.path().join("revision3").exists());
}
