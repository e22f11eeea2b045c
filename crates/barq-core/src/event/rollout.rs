//! What happens to a rollout: the move of a release into one environment.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::delivery::Commit;
use super::service::Trip;
use crate::configuration::{Environment, Health, Smoke};
use crate::identity::{CommitHash, ImageDigest, RevisionName, ServiceId};

/// Everything that a rollout is made with; it does not change while it runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RolloutStart {
    /// Where to.
    pub service: ServiceId,
    /// The revision that it makes.
    pub revision: RevisionName,
    /// What is rolled out.
    pub image: ImageDigest,
    /// Built from.
    pub commit: CommitHash,
    /// The environment's settings, pinned.
    pub settings: Environment,
    /// The probes, pinned.
    pub health: Health,
    /// The smoke tests, pinned.
    pub smoke: Smoke,
    /// The digest of the configuration; with the image's it names what a quarantine stops.
    pub configuration: String,
    /// The branch that was delivered: part of the rules in force once this rollout has succeeded.
    pub branch: String,
    /// What serves now.
    pub stable: Option<RevisionName>,
    /// What comes with it: the commits since the one that serves, newest first, capped.
    #[serde(default)]
    pub commits: Vec<Commit>,
    /// The commit that serves.
    #[serde(default)]
    pub since: Option<CommitHash>,
    /// How many instances the new revision is deployed with.
    pub size: u32,
}

/// A check of health, smoke or version, as evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeLine {
    /// E.g. `GET /health/ready`.
    pub what: String,
    /// Whether it was as it should be.
    pub passed: bool,
    /// What was seen.
    pub detail: String,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

/// Why a rollout goes from its smoke tests straight to all traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DirectReason {
    /// There is no revision to compare with or to go back to.
    NoStable,
    /// The revision that serves is not fit to go back to.
    StableNotReady {
        /// What was seen, one line each.
        failures: Vec<String>,
    },
}

/// A step is entered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepEntry {
    /// From 1.
    pub step: u32,
    /// Percent of the traffic.
    pub traffic: u8,
    /// The step's whole limit.
    pub max_errors: Option<u32>,
}

/// What the node counted for the canary in the present step, over all its entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// First attempts routed to the canary.
    pub requests: u64,
    /// Errors among them.
    pub errors: u64,
    /// Errors that stable answered in the canary's place.
    pub shielded: u64,
    /// Requests of stable in the same time.
    pub stable_requests: u64,
    /// Errors among those.
    pub stable_errors: u64,
}

impl Counts {
    /// The sum, field by field.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            errors: self.errors + other.errors,
            shielded: self.shielded + other.shielded,
            stable_requests: self.stable_requests + other.stable_requests,
            stable_errors: self.stable_errors + other.stable_errors,
        }
    }
}

/// Why a canary lost its traffic with no verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interruption {
    /// The server did not renew the lease in time.
    LeaseExpired,
    /// The node restarted.
    NodeRestarted,
}

/// Why the traffic is taken back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RollbackCause {
    /// The limit was reached; the node had moved the traffic already.
    Tripped(Trip),
    /// The version that serves is not the one deployed, or it is not healthy.
    VerificationFailed {
        /// What was seen.
        lines: Vec<ProbeLine>,
    },
    /// The canary could not be brought to the size of its next share, or its instances fail.
    NotReady {
        /// What was seen.
        reason: String,
    },
    /// The canary lost its traffic too often with no verdict.
    Interrupted {
        /// How the last time.
        interruption: Interruption,
        /// How often.
        times: u32,
    },
    /// Somebody asked for the rollback.
    Manual {
        /// What they said.
        message: Option<String>,
        /// Where it could not be recorded at once: how the traffic moved nevertheless.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        moved: Option<Box<Trip>>,
    },
    /// Somebody stopped the rollout.
    Aborted {
        /// What they said.
        message: Option<String>,
    },
    /// The guard's limit was reached after the rollout.
    Guard {
        /// Errors in its window.
        errors: u64,
    },
}

impl RollbackCause {
    /// Whether the release must not come back without `--force`.
    pub fn quarantines(&self) -> bool {
        match self {
            Self::Tripped(_)
            | Self::VerificationFailed { .. }
            | Self::NotReady { .. }
            | Self::Manual { .. }
            | Self::Guard { .. } => true,
            Self::Interrupted { .. } | Self::Aborted { .. } => false,
        }
    }

    /// Whether it is worth waking somebody: everything but a deliberate abort.
    pub fn opens_incident(&self) -> bool {
        !matches!(self, Self::Aborted { .. })
    }
}

