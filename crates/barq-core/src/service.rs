//! A service: an app in an environment. What its revisions are, which one is stable, what may enter, and the plan that the
//! data plane must follow.
//!
//! The plan is a pure function of this state and the rollout that runs (`plan`); its generation is an event of its own
//! (`ServiceEvent::Planned`), so that what was asked of the data plane is recorded rather than derived again.

mod plan;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::configuration::{Environment, GuardAction, Health};
use crate::event::{InstanceRange, Lock, Plan, RolloutStart};
use crate::identity::{CommitHash, ImageDigest, RevisionName, RolloutId, ServiceId};

/// Reasons that are said at most, of why there is nothing to go back to.
const UNFIT_SAID_MAX: usize = 3;

pub use plan::{canary_size, plan};

/// A service in an environment.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Its name.
    pub id: ServiceId,
    /// The environment's name.
    pub environment: String,
    /// The revisions that are kept, by number.
    pub revisions: BTreeMap<u32, Arc<Revision>>,
    /// The number of the last revision made.
    pub last_revision: u32,
    /// The revision that has proved itself; none before the first success.
    pub stable: Option<RevisionName>,
    /// What was stable before, the latest last. A rollback takes from its end.
    pub history: Vec<RevisionName>,
    /// The rollout that runs.
    pub rollout: Option<RolloutId>,
    /// The number of the last delivery that entered.
    pub entered: u64,
    /// The revision before, at full size for a rollback.
    pub warm: Option<Warm>,
    /// The watch after a rollout.
    pub guard: Option<GuardWatch>,
    /// Set by people.
    pub lock: Option<Lock>,
    /// Set by a rollback: entry needs an approval given after it, for another release than the bad one.
    pub rolled_back: Option<RolledBack>,
    /// Releases that were rolled back, and by which rollout.
    pub quarantine: BTreeMap<(ImageDigest, String), RolloutId>,
    /// The rules of the last release that became stable: environment and branch.
    pub rules: Option<(Environment, String)>,
    /// The last plan.
    pub plan: Plan,
    /// Its generation; 0 before the first.
    pub generation: u64,
    /// The generation that the data plane accepted.
    pub accepted: u64,
    /// When it did.
    pub accepted_at: Option<Timestamp>,
    /// The number of the last trip heard of.
    pub last_trip: u64,
}

/// An immutable version of the service.
#[derive(Debug, Clone, PartialEq)]
pub struct Revision {
    /// Its name.
    pub name: RevisionName,
    /// Its image.
    pub image: ImageDigest,
    /// Built from.
    pub commit: CommitHash,
    /// Made by.
    pub rollout: RolloutId,
    /// How it runs.
    pub settings: Environment,
    /// Its probes.
    pub health: Health,
    /// The digest of its configuration.
    pub configuration: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A revision kept at full size after it lost its traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warm {
    /// Which.
    pub revision: RevisionName,
    /// Instances.
    pub size: u32,
    /// Until when.
    pub until: Timestamp,
}

/// The watch after a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardWatch {
    /// Whose success began it.
    pub rollout: RolloutId,
    /// Until when.
    pub until: Timestamp,
    /// What it does.
    pub action: GuardAction,
    /// Errors inside the window that exceed it.
    pub max_errors: u64,
    /// The window, in milliseconds.
    pub window_ms: u64,
    /// Whether the limit was reached.
    pub exceeded: bool,
}

/// What remains of a rollback at the gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolledBack {
    /// Which rollout.
    pub rollout: RolloutId,
    /// Its commit.
    pub commit: CommitHash,
    /// When.
    pub at: Timestamp,
}

impl Revision {
    /// What a quarantine names: the image, and the digest of the configuration that it runs with.
    pub fn release(&self) -> (ImageDigest, String) {
        (self.image.clone(), self.configuration.clone())
    }
}

impl Service {
    /// A service that nothing has entered yet.
    pub fn new(id: ServiceId, environment: String) -> Self {
        Self {
            id,
            environment,
            revisions: BTreeMap::new(),
            last_revision: 0,
            stable: None,
            history: Vec::new(),
            rollout: None,
            entered: 0,
            warm: None,
            guard: None,
            lock: None,
            rolled_back: None,
            quarantine: BTreeMap::new(),
            rules: None,
            plan: Plan::default(),
            generation: 0,
            accepted: 0,
            accepted_at: None,
            last_trip: 0,
        }
    }

    /// The revision of that name, if it is kept.
    pub fn revision(&self, name: &RevisionName) -> Option<&Revision> {
        (name.service == self.id)
            .then(|| self.revisions.get(&name.number).map(AsRef::as_ref))
            .flatten()
    }

    /// The revision that serves and has proved itself.
    pub fn stable_revision(&self) -> Option<&Revision> {
        self.revision(self.stable.as_ref()?)
    }

    /// The name of the next revision.
    pub fn next_revision(&self) -> RevisionName {
        RevisionName {
            service: self.id.clone(),
            number: self.last_revision + 1,
        }
    }

    /// The revision that a rollback at rest goes to by itself: the latest of those that it may go to.
    pub fn rollback_target(&self) -> Option<&Revision> {
        self.rollback_targets().next()
    }

