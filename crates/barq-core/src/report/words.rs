//! Causes and times in words: the same in the report, the timeline and the API.

use crate::event::{IncidentCause, Interruption, ProbeLine, RollbackCause};

/// Why the traffic is taken back.
pub fn because(cause: &RollbackCause) -> String {
    match cause {
        RollbackCause::Tripped(trip) => format!(
            "the tripwire tripped at error {} of step {}, with {} in flight",
            trip.errors,
            trip.step,
            count(trip.in_flight, "request")
        ),
        RollbackCause::VerificationFailed { lines } => {
            let failed = failed(lines).unwrap_or_default();
            format!("the final verification failed: {failed}")
        }
        RollbackCause::NotReady { reason } => one_line(reason),
        RollbackCause::Interrupted {
            interruption,
            times,
        } => format!(
            "{}, {}, so no verdict came about",
            interrupted(*interruption),
            count(u64::from(*times), "time")
        ),
        RollbackCause::Manual { message, moved } => {
            let said = said(message.as_ref());
            match moved {
                None => format!("somebody asked for the rollback{said}"),
                Some(_) => format!(
                    "somebody asked for the rollback, which moved the traffic before it could be recorded{said}"
                ),
            }
        }
        RollbackCause::Aborted { message } => {
            format!("somebody stopped the rollout{}", said(message.as_ref()))
        }
        RollbackCause::Guard { errors } => guard(*errors),
    }
}

/// Why an incident was opened.
pub fn incident_cause(cause: &IncidentCause) -> String {
    match cause {
        IncidentCause::Rollback(cause) => because(cause),
        IncidentCause::Guard { errors } => guard(*errors),
    }
}

/// A span of microseconds, as exact as people want it: `1.23 ms`, `412 ms`, `12 s`.
pub fn milliseconds(microseconds: u64) -> String {
    match microseconds {
        0..10_000 => format!("{}.{:02} ms", microseconds / 1000, microseconds % 1000 / 10),
        10_000..10_000_000 => format!("{} ms", microseconds / 1000),
        _ => format!("{} s", microseconds / 1_000_000),
    }
}

/// So many of something: `1 error`, `2 errors`.
pub fn count(number: u64, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

/// The first line of a text, marked where there is more.
pub fn one_line(text: &str) -> String {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let first = lines.next().unwrap_or_default().trim_end();
    if lines.next().is_some() {
        format!("{} …", first.trim_end_matches(':'))
    } else {
        first.to_owned()
    }
}

/// The probe lines that did not pass, in one line; none where all did.
pub fn failed(lines: &[ProbeLine]) -> Option<String> {
    let failed: Vec<String> = lines
        .iter()
        .filter(|line| !line.passed)
        .map(|line| format!("{}: {}", line.what, one_line(&line.detail)))
        .collect();
    (!failed.is_empty()).then(|| failed.join("; "))
}

/// What went wrong with a canary that no verdict ended.
fn interrupted(interruption: Interruption) -> &'static str {
    match interruption {
        Interruption::LeaseExpired => "the lease ran out",
        Interruption::NodeRestarted => "the node restarted",
    }
}

fn guard(errors: u64) -> String {
    let errors = count(errors, "error");
    format!("{errors} after the rollout reached the guard's limit")
}

fn said(message: Option<&String>) -> String {
    message.map_or_else(String::new, |message| format!(": {message}"))
}
