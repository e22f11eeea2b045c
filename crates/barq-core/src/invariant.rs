//! What must always hold, whatever was asked, observed or lost: checked independently of the rules.
//!
//! Nothing here calls the rules or what is derived from the state (`plan`, `pending`, `decide`): it looks at the raw
//! state and at single events, and computes again what should be true. A shared mistake would check itself. `check` is
//! for a state between two decisions (inside one, plans follow a moment later), `check_step` for each event.

mod delivery;
mod rollout;
mod service;
mod step;

use std::fmt;

use crate::event::Recorded;
use crate::state::State;

/// Something that must never be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// Where, e.g. `service fleet-production`.
    pub subject: String,
    /// What is wrong, in words.
    pub problem: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.subject, self.problem)
    }
}

/// Everything that is wrong with a state between two decisions; empty when all is well.
pub fn check(state: &State) -> Vec<Violation> {
    let mut found = Found::default();
    for service in state.services.values() {
        service::check(state, service, &mut found);
    }
    for rollout in state.rollouts.values() {
        rollout::check(state, rollout, &mut found);
    }
    for delivery in state.deliveries.values() {
        delivery::check(state, delivery, &mut found);
    }
    found.violations
}

/// Everything that is wrong with one event, given the states before and after it; empty when all is well.
pub fn check_step(before: &State, recorded: &Recorded, after: &State) -> Vec<Violation> {
    let mut found = Found::default();
    step::check(before, recorded, after, &mut found);
    found.violations
}

/// What was found so far, and about what the next finding is.
#[derive(Default)]
struct Found {
    subject: String,
    violations: Vec<Violation>,
}

impl Found {
    fn about(&mut self, what: &str, name: impl fmt::Display) {
        self.subject = format!("{what} {name}");
    }

    /// Records `problem` unless `holds`.
    fn must(&mut self, holds: bool, problem: impl FnOnce() -> String) {
        if !holds {
            self.violations.push(Violation {
                subject: self.subject.clone(),
                problem: problem(),
            });
        }
    }
}

#[cfg(test)]
mod tests;
