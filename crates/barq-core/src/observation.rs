//! What the data plane sees now: an argument to decisions, never stored as such.
//!
//! Only what a decision needs; numbers for people (latency, responses by class) go past the core.

use std::collections::BTreeMap;

use crate::event::{Counts, Trip};
use crate::identity::{RevisionName, ServiceId};

/// The latest observation of each service.
pub type Observed = BTreeMap<ServiceId, Observation>;

/// What the data plane sees of one service.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observation {
    /// The generation in force; 0: it knows nothing of the service.
    pub generation: u64,
    /// The last trip, if there ever was one.
    pub trip: Option<Trip>,
    /// The canary of the configuration in force.
    pub canary: Option<CanaryObservation>,
    /// By revision.
    pub revisions: BTreeMap<RevisionName, RevisionObservation>,
    /// Errors in the watch's window when its limit was reached under the configuration in force.
    pub watch_exceeded: Option<u64>,
}

/// What the data plane sees of a canary.
#[derive(Debug, Clone, PartialEq)]
pub struct CanaryObservation {
    /// How it stands.
    pub state: CanaryState,
    /// How long it had its share and a ready instance since the generation in force, in milliseconds.
    pub served_ms: u64,
    /// What was counted in its step, beyond what the plan in force names.
    pub counts: Counts,
    /// The errors that count for the step's limit now: those inside its window.
    pub recent_errors: u64,
}

/// How a canary stands at the data plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CanaryState {
    /// It has its share.
    Serving,
    /// It tripped.
    Tripped,
    /// Its lease ran out.
    LeaseExpired,
    /// The node restarted.
    Suspended,
}

/// What the data plane sees of a revision.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RevisionObservation {
    /// Instances that get requests.
    pub ready: u32,
    /// Instances that run.
    pub total: u32,
    /// Instances that the load asks for.
    pub desired: u32,
    /// Starts in a row that failed.
    pub failed_starts: u32,
    /// The last failure, in words.
    pub last_failure: Option<String>,
}
