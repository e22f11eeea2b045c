//! Plans that contradict themselves, as a table.

use super::{Canary, Invalid, Plan, Share};

type Case = (&'static [(&'static str, u8)], Result<(), Invalid>);

fn plan(traffic: &[(&str, u8)], canary: Option<Canary>) -> Plan {
    Plan {
        generation: 1,
        content: String::new(),
        last_trip: 0,
        acknowledges: None,
        revisions: vec!["a".to_owned(), "b".to_owned(), "c".to_owned()],
        traffic: traffic
            .iter()
            .map(|(name, percent)| Share {
                revision: (*name).to_owned(),
                percent: *percent,
            })
            .collect(),
        canary,
    }
}

fn canary() -> Canary {
    Canary {
        revision: "b".into(),
        stable: "a".into(),
        step: 1,
        max_errors: Some(5),
        window_ms: Some(60_000),
        counted: 0,
        recent: 0,
        recent_at_ms: 0,
        lease_ms: 60_000,
        shield: true,
    }
}

fn check(plan: &Plan, expected: &Result<(), Invalid>) {
    assert_eq!(&plan.check(), expected, "{plan:?}");
}

#[test]
fn shares_sum_to_100_or_there_are_none() {
    let cases: [Case; 7] = [
        (&[], Ok(())),
        (&[("a", 100)], Ok(())),
        (&[("a", 90)], Err(Invalid::Sum(90))),
        (&[("a", 0)], Err(Invalid::Sum(0))),
        (&[("a", 200), ("b", 156)], Err(Invalid::Sum(356))),
        (&[("a", 50), ("a", 50)], Err(Invalid::TwoShares("a".into()))),
        (&[("x", 100)], Err(Invalid::UnknownRevision("x".into()))),
    ];
    for (traffic, expected) in cases {
        check(&plan(traffic, None), &expected);
    }
}

#[test]
fn during_a_trial_only_canary_and_stable_serve() {
    let cases: [Case; 5] = [
        (&[("a", 90), ("b", 10)], Ok(())),
        (&[("a", 0), ("b", 100)], Ok(())),
        (&[("a", 100), ("c", 0)], Ok(())),
        (
            &[("a", 50), ("c", 50)],
            Err(Invalid::ThirdRevision("c".into())),
        ),
        (&[], Err(Invalid::NoTraffic)),
    ];
    for (traffic, expected) in cases {
        check(&plan(traffic, Some(canary())), &expected);
    }
}

#[test]
fn a_trial_needs_a_fall_back_a_lease_and_room_for_errors() {
    let cases = [
        (
            Canary {
                lease_ms: 0,
                ..canary()
            },
            Invalid::NoLease,
        ),
        (
            Canary {
                max_errors: Some(0),
                ..canary()
            },
            Invalid::NoErrorsAllowed,
        ),
        (
            Canary {
                window_ms: Some(0),
                ..canary()
            },
            Invalid::NoWindow,
        ),
        (
            Canary {
                step: 0,
                ..canary()
            },
            Invalid::StepZero,
        ),
        (
            Canary {
                stable: "x".into(),
                ..canary()
            },
            Invalid::UnknownRevision("x".into()),
        ),
        (
            Canary {
                stable: "b".into(),
                ..canary()
            },
            Invalid::CanaryIsStable("b".into()),
        ),
    ];
    for (canary, expected) in cases {
        check(&plan(&[("a", 100)], Some(canary)), &Err(expected));
    }
}
