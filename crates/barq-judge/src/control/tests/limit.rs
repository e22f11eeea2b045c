//! The limit of a step, over any order of plans, looks, late ends, duplicates, leases, pauses and crashes: whoever embeds
//! `Control` and `Tripwire` as the crate's page says, counts every error of the step once, for as long as the window.
//!
//! The books beside them are kept from what happened alone. After a crash the count is what was written or what the
//! planner named, whichever is more; what neither knew is lost, and nothing else ever is. What only the planner knew
//! counts as of when it looked, so for it the books have bounds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::{LEASE_MS, WINDOW_MS, plan};
use crate::control::{Accepted, Control, Durable};
use crate::lease::Run;
use crate::plan::{Canary, Plan};
use crate::tripwire::{Admission, Noted, TripNow, Tripwire};

const LIMIT: u64 = 5;

#[derive(Debug, Clone)]
enum Operation {
    /// The planner looks, and plans so many steps further.
    Plan(u32),
    /// The last plan arrives, maybe again.
    Offer,
    /// So many requests are let through.
    Admit(usize),
    /// A request ends, with an error or without.
    End(bool),
    /// The planner remembers what it sees.
    Look,
    /// Time goes by, maybe the lease's.
    Wait(u64),
    /// What was counted, and a trip.
    Write,
    Crash,
}

/// What is on disk: the control's part, and the errors of a step.
#[derive(Debug, Clone, Default)]
struct Disk {
    durable: Durable,
    /// How many of the books' errors were noted.
    noted: Option<(u32, usize)>,
}

/// An error that completed while a step was in force.
#[derive(Debug, Clone, Copy)]
struct Booked {
    at_ms: u64,
    /// A crash took it.
    lost: bool,
    /// The planner still knew of it, as of this time.
    known_at_ms: Option<u64>,
}

/// What the planner has seen of the step that it plans.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    errors: u64,
    recent: u64,
    at_ms: u64,
}

struct World {
    control: Control,
    wire: Arc<Tripwire>,
    flights: Vec<Admission>,
    disk: Disk,
    /// By the clock.
    now_ms: u64,
    /// The run's begin, by the clock.
    began_ms: u64,
    run: u128,
    offered: Plan,
    seen: Seen,
    trips_heard: u64,
    books: BTreeMap<u32, Vec<Booked>>,
    /// What there may be at most after the trip.
    most: Option<u64>,
}

impl World {
    fn new() -> Self {
        Self {
            control: Control::new(Run(1)),
            wire: Arc::default(),
            flights: Vec::new(),
            disk: Disk::default(),
            now_ms: 0,
            began_ms: 0,
            run: 1,
            offered: planned(1, 1, Seen::default(), 0),
            seen: Seen::default(),
            trips_heard: 0,
            books: BTreeMap::new(),
            most: None,
        }
    }

    fn step(&mut self, operation: &Operation) {
        match operation {
            Operation::Plan(further) => self.plan(*further),
            Operation::Offer => self.offer(),
            Operation::Admit(requests) => {
                for _ in 0..*requests {
                    let admission = self.wire.admit();
                    assert!(admission.is_none() || self.most.is_none(), "it tripped");
                    self.flights.extend(admission);
                }
            }
            Operation::End(failed) => self.end(*failed),
            Operation::Look => self.look(),
            Operation::Wait(ms) => {
                self.now_ms += ms;
                if self.control.tick(self.now()) {
                    self.wire.close();
                }
            }
            Operation::Write => {
                self.disk.durable = self.control.durable().clone();
                let step = self.in_force();
                self.disk.noted =
                    step.map(|step| (step, self.books.get(&step).map_or(0, Vec::len)));
            }
            Operation::Crash => self.crash(),
        }
        self.check();
    }

