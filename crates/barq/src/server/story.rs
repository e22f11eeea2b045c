//! What happened, in plain sentences: for timeline, event stream, audit and incident reports alike.
//!
//! One exhaustive match over all kinds of events, so that a new one does not compile until it is told. It says what the
//! event says, and nothing that would need the state: a line never changes.

mod delivery;
mod rollout;

use barq_core::event::{
    AccessEvent, AppEvent, EffectEvent, Event, IncidentEvent, Plan, Recorded, ServiceEvent, Trip,
};
use barq_core::report::{incident_cause, milliseconds, one_line};
use jiff::Timestamp;

use super::shapes::TimelineEntry;
use crate::output::text;

pub(super) use delivery::check_outcome;

/// One line of the story.
pub(super) fn entry(recorded: &Recorded) -> TimelineEntry {
    TimelineEntry {
        at: recorded.at,
        event: recorded.event.kind().to_owned(),
        message: tell(recorded),
        actor: person(recorded),
    }
}

/// What happened, in one line.
pub(super) fn tell(recorded: &Recorded) -> String {
    match &recorded.event {
        Event::App(app, event) => match event {
            AppEvent::Created => format!("{app} was created by its first push"),
            AppEvent::RefMoved { name, to: Some(to) } => {
                format!("{name} of {app} points to {}", to.short())
            }
            AppEvent::RefMoved { name, to: None } => format!("{name} of {app} was deleted"),
        },
        Event::Delivery(id, event) => delivery::tell(id, event),
        Event::Rollout(id, event) => rollout::tell(id, event),
        Event::Service(id, event) => service(id.as_str(), event),
        Event::Incident(id, event) => format!("{id}: {}", incident(event)),
        Event::Effect(EffectEvent::AttemptFailed { key, error, .. }) => {
            format!(
                "{key} came to no result and is tried again: {}",
                one_line(error)
            )
        }
        Event::Access(AccessEvent::TokenCreated { name, role, .. }) => {
            format!("the token {name} was made, with the role {role}")
        }
        Event::Access(AccessEvent::TokenRevoked { name }) => {
            format!("the token {name} was revoked")
        }
    }
}

/// Who did it, where it was somebody.
pub(super) fn person(recorded: &Recorded) -> Option<String> {
    let name = &recorded.actor.name;
    (name != "barq").then(|| name.clone())
}

fn service(name: &str, event: &ServiceEvent) -> String {
    match event {
        ServiceEvent::Created { environment } => {
            format!("{name} is known, and nothing has entered {environment} yet")
        }
        ServiceEvent::Planned { generation, plan } => {
            format!("{name}: plan {generation}: {}", planned(plan))
        }
        ServiceEvent::PlanAccepted {
            generation,
            durable,
            switched_us,
        } => {
            let kept = if *durable {
                ""
            } else {
                ", not yet on the node's disk"
            };
            let took = milliseconds(*switched_us);
            format!("{name}: plan {generation} is in force, switched in {took}{kept}")
        }
        ServiceEvent::GenerationSeen { generation } => {
            format!("{name}: the node is at plan {generation}, which is not the one that it had")
        }
        ServiceEvent::Tripped(Trip {
            recall: Some(recall),
            revision,
            at,
            shifted_us,
            ..
        }) => format!(
            "{name}: {} took the traffic of {revision} back to {} at {at:.0}, in {}; it could not be recorded then",
            recall.by,
            recall.to,
            milliseconds(*shifted_us)
        ),
        ServiceEvent::Tripped(trip) => format!(
            "{name}: the tripwire took the traffic of {} at error {}, in {}",
            trip.revision,
            trip.errors,
            milliseconds(trip.shifted_us)
        ),
        ServiceEvent::Locked { message } => format!("{name} was locked: {message}"),
        ServiceEvent::Unlocked { message } => {
            format!("{name} was unlocked{}", said(message.as_ref()))
        }
        ServiceEvent::WarmEnded => {
            format!("{name}: the revision before is no longer kept at full size")
        }
        ServiceEvent::GuardEnded => {
            format!("{name}: the watch after the rollout is over, within its limit")
        }
    }
}

fn planned(plan: &Plan) -> String {
    if plan.traffic.is_empty() {
        return "no traffic yet".to_owned();
    }
    let shares: Vec<String> = plan
        .traffic
        .iter()
        .map(|share| format!("{} % to {}", share.percent, share.revision))
        .collect();
    shares.join(", ")
}

fn incident(event: &IncidentEvent) -> String {
    match event {
        IncidentEvent::Opened {
            revision, cause, ..
        } => format!("opened for {revision}: {}", incident_cause(cause)),
        IncidentEvent::EvidenceGathered(evidence) => format!(
            "{} met it, with {}, {} of which answered by stable",
            text::count(evidence.requests, "request"),
            text::count(evidence.errors, "error"),
            evidence.shielded
        ),
        IncidentEvent::EvidenceMissing { reason } => {
            format!("the node could not say what it saw: {}", one_line(reason))
        }
        IncidentEvent::RolledBack => "the rollback that it offered was made".to_owned(),
        IncidentEvent::Resolved { by } => format!("resolved by {by}"),
    }
}

/// What somebody added to a command.
fn said(message: Option<&String>) -> String {
    message.map_or_else(String::new, |message| format!(": {message}"))
}

/// A time that may be of another day.
fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests;
