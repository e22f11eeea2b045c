//! A rollout: the move of a release into one environment, step by step, and back the moment it is bad.
//!
//! ```text
//! Deploying → SmokeTesting → ProvingTarget → (Preparing → Holding)* → Verifying → Succeeded
//!     └──────────┴───────────────┴─▶ Failed        └──────┴────────────┴─▶ RollingBack → RolledBack | Aborted
//! ```
//! A rollout that has succeeded can still be rolled back, by people or by the guard. Here are the state and how events
//! change it; `decide` has the rules. It must not know of other rollouts, of deliveries or of approvals.

mod apply;

use jiff::Timestamp;

use crate::configuration::Step;
use crate::event::{Counts, DirectReason, ProbeLine, RecentErrors, RollbackCause, RolloutStart};
use crate::identity::{RevisionName, RolloutId};

pub use apply::apply;

/// How often a step may be entered: an expired lease is no verdict, but neither may it go on for ever (architecture
/// section 3: "at most 3 times" again).
pub const STEP_ENTRIES_MAX: u32 = 4;
/// How often stable may answer that it is not fit to go back to before the rollout goes on without a canary.
pub const UNFIT_ANSWERS_MAX: u32 = 5;

/// A rollout's state.
#[derive(Debug, Clone, PartialEq)]
pub struct Rollout {
    /// Its id.
    pub id: RolloutId,
    /// What it was made with.
    pub start: RolloutStart,
    /// Where it stands.
    pub phase: Phase,
    /// Since when it stands there.
    pub phase_since: Timestamp,
    /// The present step, from 1; 0 before the first.
    pub step: u32,
    /// The present step's progress.
    pub progress: StepProgress,
    /// Instances that the new revision must have now.
    pub size: u32,
    /// Instances that stable had when it was proven: its full size.
    pub stable_size: u32,
    /// How often stable answered that it is not fit to go back to.
    pub target_unfit: u32,
    /// Why there was no canary, if there was none.
    pub direct: Option<DirectReason>,
    /// What the smoke tests saw.
    pub smoke: Vec<ProbeLine>,
    /// What the last verification saw.
    pub verification: Vec<ProbeLine>,
    /// Since when the hold's clock stands still.
    pub paused: Option<Timestamp>,
    /// Somebody asked to go to 100 % without the steps between.
    pub full: bool,
    /// Whether traffic ever moved to the new revision.
    pub moved: bool,
    /// Whether it had succeeded before it was rolled back.
    pub was_stable: bool,
    /// The rollback, if there was one.
    pub rollback: Option<RollbackRecord>,
    /// Why it failed, if it did.
    pub failure: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// Where a rollout stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    /// The new revision's instances start.
    Deploying,
    /// It is tested at 0 %.
    SmokeTesting,
    /// The revision to go back to is asked.
    ProvingTarget,
    /// The canary grows to the size of a step, whose number is given.
    Preparing {
        /// From 1.
        step: u32,
    },
    /// A step's traffic is on the canary.
    Holding,
    /// All traffic is on the new revision; the version served is asked.
    Verifying {
        /// From 1.
        round: u32,
        /// Not before.
        retry_at: Option<Timestamp>,
    },
    /// The new revision is stable.
    Succeeded,
    /// The traffic goes back.
    RollingBack(Rollback),
    /// It is back.
    RolledBack,
    /// It ended with nothing shifted.
    Failed,
    /// Somebody stopped it.
    Aborted,
}

/// A rollback on its way.
#[derive(Debug, Clone, PartialEq)]
pub struct Rollback {
    /// To what; none where nothing was there before.
    pub to: Option<RevisionName>,
    /// Instances that it must have first.
    pub size: u32,
    /// Whether it has them: only then does the traffic move.
    pub prepared: bool,
}

/// A rollback, as people want to know of it.
#[derive(Debug, Clone, PartialEq)]
pub struct RollbackRecord {
    /// Why.
    pub cause: RollbackCause,
    /// To what.
    pub to: Option<RevisionName>,
    /// When the reason was seen.
    pub detected_at: Timestamp,
    /// When it was decided.
    pub decided_at: Timestamp,
    /// From the detection until no request started on the bad revision any more, in microseconds; none while under way.
    pub shifted_us: Option<u64>,
}

