//! The lines of a rollout: deploy, smoke tests, steps, verification, and the way back.

use barq_core::event::{Counts, DirectReason, Interruption, RolloutEvent, RolloutStart, StepEntry};
use barq_core::identity::RolloutId;
use barq_core::report::{because, failed, milliseconds, one_line};

use crate::output::text;

pub(super) fn tell(id: &RolloutId, event: &RolloutEvent) -> String {
    format!("{}: {}", id.environment, line(event))
}

fn line(event: &RolloutEvent) -> String {
    match event {
        RolloutEvent::Started(start) => started(start),
        RolloutEvent::Deployed { ready } => format!("{} ready", count(*ready)),
        RolloutEvent::SmokePassed { lines } => {
            format!("smoke tests passed ({} of {0})", lines.len())
        }
        RolloutEvent::TargetProven { size } => {
            format!(
                "the stable revision proved that it could take over, with {}",
                count(*size)
            )
        }
        RolloutEvent::TargetUnfit { failures, .. } => {
            let failures = failures.join("; ");
            format!("the stable revision is not fit to go back to yet: {failures}")
        }
        RolloutEvent::WentDirect(reason) => direct(reason),
        RolloutEvent::StepPrepared { step, size } => {
            format!(
                "step {step}: ready for its share of the traffic: {}",
                count(*size)
            )
        }
        RolloutEvent::StepEntered(entry) => entered(entry),
        RolloutEvent::Progressed {
            held_ms, counts, ..
        } => format!("{}, held for {} s", counted(counts), held_ms / 1000),
        RolloutEvent::Interrupted(interruption) => {
            format!("{}: the step is entered again", interrupted(*interruption))
        }
        RolloutEvent::StepPassed { step } => format!("step {step} passed"),
        RolloutEvent::Paused => "paused; the tripwire stays armed".to_owned(),
        RolloutEvent::Resumed => "resumed".to_owned(),
        RolloutEvent::Promoted { full: false } => "promoted to the next step".to_owned(),
        RolloutEvent::Promoted { full: true } => "promoted to 100 %".to_owned(),
        RolloutEvent::Verified { lines } => {
            format!(
                "verified through the public ingress ({} of {0})",
                lines.len()
            )
        }
        RolloutEvent::VerificationRetried { lines, .. } => {
            let failed = failed(lines).unwrap_or_default();
            format!("not verified yet: {failed}")
        }
        RolloutEvent::RollbackStarted { cause, to, .. } => match to {
            Some(to) => format!("back to {to}: {}", because(cause)),
            None => format!("its traffic is taken away: {}", because(cause)),
        },
        RolloutEvent::RollbackPrepared => "the revision to go back to is ready".to_owned(),
        RolloutEvent::RolledBack { shifted_us } => {
            format!(
                "rolled back: all traffic moved in {}",
                milliseconds(*shifted_us)
            )
        }
        RolloutEvent::RollbackAbandoned { reason } => {
            format!("not rolled back, the traffic stays: {}", one_line(reason))
        }
        RolloutEvent::Failed { reason } => format!("failed: {}", one_line(reason)),
        RolloutEvent::Aborted => "aborted: the traffic is where it was before".to_owned(),
        RolloutEvent::Succeeded => "succeeded: the new revision is stable".to_owned(),
        RolloutEvent::GuardExceeded { errors } => {
            let errors = text::count(*errors, "error");
            format!("{errors} after the rollout, more than the guard allows")
        }
    }
}

fn started(start: &RolloutStart) -> String {
    match &start.stable {
        Some(stable) => format!("{} is deployed at 0 %; {stable} serves", start.revision),
        None => format!("{} is deployed at 0 %; nothing serves yet", start.revision),
    }
}

fn entered(entry: &StepEntry) -> String {
    let limit = entry
        .max_errors
        .map_or_else(String::new, |max| format!("; error {max} takes it back"));
    format!(
        "step {}: {} % of the traffic{limit}",
        entry.step, entry.traffic
    )
}

fn direct(reason: &DirectReason) -> String {
    match reason {
        DirectReason::NoStable => {
            "nothing is stable yet, so there is no canary: straight to 100 %".to_owned()
        }
        DirectReason::StableNotReady { failures } => format!(
            "the stable revision is not fit to go back to ({}), so there is no canary: straight to 100 %",
            failures.join("; ")
        ),
    }
}

fn counted(counts: &Counts) -> String {
    let shielded = match counts.shielded {
        0 => String::new(),
        shielded => format!(" ({shielded} answered by stable)"),
    };
    format!(
        "{}, {}{shielded} on the canary",
        text::count(counts.requests, "request"),
        text::count(counts.errors, "error")
    )
}

fn interrupted(interruption: Interruption) -> &'static str {
    match interruption {
        Interruption::LeaseExpired => "the lease ran out",
        Interruption::NodeRestarted => "the node restarted",
    }
}

fn count(instances: u32) -> String {
    text::count(u64::from(instances), "instance")
}
