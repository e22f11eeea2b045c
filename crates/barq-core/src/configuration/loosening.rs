//! What a pushed `barq.toml` weakens of the gate that it has to pass.
//!
//! The file that holds the rules is pushed by those whom they bind. So a change of them is compared with the rules in
//! force, and a change for the weaker needs an approval under these. When in doubt a change counts as weaker: the cost
//! is one approval, that of the reverse is a gate that opens itself. Size, probes and checks are no part of the gate.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::units::format_duration;
use super::{Approval, Environment, Guard, GuardLimit, Step};

/// The rules of one environment: the branch that is delivered, and the environment's own.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// [`super::Configuration::branch`].
    pub branch: &'a str,
    /// The environment.
    pub environment: &'a Environment,
}

/// One rule that a push weakens, for people to read: `steps[10 %].hold: "5m" → "1m"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loosening {
    /// The key in `barq.toml`, below `environments.NAME` for all but `branch`.
    pub rule: String,
    /// What is in force.
    pub in_force: String,
    /// What is pushed.
    pub pushed: String,
}

impl fmt::Display for Loosening {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}: {} → {}",
            self.rule, self.in_force, self.pushed
        )
    }
}

/// Everything that `pushed` weakens of what is `in_force`; empty if nothing.
pub fn compare(in_force: Rules<'_>, pushed: Rules<'_>) -> Vec<Loosening> {
    let mut found = Vec::new();
    let (old, new) = (in_force.environment, pushed.environment);
    if in_force.branch != pushed.branch {
        found.push(loosening("branch", in_force.branch, pushed.branch));
    }
    compare_approval(old.approval.as_ref(), new.approval.as_ref(), &mut found);
    compare_steps(&old.steps, &new.steps, &mut found);
    compare_guard(old, new, &mut found);
    if old.shield && !new.shield {
        found.push(loosening("shield", true, false));
    }
    if new.lease > old.lease {
        found.push(loosening(
            "lease",
            format_duration(old.lease),
            format_duration(new.lease),
        ));
    }
    found
}

fn compare_approval(old: Option<&Approval>, new: Option<&Approval>, found: &mut Vec<Loosening>) {
    let Some(old) = old else { return };
    let Some(new) = new else {
        found.push(loosening("approval", format!("by a {}", old.role), "none"));
        return;
    };
    if new.role < old.role {
        found.push(loosening("approval.role", old.role, new.role));
    }
    if new.expires > old.expires {
        found.push(loosening(
            "approval.expires",
            format_duration(old.expires),
            format_duration(new.expires),
        ));
    }
    if old.separate_approver && !new.separate_approver {
        found.push(loosening("approval.separate_approver", true, false));
    }
}

fn compare_steps(old: &[Step], new: &[Step], found: &mut Vec<Loosening>) {
    let share = |steps: &[Step]| steps.first().map_or(100, |step| step.traffic);
    if share(new) > share(old) {
        found.push(loosening(
            "steps: first share",
            percent(share(old)),
            percent(share(new)),
        ));
    }
    for step in old.iter().filter(|step| step.traffic < 100) {
        let rule = format!("steps[{}]", percent(step.traffic));
        let Some(same) = new.iter().find(|other| other.traffic == step.traffic) else {
            found.push(loosening(
                &rule,
                format!("held {}", format_duration(step.hold)),
                "removed",
            ));
            continue;
        };
        if same.hold < step.hold {
            let (old, new) = (format_duration(step.hold), format_duration(same.hold));
            found.push(loosening(&format!("{rule}.hold"), old, new));
        }
        compare_limit(&rule, step.max_errors, same.max_errors, found);
    }
    // A step put in between may tolerate no more than the one that stood in its way.
    for step in new.iter().filter(|step| step.traffic < 100) {
        let known = old.iter().any(|other| other.traffic == step.traffic);
        let in_its_way = old
            .iter()
            .find(|other| other.traffic > step.traffic && other.traffic < 100);
        if let Some(in_its_way) = in_its_way.filter(|_| !known) {
            compare_limit(
                &format!("steps[{}]", percent(step.traffic)),
                in_its_way.max_errors,
                step.max_errors,
                found,
            );
        }
    }
}

fn compare_limit(rule: &str, old: Option<u32>, new: Option<u32>, found: &mut Vec<Loosening>) {
    let Some(old) = old else { return };
    let rule = format!("{rule}.max_errors");
    match new {
        None => found.push(loosening(&rule, old, "none")),
        Some(new) if new > old => found.push(loosening(&rule, old, new)),
        Some(_) => {}
    }
}

fn compare_guard(old: &Environment, new: &Environment, found: &mut Vec<Loosening>) {
    let Some(old_guard) = old.guard else { return };
    let for_duration = |guard: Guard| format!("for {}", format_duration(guard.duration));
    let Some(new_guard) = new.guard else {
        found.push(loosening("guard", for_duration(old_guard), "none"));
        return;
    };
    if new_guard.duration < old_guard.duration {
        found.push(loosening(
            "guard.for",
            format_duration(old_guard.duration),
            format_duration(new_guard.duration),
        ));
    }
    if new_guard.action < old_guard.action {
        found.push(loosening(
            "guard.action",
            old_guard.action.name(),
            new_guard.action.name(),
        ));
    }
    if let (Some(old), Some(new)) = (old.guard_limit(), new.guard_limit()) {
        // As rates, since a limit over a longer time may be higher and yet stricter.
        let product = |limit: GuardLimit, other: GuardLimit| {
            u128::from(limit.max_errors) * other.window.as_millis()
        };
        if product(new, old) > product(old, new) {
            let text = |limit: GuardLimit| {
                format!(
                    "{} errors in {}",
                    limit.max_errors,
                    format_duration(limit.window)
                )
            };
            found.push(loosening(
                "guard: limit from the steps",
                text(old),
                text(new),
            ));
        }
    }
}

fn loosening(rule: &str, in_force: impl fmt::Display, pushed: impl fmt::Display) -> Loosening {
    Loosening {
        rule: rule.to_owned(),
        in_force: in_force.to_string(),
        pushed: pushed.to_string(),
    }
}

fn percent(traffic: u8) -> String {
    format!("{traffic} %")
}

#[cfg(test)]
mod tests;
