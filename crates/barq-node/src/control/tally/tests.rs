//! A tally is of one step, goes on after a restart, and counts whoever notes.

use super::*;

const NOW_MS: u64 = 1_700_000_100_000;

fn ago(seconds: u64) -> u64 {
    NOW_MS - seconds * 1000
}

#[test]
fn a_step_goes_on_and_another_one_begins_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.errors");
    let read = |step| {
        let found = Tally::read(&path, "shop-00002", step, NOW_MS).unwrap();
        found.map(|found| (found.errors, found.last.len()))
    };
    assert_eq!(read(1), None);
    let tally = Tally::open(&path, "shop-00002", 1).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| tally.note(ago(5), None).unwrap());
        }
    });
    assert_eq!((read(1), read(11)), (Some((4, 4)), None));
    // Another run of the node.
    let tally = Tally::open(&path, "shop-00002", 1).unwrap();
    tally.note(ago(4), None).unwrap();
    assert_eq!(read(1), Some((5, 5)));
    Tally::open(&path, "shop-00002", 2).unwrap();
    assert_eq!((read(1), read(2)), (None, Some((0, 0))));
}

#[test]
fn each_error_has_its_time_and_its_client() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.errors");
    let tally = Tally::open(&path, "shop-00002", 1).unwrap();
    for (at_ms, client) in [
        (ago(30), None),
        (ago(10), Some(u64::MAX)),
        (ago(20), Some(7)),
        (NOW_MS + 1, None),
    ] {
        tally.note(at_ms, client).unwrap();
    }
    let found = Tally::read(&path, "shop-00002", 1, NOW_MS)
        .unwrap()
        .unwrap();
    let last: Vec<(u64, Option<u64>)> = found
        .last
        .iter()
        .map(|error| (error.age.as_secs(), error.client))
        .collect();
    let expected = [(30, None), (20, Some(7)), (10, Some(u64::MAX)), (0, None)];
    assert_eq!(
        last, expected,
        "oldest first; what is ahead of the clock is now"
    );
}

#[test]
fn a_line_that_was_cut_off_is_an_error_of_now() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.errors");
    let tally = Tally::open(&path, "shop-00002", 1).unwrap();
    tally.note(ago(30), None).unwrap();
    (&tally.file).write_all(b"17000").unwrap();
    let read = || {
        Tally::read(&path, "shop-00002", 1, NOW_MS)
            .unwrap()
            .unwrap()
    };
    assert_eq!((read().errors, read().last.len()), (2, 2));
    tally.note(ago(1), None).unwrap();
    let found = read();
    assert_eq!(found.errors, 3);
    assert!(found.last.iter().any(|error| error.age.is_zero()));
    // A tally of the form before is none.
    fs::write(&path, "shop-00002 1\n...").unwrap();
    assert_eq!(Tally::read(&path, "shop-00002", 1, NOW_MS).unwrap(), None);
}