    /// The revisions that a rollback at rest may go to, the latest first: those that were stable before, and are still kept.
    /// What is the same release as the one that serves (tried again, say), or was rolled back itself, is passed over: going
    /// there would change nothing.
    pub fn rollback_targets(&self) -> impl Iterator<Item = &Revision> {
        let mut seen = BTreeSet::new();
        self.kept_before()
            .filter(move |revision| seen.insert(&revision.name))
            .filter(|revision| self.unfit_target(revision).is_none())
    }

    /// The revision that was stable before, whatever it is: where the data plane goes back to by itself.
    pub(crate) fn stable_before(&self) -> Option<&Revision> {
        self.kept_before().next()
    }

    fn kept_before(&self) -> impl Iterator<Item = &Revision> {
        self.history
            .iter()
            .rev()
            .filter_map(|name| self.revision(name))
    }

    /// Why there is nothing that a rollback at rest may go to, where there is nothing.
    pub(crate) fn why_no_target(&self) -> String {
        let mut reasons: Vec<String> = Vec::new();
        for why in self.kept_before().filter_map(|it| self.unfit_target(it)) {
            if !reasons.contains(&why) && reasons.len() < UNFIT_SAID_MAX {
                reasons.push(why);
            }
        }
        match (reasons.is_empty(), self.history.is_empty()) {
            (false, _) => reasons.join("; "),
            (true, true) => "no other release was stable before this one".to_owned(),
            (true, false) => "what was stable before this one is not kept any more".to_owned(),
        }
    }

    /// Why going back to a revision would not take back what serves; none where it would.
    pub(crate) fn unfit_target(&self, revision: &Revision) -> Option<String> {
        let name = &revision.name;
        let serves = self.stable_revision();
        if serves.is_some_and(|it| it.release() == revision.release()) {
            return Some(format!(
                "{name} is the same release as the one that serves, image and configuration alike"
            ));
        }
        let by = self.quarantine.get(&revision.release())?;
        Some(format!("{name} is quarantined: {by} was rolled back"))
    }

    /// What percentage the present plan gives to a revision.
    pub fn planned_percent(&self, name: &RevisionName) -> u8 {
        self.plan
            .traffic
            .iter()
            .find(|share| share.revision == *name)
            .map_or(0, |share| share.percent)
    }

    /// The instances that the present plan keeps of a revision.
    pub fn planned_instances(&self, name: &RevisionName) -> InstanceRange {
        self.plan
            .revisions
            .iter()
            .find(|(revision, _)| revision == name)
            .map_or(InstanceRange { min: 0, max: 0 }, |(_, range)| *range)
    }

    /// A rollout begins: its revision exists from now on.
    pub(crate) fn begin(&mut self, rollout: &RolloutId, start: &RolloutStart, at: Timestamp) {
        self.last_revision = self.last_revision.max(start.revision.number);
        self.entered = self.entered.max(rollout.delivery.number);
        self.rollout = Some(rollout.clone());
        let revision = Revision {
            name: start.revision.clone(),
            image: start.image.clone(),
            commit: start.commit.clone(),
            rollout: rollout.clone(),
            settings: start.settings.clone(),
            health: start.health.clone(),
            configuration: start.configuration.clone(),
            created_at: at,
        };
        self.revisions
            .insert(start.revision.number, Arc::new(revision));
        self.forget_old_revisions(start.settings.keep.revisions);
    }

    /// A rollout has succeeded: its revision is stable, the one before is kept warm at `warm_size`.
    pub(crate) fn succeed(
        &mut self,
        rollout: &RolloutId,
        start: &RolloutStart,
        size: u32,
        at: Timestamp,
    ) {
        let settings = &start.settings;
        if let Some(before) = self.stable.replace(start.revision.clone()) {
            self.warm = after(at, settings.keep.warm).map(|until| Warm {
                revision: before.clone(),
                size,
                until,
            });
            self.history.push(before);
        }
        self.guard = settings.guard.and_then(|guard| {
            let limit = settings.guard_limit()?;
            Some(GuardWatch {
                rollout: rollout.clone(),
                until: after(at, guard.duration)?,
                action: guard.action,
                max_errors: u64::from(limit.max_errors),
                window_ms: u64::try_from(limit.window.as_millis()).unwrap_or(u64::MAX),
                exceeded: false,
            })
        });
        self.rules = Some((settings.clone(), start.branch.clone()));
        self.rolled_back = None;
        self.rollout = None;
    }

    /// Keeps the newest `keep` revisions, and whatever has or may get traffic.
    fn forget_old_revisions(&mut self, keep: u32) {
        self.history.retain({
            let revisions = &self.revisions;
            move |name| revisions.contains_key(&name.number)
        });
        let needed = |number: u32| {
            let is = |name: &RevisionName| name.number == number;
            self.stable.as_ref().is_some_and(is)
                || self.history.last().is_some_and(is)
                || self.warm.as_ref().is_some_and(|warm| is(&warm.revision))
                || number == self.last_revision
        };
        let surplus = self.revisions.len().saturating_sub(keep as usize + 1);
        let forgotten: Vec<u32> = self
            .revisions
            .keys()
            .copied()
            .filter(|number| !needed(*number))
            .take(surplus)
            .collect();
        for number in forgotten {
            self.revisions.remove(&number);
            self.history.retain(|name| name.number != number);
        }
    }
}

/// `at + span`; none where that is no time at all (a span of zero) or beyond what a timestamp can hold.
fn after(at: Timestamp, span: std::time::Duration) -> Option<Timestamp> {
    (!span.is_zero())
        .then(|| at.checked_add(span).ok())
        .flatten()
}
