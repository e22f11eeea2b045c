//! The lines of a delivery: push, checks, image, gate, end.

use barq_core::event::{CheckOutcome, DeliveryEvent, Push};
use barq_core::identity::DeliveryId;
use barq_core::report::one_line;

use super::{said, time};
use crate::output::text;

pub(super) fn tell(id: &DeliveryId, event: &DeliveryEvent) -> String {
    match event {
        DeliveryEvent::Pushed(push) => pushed(id, push),
        DeliveryEvent::CheckStarted { check } => format!("check {check} runs"),
        DeliveryEvent::CheckFinished {
            check,
            outcome,
            duration_ms,
        } => format!(
            "check {check} {} {}",
            check_outcome(outcome),
            after(outcome, *duration_ms)
        )
        .trim_end()
        .to_owned(),
        DeliveryEvent::BuildStarted => "the build runs".to_owned(),
        DeliveryEvent::ImageBuilt {
            image, duration_ms, ..
        } => format!(
            "image {} was built in {}",
            short(image.as_str()),
            text::duration_ms(*duration_ms as f64)
        ),
        DeliveryEvent::BuildStopped => "the build was stopped".to_owned(),
        DeliveryEvent::Arrived { environment } => format!("next is {environment}"),
        DeliveryEvent::ApprovalAsked {
            environment,
            role,
            expires_at,
            reasons,
            ..
        } => {
            let mut line = format!(
                "a {role} must approve it for {environment}, by {}",
                time(*expires_at)
            );
            for reason in reasons {
                line.push_str("; ");
                line.push_str(reason);
            }
            line
        }
        DeliveryEvent::Approved {
            environment,
            message,
            ..
        } => format!("approved for {environment}{}", said(message.as_ref())),
        DeliveryEvent::Rejected { message } => format!("rejected{}", said(message.as_ref())),
        DeliveryEvent::Expired => "nobody approved it in time".to_owned(),
        DeliveryEvent::Superseded { by } => format!("{by} took its place"),
        DeliveryEvent::TookThePlace { of } => format!("took the place of {of}, which waited"),
        DeliveryEvent::Cancelled { message } => format!("cancelled{}", said(message.as_ref())),
        DeliveryEvent::Failed { reason } => format!("failed: {}", one_line(reason)),
        DeliveryEvent::Succeeded => "succeeded".to_owned(),
        DeliveryEvent::RolledBack { environment } => {
            format!("rolled back: its traffic in {environment} was taken back")
        }
    }
}

fn pushed(id: &DeliveryId, push: &Push) -> String {
    let commit = &push.commit;
    let more = match push.commits.len() {
        0 | 1 => String::new(),
        commits => format!(" (with {} more)", commits - 1),
    };
    let again = push
        .retry_of
        .as_ref()
        .map_or_else(String::new, |of| format!(", {of} again"));
    format!(
        "{id}: {} by {} on {}{more}{again}: {}",
        commit.hash.short(),
        commit.author_name,
        push.branch,
        commit.subject
    )
}

/// How a check ended, in words.
pub(in super::super) fn check_outcome(outcome: &CheckOutcome) -> String {
    match outcome {
        CheckOutcome::Passed => "passed".to_owned(),
        CheckOutcome::Failed { code } => format!("failed with status {code}"),
        CheckOutcome::Signalled { signal } => format!("was ended by signal {signal}"),
        CheckOutcome::TimedOut => "ran longer than its time-out".to_owned(),
        CheckOutcome::Cancelled => "was cancelled".to_owned(),
        CheckOutcome::Skipped { reason } => format!("was skipped: {}", one_line(reason)),
        CheckOutcome::Error { reason } => format!("could not be run: {}", one_line(reason)),
    }
}

fn after(outcome: &CheckOutcome, duration_ms: u64) -> String {
    match outcome {
        CheckOutcome::Skipped { .. } | CheckOutcome::Error { .. } => String::new(),
        CheckOutcome::Passed
        | CheckOutcome::Failed { .. }
        | CheckOutcome::Signalled { .. }
        | CheckOutcome::TimedOut
        | CheckOutcome::Cancelled => format!("after {}", text::duration_ms(duration_ms as f64)),
    }
}

fn short(digest: &str) -> &str {
    let hash = digest.trim_start_matches("sha256:");
    hash.get(..12).unwrap_or(hash)
}
