//! Differences of sums, and how they are divided.

use std::collections::BTreeMap;

use barq_core::identity::{RevisionName, ServiceId};

use super::{Counters, GAP_MS, Looks, Since, Span, spread};

fn service() -> ServiceId {
    "shop-production".parse().expect("a service")
}

fn revision(number: u32) -> RevisionName {
    RevisionName {
        service: service(),
        number,
    }
}

fn counters(requests: u64, errors: u64) -> Counters {
    Counters { requests, errors }
}

fn sums(of: &[(u32, u64, u64)]) -> BTreeMap<RevisionName, Counters> {
    of.iter()
        .map(|(number, requests, errors)| (revision(*number), counters(*requests, *errors)))
        .collect()
}

/// Number of a revision, requests, errors.
type Sums<'a> = &'a [(u32, u64, u64)];

/// Looks, each at a time with revisions' sums, and what came since the look before.
fn check(looks: &[(i64, Sums<'_>, Option<Sums<'_>>)]) {
    let mut all = Looks::default();
    let mut before_ms = 0;
    for (at_ms, seen, expected) in looks {
        let since = all.look(&service(), sums(seen), *at_ms);
        let expected = expected.map(|revisions| Since {
            span: Span {
                from_ms: before_ms,
                to_ms: *at_ms,
            },
            revisions: sums(revisions),
        });
        assert_eq!(since, expected, "at {at_ms} ms");
        before_ms = *at_ms;
    }
}

#[test]
fn the_first_look_shows_no_difference() {
    check(&[
        (1000, &[(1, 900, 9)], None),
        (1500, &[(1, 910, 9)], Some(&[(1, 10, 0)])),
        (2000, &[(1, 910, 9)], Some(&[(1, 0, 0)])),
        (2500, &[(1, 912, 11)], Some(&[(1, 2, 2)])),
    ]);
}

#[test]
fn sums_that_begin_again_are_what_came_since() {
    check(&[
        (1000, &[(1, 900, 9)], None),
        (1500, &[(1, 4, 1)], Some(&[(1, 4, 1)])),
        (2000, &[(1, 5, 1)], Some(&[(1, 1, 0)])),
    ]);
}

#[test]
fn a_revision_that_comes_has_all_its_requests() {
    check(&[
        (1000, &[(1, 900, 0)], None),
        (
            1500,
            &[(1, 901, 0), (2, 3, 1)],
            Some(&[(1, 1, 0), (2, 3, 1)]),
        ),
        (2000, &[(2, 4, 1)], Some(&[(2, 1, 0)])),
    ]);
}

#[test]
fn nothing_is_said_of_a_time_that_nobody_watched() {
    check(&[
        (1000, &[(1, 900, 0)], None),
        (1000 + GAP_MS, &[(1, 950, 0)], Some(&[(1, 50, 0)])),
        (1001 + 2 * GAP_MS, &[(1, 99_000, 7)], None),
        (1501 + 2 * GAP_MS, &[(1, 99_001, 7)], Some(&[(1, 1, 0)])),
    ]);
}

#[test]
fn a_clock_that_is_set_back_is_a_gap() {
    check(&[
        (9000, &[(1, 900, 0)], None),
        (3000, &[(1, 950, 0)], None),
        (3500, &[(1, 951, 0)], Some(&[(1, 1, 0)])),
    ]);
}

#[test]
fn the_parts_of_a_span_add_up() {
    let parts = |from_ms, to_ms, requests, errors| {
        let span = Span { from_ms, to_ms };
        spread(span, counters(requests, errors), 0, 1000)
            .map(|(index, ms, part)| (index, ms, part.requests, part.errors))
            .collect::<Vec<_>>()
    };
    assert_eq!(parts(200, 700, 5, 2), [(0, 500, 5, 2)]);
    assert_eq!(parts(500, 1500, 5, 1), [(0, 500, 2, 0), (1, 500, 3, 1)]);
    assert_eq!(
        parts(800, 3200, 24, 0),
        [
            (0, 200, 2, 0),
            (1, 1000, 10, 0),
            (2, 1000, 10, 0),
            (3, 200, 2, 0)
        ]
    );
    assert_eq!(parts(-500, 500, 2, 2), [(-1, 500, 1, 1), (0, 500, 1, 1)]);
    for errors in 0..=7 {
        for part in parts(10, 3990, 7, errors) {
            assert!(part.3 <= part.2, "more errors than requests: {part:?}");
        }
    }
}
