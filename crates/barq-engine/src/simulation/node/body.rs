//! One service at the node: its control, its wires, its requests in flight, and what is counted of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use barq_core::event::{Counts, Plan, Recall, Trip};
use barq_core::judge::{
    self, Admission, Control, Count, Durable, Noted, Past, Run, Standing, TripNow, Tripwire,
};
use barq_core::observation::{CanaryObservation, CanaryState, Observation};
use jiff::Timestamp;

use super::super::check::Problem;
use super::super::random::Random;
use super::ledger::{Ledger, StepKey, key};
use super::offer::{at, offered_canary, wall_ms};
use crate::ports::RecallOrder;

/// What is on disk of a service.
#[derive(Clone)]
pub(super) struct Written {
    durable: Durable,
    plan: Plan,
    trip: Option<Trip>,
}

/// What is on disk of what was counted: a file of its own, written a little later.
#[derive(Clone)]
pub(super) struct Counters {
    step: StepKey,
    errors: u64,
    /// Those of them that counted for the limit, and when that was.
    recent: u64,
    at_ms: u64,
    /// When they came, as far as this node saw it.
    noted: Vec<u64>,
    counts: Counts,
    generation: u64,
    served_ms: u64,
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
    /// Of the step in force.
    counts: Counts,
    /// When its errors came.
    noted: Vec<u64>,
    served_ms: u64,
    ledger: Ledger,
    /// Errors of the watched revision, by time.
    watched: Vec<u64>,
    watch_exceeded: Option<u64>,
    /// What is in force is not on disk.
    pub(super) unwritten: bool,
}

/// A request on its way.
struct Flight {
    revision: String,
    /// In which it was routed.
    step: Option<StepKey>,
    ends_ms: u64,
    _admission: Admission,
}

impl Written {
    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }
}

impl Body {
    pub(super) fn new(run: Run) -> Self {
        let nothing = Written {
            durable: Durable::default(),
            plan: Plan::default(),
            trip: None,
        };
        Self::of(nothing, run)
    }

    /// From the disk alone; `before` is only asked what there was, to check what becomes of it.
    pub(super) fn restart(
        written: Written,
        counters: Option<&Counters>,
        run: Run,
        before: Option<Self>,
        now_ms: u64,
    ) -> Self {
        let mut body = Self::of(written, run);
        body.ledger = before.map_or_else(Ledger::default, |before| before.ledger);
        let canary = body.plan.canary.clone();
        let of_step = |it: &&Counters| canary.as_ref().is_some_and(|canary| key(canary) == it.step);
        let found = counters.filter(of_step);
        body.ledger
            .crash(found.map(|it| (&it.step, it.errors, it.at_ms)));
        let Some(canary) = canary else {
            body.arm(Count::From(Past::default()), now_ms);
            return body;
        };
        body.ledger.fill_up(&canary);
        let offered = offered_canary(&canary);
        let planned = offered.past(wall_ms(now_ms));
        let written = found.map_or_else(Past::default, |it| Past {
            errors: it.errors,
            recent: it.recent,
            age: Duration::from_millis(now_ms - it.at_ms),
        });
        body.noted = found.map_or_else(Vec::new, |it| it.noted.clone());
        let noted = body.noted.iter().map(|at_ms| Noted {
            age: Duration::from_millis(now_ms - at_ms),
            client: None,
        });
        let noted: Vec<Noted> = noted.collect();
        let known = written.errors.max(planned.errors);
        let counts = found.map_or_else(Counts::default, |it| it.counts);
        body.counts = at_least(counts, canary.counted);
        body.counts.errors = body.counts.errors.max(known);
        body.counts.requests = body.counts.requests.max(body.counts.errors);
        let generation = body.control.generation();
        let same = found.filter(|it| it.generation == generation);
        body.served_ms = same.map_or(0, |it| it.served_ms);
        let wire = Tripwire::new();
        wire.restore(offered.limit(), &noted, &[written, planned], at(now_ms));
        wire.close();
        body.wires
            .insert(canary.revision.to_string(), Arc::new(wire));
        body.arm_others();
        body
    }

