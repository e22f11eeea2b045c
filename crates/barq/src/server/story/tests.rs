//! The lines read as people want them.

use barq_core::configuration::Role;
use barq_core::event::{
    Actor, CheckOutcome, Counts, DeliveryEvent, Interruption, RollbackCause, RolloutEvent,
    StepEntry, Trip,
};
use barq_core::identity::{DeliveryId, RolloutId};

use super::*;

fn told(event: Event) -> String {
    tell(&Recorded {
        at: Timestamp::UNIX_EPOCH,
        actor: Actor::barq(),
        event,
    })
}

fn delivery(event: DeliveryEvent) -> String {
    let id: DeliveryId = "shop-3".parse().expect("an id");
    told(Event::Delivery(id, event))
}

fn rollout(event: RolloutEvent) -> String {
    let id: RolloutId = "shop-3-production".parse().expect("an id");
    told(Event::Rollout(id, event))
}

#[test]
fn a_delivery_is_told() {
    let finished = |outcome, duration_ms| {
        delivery(DeliveryEvent::CheckFinished {
            check: "lint".to_owned(),
            outcome,
            duration_ms,
        })
    };
    let lines = [
        finished(CheckOutcome::Passed, 12_340),
        finished(CheckOutcome::Failed { code: 3 }, 50),
        finished(
            CheckOutcome::Skipped {
                reason: "no container engine".to_owned(),
            },
            0,
        ),
        delivery(DeliveryEvent::Approved {
            environment: "production".to_owned(),
            binding: barq_core::event::ApprovalBinding {
                image: format!("sha256:{}", "a".repeat(64))
                    .parse()
                    .expect("a digest"),
                configuration: String::new(),
                stable: None,
            },
            message: Some("looks good".to_owned()),
        }),
        delivery(DeliveryEvent::Failed {
            reason: "barq.toml:\n  line 3".to_owned(),
        }),
        delivery(DeliveryEvent::Superseded {
            by: "shop-4".parse().expect("an id"),
        }),
        delivery(DeliveryEvent::TookThePlace {
            of: "shop-2".parse().expect("an id"),
        }),
    ];
    insta::assert_snapshot!(lines.join("\n"), @r"
    check lint passed after 12 s
    check lint failed with status 3 after 50 ms
    check lint was skipped: no container engine
    approved for production: looks good
    failed: barq.toml …
    shop-4 took its place
    took the place of shop-2, which waited
    ");
}

#[test]
fn a_rollout_is_told() {
    let trip = Trip {
        number: 1,
        revision: "shop-production-00003".parse().expect("a name"),
        generation: 7,
        step: 1,
        errors: 5,
        at: Timestamp::UNIX_EPOCH,
        shifted_us: 108,
        in_flight: 2,
        recall: None,
    };
    let lines = [
        rollout(RolloutEvent::StepEntered(StepEntry {
            step: 1,
            traffic: 10,
            max_errors: Some(5),
        })),
        rollout(RolloutEvent::Progressed {
            generation: 7,
            served_ms: 30_000,
            held_ms: 30_000,
            counts: Counts {
                requests: 120,
                errors: 1,
                shielded: 1,
                stable_requests: 1080,
                stable_errors: 0,
            },
            recent_errors: Some(1),
        }),
        rollout(RolloutEvent::Interrupted(Interruption::LeaseExpired)),
        rollout(RolloutEvent::RollbackStarted {
            cause: RollbackCause::Tripped(trip),
            to: Some("shop-production-00002".parse().expect("a name")),
            size: 0,
            detected_at: Timestamp::UNIX_EPOCH,
        }),
        rollout(RolloutEvent::RolledBack { shifted_us: 108 }),
    ];
    insta::assert_snapshot!(lines.join("\n"), @r"
    production: step 1: 10 % of the traffic; error 5 takes it back
    production: 120 requests, 1 error (1 answered by stable) on the canary, held for 30 s
    production: the lease ran out: the step is entered again
    production: back to shop-production-00002: the tripwire tripped at error 5 of step 1, with 2 requests in flight
    production: rolled back: all traffic moved in 0.10 ms
    ");
}

#[test]
fn a_token_is_told_without_its_hash() {
    let line = told(Event::Access(AccessEvent::TokenCreated {
        name: "ci".to_owned(),
        role: Role::Operator,
        hash: "secret".to_owned(),
    }));
    assert_eq!(line, "the token ci was made, with the role operator");
}
