//! The delivery's journey from push to production as stages, each with what it took and what it should take.
//!
//! Pure: the same events give the same line. First comes the way that is ahead, from the configuration that was pushed;
//! then each event ends a stage and begins another, so that a stage is never shown as begun that was not. What is only
//! there at times (its turn, the way back) is put in where it happens. The budgets are those of `flow.md`, sections 2 and
//! 3; a step's is its own hold.

mod walk;

use std::time::Duration;

use barq_core::configuration::{Environment, PRODUCTION};
use barq_core::identity::RolloutId;
use barq_engine::history::Journey;
use jiff::Timestamp;

/// All checks, in parallel (`flow.md` section 2: 0:00 to 0:30).
const CHECKS: Duration = Duration::from_secs(30);
/// Image build and push (0:30 to 2:00).
const BUILD: Duration = Duration::from_secs(90);
/// A new revision at 0 % (2:00 to 2:30); in production section 3: 0:00 to 2:00.
const DEPLOY: Duration = Duration::from_secs(30);
const DEPLOY_PRODUCTION: Duration = Duration::from_secs(120);
/// Smoke tests (2:30 to 2:45); in production section 3: 2:00 to 2:30.
const SMOKE: Duration = Duration::from_secs(15);
const SMOKE_PRODUCTION: Duration = Duration::from_secs(30);
/// From 0 % to 100 %, with its health checks (2:45 to 3:00).
const SHIFT: Duration = Duration::from_secs(15);
/// The final health verification (section 3: 12:30 to 13:00).
const VERIFY: Duration = Duration::from_secs(30);
/// An automatic rollback (section 3: in under one minute).
const ROLLBACK: Duration = Duration::from_secs(60);
/// A hold counts the time that was served, and its end is seen a moment later: a step is late only beyond this, and a tenth.
const STEP_SLACK: Duration = Duration::from_secs(5);

/// The stages of one part of the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leg {
    /// Where it leads; none for the pipeline.
    pub(super) environment: Option<String>,
    /// The rollout, once there is one.
    pub(super) rollout: Option<RolloutId>,
    /// In order.
    pub(super) stages: Vec<Stage>,
}

/// What a stage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Push,
    /// What `barq.toml` says; only where it can't be read.
    Configuration,
    Checks,
    Build,
    /// Another delivery is there first, or it is locked.
    Turn,
    Approval,
    Deploy,
    Smoke,
    /// What serves proves that it could take over, and the new revision grows.
    Prepare,
    /// All traffic at once.
    Shift,
    /// A share of the traffic, in percent, of the step of this number.
    Step(u32, u8),
    Verify,
    Rollback,
}

/// How far a stage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// It comes later.
    Ahead,
    /// It goes on.
    UnderWay,
    /// Somebody must do something, or something else must end.
    Waits,
    /// Its clock stands still.
    Paused,
    /// It ended as it should.
    Passed,
    /// It ended badly.
    Bad,
    /// It was ended by somebody.
    Stopped,
    /// It was left out.
    Skipped,
    /// The delivery ended before it.
    NotReached,
}

/// One stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stage {
    /// What it is.
    pub(super) kind: Kind,
    /// How far it is.
    pub(super) progress: Progress,
    /// When it began.
    pub(super) began: Option<Timestamp>,
    /// When it ended.
    pub(super) ended: Option<Timestamp>,
    /// How long it took, where that was measured apart from the times of events.
    measured: Option<Duration>,
    /// For how long it stood still.
    paused: Duration,
    /// What it may take.
    pub(super) budget: Option<Duration>,
    /// What is to be said of it.
    pub(super) note: Option<String>,
}

/// All legs of a journey, in order.
pub(super) fn legs(journey: &Journey) -> Vec<Leg> {
    walk::walk(journey)
}