    fn of(written: Written, run: Run) -> Self {
        Self {
            control: Control::restart(written.durable, run),
            plan: written.plan,
            trip: written.trip,
            wires: BTreeMap::new(),
            flights: Vec::new(),
            counts: Counts::default(),
            noted: Vec::new(),
            served_ms: 0,
            ledger: Ledger::default(),
            watched: Vec::new(),
            watch_exceeded: None,
            unwritten: false,
        }
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

    /// What is to be written of what was counted, if there is a canary.
    pub(super) fn counters(&self, now_ms: u64) -> Option<Counters> {
        let step = key(self.plan.canary.as_ref()?);
        let wire = self.wires.get(&step.0)?;
        Some(Counters {
            errors: wire.total(),
            recent: wire.errors(at(now_ms)),
            at_ms: now_ms,
            noted: self.noted.clone(),
            step,
            counts: self.counts,
            generation: self.control.generation(),
            served_ms: self.served_ms,
        })
    }

    /// The plan was accepted, and counts as was said before that.
    pub(super) fn in_force(
        &mut self,
        plan: Plan,
        count: Count,
        now_ms: u64,
    ) -> Result<(), Problem> {
        self.plan = plan;
        if let Some(canary) = &self.plan.canary {
            let before = match count {
                Count::On(_) => self.counts,
                Count::From(_) => Counts::default(),
            };
            self.counts = at_least(before, canary.counted);
            self.ledger.plan(canary)?;
        }
        if matches!(count, Count::From(_)) {
            self.noted.clear();
        }
        self.served_ms = 0;
        self.watched.clear();
        self.watch_exceeded = None;
        self.unwritten = true;
        self.arm(count, now_ms);
        self.tell_trips(now_ms)
    }

    /// Opens the wires of those that may have requests, closes the others.
    fn arm(&mut self, count: Count, now_ms: u64) {
        let canary = self.plan.canary.as_ref().map(offered_canary);
        let limit = canary.and_then(|canary| canary.limit());
        if let Some(canary) = self.control.canary() {
            let wire = self.wires.entry(canary.revision.clone()).or_default();
            let has_share = judge::plan::percent_in(&self.control.shares(), &canary.revision) > 0;
            if wire.arm_step(limit, count, at(now_ms)).is_err() || !has_share {
                wire.close();
            }
        }
        self.arm_others();
    }

    fn arm_others(&mut self) {
        let shares = self.control.shares();
        for (name, _) in &self.plan.revisions {
            let name = name.to_string();
            let wire = self.wires.entry(name.clone()).or_default();
            if self.control.canary().is_some_and(|it| it.revision == name) {
                continue;
            }
            let serves = judge::plan::percent_in(&shares, &name) > 0;
            let opened = serves && wire.arm(None).is_ok();
            if !opened {
                wire.close();
            }
        }
    }

    /// A plan that moves traffic moves it to somebody who is there.
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
            if more && another && ready(&name) == 0 {
                let percent = share.percent;
                return Err(Problem(format!(
                    "{name} gets {percent} % with no instance ready"
                )));
            }
        }
        Ok(())
    }

    /// Lets time pass.
    pub(super) fn pass(
        &mut self,
        moment: Moment,
        random: &mut Random,
        ready: &dyn Fn(&str) -> u32,
        errors_percent: &dyn Fn(&str) -> u64,
    ) -> Result<(), Problem> {
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
        self.end_requests(moment, random, errors_percent)?;
        for _ in 0..random.below(9) {
            self.request(moment, random, ready)?;
        }
        self.tell_watch(moment);
        let Some(canary) = &self.plan.canary else {
            return Ok(());
        };
        let wire = self.wires.get(&canary.revision.to_string());
        let now = at(moment.now_ms);
        let counted = wire.map_or((0, 0), |it| (it.total(), it.errors(now)));
        let serving = self.control.standing() == Standing::Serving;
        self.ledger
            .counted(canary, counted, serving, moment.now_ms)?;
        self.ledger.shown(canary, self.beyond())
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
            step: self.plan.canary.as_ref().map(key),
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
        let mut index = 0;
        while let Some(flight) = self.flights.get(index) {
            if flight.ends_ms > moment.now_ms {
                index += 1;
                continue;
            }
            let name = flight.revision.clone();
            let failed = random.below(100) < errors_percent(&name);
            if failed {
                // As in the proxy the tripwire hears of it first, while the request is still in flight.
                self.error(&name, moment)?;
            }
            let flight = self.flights.remove(index);
            self.count(&flight, failed, moment);
        }
        Ok(())
    }

    fn count(&mut self, flight: &Flight, failed: bool, moment: Moment) {
        if let Some(step) = &flight.step {
            let on_canary = step.0 == flight.revision;
            self.ledger.completed(step, on_canary, failed);
            let present = self.plan.canary.as_ref().map(key).as_ref() == Some(step);
            let errors = u64::from(failed);
            if present && on_canary {
                self.counts.requests += 1;
                self.counts.errors += errors;
            } else if present {
                self.counts.stable_requests += 1;
                self.counts.stable_errors += errors;
            }
        }
        let watch = self.plan.watch.as_ref();
        if failed && watch.is_some_and(|it| it.revision.to_string() == flight.revision) {
            self.watched.push(moment.now_ms);
        }
    }

    fn error(&mut self, name: &str, moment: Moment) -> Result<(), Problem> {
        let Some(wire) = self.wires.get(name).cloned() else {
            return Ok(());
        };
        // The tripwire counts what completes now, in whichever step it was routed.
        let step = self.plan.canary.as_ref().map(key);
        let step = step.filter(|(revision, _)| revision == name);
        let trip = wire.record_error(None, at(moment.now_ms));
        match &step {
            Some(step) => {
                self.noted.push(moment.now_ms);
                self.ledger.error(step, trip, moment.now_ms)?;
            }
            None if trip.is_some() => {
                return Err(Problem(format!("{name} tripped and is not on trial")));
            }
            None => {}
        }
        if let Some(trip) = trip {
            if wire.admit().is_some() {
                return Err(Problem(format!("{name} tripped and is open")));
            }
            self.register(name, trip.errors, trip.in_flight, moment.now_ms)?;
        }
        Ok(())
    }

    fn register(
        &mut self,
        revision: &str,
        errors: u64,
        in_flight: u64,
        now_ms: u64,
    ) -> Result<(), Problem> {
        if let Some(trip) = self.control.trip(revision, errors, in_flight) {
            let flying = self.flights.iter().filter(|it| it.revision == revision);
            self.ledger.tripped(&trip, flying.count() as u64)?;
            self.remember(&trip, None, now_ms);
        }
        self.close_what_lost_its_traffic();
        Ok(())
    }

    /// Somebody's word takes the traffic back.
    pub(super) fn recall(&mut self, order: &RecallOrder, now_ms: u64) -> bool {
        let (from, to) = (order.revision.to_string(), order.recall.to.to_string());
        let wire = self.wires.get(&from);
        let (errors, in_flight) = wire.map_or((0, 0), |it| (it.errors(at(now_ms)), it.in_flight()));
        let recalled = self.control.recall(&from, &to, errors, in_flight);
        if let Ok(judge::Recalled::Now(trip)) = &recalled {
            let recall = Some(Box::new(order.recall.clone()));
            self.remember(trip, recall, now_ms);
            self.close_what_lost_its_traffic();
        }
        recalled.is_ok()
    }

    fn remember(&mut self, trip: &judge::Trip, recall: Option<Box<Recall>>, now_ms: u64) {
        self.unwritten = true;
        if let Ok(revision) = trip.revision.parse() {
            let since = i64::try_from(now_ms).unwrap_or(i64::MAX);
            let at = Timestamp::from_second(super::super::BEGIN_SECONDS)
                .and_then(|begin| begin.checked_add(jiff::SignedDuration::from_millis(since)));
            self.trip = Some(Trip {
                number: trip.number,
                revision,
                generation: trip.generation,
                step: trip.step,
                errors: trip.errors,
                at: at.unwrap_or(Timestamp::MAX),
                shifted_us: 3,
                in_flight: trip.in_flight,
                recall,
            });
        }
    }

    /// Wires that tripped between the error and the control's lock are told before a plan is considered.
    pub(super) fn tell_trips(&mut self, now_ms: u64) -> Result<(), Problem> {
        let untold: Vec<(String, TripNow)> = self
            .wires
            .iter()
            .filter_map(|(name, wire)| Some((name.clone(), wire.tripped()?)))
            .collect();
        for (name, trip) in untold {
            self.register(&name, trip.errors, trip.in_flight, now_ms)?;
        }
        Ok(())
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

    /// What was counted in the step beyond what the server knew when it planned.
    fn beyond(&self) -> Counts {
        let canary = self.plan.canary.as_ref();
        let counted = canary.map_or_else(Counts::default, |canary| canary.counted);
        Counts {
            requests: self.counts.requests.saturating_sub(counted.requests),
            errors: self.counts.errors.saturating_sub(counted.errors),
            shielded: self.counts.shielded.saturating_sub(counted.shielded),
            stable_requests: (self.counts.stable_requests).saturating_sub(counted.stable_requests),
            stable_errors: (self.counts.stable_errors).saturating_sub(counted.stable_errors),
        }
    }

    pub(super) fn observe(&self, now_ms: u64) -> Observation {
        let state = match self.control.standing() {
            Standing::Serving => CanaryState::Serving,
            Standing::Tripped => CanaryState::Tripped,
            Standing::LeaseExpired => CanaryState::LeaseExpired,
            Standing::Suspended => CanaryState::Suspended,
        };
        Observation {
            generation: self.control.generation(),
            trip: self.trip.clone(),
            canary: self.plan.canary.as_ref().map(|canary| CanaryObservation {
                state,
                served_ms: self.served_ms,
                counts: self.beyond(),
                recent_errors: self
                    .wires
                    .get(&canary.revision.to_string())
                    .map_or(0, |wire| wire.errors(at(now_ms))),
            }),
            revisions: BTreeMap::new(),
            watch_exceeded: self.watch_exceeded,
        }
    }
}

/// The greater of each.
fn at_least(one: Counts, other: Counts) -> Counts {
    Counts {
        requests: one.requests.max(other.requests),
        errors: one.errors.max(other.errors),
        shielded: one.shielded.max(other.shielded),
        stable_requests: one.stable_requests.max(other.stable_requests),
        stable_errors: one.stable_errors.max(other.stable_errors),
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