/// What happens to a rollout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RolloutEvent {
    /// The new revision is deployed at 0 %.
    Started(Box<RolloutStart>),
    /// Its instances are ready.
    Deployed {
        /// How many.
        ready: u32,
    },
    /// Its smoke tests passed.
    SmokePassed {
        /// What was seen.
        lines: Vec<ProbeLine>,
    },
    /// The revision to go back to answers now, at its size.
    TargetProven {
        /// The instances that it needs for all traffic.
        size: u32,
    },
    /// The revision to go back to answered that it is not fit for it; it is asked again.
    TargetUnfit {
        /// What was not as it should be, one line each.
        failures: Vec<String>,
        /// When it may be asked again.
        retry_at: Timestamp,
    },
    /// There is nothing to go back to: no canary, straight to 100 %.
    WentDirect(DirectReason),
    /// Before a step: the canary grows to the size of its share.
    StepPrepared {
        /// From 1.
        step: u32,
        /// Instances.
        size: u32,
    },
    /// The traffic moves.
    StepEntered(StepEntry),
    /// What was seen since.
    Progressed {
        /// The generation that the counts are of.
        generation: u64,
        /// Time that the canary was served in this generation, in milliseconds.
        served_ms: u64,
        /// Time credited to the step's hold so far, in milliseconds; less than served where it was paused.
        held_ms: u64,
        /// Counted in the step beyond what this generation's plan names.
        counts: Counts,
        /// The errors that count for the limit: those inside its window. None in records of a time when all did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        recent_errors: Option<u64>,
    },
    /// The canary lost its traffic with no verdict.
    Interrupted(Interruption),
    /// The step's hold is over within its limit.
    StepPassed {
        /// From 1.
        step: u32,
    },
    /// The hold's clock stands still.
    Paused,
    /// It goes on.
    Resumed,
    /// Somebody went on before the hold was over.
    Promoted {
        /// Straight to 100 %.
        full: bool,
    },
    /// The version served through the public ingress is the one deployed, and healthy.
    Verified {
        /// What was seen.
        lines: Vec<ProbeLine>,
    },
    /// The last verification was not as it should be; it is tried again.
    VerificationRetried {
        /// What was seen.
        lines: Vec<ProbeLine>,
        /// When it may be tried again.
        retry_at: Timestamp,
    },
    /// All traffic goes back.
    RollbackStarted {
        /// Why.
        cause: RollbackCause,
        /// To what; none where nothing was there before.
        to: Option<RevisionName>,
        /// Instances that it must have before it gets traffic; 0: it is ready now.
        size: u32,
        /// When the reason was seen.
        detected_at: Timestamp,
    },
    /// The revision to go back to is ready: now the traffic moves.
    RollbackPrepared,
    /// All traffic is back.
    RolledBack {
        /// From the detection (or the command) until no further request started on the bad revision, in microseconds.
        shifted_us: u64,
    },
    /// The revision to go back to did not become ready: the traffic stays where it is.
    RollbackAbandoned {
        /// In words.
        reason: String,
    },
    /// It ended with nothing shifted.
    Failed {
        /// In words.
        reason: String,
    },
    /// Somebody stopped it, and the traffic is where it was before.
    Aborted,
    /// The new revision is stable.
    Succeeded,
    /// After success: the guard's limit was reached.
    GuardExceeded {
        /// Errors in its window.
        errors: u64,
    },
}

impl RolloutEvent {
    /// See `Event::kind`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Started(_) => "rollout.started",
            Self::Deployed { .. } => "rollout.deployed",
            Self::SmokePassed { .. } => "rollout.smoke_passed",
            Self::TargetProven { .. } => "rollout.target_proven",
            Self::TargetUnfit { .. } => "rollout.target_unfit",
            Self::WentDirect(_) => "rollout.went_direct",
            Self::StepPrepared { .. } => "rollout.step_prepared",
            Self::StepEntered(_) => "rollout.step_entered",
            Self::Progressed { .. } => "rollout.progressed",
            Self::Interrupted(_) => "rollout.interrupted",
            Self::StepPassed { .. } => "rollout.step_passed",
            Self::Paused => "rollout.paused",
            Self::Resumed => "rollout.resumed",
            Self::Promoted { .. } => "rollout.promoted",
            Self::Verified { .. } => "rollout.verified",
            Self::VerificationRetried { .. } => "rollout.verification_retried",
            Self::RollbackStarted { .. } => "rollout.rollback_started",
            Self::RollbackPrepared => "rollout.rollback_prepared",
            Self::RolledBack { .. } => "rollout.rolled_back",
            Self::RollbackAbandoned { .. } => "rollout.rollback_abandoned",
            Self::Failed { .. } => "rollout.failed",
            Self::Aborted => "rollout.aborted",
            Self::Succeeded => "rollout.succeeded",
            Self::GuardExceeded { .. } => "rollout.guard_exceeded",
        }
    }
}
