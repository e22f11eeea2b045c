//! Journeys of a delivery of `shop`, told event by event.

use barq_core::configuration::{Configuration, Role};
use barq_core::event::{
    Actor, ApprovalBinding, CheckOutcome, Commit, DeliveryEvent, Event, Push, Recorded,
    RolloutEvent, StepEntry,
};
use barq_core::identity::{DeliveryId, RevisionName, RolloutId};
use barq_engine::history::Journey;

use super::{at, configuration, image, revision, start};

pub(in crate::server) fn delivery() -> DeliveryId {
    "shop-3".parse().expect("an id")
}

/// A story, told event by event.
#[derive(Default, Clone)]
pub(in crate::server) struct Story(pub(in crate::server) Vec<Recorded>);

impl Story {
    pub(in crate::server) fn pushed(
        configuration: Result<Configuration, &str>,
        delivered: bool,
    ) -> Self {
        let commit = Commit {
            hash: "b".repeat(40).parse().expect("a hash"),
            author_name: "Ann".to_owned(),
            author_email: String::new(),
            subject: "Be good".to_owned(),
            committed_at: at(0),
        };
        let push = Push {
            commits: vec![commit.clone()],
            commit,
            branch: "main".to_owned(),
            before: None,
            delivered,
            configuration: configuration.map(Box::new).map_err(str::to_owned),
            retry_of: None,
            forced: false,
        };
        Self::default().then(0, DeliveryEvent::Pushed(Box::new(push)))
    }

    pub(in crate::server) fn then(self, second: i64, event: DeliveryEvent) -> Self {
        self.told(second, Event::Delivery(delivery(), event))
    }

    pub(in crate::server) fn rolls(
        self,
        environment: &str,
        second: i64,
        event: RolloutEvent,
    ) -> Self {
        let id = rollout(environment);
        self.told(second, Event::Rollout(id, event))
    }

    pub(in crate::server) fn told(mut self, second: i64, event: Event) -> Self {
        let actor = Actor {
            name: "eve".to_owned(),
            ..Actor::barq()
        };
        let recorded = Recorded {
            at: at(second),
            actor,
            event,
        };
        self.0.push(recorded);
        self
    }

    /// Checks after 12 s, an image after 60 s.
    pub(in crate::server) fn built() -> Self {
        Self::pushed(Ok(configuration()), true)
            .check("unit", 10, CheckOutcome::Passed)
            .check("lint", 12, CheckOutcome::Passed)
            .then(12, DeliveryEvent::BuildStarted)
            .then(60, image_built())
    }

    pub(in crate::server) fn check(self, name: &str, second: i64, outcome: CheckOutcome) -> Self {
        let check = name.to_owned();
        let duration_ms = 1000;
        self.then(
            second,
            DeliveryEvent::CheckFinished {
                check,
                outcome,
                duration_ms,
            },
        )
    }

    pub(in crate::server) fn arrives(self, environment: &str, second: i64) -> Self {
        let environment = environment.to_owned();
        self.then(second, DeliveryEvent::Arrived { environment })
    }

    /// Deployed in 20 s, smoke tests in 5 s.
    pub(in crate::server) fn deployed(self, environment: &str, second: i64) -> Self {
        self.rolls(
            environment,
            second,
            RolloutEvent::Started(Box::new(start(environment))),
        )
        .rolls(
            environment,
            second + 20,
            RolloutEvent::Deployed { ready: 1 },
        )
        .rolls(
            environment,
            second + 25,
            RolloutEvent::SmokePassed { lines: Vec::new() },
        )
    }

    /// Up to the gate of production.
    pub(in crate::server) fn at_the_gate() -> Self {
        let asked = DeliveryEvent::ApprovalAsked {
            environment: "production".to_owned(),
            role: Role::TechLead,
            expires_at: at(90_000),
            separate_approver: false,
            reasons: Vec::new(),
        };
        Self::built()
            .arrives("staging", 60)
            .deployed("staging", 60)
            .rolls("staging", 85, entered(1, 100))
            .rolls("staging", 92, RolloutEvent::Succeeded)
            .arrives("production", 92)
            .then(92, asked)
    }

    /// Approved after 400 s.
    pub(in crate::server) fn approved() -> Self {
        Self::approved_instead_of(Some(revision(2)))
    }

    /// The same, to replace this one.
    pub(in crate::server) fn approved_instead_of(stable: Option<RevisionName>) -> Self {
        let approved = DeliveryEvent::Approved {
            environment: "production".to_owned(),
            binding: ApprovalBinding {
                image: image(),
                configuration: String::new(),
                stable,
            },
            message: None,
        };
        Self::at_the_gate().then(492, approved)
    }

    /// 10 % from second 530 on.
    pub(in crate::server) fn canary() -> Self {
        Self::approved()
            .deployed("production", 492)
            .rolls("production", 530, entered(1, 10))
    }

    /// What the journal would tell of it.
    pub(in crate::server) fn journey(self) -> Journey {
        let events = (1..).zip(self.0).collect();
        Journey::of(&delivery(), events).expect("pushed")
    }
}

fn rollout(environment: &str) -> RolloutId {
    format!("shop-3-{environment}").parse().expect("an id")
}

fn image_built() -> DeliveryEvent {
    DeliveryEvent::ImageBuilt {
        image: image(),
        size_bytes: 1,
        duration_ms: 48_000,
    }
}

pub(in crate::server) fn entered(step: u32, traffic: u8) -> RolloutEvent {
    RolloutEvent::StepEntered(StepEntry {
        step,
        traffic,
        max_errors: None,
    })
}
