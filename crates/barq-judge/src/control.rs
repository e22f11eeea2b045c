//! Which configuration of one service is in force: a pure state machine with a one-way veto towards stable.
//!
//! The control plane offers plans; a trip, an expired lease or a restart takes the canary's traffic away, and only a new
//! generation gives it back. It is a value: whoever embeds it holds it under one lock for each service, writes `durable()`
//! down, and routes by `shares()`. It knows no file, no thread and no clock.
//!
//! **Invariants** (checked by an independent walk in the tests): the shares sum to 100 or there are none; a latched
//! revision has no traffic; a canary has traffic only in the run that accepted its generation, while its lease holds and
//! it has not tripped; trips are numbered for ever.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::lease::{Lease, LeaseRefusal, Run};
use crate::plan::{Canary, Invalid, Plan, Share, percent_in};
use crate::tripwire::{Count, Past};

/// The state of one service's traffic.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Control {
    run: Run,
    durable: Durable,
    standing: Standing,
    lease: Option<Lease>,
}

/// What must survive a restart. It is written before a plan that moves traffic away from stable is in force, and after a
/// trip.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Durable {
    /// The plan in force.
    pub plan: Option<Plan>,
    /// The number of the last trip ever.
    pub trips: u64,
    /// The last trip, if the node itself has seen it.
    pub last_trip: Option<Trip>,
    /// Trips that nobody has acknowledged, by revision.
    pub latched: BTreeMap<String, Trip>,
}

/// A trip, as far as it decides anything.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Trip {
    /// Counts the service's trips from 1.
    pub number: u64,
    /// Whose traffic was taken.
    pub revision: String,
    /// The generation in force.
    pub generation: u64,
    /// The step.
    pub step: u32,
    /// The errors that counted for the limit, over all the step's generations and runs.
    pub errors: u64,
    /// Requests in flight on the canary.
    pub in_flight: u64,
    /// Who got everything where the plan had no trial, whose stable it would be: somebody recalled a revision that had
    /// proved itself.
    #[serde(default)]
    pub to: Option<String>,
}

/// What became of a recall.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Recalled {
    /// The traffic moved now.
    Now(Trip),
    /// It had moved before: by an earlier recall, or because the canary had tripped.
    Before,
}

/// Why a recall was refused; nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
pub enum RecallRefusal {
    /// There is nothing to take away.
    #[error("revision {0} has no traffic")]
    NoTraffic(String),
    /// During a trial, and after a trip, there is one way back.
    #[error("revision {to} can't take it: {stable} is what the traffic goes back to")]
    NotStable {
        /// What was asked for.
        to: String,
        /// The only way back.
        stable: String,
    },
    /// Nothing is known of the revision that should take over.
    #[error("revision {0} is not among the revisions")]
    Unknown(String),
    /// The revision that should take over has tripped itself.
    #[error("revision {} tripped (trip {}) itself", .0.revision, .0.number)]
    Latched(Trip),
}

/// How the canary of the plan in force stands. `Serving` when there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// The planned shares are in force.
    Serving,
    /// It tripped, or was recalled: stable has everything. Without a canary: the one that serves was recalled.
    Tripped,
    /// Its lease ran out: stable has everything. No verdict.
    LeaseExpired,
    /// The node restarted: stable has everything. No verdict.
    Suspended,
}

/// What would become of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Considered {
    /// It is the plan in force, offered again.
    Duplicate,
    /// It would be accepted.
    New {
        /// It gives nobody but the present stable more than now: accepted even when it can't be written.
        towards_stable: bool,
    },
}

/// A plan was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Accepted {
    /// It was in force already; nothing changed, not even the lease.
    Duplicate,
    /// It is in force now.
    InForce {
        /// The trips that it acknowledged: their wires are to be acknowledged before they are armed.
        released: Vec<Trip>,
    },
}

