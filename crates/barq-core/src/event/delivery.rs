//! What happens to a delivery: push, checks, image, gate, end.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::configuration::{Configuration, Role};
use crate::identity::{CommitHash, DeliveryId, ImageDigest, RevisionName};

/// A commit, as git tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// The full hash.
    pub hash: CommitHash,
    /// Git's author; never trusted for permissions.
    pub author_name: String,
    /// Git's author.
    pub author_email: String,
    /// The first line of the message.
    pub subject: String,
    /// The committer's time.
    pub committed_at: Timestamp,
}

/// How a delivery began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Push {
    /// The commit that is delivered: the branch's tip.
    pub commit: Commit,
    /// All commits that came with it, newest first, capped; the tip among them.
    pub commits: Vec<Commit>,
    /// The short name of the branch.
    pub branch: String,
    /// Where the branch pointed before; none for a new branch.
    pub before: Option<CommitHash>,
    /// Whether it goes further than the checks.
    pub delivered: bool,
    /// The configuration in the commit, or why there is none.
    pub configuration: Result<Box<Configuration>, String>,
    /// The delivery that this one tries again.
    pub retry_of: Option<DeliveryId>,
    /// Whether a quarantined release may pass.
    pub forced: bool,
}

/// How a check ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckOutcome {
    /// Exit status 0.
    Passed,
    /// Another exit status.
    Failed {
        /// The status.
        code: i32,
    },
    /// A signal ended it.
    Signalled {
        /// The signal's number.
        signal: i32,
    },
    /// It ran longer than its time-out.
    TimedOut,
    /// The delivery was cancelled.
    Cancelled,
    /// The machine lacks what it requires, or a check that it needs did not pass.
    Skipped {
        /// In words.
        reason: String,
    },
    /// It could not be run.
    Error {
        /// In words.
        reason: String,
    },
}

impl CheckOutcome {
    /// Whether the delivery may go on.
    pub fn allows(&self) -> bool {
        matches!(self, Self::Passed | Self::Skipped { .. })
    }
}

/// What an approval was given for; with anything else it is void.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalBinding {
    /// The image.
    pub image: ImageDigest,
    /// The digest of the configuration of this environment.
    pub configuration: String,
    /// The stable revision that the approver compared with.
    pub stable: Option<RevisionName>,
}

/// What happens to a delivery.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryEvent {
    /// It began.
    Pushed(Box<Push>),
    /// A check runs.
    CheckStarted {
        /// Its name.
        check: String,
    },
    /// A check ended.
    CheckFinished {
        /// Its name.
        check: String,
        /// How.
        outcome: CheckOutcome,
        /// How long it ran, in milliseconds.
        duration_ms: u64,
    },
    /// All checks allow the build.
    BuildStarted,
    /// The image is in the registry.
    ImageBuilt {
        /// Its digest, which goes to every environment.
        image: ImageDigest,
        /// Its size in bytes.
        size_bytes: u64,
        /// How long the build took, in milliseconds.
        duration_ms: u64,
    },
    /// The build of a delivery that ended meanwhile no longer runs.
    BuildStopped,
    /// It wants to enter an environment, and waits for its turn where it must.
    Arrived {
        /// Which.
        environment: String,
    },
    /// It waits for an approval.
    ApprovalAsked {
        /// Which environment it wants to enter.
        environment: String,
        /// The least role.
        role: Role,
        /// When it stops waiting.
        expires_at: Timestamp,
        /// Whether the one who pushed may not approve.
        separate_approver: bool,
        /// Why the rules in force before the commit apply, or why an approval must be given again; one line each.
        reasons: Vec<String>,
    },
    /// Somebody who may agreed.
    Approved {
        /// To what it enters.
        environment: String,
        /// To what exactly.
        binding: ApprovalBinding,
        /// What they said.
        message: Option<String>,
    },
    /// Somebody who may refused.
    Rejected {
        /// What they said.
        message: Option<String>,
    },
    /// Nobody agreed in time.
    Expired,
    /// A newer one took its place.
    Superseded {
        /// Which.
        by: DeliveryId,
    },
    /// It took the place of an older one, which waited there.
    TookThePlace {
        /// Whose.
        of: DeliveryId,
    },
    /// Somebody stopped it.
    Cancelled {
        /// What they said.
        message: Option<String>,
    },
    /// It can't go on.
    Failed {
        /// In words, with what to do.
        reason: String,
    },
    /// It went as far as it should.
    Succeeded,
    /// Its traffic was taken back.
    RolledBack {
        /// Where.
        environment: String,
    },
}

impl DeliveryEvent {
    /// See `Event::kind`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Pushed(_) => "delivery.pushed",
            Self::CheckStarted { .. } => "delivery.check_started",
            Self::CheckFinished { .. } => "delivery.check_finished",
            Self::BuildStarted => "delivery.build_started",
            Self::ImageBuilt { .. } => "delivery.image_built",
            Self::BuildStopped => "delivery.build_stopped",
            Self::Arrived { .. } => "delivery.arrived",
            Self::ApprovalAsked { .. } => "delivery.approval_asked",
            Self::Approved { .. } => "delivery.approved",
            Self::Rejected { .. } => "delivery.rejected",
            Self::Expired => "delivery.expired",
            Self::Superseded { .. } => "delivery.superseded",
            Self::TookThePlace { .. } => "delivery.took_the_place",
            Self::Cancelled { .. } => "delivery.cancelled",
            Self::Failed { .. } => "delivery.failed",
            Self::Succeeded => "delivery.succeeded",
            Self::RolledBack { .. } => "delivery.rolled_back",
        }
    }
}
