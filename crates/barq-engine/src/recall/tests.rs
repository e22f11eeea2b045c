//! What of a decided rollback can be done before it is recorded; the whole way is in the simulation.

use barq_core::configuration::{Configuration, Role};
use barq_core::event::{
    Actor, Event, Recall, Recorded, RollbackCause, RolloutEvent, RolloutStart, ServiceEvent,
    StepEntry, Trip,
};
use barq_core::identity::{RevisionName, RolloutId, ServiceId};
use barq_core::observation::{Observation, Observed, RevisionObservation};
use barq_core::state::{self, State};
use jiff::Timestamp;

use super::{order, request, shortage};
use crate::journal::IdempotencyRecord;

const FILE: &str = r#"
service = "shop"
[build]
run = "true"
files = { "app" = "app" }
command = ["./app"]
[environments.production]
instances = { min = 2, max = 10 }
"#;

#[test]
fn the_request_that_a_recall_answered_is_kept_with_it() {
    let record = IdempotencyRecord {
        key_hash: "k".to_owned(),
        actor: "ada".to_owned(),
        request_digest: "d".to_owned(),
        response: String::new(),
        recorded_at: Timestamp::UNIX_EPOCH,
        expires_at: Timestamp::MAX,
    };
    let kept = serde_json::to_string(&record).unwrap();
    for (kept, expected) in [
        (Some(kept), Some(record)),
        (Some("none of ours".to_owned()), None),
        (None, None),
    ] {
        assert_eq!(request(&[heard(kept)]), expected);
    }
    assert_eq!(request(&[]), None);
}

fn heard(request: Option<String>) -> Recorded {
    let recall = Recall {
        by: Actor {
            name: "ada".to_owned(),
            role: Role::Operator,
        },
        to: "shop-production-00001".parse().unwrap(),
        message: None,
        request,
    };
    let trip = Trip {
        number: 1,
        revision: "shop-production-00002".parse().unwrap(),
        generation: 3,
        step: 0,
        errors: 0,
        at: Timestamp::UNIX_EPOCH,
        shifted_us: 9,
        in_flight: 0,
        recall: Some(Box::new(recall)),
    };
    Recorded {
        at: Timestamp::UNIX_EPOCH,
        actor: Actor::barq(),
        event: Event::Service(
            "shop-production".parse().unwrap(),
            ServiceEvent::Tripped(trip),
        ),
    }
}

/// At rest: what people say moves the traffic to what is up, though the load asks for more of it; to nothing less than that.
#[test]
fn a_target_that_is_up_takes_over_whatever_the_load_asks_for() {
    for (ready, size, moves, told) in [
        (4, 0, true, None),
        (2, 9, true, Some("2 of the 9 instances")),
        (1, 9, false, None),
        (0, 2, false, None),
    ] {
        let (state, observed) = (at_rest(), sees(ready));
        let decided = [rolled_back(size)];
        let ordered = order(
            &state,
            &observed,
            &service(),
            &Actor::barq(),
            &decided,
            None,
        );
        match ordered {
            Ok(ordered) => {
                assert!(moves, "{ready} of {size}");
                assert_eq!(
                    (ordered.revision, ordered.recall.to),
                    (revision(2), revision(1))
                );
                let short = shortage(&observed, &service(), &decided);
                assert_eq!(short.is_some(), told.is_some());
                assert!(
                    short
                        .unwrap_or_default()
                        .starts_with(told.unwrap_or_default())
                );
            }
            Err(why) => {
                assert!(!moves, "{ready} of {size}: {why}");
                assert!(
                    why.starts_with(&format!("{ready} of the 2 instances")),
                    "{why}"
                );
            }
        }
    }
}

fn service() -> ServiceId {
    "shop-production".parse().unwrap()
}

fn revision(number: u32) -> RevisionName {
    RevisionName {
        service: service(),
        number,
    }
}

fn rollout(number: u32) -> RolloutId {
    format!("shop-{number}-production").parse().unwrap()
}

fn recorded(event: Event) -> Recorded {
    Recorded {
        at: Timestamp::UNIX_EPOCH,
        actor: Actor::barq(),
        event,
    }
}

/// Revision 2 serves, and revision 1 did before.
fn at_rest() -> State {
    let created = ServiceEvent::Created {
        environment: "production".to_owned(),
    };
    let mut events = vec![Event::Service(service(), created)];
    for number in [1, 2] {
        let entry = StepEntry {
            step: 1,
            traffic: 100,
            max_errors: None,
        };
        let steps = [
            RolloutEvent::Started(Box::new(start(number))),
            RolloutEvent::StepEntered(entry),
            RolloutEvent::Succeeded,
        ];
        events.extend(steps.map(|event| Event::Rollout(rollout(number), event)));
    }
    let mut state = State::default();
    for event in events {
        state::apply(&mut state, &recorded(event));
    }
    state
}

fn start(number: u32) -> RolloutStart {
    let configuration = Configuration::parse(FILE, "barq.toml")
        .unwrap()
        .configuration;
    RolloutStart {
        service: service(),
        revision: revision(number),
        image: format!("sha256:{}", number.to_string().repeat(64))
            .parse()
            .unwrap(),
        commit: number.to_string().repeat(40).parse().unwrap(),
        settings: configuration.environment("production").unwrap().clone(),
        health: configuration.health.clone(),
        smoke: configuration.smoke.clone(),
        configuration: "digest".to_owned(),
        branch: "main".to_owned(),
        stable: (number > 1).then(|| revision(number - 1)),
        commits: Vec::new(),
        since: None,
        size: 1,
    }
}

fn sees(ready: u32) -> Observed {
    let seen = RevisionObservation {
        ready,
        total: ready,
        ..RevisionObservation::default()
    };
    let observation = Observation {
        revisions: [(revision(1), seen)].into(),
        ..Observation::default()
    };
    [(service(), observation)].into()
}

fn rolled_back(size: u32) -> Recorded {
    let event = RolloutEvent::RollbackStarted {
        cause: RollbackCause::Manual {
            message: None,
            moved: None,
        },
        to: Some(revision(1)),
        size,
        detected_at: Timestamp::UNIX_EPOCH,
    };
    recorded(Event::Rollout(rollout(2), event))
}