/// Why a plan was refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// An older generation, or other content under the one in force.
    #[error("generation {offered} is refused: {current} is in force")]
    StaleGeneration {
        /// What was offered.
        offered: u64,
        /// What is in force.
        current: u64,
    },
    /// It was planned before the last trip was heard of.
    #[error("the plan knows of trip {known}, but there was trip {last}")]
    UnheardTrip {
        /// What the planner knew.
        known: u64,
        /// The last trip's number.
        last: u64,
    },
    /// Traffic for a revision that tripped, without the acknowledgement of that very trip.
    #[error("revision {} tripped (trip {}) and the plan does not acknowledge it", trip.revision, trip.number)]
    Latched {
        /// What happened.
        trip: Trip,
    },
    /// It contradicts itself.
    #[error("the plan is not valid")]
    Invalid(#[source] Invalid),
}

impl Control {
    /// A service that nothing is known of.
    pub fn new(run: Run) -> Self {
        Self::restart(Durable::default(), run)
    }

    /// Begins a run with what was written down: a canary is at 0 % whatever its plan says, and stays there until another
    /// generation is accepted.
    pub fn restart(durable: Durable, run: Run) -> Self {
        let standing = match canary_of(&durable) {
            _ if tripped_in_force(&durable) => Standing::Tripped,
            None => Standing::Serving,
            Some(_) => Standing::Suspended,
        };
        Self {
            run,
            durable,
            standing,
            lease: None,
        }
    }

    /// What would become of the plan, without a change.
    ///
    /// # Errors
    /// Why it would be refused.
    pub fn consider(&self, plan: &Plan) -> Result<Considered, Refusal> {
        let current = self.generation();
        if self
            .durable
            .plan
            .as_ref()
            .is_some_and(|held| held.generation == plan.generation && held.content == plan.content)
        {
            return Ok(Considered::Duplicate);
        }
        if plan.generation <= current {
            return Err(Refusal::StaleGeneration {
                offered: plan.generation,
                current,
            });
        }
        plan.check().map_err(Refusal::Invalid)?;
        if plan.last_trip < self.durable.trips {
            return Err(Refusal::UnheardTrip {
                known: plan.last_trip,
                last: self.durable.trips,
            });
        }
        let unacknowledged = plan
            .receivers()
            .filter_map(|revision| self.durable.latched.get(revision))
            .find(|trip| plan.acknowledges != Some(trip.number));
        match unacknowledged {
            Some(trip) => Err(Refusal::Latched { trip: trip.clone() }),
            None => Ok(Considered::New {
                towards_stable: self.is_towards_stable(plan),
            }),
        }
    }

    /// Puts the plan in force and grants its canary a lease. The planner may know of more trips than this node (whose disk
    /// was lost): numbering goes on from there.
    ///
    /// # Errors
    /// As [`Control::consider`]; nothing has changed then.
    pub fn accept(&mut self, plan: Plan, now: Duration) -> Result<Accepted, Refusal> {
        if self.consider(&plan)? == Considered::Duplicate {
            return Ok(Accepted::Duplicate);
        }
        let receivers: Vec<String> = plan.receivers().map(str::to_owned).collect();
        let released = receivers
            .iter()
            .filter_map(|revision| self.durable.latched.remove(revision))
            .collect();
        self.lease = plan.canary.as_ref().map(|canary| {
            Lease::grant(
                self.run,
                plan.generation,
                Duration::from_millis(canary.lease_ms),
                now,
            )
        });
        self.standing = Standing::Serving;
        self.durable.trips = self.durable.trips.max(plan.last_trip);
        self.durable.plan = Some(plan);
        Ok(Accepted::InForce { released })
    }

    /// The tripwire of `revision` has tripped: stable has everything, the revision is latched. `None` when it is not the
    /// canary in force or has tripped already. An expired lease or a restart does not hide a verdict.
    pub fn trip(&mut self, revision: &str, errors: u64, in_flight: u64) -> Option<Trip> {
        let plan = self.durable.plan.as_ref()?;
        let canary = plan
            .canary
            .as_ref()
            .filter(|canary| canary.revision == revision)?;
        if self.standing == Standing::Tripped {
            return None;
        }
        let step = canary.step;
        Some(self.tripped(revision, None, step, errors, in_flight))
    }

