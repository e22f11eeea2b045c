//! The rules one by one; `walk` then goes through every state that a small service can reach, with an independent checker.

use std::time::Duration;

use super::{Accepted, Considered, Control, Durable, Refusal, Standing};
use crate::lease::{LeaseRefusal, Run};
use crate::plan::{Canary, Plan, Share};

mod limit;
mod walk;

const RUN: Run = Run(1);
const LEASE_MS: u64 = 1000;
const WINDOW_MS: u64 = 5000;

fn at(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn shares(traffic: &[(&str, u8)]) -> Vec<Share> {
    traffic
        .iter()
        .map(|(revision, percent)| Share {
            revision: (*revision).to_owned(),
            percent: *percent,
        })
        .collect()
}

fn plan(generation: u64, traffic: &[(&str, u8)], canary: Option<(&str, &str)>) -> Plan {
    Plan {
        generation,
        content: format!("{generation} {traffic:?} {canary:?}"),
        last_trip: 0,
        acknowledges: None,
        revisions: ["a", "b", "c"].map(str::to_owned).to_vec(),
        traffic: shares(traffic),
        canary: canary.map(|(revision, stable)| Canary {
            revision: revision.to_owned(),
            stable: stable.to_owned(),
            step: 1,
            max_errors: Some(5),
            window_ms: Some(WINDOW_MS),
            counted: 0,
            recent: 0,
            recent_at_ms: 0,
            lease_ms: LEASE_MS,
            shield: true,
        }),
    }
}

fn in_canary() -> Control {
    let mut control = Control::new(RUN);
    control.accept(plan(1, &[("a", 100)], None), at(0)).unwrap();
    control
        .accept(plan(2, &[("a", 90), ("b", 10)], Some(("b", "a"))), at(0))
        .unwrap();
    control
}

#[test]
fn generations_are_compared_and_set() {
    let mut control = in_canary();
    let held = plan(2, &[("a", 90), ("b", 10)], Some(("b", "a")));
    assert_eq!(
        control.accept(held.clone(), at(500)),
        Ok(Accepted::Duplicate)
    );
    assert_eq!(
        control.lease_remaining(at(500)),
        at(500),
        "a duplicate renews nothing"
    );
    let other = Plan {
        content: "other".into(),
        ..held
    };
    assert_eq!(
        control.accept(other, at(0)),
        Err(Refusal::StaleGeneration {
            offered: 2,
            current: 2
        })
    );
    let older = plan(1, &[("a", 100)], None);
    assert_eq!(
        control.accept(older, at(0)),
        Err(Refusal::StaleGeneration {
            offered: 1,
            current: 2
        })
    );
    assert_eq!(control.generation(), 2);
}

#[test]
fn a_trip_gives_everything_to_stable_and_latches() {
    let mut control = in_canary();
    assert_eq!(control.trip("a", 5, 0), None, "only the canary trips");
    let trip = control.trip("b", 5, 3).unwrap();
    assert_eq!(
        (
            trip.number,
            trip.generation,
            trip.step,
            trip.errors,
            trip.in_flight
        ),
        (1, 2, 1, 5, 3)
    );
    assert_eq!(control.trip("b", 6, 3), None, "once");
    assert_eq!(
        (control.standing(), control.shares()),
        (Standing::Tripped, shares(&[("a", 100)]))
    );
    assert_eq!(control.renew(RUN, 2, at(1)), Err(LeaseRefusal::Tripped));

    let unheard = plan(3, &[("a", 50), ("b", 50)], Some(("b", "a")));
    assert_eq!(
        control.accept(unheard.clone(), at(0)),
        Err(Refusal::UnheardTrip { known: 0, last: 1 })
    );
    let unacknowledged = Plan {
        last_trip: 1,
        ..unheard
    };
    assert_eq!(
        control.accept(unacknowledged.clone(), at(0)),
        Err(Refusal::Latched { trip: trip.clone() })
    );
    let wrong = Plan {
        acknowledges: Some(2),
        ..unacknowledged.clone()
    };
    assert_eq!(
        control.accept(wrong, at(0)),
        Err(Refusal::Latched { trip: trip.clone() })
    );
    let without_traffic = Plan {
        last_trip: 1,
        ..plan(3, &[("a", 100), ("b", 0)], Some(("b", "a")))
    };
    assert_eq!(
        control.accept(without_traffic, at(0)),
        Ok(Accepted::InForce { released: vec![] })
    );
    let acknowledged = Plan {
        generation: 4,
        acknowledges: Some(1),
        ..unacknowledged
    };
    assert_eq!(
        control.accept(acknowledged, at(0)),
        Ok(Accepted::InForce {
            released: vec![trip]
        })
    );
    assert_eq!(control.shares(), shares(&[("a", 50), ("b", 50)]));
    assert_eq!(
        control.trip("b", 1, 0).unwrap().number,
        2,
        "numbered for ever"
    );
}

#[test]
fn a_revision_that_tripped_is_no_refuge() {
    let mut control = in_canary();
    let trip = control.trip("b", 5, 0).unwrap();
    let onto_it = Plan {
        last_trip: 1,
        ..plan(3, &[("c", 100)], Some(("c", "b")))
    };
    assert_eq!(
        control.accept(onto_it, at(0)),
        Err(Refusal::Latched { trip })
    );
}

#[test]
fn an_expired_lease_gives_everything_to_stable_and_stays_expired() {
    let mut control = in_canary();
    assert_eq!(control.next_deadline(), Some(at(1000)));
    control.renew(RUN, 2, at(900)).unwrap();
    assert!(!control.tick(at(1899)));
    assert!(control.tick(at(1900)));
    assert_eq!(
        (control.standing(), control.shares()),
        (Standing::LeaseExpired, shares(&[("a", 100)]))
    );
    assert_eq!(control.next_deadline(), None);
    assert_eq!(control.renew(RUN, 2, at(1900)), Err(LeaseRefusal::Expired));
    let again = plan(3, &[("a", 90), ("b", 10)], Some(("b", "a")));
    control.accept(again, at(5000)).unwrap();
    assert_eq!(control.shares(), shares(&[("a", 90), ("b", 10)]));
    assert_eq!(control.lease_remaining(at(5000)), at(1000));
}

#[test]
fn a_renewal_that_comes_late_finds_the_lease_expired_even_without_a_tick() {
    let mut control = in_canary();
    assert_eq!(control.renew(RUN, 2, at(1000)), Err(LeaseRefusal::Expired));
    assert_eq!(control.standing(), Standing::LeaseExpired);
}

#[test]
fn errors_that_arrive_after_the_lease_still_trip() {
    let mut control = in_canary();
    control.tick(at(1000));
    assert!(control.trip("b", 5, 0).is_some());
    assert_eq!(control.standing(), Standing::Tripped);
}

#[test]
fn a_restart_suspends_the_canary_and_remembers_the_trip() {
    let restarted = Control::restart(in_canary().durable().clone(), Run(2));
    assert_eq!(
        (restarted.standing(), restarted.shares()),
        (Standing::Suspended, shares(&[("a", 100)]))
    );
    assert_eq!(restarted.lease_remaining(at(0)), at(0));

    let mut tripped = in_canary();
    tripped.trip("b", 5, 0);
    let json = serde_json::to_string(tripped.durable()).unwrap();
    let durable: Durable = serde_json::from_str(&json).unwrap();
    let mut restarted = Control::restart(durable, Run(2));
    assert_eq!(restarted.standing(), Standing::Tripped);
    let old = plan(3, &[("a", 50), ("b", 50)], Some(("b", "a")));
    assert_eq!(
        restarted.accept(old, at(0)),
        Err(Refusal::UnheardTrip { known: 0, last: 1 })
    );

    let mut plain = Control::new(RUN);
    plain
        .accept(plan(1, &[("a", 50), ("b", 50)], None), at(0))
        .unwrap();
    let restarted = Control::restart(plain.durable().clone(), Run(2));
    assert_eq!(
        restarted.shares(),
        shares(&[("a", 50), ("b", 50)]),
        "without a canary nothing changes"
    );
}

#[test]
fn a_node_that_lost_its_disk_goes_on_numbering_where_the_planner_is() {
    let mut control = Control::new(RUN);
    let first = Plan {
        last_trip: 7,
        ..plan(40, &[("a", 90), ("b", 10)], Some(("b", "a")))
    };
    control.accept(first, at(0)).unwrap();
    assert_eq!(control.trip("b", 5, 0).unwrap().number, 8);
}

#[test]
fn what_is_towards_stable() {
    let cases: [(&[(&str, u8)], bool); 6] = [
        (&[("a", 100)], true),
        (&[("a", 90), ("b", 10)], true),
        (&[("a", 95), ("b", 5)], true),
        (&[("a", 89), ("b", 11)], false),
        (&[("a", 90), ("c", 10)], false),
        (&[], false),
    ];
    for (traffic, towards_stable) in cases {
        let considered = in_canary().consider(&plan(3, traffic, None)).unwrap();
        assert_eq!(
            considered,
            Considered::New { towards_stable },
            "{traffic:?}"
        );
    }
    let first = Control::new(RUN)
        .consider(&plan(1, &[("a", 100)], None))
        .unwrap();
    assert_eq!(
        first,
        Considered::New {
            towards_stable: false
        },
        "nothing is stable before the first plan"
    );
    let mut expired = in_canary();
    expired.tick(at(1000));
    let again = expired
        .consider(&plan(3, &[("a", 90), ("b", 10)], None))
        .unwrap();
    assert_eq!(
        again,
        Considered::New {
            towards_stable: false
        },
        "compared with what is in force, not with what was planned"
    );
}
