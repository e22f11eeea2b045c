//! What of a decided rollback can be done before it is recorded; the whole way is in the simulation.

use barq_core::configuration::Role;
use barq_core::event::{Actor, Event, Recall, Recorded, ServiceEvent, Trip};
use jiff::Timestamp;

use super::request;
use crate::journal::IdempotencyRecord;

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
