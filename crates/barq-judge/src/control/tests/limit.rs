//! The limit of a whole step, over any order of plans, looks, late ends, duplicates, leases and crashes: whoever embeds
//! `Control` and `Tripwire` as the crate's page says, counts every error of the step once.
//!
//! The books beside them are kept from what happened alone. After a crash the count is what was written or what the
//! planner named, whichever is more; what neither knew is lost, and nothing else ever is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::{LEASE_MS, plan};
use crate::control::{Accepted, Control, Durable};
use crate::lease::Run;
use crate::plan::Plan;
use crate::tripwire::{Admission, Count, Tripwire};

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
    /// The lease runs out.
    Wait,
    /// What was counted, and a trip.
    Write,
    Crash,
}

/// What is on disk: the control's part, and the errors of a step.
#[derive(Debug, Clone, Default)]
struct Disk {
    durable: Durable,
    counted: Option<(u32, u64)>,
}

struct World {
    control: Control,
    wire: Arc<Tripwire>,
    flights: Vec<Admission>,
    disk: Disk,
    now_ms: u64,
    run: u128,
    offered: Plan,
    /// What the planner has seen of the step that it plans.
    seen: u64,
    trips_heard: u64,
    /// The books: errors that completed while a step was in force, and those that a crash took of them.
    errors: BTreeMap<u32, u64>,
    lost: BTreeMap<u32, u64>,
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
            run: 1,
            offered: planned(1, 1, 0, 0),
            seen: 0,
            trips_heard: 0,
            errors: BTreeMap::new(),
            lost: BTreeMap::new(),
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
            Operation::Wait => {
                self.now_ms += LEASE_MS;
                if self.control.tick(Duration::from_millis(self.now_ms)) {
                    self.wire.close();
                }
            }
            Operation::Write => {
                self.disk.durable = self.control.durable().clone();
                let step = self.in_force();
                self.disk.counted = step.map(|step| (step, self.wire.errors()));
            }
            Operation::Crash => self.crash(),
        }
        self.check();
    }

    fn in_force(&self) -> Option<u32> {
        self.control.canary().map(|canary| canary.step)
    }

    fn counted(&self, step: u32) -> u64 {
        let of = |books: &BTreeMap<u32, u64>| books.get(&step).copied().unwrap_or(0);
        of(&self.errors) - of(&self.lost)
    }

    fn look(&mut self) {
        let planned = self.offered.canary.as_ref().map_or(0, |canary| canary.step);
        if self.in_force() == Some(planned) {
            self.seen = self.seen.max(self.wire.errors());
        }
        self.trips_heard = self.control.durable().trips;
    }

    fn plan(&mut self, further: u32) {
        let present = self.offered.canary.as_ref().map_or(1, |canary| canary.step);
        if further > 0 {
            self.seen = 0;
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
        let count = self.control.count(&plan);
        let canary = plan.canary.clone().unwrap();
        let now = Duration::from_millis(self.now_ms);
        if considered == crate::Considered::Duplicate {
            assert_eq!(self.control.accept(plan, now), Ok(Accepted::Duplicate));
            return;
        }
        let armed = self.wire.arm_step(canary.max_errors, count);
        let tripped = armed.expect("a trip is told before a plan is considered");
        self.control.accept(plan, now).unwrap();
        // Plans are on disk when they are in force; counts and trips follow later.
        self.disk.durable = self.control.durable().clone();
        if let Some(lost) = self.lost.get_mut(&canary.step) {
            *lost = (*lost).min(self.errors[&canary.step] - canary.counted);
        }
        if tripped.is_some() {
            self.told();
        }
    }

    fn end(&mut self, failed: bool) {
        if self.flights.is_empty() {
            return;
        }
        if failed {
            if let Some(step) = self.in_force() {
                *self.errors.entry(step).or_default() += 1;
            }
            if let Some(trip) = self.wire.record_error() {
                assert_eq!(trip.in_flight, self.flights.len() as u64);
                self.told();
            }
        }
        self.flights.remove(0);
    }

    fn told(&mut self) {
        let (errors, in_flight) = (self.wire.errors(), self.wire.in_flight());
        let trip = self.control.trip("b", errors, in_flight).unwrap();
        assert_eq!(trip.errors, self.counted(trip.step), "the record is exact");
        assert_eq!(trip.generation, self.control.generation());
        self.most = Some(LIMIT.max(trip.errors) + in_flight);
    }

    fn crash(&mut self) {
        self.run += 1;
        self.now_ms = 0;
        self.most = None;
        // What the server was told stays told: the trip's number is in its next plan, if it heard of it.
        self.flights.clear();
        self.control = Control::restart(self.disk.durable.clone(), Run(self.run));
        self.wire = Arc::default();
        let Some(canary) = self.control.canary().cloned() else {
            return self.lost.clone_from(&self.errors);
        };
        let written = self.disk.counted.filter(|(step, _)| *step == canary.step);
        let known = written.map_or(0, |(_, errors)| errors).max(canary.counted);
        for (step, errors) in &self.errors {
            let known = if *step == canary.step { known } else { 0 };
            self.lost.insert(*step, errors - known);
        }
        let armed = self.wire.arm_step(canary.max_errors, Count::From(known));
        self.wire.close();
        let is_told = self.control.standing() == crate::Standing::Tripped;
        match armed.expect("a new wire has not tripped") {
            Some(_) if !is_told => self.told(),
            Some(_) => self.most = Some(known),
            None => assert!(!is_told, "a trip that is written has its errors written"),
        }
    }

    fn check(&self) {
        let Some(step) = self.in_force() else {
            return;
        };
        let errors = self.wire.errors();
        assert_eq!(errors, self.counted(step), "each error of the step, once");
        assert_eq!(self.wire.has_tripped(), self.most.is_some());
        match self.most {
            None => assert!(errors < LIMIT),
            Some(most) => assert!(errors <= most, "{errors} of {most}"),
        }
    }
}

fn planned(generation: u64, step: u32, counted: u64, last_trip: u64) -> Plan {
    let mut planned = plan(generation, &[("a", 90), ("b", 10)], Some(("b", "a")));
    planned.last_trip = last_trip;
    if let Some(canary) = &mut planned.canary {
        (canary.step, canary.counted, canary.max_errors) = (step, counted, Some(LIMIT));
    }
    planned.content = format!("{generation} {step} {counted} {last_trip}");
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
        1 => Just(Operation::Wait),
        2 => Just(Operation::Write),
        1 => Just(Operation::Crash),
    ];
    prop::collection::vec(operation, 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn no_error_of_a_step_is_lost_to_its_limit(operations in operations()) {
        let mut world = World::new();
        for operation in operations {
            world.step(&operation);
        }
    }
}
