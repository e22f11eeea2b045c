//! The parser on awkward names, and the choice of descendants.

use super::*;

#[test]
fn a_name_with_blanks_and_parentheses_is_no_obstacle() {
    let text = "42 (a) b (c) S 1 40 39 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 777 0 0";
    let process = Process::parse(42, text).unwrap();
    assert_eq!(
        process,
        Process {
            pid: 42,
            parent: 1,
            group: 40,
            start_ticks: 777,
            state: 'S'
        }
    );
    assert_eq!(Process::parse(42, "42 (x) S 1"), None);
}

#[test]
fn descendants_are_those_below_and_alive() {
    let process = |pid, parent, state| Process {
        pid,
        parent,
        group: pid,
        start_ticks: 0,
        state,
    };
    let table = vec![
        process(1, 0, 'S'),
        process(10, 1, 'S'),
        process(11, 10, 'S'),
        process(12, 11, 'R'),
        process(13, 10, 'Z'),
        process(20, 1, 'S'),
    ];
    let mut found: Vec<i32> = select_descendants(table, 10)
        .iter()
        .map(|process| process.pid)
        .collect();
    found.sort_unstable();
    assert_eq!(found, [11, 12]);
}
