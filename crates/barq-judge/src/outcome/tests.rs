//! The definition of an error, as a table.

use super::{Failure, Outcome};

#[test]
fn only_5xx_and_failures_are_errors() {
    let cases = [
        (Outcome::Answered(101), false),
        (Outcome::Answered(200), false),
        (Outcome::Answered(304), false),
        (Outcome::Answered(404), false),
        (Outcome::Answered(499), false),
        (Outcome::Answered(500), true),
        (Outcome::Answered(503), true),
        (Outcome::Answered(599), true),
        (Outcome::Answered(600), false),
        (Outcome::ClientGone, false),
        (
            Outcome::Failed {
                failure: Failure::Connect,
                status: None,
            },
            true,
        ),
        (
            Outcome::Failed {
                failure: Failure::FirstByteTimeout,
                status: None,
            },
            true,
        ),
        (
            Outcome::Failed {
                failure: Failure::Broken,
                status: Some(200),
            },
            true,
        ),
        (
            Outcome::Failed {
                failure: Failure::IdleTimeout,
                status: Some(200),
            },
            true,
        ),
    ];
    for (outcome, is_error) in cases {
        assert_eq!(outcome.is_error(), is_error, "{outcome:?}");
    }
}
