//! Who leaves, and how many at a time.

use jiff::Timestamp;

use super::{leaving, surplus};
use crate::api::{InstanceObservation, InstanceState};
use crate::instances::revision::Shown;

#[test]
fn beyond_the_maximum_all_leave_at_once_and_idle_ones_one_by_one() {
    let cases = [
        // present, desired, max, one leaves → surplus
        (3, 3, 5, false, 0),
        (2, 3, 5, false, 0),
        (5, 3, 5, false, 1),
        (5, 3, 5, true, 0),
        (5, 2, 2, false, 3),
        (5, 2, 2, true, 3),
        (2, 0, 0, true, 2),
    ];
    for (present, desired, max, one_leaves, expect) in cases {
        assert_eq!(
            surplus(present, desired, max, one_leaves),
            expect,
            "{present} {desired} {max} {one_leaves}"
        );
    }
}

#[test]
fn those_that_do_not_serve_leave_first_then_the_youngest() {
    let shown = |id: &str, state, second| Shown {
        observation: InstanceObservation {
            id: id.to_owned(),
            state,
            port: 1,
            started_at: Timestamp::from_second(second).expect("a time"),
            restarts: 0,
            last_probe_failure: None,
        },
        fingerprint: String::new(),
        runs: true,
    };
    let all = [
        shown("old", InstanceState::Ready, 1),
        shown("young", InstanceState::Ready, 2),
        shown("failing", InstanceState::NotReady, 0),
        shown("starting", InstanceState::Starting, 3),
        shown("broken", InstanceState::BackingOff, 0),
    ];
    let order: Vec<&str> = leaving(all.iter().collect(), 9)
        .iter()
        .map(|shown| shown.observation.id.as_str())
        .collect();
    assert_eq!(order, ["broken", "starting", "failing", "young", "old"]);
    assert_eq!(leaving(all.iter().collect(), 0).len(), 0);
}
