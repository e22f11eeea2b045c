//! A tally is of one step, goes on after a restart, and counts whoever notes.

use super::*;

#[test]
fn a_step_goes_on_and_another_one_begins_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.errors");
    let read = |step| Tally::read(&path, "shop-00002", step).unwrap();
    assert_eq!(read(1), None);
    let tally = Tally::open(&path, "shop-00002", 1).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| tally.note().unwrap());
        }
    });
    assert_eq!((read(1), read(11)), (Some(4), None));
    // Another run of the node.
    let tally = Tally::open(&path, "shop-00002", 1).unwrap();
    tally.note().unwrap();
    assert_eq!(read(1), Some(5));
    Tally::open(&path, "shop-00002", 2).unwrap();
    assert_eq!((read(1), read(2)), (None, Some(0)));
}