/// Says of the steps ahead that they are left out where, by what is known now, nothing serves to compare with.
pub(super) fn foresee(legs: &mut [Leg], is_empty: impl Fn(&str) -> bool) {
    let into = |leg: &Leg| leg.environment.clone().filter(|_| leg.rollout.is_none());
    for leg in legs {
        if !into(leg).is_some_and(|environment| is_empty(&environment)) {
            continue;
        }
        let steps = leg.stages.iter_mut();
        let steps = steps.filter(|it| matches!(it.kind, Kind::Step(..)));
        for step in steps.filter(|it| it.progress == Progress::Ahead) {
            step.note = Some("left out if nothing serves there by then".to_owned());
        }
    }
}

impl Stage {
    fn new(kind: Kind, budget: Option<Duration>) -> Self {
        Self {
            kind,
            progress: Progress::Ahead,
            began: None,
            ended: None,
            measured: None,
            paused: Duration::ZERO,
            budget,
            note: None,
        }
    }

    /// How long it took without what it stood still, once it has ended.
    pub(super) fn took(&self) -> Option<Duration> {
        if self.measured.is_some() {
            return self.measured;
        }
        let (began, ended) = self.began.zip(self.ended)?;
        Some(between(began, ended).saturating_sub(self.paused))
    }

    /// When what has happened so far would have begun, had it never stood still.
    pub(super) fn counted_from(&self) -> Option<Timestamp> {
        self.began?.checked_add(self.paused).ok()
    }

    /// By how much it is beyond its budget at a time; none where it is not.
    pub(super) fn over(&self, now: Timestamp) -> Option<Duration> {
        let budget = self.budget?;
        let taken = match self.progress {
            Progress::UnderWay => between(self.counted_from()?, now),
            Progress::Passed | Progress::Bad => self.took()?,
            Progress::Ahead
            | Progress::Waits
            | Progress::Paused
            | Progress::Stopped
            | Progress::Skipped
            | Progress::NotReached => return None,
        };
        (taken > self.limit()?).then(|| taken.saturating_sub(budget))
    }

    /// From when on it is late.
    pub(super) fn limit(&self) -> Option<Duration> {
        let budget = self.budget?;
        Some(match self.kind {
            Kind::Step(..) => budget + budget / 10 + STEP_SLACK,
            _ => budget,
        })
    }

    /// Whether it has begun and not ended.
    fn open(&self) -> bool {
        matches!(
            self.progress,
            Progress::UnderWay | Progress::Waits | Progress::Paused
        )
    }

    fn begin(&mut self, progress: Progress, at: Timestamp) {
        self.progress = progress;
        self.began = self.began.or(Some(at));
        self.ended = None;
    }

    fn end(&mut self, progress: Progress, at: Timestamp) {
        self.progress = progress;
        self.ended = Some(at);
    }
}

/// The stages of a way into an environment.
fn stages_into(environment: &Environment) -> Vec<Stage> {
    let production = environment.name == PRODUCTION;
    let (deploy, smoke) = if production {
        (DEPLOY_PRODUCTION, SMOKE_PRODUCTION)
    } else {
        (DEPLOY, SMOKE)
    };
    let approval = environment.approval.as_ref();
    let approval = approval.map(|_| Stage::new(Kind::Approval, None));
    let mut stages: Vec<Stage> = approval.into_iter().collect();
    stages.push(Stage::new(Kind::Deploy, Some(deploy)));
    stages.push(Stage::new(Kind::Smoke, Some(smoke)));
    let held = (1..)
        .zip(&environment.steps)
        .filter(|(_, it)| !it.hold.is_zero());
    let held: Vec<Stage> = held
        .map(|(number, step)| Stage::new(Kind::Step(number, step.traffic), Some(step.hold)))
        .collect();
    if held.is_empty() {
        stages.push(Stage::new(Kind::Shift, Some(SHIFT)));
    } else {
        stages.extend(held);
        stages.push(Stage::new(Kind::Verify, Some(VERIFY)));
    }
    stages
}

fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
