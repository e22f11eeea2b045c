//! What happened: the only values of the domain that are stored, hence the ones whose JSON form is stable.
//!
//! An event is a fact: it is applied without asking. A new field needs `#[serde(default)]`, a new meaning a new version
//! of its kind (`Event::version`). Who did it and when stands in `Recorded`, beside the event. Nothing here decides.

mod delivery;
mod incident;
mod rollout;
mod service;

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::configuration::Role;
use crate::effect::EffectKey;
use crate::identity::{AppName, CommitHash, DeliveryId, IncidentId, RolloutId, ServiceId};

pub use delivery::{ApprovalBinding, CheckOutcome, Commit, DeliveryEvent, Push};
pub use incident::{
    EndpointCount, Evidence, FailedRequest, FollowUp, IncidentCause, IncidentEvent,
};
pub use rollout::{
    Counts, DirectReason, Interruption, ProbeLine, RollbackCause, RolloutEvent, RolloutStart,
    StepEntry,
};
pub use service::{
    CanaryPlan, InstanceRange, Lock, Plan, Recall, RecentErrors, ServiceEvent, Share, Trip,
    WatchPlan,
};

/// An event as the journal holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// When it was decided.
    pub at: Timestamp,
    /// Who caused it.
    pub actor: Actor,
    /// What happened.
    pub event: Event,
}

/// Who caused an event or gives a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The token's owner; `barq` for what the product does by itself.
    pub name: String,
    /// What they may do.
    pub role: Role,
}

impl Actor {
    /// The product itself.
    pub fn barq() -> Self {
        Self {
            name: "barq".to_owned(),
            role: Role::Admin,
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.name, self.role)
    }
}

/// Everything that can happen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// To an app's repository.
    App(AppName, AppEvent),
    /// To a delivery.
    Delivery(DeliveryId, DeliveryEvent),
    /// To a rollout.
    Rollout(RolloutId, RolloutEvent),
    /// To a service.
    Service(ServiceId, ServiceEvent),
    /// To an incident.
    Incident(IncidentId, IncidentEvent),
    /// To an effect that did not succeed.
    Effect(EffectEvent),
    /// To the tokens.
    Access(AccessEvent),
}

/// What happens to an app's repository.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppEvent {
    /// The first push created it.
    Created,
    /// A branch or tag was pushed, forced or deleted.
    RefMoved {
        /// The full name, e.g. `refs/heads/main`.
        name: String,
        /// Where it points now; none: deleted.
        to: Option<CommitHash>,
    },
}

/// What happens to an effect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectEvent {
    /// The attempt did not come to a result: the port failed or did not answer in time.
    AttemptFailed {
        /// Which attempt of what.
        key: EffectKey,
        /// In words.
        error: String,
        /// When the next attempt may begin.
        retry_at: Timestamp,
    },
}

/// What happens to the tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessEvent {
    /// A token was made.
    TokenCreated {
        /// Unique among the tokens that are not revoked.
        name: String,
        /// What its owner may do.
        role: Role,
        /// SHA-256 of the token, hexadecimal; the token itself is never stored.
        hash: String,
    },
    /// A token is no longer valid.
    TokenRevoked {
        /// Which.
        name: String,
    },
}

impl Event {
    /// The version of the event's form; older ones are upcast when they are read.
    pub const VERSION: u16 = 1;

    /// What kind of event it is, e.g. `rollout.step_entered`: for filters and for people.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::App(_, event) => match event {
                AppEvent::Created => "app.created",
                AppEvent::RefMoved { .. } => "app.ref_moved",
            },
            Self::Delivery(_, event) => event.kind(),
            Self::Rollout(_, event) => event.kind(),
            Self::Service(_, event) => event.kind(),
            Self::Incident(_, event) => event.kind(),
            Self::Effect(EffectEvent::AttemptFailed { .. }) => "effect.attempt_failed",
            Self::Access(event) => match event {
                AccessEvent::TokenCreated { .. } => "access.token_created",
                AccessEvent::TokenRevoked { .. } => "access.token_revoked",
            },
        }
    }

    /// What it happened to, e.g. `delivery/fleet-3`. A delivery's rollouts share the delivery's subject, so that one
    /// look-up gives the whole journey.
    pub fn subject(&self) -> String {
        match self {
            Self::App(app, _) => format!("app/{app}"),
            Self::Delivery(id, _) => format!("delivery/{id}"),
            Self::Rollout(id, _) => format!("delivery/{}", id.delivery),
            Self::Service(id, _) => format!("service/{id}"),
            Self::Incident(id, _) => format!("incident/{id}"),
            Self::Effect(EffectEvent::AttemptFailed { key, .. }) => key.subject(),
            Self::Access(
                AccessEvent::TokenCreated { name, .. } | AccessEvent::TokenRevoked { name },
            ) => format!("token/{name}"),
        }
    }

    /// Whose it is, where that can be told from the event alone.
    pub fn app(&self) -> Option<&AppName> {
        match self {
            Self::App(app, _) => Some(app),
            Self::Delivery(id, _) => Some(&id.app),
            Self::Rollout(id, _) => Some(&id.delivery.app),
            Self::Incident(id, _) => Some(&id.app),
            Self::Effect(EffectEvent::AttemptFailed { key, .. }) => key.app(),
            Self::Service(..) | Self::Access(_) => None,
        }
    }
}
