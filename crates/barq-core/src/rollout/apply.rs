//! How events change a rollout. Total: an event that does not fit the state was never decided, so it changes only what it
//! says. The same code runs live and in a replay.

use jiff::Timestamp;

use super::{Phase, Rollback, RollbackRecord, Rollout, StepProgress};
use crate::event::{Counts, RecentErrors, RollbackCause, RolloutEvent, RolloutStart, StepEntry};
use crate::identity::{RevisionName, RolloutId};

impl Rollout {
    /// The state after `RolloutEvent::Started`.
    pub fn begin(id: RolloutId, start: RolloutStart, at: Timestamp) -> Self {
        Self {
            id,
            size: start.size,
            stable_size: 0,
            target_unfit: 0,
            start,
            phase: Phase::Deploying,
            phase_since: at,
            step: 0,
            progress: StepProgress::default(),
            direct: None,
            smoke: Vec::new(),
            verification: Vec::new(),
            paused: None,
            full: false,
            moved: false,
            was_stable: false,
            rollback: None,
            failure: None,
            started_at: at,
            finished_at: None,
        }
    }

    /// Under a new generation the node tells what is beyond the count that the plan names: what is known until then.
    pub(crate) fn count_anew(&mut self) {
        let before = self.counts();
        self.progress.before = before;
        self.progress.counts = Counts::default();
        self.progress.recent_before = self.progress.recent;
        self.progress.served_ms = 0;
    }
}

/// Changes the rollout as the event says. `Started` is for `Rollout::begin`; here it changes nothing.
pub fn apply(rollout: &mut Rollout, event: &RolloutEvent, at: Timestamp) {
    match event {
        RolloutEvent::Started(_) => {}
        RolloutEvent::Deployed { .. } => enter(rollout, Phase::SmokeTesting, at),
        RolloutEvent::SmokePassed { lines } => {
            rollout.smoke.clone_from(lines);
            enter(rollout, Phase::ProvingTarget, at);
        }
        RolloutEvent::TargetProven { size } => rollout.stable_size = *size,
        RolloutEvent::TargetUnfit { .. } => rollout.target_unfit += 1,
        RolloutEvent::WentDirect(reason) => rollout.direct = Some(reason.clone()),
        RolloutEvent::StepPrepared { step, size } => {
            rollout.size = rollout.size.max(*size);
            enter(rollout, Phase::Preparing { step: *step }, at);
        }
        RolloutEvent::StepEntered(entry) => enter_step(rollout, entry, at),
        RolloutEvent::Progressed {
            served_ms,
            held_ms,
            counts,
            recent_errors,
            ..
        } => record(rollout, (*served_ms, *held_ms), *counts, *recent_errors, at),
        RolloutEvent::Interrupted(_) => interrupt(rollout, at),
        // What follows is said by the events beside it.
        RolloutEvent::StepPassed { .. } | RolloutEvent::GuardExceeded { .. } => {}
        RolloutEvent::Paused => rollout.paused = Some(at),
        RolloutEvent::Resumed => rollout.paused = None,
        RolloutEvent::Promoted { full } => {
            rollout.full |= full;
            rollout.paused = None;
        }
        RolloutEvent::Verified { lines } => rollout.verification.clone_from(lines),
        RolloutEvent::VerificationRetried { lines, retry_at } => {
            rollout.verification.clone_from(lines);
            next_round(rollout, *retry_at);
        }
        RolloutEvent::RollbackStarted {
            cause,
            to,
            size,
            detected_at,
        } => roll_back(rollout, cause, to.as_ref(), *size, *detected_at, at),
        RolloutEvent::RollbackPrepared => {
            if let Phase::RollingBack(rollback) = &mut rollout.phase {
                rollback.prepared = true;
            }
        }
        RolloutEvent::RolledBack { shifted_us } => {
            if let Some(record) = &mut rollout.rollback {
                record.shifted_us = Some(*shifted_us);
            }
            end(rollout, Phase::RolledBack, at);
        }
        RolloutEvent::RollbackAbandoned { .. } => {
            rollout.rollback = None;
            rollout.was_stable = false;
            end(rollout, Phase::Succeeded, at);
        }
        RolloutEvent::Failed { reason } => {
            rollout.failure = Some(reason.clone());
            end(rollout, Phase::Failed, at);
        }
        RolloutEvent::Aborted => end(rollout, Phase::Aborted, at),
        RolloutEvent::Succeeded => end(rollout, Phase::Succeeded, at),
    }
}

fn next_round(rollout: &mut Rollout, not_before: Timestamp) {
    if let Phase::Verifying { round, .. } = rollout.phase {
        rollout.phase = Phase::Verifying {
            round: round + 1,
            retry_at: Some(not_before),
        };
    }
}

fn enter(rollout: &mut Rollout, phase: Phase, at: Timestamp) {
    rollout.phase = phase;
    rollout.phase_since = at;
}

fn end(rollout: &mut Rollout, phase: Phase, at: Timestamp) {
    enter(rollout, phase, at);
    rollout.paused = None;
    rollout.finished_at = Some(at);
}

fn enter_step(rollout: &mut Rollout, entry: &StepEntry, at: Timestamp) {
    rollout.step = entry.step;
    rollout.moved = true;
    rollout.progress = StepProgress {
        entry: 1,
        recorded_at: Some(at),
        ..StepProgress::default()
    };
    let holds = rollout
        .present_step()
        .is_some_and(|step| !step.hold.is_zero());
    let phase = if holds {
        Phase::Holding
    } else {
        Phase::Verifying {
            round: 1,
            retry_at: None,
        }
    };
    enter(rollout, phase, at);
}

fn record(
    rollout: &mut Rollout,
    (served_ms, held_ms): (u64, u64),
    counts: Counts,
    recent_errors: Option<u64>,
    at: Timestamp,
) {
    let progress = &mut rollout.progress;
    progress.served_ms = served_ms;
    progress.held_ms = held_ms;
    progress.counts = counts;
    progress.recorded_at = Some(at);
    let errors = recent_errors.unwrap_or_else(|| rollout.counts().errors);
    rollout.progress.recent = Some(RecentErrors { errors, at });
}

/// The step is entered again under a new generation.
fn interrupt(rollout: &mut Rollout, at: Timestamp) {
    rollout.count_anew();
    rollout.progress.entry += 1;
    rollout.progress.recorded_at = Some(at);
}

fn roll_back(
    rollout: &mut Rollout,
    cause: &RollbackCause,
    to: Option<&RevisionName>,
    size: u32,
    detected_at: Timestamp,
    at: Timestamp,
) {
    rollout.was_stable = rollout.phase == Phase::Succeeded;
    rollout.rollback = Some(RollbackRecord {
        cause: cause.clone(),
        to: to.cloned(),
        detected_at,
        decided_at: at,
        shifted_us: None,
    });
    rollout.paused = None;
    rollout.finished_at = None;
    let rollback = Rollback {
        to: to.cloned(),
        size,
        prepared: size == 0,
    };
    enter(rollout, Phase::RollingBack(rollback), at);
}
