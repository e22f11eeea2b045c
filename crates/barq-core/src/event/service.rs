//! What happens to a service: its plans, its locks, and what the node says of them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Actor;
use super::rollout::Counts;
use crate::identity::RevisionName;

/// A revision's share of the traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Whose.
    pub revision: RevisionName,
    /// 1 to 100.
    pub percent: u8,
}

/// The bounds of a revision's instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceRange {
    /// Kept even without requests.
    pub min: u32,
    /// Never exceeded.
    pub max: u32,
}

/// What must be true at the data plane: everything about a service that changes while its revisions don't.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The shares: they sum to 100, or there are none.
    pub traffic: Vec<Share>,
    /// The revisions that are known to the data plane, and their instances.
    pub revisions: Vec<(RevisionName, InstanceRange)>,
    /// The revision on trial.
    pub canary: Option<CanaryPlan>,
    /// The watch on the revision that serves.
    pub watch: Option<WatchPlan>,
    /// The last trip that this plan knows of; 0: none.
    pub last_trip: u64,
}

/// A revision on trial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryPlan {
    /// Which.
    pub revision: RevisionName,
    /// What gets the traffic back.
    pub stable: RevisionName,
    /// From 1.
    pub step: u32,
    /// The entry of the step, from 1.
    pub entry: u32,
    /// The step's limit. None: not armed.
    pub max_errors: Option<u64>,
    /// Only errors of the last so many milliseconds count for it. None: all of the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_ms: Option<u64>,
    /// What was known to be counted in the step when this was planned. The data plane goes on from its own count, which is
    /// exact, and tells what is beyond this.
    #[serde(default)]
    pub counted: Counts,
    /// Those of the errors counted that counted for the limit when they were last looked at. None: nothing was seen yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recent: Option<RecentErrors>,
    /// In milliseconds.
    pub lease_ms: u64,
    /// Whether stable answers in its place.
    pub shield: bool,
}

/// The errors inside the limit's window, and when they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecentErrors {
    /// How many.
    pub errors: u64,
    /// When they were recorded.
    pub at: Timestamp,
}

/// A watch on the revision that serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchPlan {
    /// Which.
    pub revision: RevisionName,
    /// The window, in milliseconds.
    pub window_ms: u64,
    /// So many errors inside it are reported.
    pub max_errors: u64,
}

/// Somebody's word that took a revision's traffic back before it could be recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recall {
    /// Whose.
    pub by: Actor,
    /// Where the traffic is since.
    pub to: RevisionName,
    /// What they said.
    pub message: Option<String>,
    /// The engine's record of the request that it answered; opaque here.
    pub request: Option<String>,
}

/// The tripwire's verdict, or somebody's word in its place, as the node reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trip {
    /// Counts the service's trips from 1.
    pub number: u64,
    /// Whose traffic was taken.
    pub revision: RevisionName,
    /// The generation in force then.
    pub generation: u64,
    /// The step.
    pub step: u32,
    /// The errors that counted for the limit: those of the step inside its window, over all the plans that it had.
    pub errors: u64,
    /// When the deciding error was seen, by the node's clock.
    pub at: Timestamp,
    /// From that error until no further request could start on the canary, in microseconds.
    pub shifted_us: u64,
    /// Requests in flight on the canary at that moment.
    pub in_flight: u64,
    /// The word that it was, where it was no verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recall: Option<Box<Recall>>,
}

/// Why nothing enters an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Who.
    pub by: String,
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub message: String,
}

/// What happens to a service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceEvent {
    /// It is known by name before anything has entered: somebody locked it.
    Created {
        /// The environment's name.
        environment: String,
    },
    /// What must be true at the data plane from now on.
    Planned {
        /// Counts the service's plans from 1; the data plane refuses older ones.
        generation: u64,
        /// The plan.
        plan: Plan,
    },
    /// The data plane has put a plan in force.
    PlanAccepted {
        /// Which.
        generation: u64,
        /// Whether it would survive a restart there.
        durable: bool,
        /// From its arrival until every later request followed it, in microseconds.
        switched_us: u64,
    },
    /// The data plane has another plan in force than the one that it was given last: it is ahead, or it has lost what it
    /// had accepted. It gets a plan that is newer than both.
    GenerationSeen {
        /// The generation in force there.
        generation: u64,
    },
    /// The data plane took a revision's traffic away.
    Tripped(Trip),
    /// Nothing may enter.
    Locked {
        /// Why.
        message: String,
    },
    /// Releases may enter again.
    Unlocked {
        /// Why.
        message: Option<String>,
    },
    /// The revision before is no longer kept warm.
    WarmEnded,
    /// The watch after a rollout is over.
    GuardEnded,
}

impl ServiceEvent {
    /// See `Event::kind`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Created { .. } => "service.created",
            Self::Planned { .. } => "service.planned",
            Self::PlanAccepted { .. } => "service.plan_accepted",
            Self::GenerationSeen { .. } => "service.generation_seen",
            Self::Tripped(_) => "service.tripped",
            Self::Locked { .. } => "service.locked",
            Self::Unlocked { .. } => "service.unlocked",
            Self::WarmEnded => "service.warm_ended",
            Self::GuardEnded => "service.guard_ended",
        }
    }
}
