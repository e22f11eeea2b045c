//! Cursors come back as they were; what is none is refused.

use proptest::prelude::*;

use super::{Cursor, Position};

#[test]
fn what_is_no_cursor_is_refused() {
    for text in [
        "",
        "1",
        "2~0",
        "1~",
        "1~x",
        "1~1~",
        "1~1~2",
        "1~1~2.3",
        "1~1~2.3.4.5",
        "1~1~2.3.-4",
        "1~-1",
    ] {
        assert!(text.parse::<Cursor>().is_err(), "{text}");
    }
}

#[test]
fn knows_what_is_left_of_a_run() {
    let cursor: Cursor = "1~5~3.a.1".parse().expect("a cursor");
    assert_eq!(
        cursor.of(3),
        Some(Position {
            offset: 10,
            lines: 1
        })
    );
    assert_eq!(cursor.of(4), None, "ended and read");
    assert_eq!(cursor.of(6), Some(Position::default()), "younger");
}

proptest! {
    #[test]
    fn comes_back(youngest: u64, runs in prop::collection::btree_map(any::<u64>(), (any::<u64>(), any::<u32>()), 0..20)) {
        let positions = runs
            .into_iter()
            .map(|(run, (offset, lines))| (run, Position { offset, lines: lines as usize }))
            .collect();
        let cursor = Cursor { youngest, positions };
        prop_assert_eq!(cursor.to_string().parse::<Cursor>().expect("a cursor"), cursor);
    }
}