/// How far the present step is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StepProgress {
    /// How often it was entered, from 1.
    pub entry: u32,
    /// Known to be counted in this step when the present generation was planned; the plan names it.
    pub before: Counts,
    /// Counted beyond that, as last recorded.
    pub counts: Counts,
    /// The errors that counted for the limit when the present generation was planned; the plan names them.
    pub recent_before: Option<RecentErrors>,
    /// The errors that count for the limit, as last recorded.
    pub recent: Option<RecentErrors>,
    /// Served under the present one, in milliseconds, as last recorded: the node's clock.
    pub served_ms: u64,
    /// Credited to the hold over all entries, in milliseconds.
    pub held_ms: u64,
    /// When that was recorded.
    pub recorded_at: Option<Timestamp>,
}

impl Rollout {
    /// The step that the rollout is in, or prepares for as the first.
    pub fn present_step(&self) -> Option<&Step> {
        self.start
            .settings
            .steps
            .get((self.step as usize).checked_sub(1)?)
    }

    /// Percent of the traffic that the new revision should have.
    pub fn traffic(&self) -> u8 {
        match &self.phase {
            Phase::Deploying | Phase::SmokeTesting | Phase::ProvingTarget => 0,
            Phase::Preparing { .. } | Phase::Holding => {
                self.present_step().map_or(0, |step| step.traffic)
            }
            Phase::Verifying { .. } | Phase::Succeeded => 100,
            Phase::RollingBack(rollback) if rollback.prepared => 0,
            Phase::RollingBack(_) if self.was_stable => 100,
            Phase::RollingBack(_) | Phase::RolledBack | Phase::Failed | Phase::Aborted => 0,
        }
    }

    /// What was counted in the present step over all its entries.
    pub fn counts(&self) -> Counts {
        self.progress.before.plus(self.progress.counts)
    }

    /// The errors that counted for the present step's limit when that was last recorded: those inside its window.
    pub fn recent_errors(&self) -> u64 {
        self.progress.recent.map_or(0, |recent| recent.errors)
    }

    /// Whether nothing more will happen by itself.
    pub fn ended(&self) -> bool {
        match self.phase {
            Phase::Succeeded | Phase::RolledBack | Phase::Failed | Phase::Aborted => true,
            Phase::Deploying
            | Phase::SmokeTesting
            | Phase::ProvingTarget
            | Phase::Preparing { .. }
            | Phase::Holding
            | Phase::Verifying { .. }
            | Phase::RollingBack(_) => false,
        }
    }

    /// The state's name in the API (architecture section 8).
    pub fn state_name(&self) -> &'static str {
        if self.paused.is_some() && !self.ended() {
            return "paused";
        }
        match &self.phase {
            Phase::Deploying => "deploying",
            Phase::SmokeTesting => "smoke_testing",
            Phase::ProvingTarget | Phase::Preparing { .. } => "promoting",
            Phase::Holding => "canary",
            Phase::Verifying { .. } => "verifying",
            Phase::Succeeded => "succeeded",
            Phase::RollingBack(_) => "rolling_back",
            Phase::RolledBack => "rolled_back",
            Phase::Failed => "failed",
            Phase::Aborted => "aborted",
        }
    }

    /// How many instances the rollout needs of a revision, where it has a say.
    pub(crate) fn wants_instances(&self, name: &RevisionName) -> Option<u32> {
        if let Phase::RollingBack(rollback) = &self.phase {
            if rollback.to.as_ref() == Some(name) {
                return Some(rollback.size.max(self.stable_size));
            }
            // The bad revision keeps its instances until the traffic has left it.
            return (*name == self.start.revision && !rollback.prepared).then_some(self.size);
        }
        if self.ended() {
            return None;
        }
        if *name == self.start.revision {
            return Some(self.size);
        }
        (self.start.stable.as_ref() == Some(name)).then_some(self.stable_size)
    }
}
