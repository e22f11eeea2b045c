//! One service at the node: its control, its wires, its requests in flight, and what is counted of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use barq_core::event::{Counts, Plan, Trip};
use barq_core::judge::{self, Admission, Control, Durable, Run, Standing, Tripwire};
use barq_core::observation::{CanaryObservation, CanaryState, Observation};
use jiff::Timestamp;

use super::super::check::Problem;
use super::super::random::Random;

/// What is on disk of a service.
#[derive(Clone)]
pub(super) struct Written {
    durable: Durable,
    plan: Plan,
    trip: Option<Trip>,
}

/// A moment of the node's time.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    /// Since the node's run began.
    pub(super) since: Duration,
    pub(super) now_ms: u64,
    /// Since the last moment.
    pub(super) passed_ms: u64,
}

pub(super) struct Body {
    pub(super) control: Control,
    plan: Plan,
    pub(super) trip: Option<Trip>,
    wires: BTreeMap<String, Arc<Tripwire>>,
    flights: Vec<Flight>,
    counts: Counts,
    served_ms: u64,
    /// Errors of the watched revision, by time.
    watched: Vec<u64>,
    watch_exceeded: Option<u64>,
    /// It restarted without its last plan, which had been kept in memory alone.
    pub(super) behind: bool,
}

/// A request on its way.
struct Flight {
    revision: String,
    generation: u64,
    ends_ms: u64,
    _admission: Admission,
}

impl Body {
    pub(super) fn new(run: Run) -> Self {
        let nothing = Written {
            durable: Durable::default(),
            plan: Plan::default(),
            trip: None,
        };
        Self::restart(nothing, run)
    }