    fn in_force(&self) -> Option<u32> {
        self.control.canary().map(|canary| canary.step)
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.now_ms - self.began_ms)
    }

    fn known(&self, step: u32) -> impl Iterator<Item = &Booked> {
        let books = self.books.get(&step).into_iter().flatten();
        books.filter(|error| !error.lost)
    }

    /// The fewest and the most errors that may count now.
    fn counted(&self, step: u32) -> (u64, u64) {
        let is_inside = |at_ms: u64| at_ms + WINDOW_MS >= self.now_ms;
        let certain = self
            .known(step)
            .filter(|it| it.known_at_ms.is_none() && is_inside(it.at_ms));
        let possible = self
            .known(step)
            .filter(|it| is_inside(it.known_at_ms.unwrap_or(it.at_ms)));
        (certain.count() as u64, possible.count() as u64)
    }

    fn look(&mut self) {
        let planned = self.offered.canary.as_ref().map_or(0, |canary| canary.step);
        if self.in_force() == Some(planned) && self.wire.total() >= self.seen.errors {
            self.seen = Seen {
                errors: self.wire.total(),
                recent: self.wire.errors(self.now()),
                at_ms: self.now_ms,
            };
        }
        self.trips_heard = self.control.durable().trips;
    }

    fn plan(&mut self, further: u32) {
        let present = self.offered.canary.as_ref().map_or(1, |canary| canary.step);
        if further > 0 {
            self.seen = Seen::default();
        }
        let (generation, step) = (self.offered.generation + 1, present + further);
        self.offered = planned(generation, step, self.seen, self.trips_heard);
    }

    /// As the crate's page says: ask where to count, arm, accept, and tell a trip that came about by it.
    fn offer(&mut self) {
        let plan = self.offered.clone();
        let Ok(considered) = self.control.consider(&plan) else {
            return;
        };
        let count = self.control.count(&plan, self.now_ms);
        let canary = plan.canary.clone().unwrap();
        let now = self.now();
        if considered == crate::Considered::Duplicate {
            assert_eq!(self.control.accept(plan, now), Ok(Accepted::Duplicate));
            return;
        }
        let armed = self.wire.arm_step(canary.limit(), count, now);
        let tripped = armed.expect("a trip is told before a plan is considered");
        self.control.accept(plan, now).unwrap();
        // Plans are on disk when they are in force; counts and trips follow later.
        self.disk.durable = self.control.durable().clone();
        self.fill_up(&canary);
        if let Some(trip) = tripped {
            self.told(trip);
        }
    }

    /// What the planner names is known again, whatever was lost.
    fn fill_up(&mut self, canary: &Canary) {
        let known = self.known(canary.step).count() as u64;
        let books = self.books.entry(canary.step).or_default();
        let missing = canary.counted.saturating_sub(known);
        for error in books.iter_mut().filter(|it| it.lost).take(missing as usize) {
            (error.lost, error.known_at_ms) = (false, Some(canary.recent_at_ms));
        }
    }

    fn end(&mut self, failed: bool) {
        if self.flights.is_empty() {
            return;
        }
        if failed {
            if let Some(step) = self.in_force() {
                self.books.entry(step).or_default().push(Booked {
                    at_ms: self.now_ms,
                    lost: false,
                    known_at_ms: None,
                });
            }
            if let Some(trip) = self.wire.record_error(None, self.now()) {
                assert_eq!(trip.in_flight, self.flights.len() as u64);
                self.told(trip);
            }
        }
        self.flights.remove(0);
    }

    fn told(&mut self, now: TripNow) {
        let trip = self.control.trip("b", now.errors, now.in_flight).unwrap();
        assert_eq!(trip.generation, self.control.generation());
        self.most = Some(trip.errors + now.in_flight);
    }

    fn crash(&mut self) {
        self.run += 1;
        self.began_ms = self.now_ms;
        self.most = None;
        // What the server was told stays told: the trip's number is in its next plan, if it heard of it.
        self.flights.clear();
        self.control = Control::restart(self.disk.durable.clone(), Run(self.run));
        self.wire = Arc::default();
        let step = self.in_force().unwrap_or(0);
        let noted = self.disk.noted.filter(|(of, _)| *of == step);
        let noted = noted.map_or(0, |(_, errors)| errors);
        for (of, books) in &mut self.books {
            let kept = if *of == step { noted } else { 0 };
            for error in books.iter_mut().skip(kept) {
                (error.lost, error.known_at_ms) = (true, None);
            }
        }
        let Some(canary) = self.control.canary().cloned() else {
            return;
        };
        let mut of_disk: Vec<Noted> = self
            .known(step)
            .map(|error| Noted {
                age: Duration::from_millis(self.now_ms - error.known_at_ms.unwrap_or(error.at_ms)),
                client: None,
            })
            .collect();
        of_disk.sort_by_key(|noted| std::cmp::Reverse(noted.age));
        self.fill_up(&canary);
        let past = [canary.past(self.now_ms)];
        let trip = (self.wire).restore(canary.limit(), &of_disk, &past, self.now());
        self.wire.close();
        let is_told = self.control.standing() == crate::Standing::Tripped;
        match trip {
            Some(trip) if !is_told => self.told(trip),
            Some(trip) => self.most = Some(trip.errors.max(self.wire.total())),
            None => {}
        }
    }

    fn check(&self) {
        let Some(step) = self.in_force() else {
            return;
        };
        let known = self.known(step).count() as u64;
        assert_eq!(self.wire.total(), known, "each error of the step, once");
        let errors = self.wire.errors(self.now());
        let (least, most) = self.counted(step);
        assert!(
            (least..=most).contains(&errors),
            "{errors} count, {least} to {most} may"
        );
        assert_eq!(self.wire.has_tripped(), self.most.is_some());
        match self.most {
            None => assert!(errors < LIMIT),
            Some(most) => assert!(errors <= most, "{errors} of {most}"),
        }
    }
}

fn planned(generation: u64, step: u32, seen: Seen, last_trip: u64) -> Plan {
    let mut planned = plan(generation, &[("a", 90), ("b", 10)], Some(("b", "a")));
    planned.last_trip = last_trip;
    if let Some(canary) = &mut planned.canary {
        (canary.step, canary.max_errors) = (step, Some(LIMIT));
        (canary.counted, canary.recent, canary.recent_at_ms) =
            (seen.errors, seen.recent, seen.at_ms);
    }
    planned.content = format!("{generation} {step} {seen:?} {last_trip}");
    planned
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let operation = prop_oneof![
        2 => Just(Operation::Plan(0)),
        1 => Just(Operation::Plan(1)),
        4 => Just(Operation::Offer),
        4 => (1..4_usize).prop_map(Operation::Admit),
        8 => any::<bool>().prop_map(Operation::End),
        2 => Just(Operation::Look),
        3 => prop_oneof![Just(LEASE_MS), 0..WINDOW_MS].prop_map(Operation::Wait),
        2 => Just(Operation::Write),
        1 => Just(Operation::Crash),
    ];
    prop::collection::vec(operation, 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn no_error_inside_the_window_is_lost_to_its_limit(operations in operations()) {
        let mut world = World::new();
        for operation in operations {
            world.step(&operation);
        }
    }
}
