//! Which sessions are over, now and after a restart.

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

#[test]
fn one_session_ends_and_stays_so_over_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("signed-out.json");
    let first = SignedOut::open(path.clone(), 700);
    assert!(first.has("of before", 699));
    assert!(!first.has("a", 700) && !first.has("b", 800));
    first.end("a", 800, at(100)).expect("kept");
    assert!(first.has("a", 800) && !first.has("b", 800));
    let second = SignedOut::open(path, 900);
    assert!(second.has("a", 800) && !second.has("b", 800));
    // What would have ended by itself is forgotten.
    second.end("c", 1000, at(801)).expect("kept");
    assert!(!second.has("a", 800) && second.has("c", 1000));
}

#[test]
fn what_is_not_known_is_over() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("signed-out.json");
    std::fs::write(&path, "{").expect("written");
    let opened = SignedOut::open(path.clone(), 700);
    assert!(opened.has("a", 699) && !opened.has("a", 700));
    // From then on it is known again.
    assert!(!SignedOut::open(path, 900).has("a", 700));
}

#[test]
fn a_session_ends_also_where_that_can_not_be_kept() {
    let directory = tempfile::tempdir().expect("a directory");
    let gone = directory.path().join("gone");
    let opened = SignedOut::open(gone.join("signed-out.json"), 0);
    assert!(opened.end("a", 800, at(100)).is_err());
    assert!(opened.has("a", 800));
}

#[test]
fn of_too_many_the_oldest_end_with_all_of_their_time() {
    let mut known = Known::default();
    for ends in 0..=SESSIONS_MAX {
        let ends = i64::try_from(ends).expect("small") + 1000;
        known.end(&format!("s{ends}"), ends, at(10));
    }
    assert_eq!(known.over_before, 6001);
    assert_eq!(known.sessions.len(), SESSIONS_MAX / 2);
    assert_eq!(known.sessions.values().min(), Some(&6001));
}
