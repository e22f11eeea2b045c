//! A delivery: the journey of one commit through checks, image, and one environment after the other.
//!
//! ```text
//! Checking → Building → (Entering ⇄ AwaitingApproval → RollingOut)* → Ended
//! ```
//! Here are the state and how events change it; `decide` has the rules. It must not know how a rollout proceeds.

mod apply;

use jiff::Timestamp;

use crate::configuration::{Configuration, PRODUCTION, Role};
use crate::event::{Actor, ApprovalBinding, CheckOutcome, Push};
use crate::identity::{DeliveryId, ImageDigest};

pub use apply::apply;

/// A delivery's state.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// How it began.
    pub push: Push,
    /// Who pushed: the token's owner.
    pub pushed_by: Actor,
    /// Where it stands.
    pub phase: Phase,
    /// Since when it stands there.
    pub phase_since: Timestamp,
    /// The checks, in file order.
    pub checks: Vec<CheckState>,
    /// When the build began, if it did.
    pub build_started: Option<Timestamp>,
    /// How long the build took, in milliseconds.
    pub build_ms: Option<u64>,
    /// What was built.
    pub image: Option<ImageDigest>,
    /// The approval that was given last, and by whom.
    pub approval: Option<Approval>,
    /// The environments that it was rolled out to, in order.
    pub entered: Vec<String>,
    /// Whether the build must be stopped.
    pub build_stopped: bool,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// Where a delivery stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    /// Its checks run.
    Checking,
    /// Its image is built.
    Building,
    /// It wants to enter an environment.
    Entering {
        /// Which.
        environment: String,
    },
    /// Somebody must agree first.
    AwaitingApproval(Gate),
    /// It is rolled out.
    RollingOut {
        /// Where.
        environment: String,
    },
    /// Nothing more will happen by itself.
    Ended(End),
}

/// What an approval is needed for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// To enter which environment.
    pub environment: String,
    /// The least role of the approver.
    pub role: Role,
    /// When it stops waiting.
    pub expires_at: Timestamp,
    /// Whether the one who pushed may not approve.
    pub separate_approver: bool,
    /// Why the rules in force before the commit apply, or why an approval must be given again.
    pub reasons: Vec<String>,
}

/// How a delivery ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It went as far as it should.
    Succeeded,
    /// It could not go on.
    Failed {
        /// In words.
        reason: String,
    },
    /// Its traffic was taken back.
    RolledBack {
        /// Where.
        environment: String,
    },
    /// Somebody refused.
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
    /// Somebody stopped it.
    Cancelled {
        /// What they said.
        message: Option<String>,
    },
}

/// An approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// To enter which environment.
    pub environment: String,
    /// For what exactly.
    pub binding: ApprovalBinding,
    /// By whom.
    pub by: Actor,
    /// When.
    pub at: Timestamp,
    /// What they said.
    pub message: Option<String>,
}

/// A check's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckState {
    /// Its name.
    pub name: String,
    /// When it began to run.
    pub started_at: Option<Timestamp>,
    /// How it ended, and after how many milliseconds.
    pub finished: Option<(CheckOutcome, u64)>,
    /// Whether it was cancelled with the delivery and may run all the same: it had been asked for.
    pub to_stop: bool,
}

impl CheckState {
    /// The state's name in the API (architecture section 8).
    pub fn state_name(&self) -> &'static str {
        match (&self.finished, self.started_at) {
            (None, None) => "queued",
            (None, Some(_)) => "running",
            (Some((outcome, _)), _) => match outcome {
                CheckOutcome::Passed => "passed",
                CheckOutcome::Failed { .. }
                | CheckOutcome::Signalled { .. }
                | CheckOutcome::Error { .. } => "failed",
                CheckOutcome::TimedOut => "timed_out",
                CheckOutcome::Cancelled => "cancelled",
                CheckOutcome::Skipped { .. } => "skipped",
            },
        }
    }
}

impl Delivery {
    /// The configuration that it was pushed with.
    pub fn configuration(&self) -> Option<&Configuration> {
        self.push.configuration.as_deref().ok()
    }

    /// Whether nothing more will happen by itself.
    pub fn ended(&self) -> bool {
        matches!(self.phase, Phase::Ended(_))
    }

    /// The check of that name.
    pub fn check(&self, name: &str) -> Option<&CheckState> {
        self.checks.iter().find(|check| check.name == name)
    }

    /// The unfinished checks that nothing holds back, while checks run.
    pub(crate) fn asked_checks(&self) -> impl Iterator<Item = &str> {
        let checking = self
            .configuration()
            .filter(|_| self.phase == Phase::Checking);
        let passed = |name: &String| {
            self.check(name)
                .and_then(|check| check.finished.as_ref())
                .is_some_and(|(outcome, _)| *outcome == CheckOutcome::Passed)
        };
        checking
            .into_iter()
            .flat_map(|configuration| &configuration.checks)
            .filter(move |check| check.needs.iter().all(passed))
            .filter(|check| {
                self.check(&check.name)
                    .is_some_and(|state| state.finished.is_none())
            })
            .map(|check| check.name.as_str())
    }

    /// The checks that an ended delivery may have left running.
    pub(crate) fn checks_to_stop(&self) -> impl Iterator<Item = &CheckState> {
        self.checks
            .iter()
            .filter(|check| check.finished.is_none() || check.to_stop)
    }

    /// Whether an ended delivery may have left its build running.
    pub(crate) fn build_to_stop(&self) -> bool {
        self.build_started.is_some() && self.build_ms.is_none() && !self.build_stopped
    }

    /// Why it could not go on, for people; none where it did.
    pub fn failure(&self) -> Option<&str> {
        match &self.phase {
            Phase::Ended(End::Failed { reason }) => Some(reason),
            _ => None,
        }
    }

    /// The environment after the last one that it was rolled out to.
    pub fn next_environment(&self) -> Option<&str> {
        let configuration = self.configuration()?;
        configuration
            .environments
            .get(self.entered.len())
            .map(|environment| environment.name.as_str())
    }

    /// The state's name in the API (architecture section 8).
    pub fn state_name(&self) -> &'static str {
        match &self.phase {
            Phase::Checking => "checking",
            Phase::Building => "building",
            Phase::Entering { environment } | Phase::RollingOut { environment } => {
                if environment == PRODUCTION {
                    "production"
                } else {
                    "staging"
                }
            }
            Phase::AwaitingApproval(_) => "awaiting_approval",
            Phase::Ended(end) => match end {
                End::Succeeded => "succeeded",
                End::Failed { .. } => "failed",
                End::RolledBack { .. } => "rolled_back",
                End::Rejected { .. } => "rejected",
                End::Expired => "expired",
                End::Superseded { .. } => "superseded",
                End::Cancelled { .. } => "cancelled",
            },
        }
    }
}