    pub(super) fn restart(written: Written, run: Run) -> Self {
        let mut body = Self {
            control: Control::restart(written.durable, run),
            plan: written.plan,
            trip: written.trip,
            wires: BTreeMap::new(),
            flights: Vec::new(),
            counts: Counts::default(),
            served_ms: 0,
            watched: Vec::new(),
            watch_exceeded: None,
            behind: false,
        };
        body.arm();
        body
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(super) fn written(&self) -> Written {
        Written {
            durable: self.control.durable().clone(),
            plan: self.plan.clone(),
            trip: self.trip.clone(),
        }
    }

    /// The plan was accepted: count anew, arm anew.
    pub(super) fn in_force(&mut self, plan: Plan) {
        self.plan = plan;
        self.counts = Counts::default();
        self.served_ms = 0;
        self.watched.clear();
        self.watch_exceeded = None;
        self.behind = false;
        self.arm();
    }

    /// Opens the wires of those that may have requests, closes the others.
    fn arm(&mut self) {
        let limit = self
            .plan
            .canary
            .as_ref()
            .and_then(|canary| canary.max_errors);
        let shares = self.control.shares();
        for (name, _) in &self.plan.revisions {
            let name = name.to_string();
            let wire = self.wires.entry(name.clone()).or_default();
            let serves = judge::plan::percent_in(&shares, &name) > 0;
            let on_trial = self.control.canary().is_some_and(|it| it.revision == name);
            let armed = match (serves, on_trial) {
                (false, _) => None,
                (true, true) => wire.arm(limit).ok(),
                (true, false) => wire.arm(None).ok(),
            };
            if armed.is_none() {
                wire.close();
            }
        }
    }

    /// A plan that moves traffic moves it to somebody who is there; unless the node has just lost who was.
    pub(super) fn check_offer(
        &self,
        plan: &Plan,
        ready: &dyn Fn(&str) -> u32,
    ) -> Result<(), Problem> {
        let now = self.control.shares();
        let another = now
            .iter()
            .any(|it| it.percent > 0 && ready(&it.revision) > 0);
        for share in &plan.traffic {
            let name = share.revision.to_string();
            let more = share.percent > judge::plan::percent_in(&now, &name);
            if more && another && ready(&name) == 0 && !self.behind {
                let percent = share.percent;
                return Err(Problem(format!(
                    "{name} gets {percent} % with no instance ready"
                )));
            }
        }
        Ok(())
    }

    /// Lets time pass. Whether something must be written to disk.
    pub(super) fn pass(
        &mut self,
        moment: Moment,
        random: &mut Random,
        ready: &dyn Fn(&str) -> u32,
        errors_percent: &dyn Fn(&str) -> u64,
    ) -> Result<bool, Problem> {
        if self.control.tick(moment.since) {
            self.close_what_lost_its_traffic();
        }
        let shares = self.control.shares();
        let canary = self.plan.canary.as_ref().map(|it| it.revision.to_string());
        let served = canary
            .as_ref()
            .is_some_and(|it| judge::plan::percent_in(&shares, it) > 0 && ready(it) > 0);
        if served && self.control.standing() == Standing::Serving {
            self.served_ms += moment.passed_ms;
        }
        let trips = self.control.durable().trips;
        self.end_requests(moment, random, errors_percent)?;
        for _ in 0..random.below(5) {
            self.request(moment, random, ready)?;
        }
        self.tell_watch(moment);
        Ok(self.control.durable().trips != trips)
    }

    fn request(
        &mut self,
        moment: Moment,
        random: &mut Random,
        ready: &dyn Fn(&str) -> u32,
    ) -> Result<(), Problem> {
        let shares = self.control.shares();
        let Some(name) = route(&shares, random) else {
            return Ok(());
        };
        if ready(&name) == 0 {
            return Ok(());
        }
        let Some(admission) = self.wires.get(&name).and_then(Tripwire::admit) else {
            return Err(Problem(format!(
                "{name} is routed to and its wire is closed"
            )));
        };
        let on_trial = self.control.canary().is_some_and(|it| it.revision == name);
        let entitled = self.control.standing() == Standing::Serving
            && !self.control.lease_remaining(moment.since).is_zero();
        if on_trial && !entitled {
            let standing = self.control.standing();
            return Err(Problem(format!(
                "a request starts on {name}, which is {standing:?}"
            )));
        }
        self.flights.push(Flight {
            revision: name,
            generation: self.control.generation(),
            ends_ms: moment.now_ms + random.below(600),
            _admission: admission,
        });
        Ok(())
    }

    fn end_requests(
        &mut self,
        moment: Moment,
        random: &mut Random,
        errors_percent: &dyn Fn(&str) -> u64,
    ) -> Result<(), Problem> {
        let (ended, flying) = std::mem::take(&mut self.flights)
            .into_iter()
            .partition(|it: &Flight| it.ends_ms <= moment.now_ms);
        self.flights = flying;
        for flight in ended {
            let failed = random.below(100) < errors_percent(&flight.revision);
            self.count(&flight, failed, moment);
            if failed {
                self.error(&flight, moment)?;
            }
        }
        Ok(())
    }

    fn count(&mut self, flight: &Flight, failed: bool, moment: Moment) {
        let canary = self.plan.canary.as_ref().map(|it| it.revision.to_string());
        let present = flight.generation == self.control.generation();
        let errors = u64::from(failed);
        if present && canary.as_ref() == Some(&flight.revision) {
            self.counts.requests += 1;
            self.counts.errors += errors;
        } else if present {
            self.counts.stable_requests += 1;
            self.counts.stable_errors += errors;
        }
        let watch = self.plan.watch.as_ref();
        if failed && watch.is_some_and(|it| it.revision.to_string() == flight.revision) {
            self.watched.push(moment.now_ms);
        }
    }

    fn error(&mut self, flight: &Flight, moment: Moment) -> Result<(), Problem> {
        let Some(wire) = self.wires.get(&flight.revision) else {
            return Ok(());
        };
        if let Some(trip) = wire.record_error() {
            let limit = self.plan.canary.as_ref().and_then(|it| it.max_errors);
            if limit.is_some_and(|limit| trip.errors > limit) {
                let errors = trip.errors;
                return Err(Problem(format!("tripped at error {errors} of {limit:?}")));
            }
            if wire.admit().is_some() {
                return Err(Problem(format!("{} tripped and is open", flight.revision)));
            }
            self.register(&flight.revision, trip.errors, trip.in_flight, moment.now_ms);
        }
        Ok(())
    }

    fn register(&mut self, revision: &str, errors: u64, in_flight: u64, now_ms: u64) {
        let told = self.control.trip(revision, errors, in_flight);
        let name = revision.parse().ok();
        if let (Some(trip), Some(revision)) = (told, name) {
            let since = i64::try_from(now_ms).unwrap_or(i64::MAX);
            let at = Timestamp::from_second(super::super::BEGIN_SECONDS)
                .and_then(|begin| begin.checked_add(jiff::SignedDuration::from_millis(since)));
            self.trip = Some(Trip {
                number: trip.number,
                revision,
                generation: trip.generation,
                step: trip.step,
                errors,
                at: at.unwrap_or(Timestamp::MAX),
                shifted_us: 3,
                in_flight,
            });
        }
        self.close_what_lost_its_traffic();
    }

    /// Wires that tripped between the error and the control's lock are told before a plan is considered.
    pub(super) fn tell_trips(&mut self, now_ms: u64) {
        let untold: Vec<(String, u64, u64)> = self
            .wires
            .iter()
            .filter(|(_, wire)| wire.has_tripped())
            .map(|(name, wire)| (name.clone(), wire.errors(), wire.in_flight()))
            .collect();
        for (name, errors, in_flight) in untold {
            self.register(&name, errors, in_flight, now_ms);
        }
    }

    /// Stable takes over: its wire opens before the other one's requests are lost, whatever it was.
    pub(super) fn close_what_lost_its_traffic(&mut self) {
        let shares = self.control.shares();
        for (name, wire) in &self.wires {
            if judge::plan::percent_in(&shares, name) == 0 {
                wire.close();
            } else if !wire.is_open() && wire.arm(None).is_err() {
                // A wire that tripped gets no share: `request` reports it.
                wire.close();
            }
        }
    }

    fn tell_watch(&mut self, moment: Moment) {
        let Some(watch) = &self.plan.watch else {
            return;
        };
        let begin = moment.now_ms.saturating_sub(watch.window_ms);
        self.watched.retain(|at| *at >= begin);
        let errors = self.watched.len() as u64;
        if errors >= watch.max_errors && self.watch_exceeded.is_none() {
            self.watch_exceeded = Some(errors);
        }
    }

    pub(super) fn observe(&self) -> Observation {
        let state = match self.control.standing() {
            Standing::Serving => CanaryState::Serving,
            Standing::Tripped => CanaryState::Tripped,
            Standing::LeaseExpired => CanaryState::LeaseExpired,
            Standing::Suspended => CanaryState::Suspended,
        };
        Observation {
            generation: self.control.generation(),
            trip: self.trip.clone(),
            canary: self.plan.canary.as_ref().map(|_| CanaryObservation {
                state,
                served_ms: self.served_ms,
                counts: self.counts,
            }),
            revisions: BTreeMap::new(),
            watch_exceeded: self.watch_exceeded,
        }
    }
}

/// Picks by weight; never one with a share of 0.
pub(super) fn route(shares: &[judge::Share], random: &mut Random) -> Option<String> {
    let whole: u64 = shares.iter().map(|it| u64::from(it.percent)).sum();
    let mut left = (whole > 0).then(|| random.below(whole))?;
    for share in shares {
        let percent = u64::from(share.percent);
        if left < percent {
            return Some(share.revision.clone());
        }
        left -= percent;
    }
    None
}

/// The plan, as the judgement knows it.
pub(super) fn offered(generation: u64, plan: &Plan) -> judge::Plan {
    judge::Plan {
        generation,
        content: format!("{plan:?}"),
        last_trip: plan.last_trip,
        acknowledges: None,
        revisions: plan
            .revisions
            .iter()
            .map(|(name, _)| name.to_string())
            .collect(),
        traffic: plan
            .traffic
            .iter()
            .map(|it| super::share(&it.revision, it.percent))
            .collect(),
        canary: plan.canary.as_ref().map(|canary| judge::Canary {
            revision: canary.revision.to_string(),
            stable: canary.stable.to_string(),
            step: canary.step,
            max_errors: canary.max_errors,
            counted: canary.counted.errors,
            lease_ms: canary.lease_ms,
            shield: canary.shield,
        }),
    }
}
