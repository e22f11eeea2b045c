//! `shop`, and a rollout of it into production as events make it, for the tests of what is shown of them.

pub(super) mod journey;

use barq_core::configuration::Configuration;
use barq_core::event::{
    Actor, Counts, Event, Recorded, RollbackCause, RolloutEvent, RolloutStart, ServiceEvent,
    StepEntry, Trip,
};
use barq_core::identity::{ImageDigest, RevisionName, RolloutId, ServiceId};
use barq_core::state::{self, State};
use jiff::Timestamp;

/// Two steps with a hold of five minutes, then 100 %.
const FILE: &str = r#"
service = "shop"
[[check]]
name = "unit"
run = "true"
[[check]]
name = "lint"
run = "true"
[build]
run = "true"
files = { "app" = "app" }
command = ["./app"]
[environments.production]
steps = [
  { traffic = 10, hold = "5m", max_errors = 5 },
  { traffic = 50, hold = "5m", max_errors = 10 },
  { traffic = 100 },
]
"#;

/// What its commits say of it: staging at once, and these steps in production.
pub(super) fn configuration() -> Configuration {
    let parsed = Configuration::parse(FILE, "barq.toml").expect("a valid file");
    parsed.configuration
}

/// The service that the rollout is of.
pub(super) fn service() -> ServiceId {
    service_in("production")
}

/// One of its revisions; 2 is stable, 3 the canary.
pub(super) fn revision(number: u32) -> RevisionName {
    RevisionName {
        service: service(),
        number,
    }
}

/// The image of the revision on trial.
pub(super) fn image() -> ImageDigest {
    format!("sha256:{}", "a".repeat(64))
        .parse()
        .expect("a digest")
}

/// The rollout.
pub(super) fn rollout() -> RolloutId {
    "shop-3-production".parse().expect("a rollout")
}

/// Seconds after noon of a day.
pub(super) fn at(second: i64) -> Timestamp {
    let noon: Timestamp = "2026-03-01T12:00:00Z".parse().expect("a time");
    Timestamp::from_second(noon.as_second() + second).expect("a time")
}

/// The state after the rollout's events, each at a second; it was started at noon.
pub(super) fn state_after(events: &[(i64, RolloutEvent)]) -> State {
    let created = ServiceEvent::Created {
        environment: "production".to_owned(),
    };
    let started = RolloutEvent::Started(Box::new(start("production")));
    let mut state = State::default();
    let mut apply = |at, event| {
        let actor = Actor::barq();
        state::apply(&mut state, &Recorded { at, actor, event });
    };
    apply(at(0), Event::Service(service(), created));
    apply(at(0), Event::Rollout(rollout(), started));
    for (second, event) in events {
        apply(at(*second), Event::Rollout(rollout(), event.clone()));
    }
    state
}

/// The rollout enters a step.
pub(super) fn entered(step: u32, traffic: u8, max_errors: u32) -> RolloutEvent {
    RolloutEvent::StepEntered(StepEntry {
        step,
        traffic,
        max_errors: Some(max_errors),
    })
}

/// So much was counted in the step, and credited to its hold.
pub(super) fn progressed(held_s: u64, requests: u64, errors: u64) -> RolloutEvent {
    RolloutEvent::Progressed {
        generation: 1,
        served_ms: held_s * 1000,
        held_ms: held_s * 1000,
        counts: Counts {
            requests,
            errors,
            ..Counts::default()
        },
        recent_errors: Some(errors),
    }
}

/// The tripwire took the traffic back at a second.
pub(super) fn tripped(second: i64, errors: u64) -> RolloutEvent {
    RolloutEvent::RollbackStarted {
        cause: RollbackCause::Tripped(Trip {
            number: 1,
            revision: revision(3),
            generation: 2,
            step: 1,
            errors,
            at: at(second),
            shifted_us: 1234,
            in_flight: 2,
            recall: None,
        }),
        to: Some(revision(2)),
        size: 0,
        detected_at: at(second),
    }
}

/// What a rollout of revision 3 beside revision 2 begins with.
pub(super) fn start(environment: &str) -> RolloutStart {
    let configuration = configuration();
    let service = service_in(environment);
    let revision = |number| RevisionName {
        service: service.clone(),
        number,
    };
    RolloutStart {
        revision: revision(3),
        image: image(),
        commit: "b".repeat(40).parse().expect("a hash"),
        settings: configuration.environment(environment).expect("it").clone(),
        health: configuration.health.clone(),
        smoke: configuration.smoke.clone(),
        configuration: "digest".to_owned(),
        branch: "main".to_owned(),
        stable: Some(revision(2)),
        service,
        commits: Vec::new(),
        since: None,
        size: 1,
    }
}

fn service_in(environment: &str) -> ServiceId {
    format!("shop-{environment}").parse().expect("a service")
}