    /// Somebody wants all traffic of `revision` at `to`, now: a trip by word instead of by errors, and one-way like it.
    /// From a canary it goes to its stable alone; where nothing is on trial, from the revision that serves to one that
    /// the plan keeps. Given twice it changes nothing the second time.
    ///
    /// # Errors
    /// When it would be no way back.
    pub fn recall(
        &mut self,
        revision: &str,
        to: &str,
        errors: u64,
        in_flight: u64,
    ) -> Result<Recalled, RecallRefusal> {
        let step = self.consider_recall(revision, to)?;
        let Some(step) = step else {
            return Ok(Recalled::Before);
        };
        let at_rest = self.canary().is_none().then(|| to.to_owned());
        let trip = self.tripped(revision, at_rest, step, errors, in_flight);
        Ok(Recalled::Now(trip))
    }

    /// The step that a recall would end, 0 where nothing is on trial; none: the traffic has moved already.
    fn consider_recall(&self, revision: &str, to: &str) -> Result<Option<u32>, RecallRefusal> {
        let no_traffic = || RecallRefusal::NoTraffic(revision.to_owned());
        let plan = self.durable.plan.as_ref().ok_or_else(no_traffic)?;
        let is_taken = self.standing == Standing::Tripped
            && (self.durable.last_trip.as_ref()).is_some_and(|trip| trip.revision == revision);
        let on_trial = (plan.canary.as_ref()).filter(|canary| canary.revision == revision);
        if !is_taken && on_trial.is_none() {
            if percent_in(&self.shares(), revision) == 0 {
                return Err(no_traffic());
            }
            // Until the planner has heard of a trip there is no second one: it would never hear of the first.
            let is_at_rest = plan.canary.is_none() && self.standing == Standing::Serving;
            if is_at_rest && to != revision {
                if !plan.revisions.iter().any(|known| known == to) {
                    return Err(RecallRefusal::Unknown(to.to_owned()));
                }
                return match self.durable.latched.get(to) {
                    Some(trip) => Err(RecallRefusal::Latched(trip.clone())),
                    None => Ok(Some(0)),
                };
            }
        }
        let stable = self.stable().unwrap_or(revision);
        if stable != to || to == revision {
            return Err(RecallRefusal::NotStable {
                to: to.to_owned(),
                stable: stable.to_owned(),
            });
        }
        Ok(on_trial.filter(|_| !is_taken).map(|canary| canary.step))
    }

    fn tripped(
        &mut self,
        revision: &str,
        to: Option<String>,
        step: u32,
        errors: u64,
        in_flight: u64,
    ) -> Trip {
        let trip = Trip {
            number: self.durable.trips + 1,
            revision: revision.to_owned(),
            generation: self.generation(),
            step,
            errors,
            in_flight,
            to,
        };
        self.standing = Standing::Tripped;
        self.durable.trips = trip.number;
        self.durable.last_trip = Some(trip.clone());
        self.durable
            .latched
            .insert(revision.to_owned(), trip.clone());
        trip
    }

    /// Lets time pass: true when the lease ran out by it, and the shares changed.
    pub fn tick(&mut self, now: Duration) -> bool {
        let expired = self.standing == Standing::Serving
            && self
                .lease
                .as_ref()
                .is_some_and(|lease| lease.has_expired(now));
        if expired {
            self.standing = Standing::LeaseExpired;
        }
        expired
    }

    /// Renews the canary's lease.
    ///
    /// # Errors
    /// When there is none to renew, or not by this caller.
    pub fn renew(&mut self, run: Run, generation: u64, now: Duration) -> Result<(), LeaseRefusal> {
        self.tick(now);
        if run != self.run {
            return Err(LeaseRefusal::OtherRun);
        }
        match self.standing {
            Standing::Tripped => Err(LeaseRefusal::Tripped),
            Standing::LeaseExpired => Err(LeaseRefusal::Expired),
            Standing::Suspended => Err(LeaseRefusal::None),
            Standing::Serving => self
                .lease
                .as_mut()
                .ok_or(LeaseRefusal::None)?
                .renew(run, generation, now),
        }
    }

