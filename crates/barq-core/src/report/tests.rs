//! A report of a tripped canary, whole: what people get to read.

use crate::configuration::testing::EXAMPLE;
use crate::configuration::{Configuration, Role};
use crate::event::{
    Actor, Commit, Counts, DeliveryEvent, EndpointCount, Event, Evidence, FailedRequest,
    IncidentCause, IncidentEvent, Push, Recorded, RollbackCause, RolloutEvent, RolloutStart,
    StepEntry, Trip,
};
use crate::identity::{DeliveryId, IncidentId, RolloutId};
use crate::incident::follow_ups;
use crate::report::{Report, Sources, milliseconds, one_line};
use crate::state::{State, apply};
use jiff::{SignedDuration, Timestamp};

fn at(milliseconds: i64) -> Timestamp {
    let start: Timestamp = "2026-03-01T12:00:00Z".parse().expect("a time");
    start + SignedDuration::from_millis(milliseconds)
}

fn commit() -> Commit {
    Commit {
        hash: "1".repeat(40).parse().expect("a hash"),
        author_name: "Ann".to_owned(),
        author_email: "ann@example.com".to_owned(),
        subject: "Count couriers twice".to_owned(),
        committed_at: at(-60_000),
    }
}

fn trip() -> Trip {
    Trip {
        number: 1,
        revision: "fleet-production-00003".parse().expect("a name"),
        generation: 9,
        step: 1,
        errors: 5,
        at: at(61_500),
        shifted_us: 108,
        in_flight: 2,
        recall: None,
    }
}

fn evidence() -> Evidence {
    let endpoint = |endpoint: &str, status, count| EndpointCount {
        method: "GET".to_owned(),
        endpoint: endpoint.to_owned(),
        status,
        count,
    };
    Evidence {
        endpoints: vec![
            endpoint("/api/v1/vehicles", 200, 40),
            endpoint("/api/v1/couriers/{id}", 500, 5),
        ],
        failures: vec![FailedRequest {
            at: at(61_500),
            method: "GET".to_owned(),
            path: "/api/v1/couriers/7".to_owned(),
            status: 500,
            failure: None,
            latency_us: 1_234,
            request_id: "c0ffee".to_owned(),
            shielded: true,
            log_lines: vec!["{\"severity\":\"ERROR\"}".to_owned()],
        }],
        requests: 45,
        errors: 5,
        shielded: 4,
        clients: 12,
        clients_with_errors: 3,
    }
}

fn configuration() -> Configuration {
    let parsed = Configuration::parse(EXAMPLE, "barq.toml");
    parsed.expect("the example is valid").configuration
}

fn push() -> DeliveryEvent {
    DeliveryEvent::Pushed(Box::new(Push {
        commit: commit(),
        commits: vec![commit()],
        branch: "main".to_owned(),
        before: Some("0".repeat(40).parse().expect("a hash")),
        delivered: true,
        configuration: Ok(Box::new(configuration())),
        retry_of: None,
        forced: false,
    }))
}

fn start() -> RolloutStart {
    let configuration = configuration();
    RolloutStart {
        service: "fleet-production".parse().expect("a name"),
        revision: "fleet-production-00003".parse().expect("a name"),
        image: format!("sha256:{}", "a".repeat(64))
            .parse()
            .expect("a digest"),
        commit: commit().hash,
        settings: configuration.environment("production").expect("it").clone(),
        health: configuration.health.clone(),
        smoke: configuration.smoke.clone(),
        configuration: "digest".to_owned(),
        branch: "main".to_owned(),
        stable: Some("fleet-production-00002".parse().expect("a name")),
        commits: vec![commit()],
        since: Some("0".repeat(40).parse().expect("a hash")),
        size: 1,
    }
}

fn opened(rollout: &RolloutId) -> IncidentEvent {
    IncidentEvent::Opened {
        rollout: rollout.clone(),
        service: start().service,
        revision: start().revision,
        cause: Box::new(IncidentCause::Rollback(RollbackCause::Tripped(trip()))),
        follow_ups: follow_ups(at(61_600)),
    }
}

fn rollout_events() -> [(i64, RolloutEvent); 5] {
    let entry = StepEntry {
        step: 1,
        traffic: 10,
        max_errors: Some(5),
    };
    let progress = RolloutEvent::Progressed {
        generation: 9,
        served_ms: 1_000,
        held_ms: 1_000,
        counts: Counts::default(),
        recent_errors: Some(0),
    };
    let back = RolloutEvent::RollbackStarted {
        cause: RollbackCause::Tripped(trip()),
        to: start().stable,
        size: 0,
        detected_at: at(61_500),
    };
    [
        (30_000, RolloutEvent::Started(Box::new(start()))),
        (60_000, RolloutEvent::StepEntered(entry)),
        (61_000, progress),
        (61_600, back),
        (61_650, RolloutEvent::RolledBack { shifted_us: 108 }),
    ]
}

fn events() -> Vec<Recorded> {
    let delivery: DeliveryId = "fleet-3".parse().expect("an id");
    let rollout: RolloutId = "fleet-3-production".parse().expect("an id");
    let incident: IncidentId = "fleet-incident-1".parse().expect("an id");
    let recorded = |milliseconds, name: &str, event| Recorded {
        at: at(milliseconds),
        actor: Actor {
            name: name.to_owned(),
            role: Role::Admin,
        },
        event,
    };
    let mut events = vec![recorded(0, "ann", Event::Delivery(delivery, push()))];
    for (milliseconds, event) in rollout_events() {
        let event = Event::Rollout(rollout.clone(), event);
        events.push(recorded(milliseconds, "barq", event));
    }
    let gathered = IncidentEvent::EvidenceGathered(Box::new(evidence()));
    for (milliseconds, event) in [(61_600, opened(&rollout)), (61_700, gathered)] {
        let event = Event::Incident(incident.clone(), event);
        events.push(recorded(milliseconds, "barq", event));
    }
    events
}

fn report(events: &[Recorded]) -> Report {
    let mut state = State::default();
    for event in events {
        apply(&mut state, event);
    }
    let incident = state.incidents.values().next().expect("an incident");
    Report::new(&Sources {
        incident,
        delivery: state.deliveries.values().next().expect("a delivery"),
        rollout: state.rollout(&incident.rollout).expect("a rollout"),
        events,
        tell: |recorded| recorded.event.kind().to_owned(),
    })
}

#[test]
fn a_tripped_canary_is_reported() {
    insta::assert_snapshot!(report(&events()).to_markdown());
}

#[test]
fn what_is_not_known_is_not_zero() {
    let mut events = events();
    events.pop();
    let report = report(&events);
    assert!(report.blast_radius.is_err());
    assert!(
        report
            .to_markdown()
            .contains("Not known: the node has not been asked yet.")
    );
}

#[test]
fn spans_and_texts_are_short() {
    for (microseconds, expect) in [
        (108, "0.10 ms"),
        (9_999, "9.99 ms"),
        (412_000, "412 ms"),
        (12_000_000, "12 s"),
    ] {
        assert_eq!(milliseconds(microseconds), expect);
    }
    assert_eq!(one_line("one"), "one");
    assert_eq!(one_line("one:\n\ntwo"), "one …");
}