    /// When to call [`Control::tick`] next.
    pub fn next_deadline(&self) -> Option<Duration> {
        let lease = self
            .lease
            .as_ref()
            .filter(|_| self.standing == Standing::Serving)?;
        Some(lease.expires())
    }

    /// The shares in force: the planned ones, or all for stable.
    pub fn shares(&self) -> Vec<Share> {
        match (&self.durable.plan, self.stable()) {
            (None, _) => Vec::new(),
            (Some(_), Some(stable)) if self.standing != Standing::Serving => {
                vec![Share {
                    revision: stable.to_owned(),
                    percent: 100,
                }]
            }
            (Some(plan), _) => plan.traffic.clone(),
        }
    }

    /// The generation in force, 0 before the first.
    pub fn generation(&self) -> u64 {
        self.durable.plan.as_ref().map_or(0, |plan| plan.generation)
    }

    /// The trial of the plan in force.
    pub fn canary(&self) -> Option<&Canary> {
        canary_of(&self.durable)
    }

    /// Where the tripwire of the plan's canary begins to count, before the plan is accepted: it goes on if the plan in force
    /// is of the same step. `wall_ms` is now, on the clock of the plan's own times.
    pub fn count(&self, plan: &Plan, wall_ms: u64) -> Count {
        let step = |canary: &Canary| (canary.revision.clone(), canary.step);
        let offered = plan.canary.as_ref();
        let known = offered.map_or_else(Past::default, |canary| canary.past(wall_ms));
        match offered.map(step) == self.canary().map(step) {
            true => Count::On(known),
            false => Count::From(known),
        }
    }

    /// How the canary stands.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// The run that leases are bound to.
    pub fn run(&self) -> Run {
        self.run
    }

    /// What is left of the lease: zero when there is none in this run, or it ran out, or the canary tripped.
    pub fn lease_remaining(&self, now: Duration) -> Duration {
        match self.standing {
            Standing::Serving => self
                .lease
                .as_ref()
                .map_or(Duration::ZERO, |lease| lease.remaining(now)),
            Standing::Tripped | Standing::LeaseExpired | Standing::Suspended => Duration::ZERO,
        }
    }

    /// What must be written down.
    pub fn durable(&self) -> &Durable {
        &self.durable
    }

    /// The revision that everything would fall back to: the canary's stable, the one that took over by a recall, or the
    /// one that has all traffic.
    pub fn stable(&self) -> Option<&str> {
        let plan = self.durable.plan.as_ref()?;
        let recalled = (self.durable.last_trip.as_ref())
            .filter(|_| self.standing == Standing::Tripped)
            .and_then(|trip| trip.to.as_deref());
        if recalled.is_some() {
            return recalled;
        }
        match &plan.canary {
            Some(canary) => Some(&canary.stable),
            None => plan
                .traffic
                .iter()
                .find(|share| share.percent == 100)
                .map(|share| share.revision.as_str()),
        }
    }

    fn is_towards_stable(&self, plan: &Plan) -> bool {
        let Some(stable) = self.stable() else {
            return false;
        };
        let now = self.shares();
        plan.percent(stable) >= percent_in(&now, stable)
            && plan.traffic.iter().all(|share| {
                share.revision == stable || share.percent <= percent_in(&now, &share.revision)
            })
    }
}

fn canary_of(durable: &Durable) -> Option<&Canary> {
    durable.plan.as_ref()?.canary.as_ref()
}

/// Whether the last trip belongs to the plan in force: its canary's, or a recall of what it gave all traffic to.
fn tripped_in_force(durable: &Durable) -> bool {
    let (Some(plan), Some(trip)) = (&durable.plan, &durable.last_trip) else {
        return false;
    };
    let canary = plan.canary.as_ref();
    let is_of_it = match &trip.to {
        Some(_) => canary.is_none(),
        None => canary.is_some_and(|canary| canary.revision == trip.revision),
    };
    is_of_it && trip.generation == plan.generation
}

#[cfg(test)]
mod tests;
