//! The incident report: what people want to know after a rollback, from the journal alone.
//!
//! Pure: the same events give the same report, today and after a restart. What was not seen is said to be not known,
//! never shown as zero. How an event is told is the caller's (`Sources::tell`), so that the report and the timeline use
//! the same words.

mod markdown;
mod words;

use jiff::{SignedDuration, Timestamp};

use crate::delivery::Delivery;
use crate::event::{
    Commit, DeliveryEvent, EndpointCount, Event, Evidence, FailedRequest, FollowUp, IncidentCause,
    IncidentEvent, Recorded, RolloutEvent,
};
use crate::identity::{CommitHash, DeliveryId, IncidentId, RevisionName, RolloutId, ServiceId};
use crate::incident::{Incident, REPORT};
use crate::rollout::Rollout;

pub use words::{because, count, failed, incident_cause, milliseconds, one_line};

/// What is due within so long of the incident's opening is due at once: that begins with what was seen, and what is to be
/// done with what was decided.
const AT_ONCE: SignedDuration = SignedDuration::from_mins(1);

/// What a report is made of.
pub struct Sources<'a> {
    /// The incident.
    pub incident: &'a Incident,
    /// The delivery that is to blame.
    pub delivery: &'a Delivery,
    /// The rollout that is to blame.
    pub rollout: &'a Rollout,
    /// The events of the delivery, of its rollouts and of the incident.
    pub events: &'a [Recorded],
    /// How an event is told, in one line.
    pub tell: fn(&Recorded) -> String,
}

/// An incident report.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Which incident.
    pub id: IncidentId,
    /// In a few words.
    pub title: String,
    /// What happened, in one sentence.
    pub summary: String,
    /// Where.
    pub service: ServiceId,
    /// What was bad.
    pub revision: RevisionName,
    /// What it was rolled out by.
    pub rollout: RolloutId,
    /// Whose release.
    pub delivery: DeliveryId,
    /// Why, in words.
    pub cause: String,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// The later delivery that succeeded there, and when.
    pub resolved: Option<(DeliveryId, Timestamp)>,
    /// What happened, oldest first.
    pub timeline: Vec<Line>,
    /// The commit that served before.
    pub commits_after: Option<CommitHash>,
    /// The commits that came with the rollout, newest first.
    pub commits: Vec<Commit>,
    /// Whom and what it met; `Err` says why that is not known.
    pub blast_radius: Result<BlastRadius, String>,
    /// Requests of the bad revision by endpoint and status, errors first.
    pub endpoints: Vec<EndpointCount>,
    /// Samples of failed requests, newest first.
    pub failures: Vec<FailedRequest>,
    /// From its first traffic to the deciding error, in milliseconds; none where it never had traffic.
    pub detection_ms: Option<u64>,
    /// The way back; none where it was not taken.
    pub rollback: Option<Back>,
    /// What is to be done.
    pub follow_ups: Vec<FollowUp>,
}

/// One line of the timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When.
    pub at: Timestamp,
    /// What, in words.
    pub what: String,
    /// Who did it, where it was somebody.
    pub actor: Option<String>,
}

/// Whom and what a bad revision met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlastRadius {
    /// Requests that met it.
    pub requests: u64,
    /// Errors among them.
    pub errors: u64,
    /// Errors that stable answered in its place: nobody saw them.
    pub shielded: u64,
    /// Different clients that met it.
    pub clients: u64,
    /// Different clients that saw an error.
    pub clients_with_errors: u64,
}

/// The way back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Back {
    /// To what; none where nothing was there before.
    pub to: Option<RevisionName>,
    /// When the reason was seen.
    pub detected_at: Timestamp,
    /// From then until no request started on the bad revision any more, in microseconds; none while under way.
    pub shifted_us: Option<u64>,
}

impl Report {
    /// Makes the report.
    pub fn new(sources: &Sources<'_>) -> Self {
        let Sources {
            incident,
            delivery,
            rollout,
            ..
        } = sources;
        let evidence = incident.evidence.clone();
        let blast_radius = match &evidence {
            Some(Ok(evidence)) => Ok(blast_radius(evidence)),
            Some(Err(reason)) => Err(reason.clone()),
            None => Err("the node has not been asked yet".to_owned()),
        };
        let seen = evidence.and_then(Result::ok).unwrap_or_default();
        let mut endpoints = seen.endpoints;
        endpoints.sort_by_key(|it| (!is_error(it.status), std::cmp::Reverse(it.count)));
        let rollback = rollout.rollback.as_ref().map(|record| Back {
            to: record.to.clone(),
            detected_at: record.detected_at,
            shifted_us: record.shifted_us,
        });
        let mut report = Self {
            id: incident.id.clone(),
            title: title(incident),
            summary: String::new(),
            service: incident.service.clone(),
            revision: incident.revision.clone(),
            rollout: incident.rollout.clone(),
            delivery: delivery.id.clone(),
            cause: incident_cause(&incident.cause),
            opened_at: incident.opened_at,
            resolved: incident.resolved.clone(),
            timeline: timeline(sources),
            commits_after: rollout.start.since.clone(),
            commits: rollout.start.commits.clone(),
            blast_radius,
            endpoints,
            failures: seen.failures,
            detection_ms: detection_ms(sources),
            rollback,
            follow_ups: incident.follow_ups.clone(),
        };
        report.summary = report.in_one_sentence(delivery, rollout);
        report
    }

    /// Whether something that was to be done is done by this report itself.
    pub fn does(&self, follow_up: &FollowUp) -> bool {
        follow_up.what == REPORT
    }

    /// Whether something is to be done as soon as the incident is open.
    pub fn is_at_once(&self, follow_up: &FollowUp) -> bool {
        let soon = self.opened_at.saturating_add(AT_ONCE);
        let soon = soon.unwrap_or(self.opened_at);
        follow_up.due_at.is_some_and(|due| due < soon)
    }

    /// By when the postmortem is to be held.
    pub fn postmortem_due(&self) -> Option<Timestamp> {
        postmortem_due(&self.follow_ups)
    }

    fn in_one_sentence(&self, delivery: &Delivery, rollout: &Rollout) -> String {
        let commit = &delivery.push.commit;
        let back = match self.rollback.as_ref() {
            Some(Back {
                to: Some(to),
                shifted_us: Some(shifted_us),
                ..
            }) => format!(
                ", and all traffic went back to {to} in {}",
                milliseconds(*shifted_us)
            ),
            Some(Back {
                to: None,
                shifted_us: Some(shifted_us),
                ..
            }) => format!(
                ", and its traffic was taken away in {}",
                milliseconds(*shifted_us)
            ),
            Some(_) => ", and the traffic is going back".to_owned(),
            None => "; it still serves".to_owned(),
        };
        format!(
            "{} by {} ({}) came to {} as {}: {}{back}.",
            commit.hash.short(),
            commit.author_name,
            commit.subject,
            rollout.id.environment,
            self.revision,
            self.cause,
        )
    }
}

/// What a list shows of an incident.
pub fn title(incident: &Incident) -> String {
    match &incident.cause {
        IncidentCause::Rollback(_) => format!("{} was rolled back", incident.revision),
        IncidentCause::Guard { .. } if incident.rolled_back => {
            format!("{} was rolled back", incident.revision)
        }
        IncidentCause::Guard { .. } => format!("{} fails after its rollout", incident.revision),
    }
}

/// By when the postmortem is to be held, among what is to be done.
pub fn postmortem_due(follow_ups: &[FollowUp]) -> Option<Timestamp> {
    follow_ups
        .iter()
        .find(|it| it.what.contains("postmortem"))
        .and_then(|it| it.due_at)
}

fn blast_radius(evidence: &Evidence) -> BlastRadius {
    BlastRadius {
        requests: evidence.requests,
        errors: evidence.errors,
        shielded: evidence.shielded,
        clients: evidence.clients,
        clients_with_errors: evidence.clients_with_errors,
    }
}

/// No response at all is an error too.
fn is_error(status: u16) -> bool {
    status == 0 || status >= 500
}

fn timeline(sources: &Sources<'_>) -> Vec<Line> {
    let mut lines: Vec<Line> = sources
        .events
        .iter()
        .filter(|recorded| belongs(sources, &recorded.event))
        .map(|recorded| Line {
            at: recorded.at,
            what: (sources.tell)(recorded),
            actor: (recorded.actor.name != crate::event::Actor::barq().name)
                .then(|| recorded.actor.name.clone()),
        })
        .collect();
    lines.sort_by_key(|line| line.at);
    lines
}

/// The turning points of the delivery, everything of its rollout but the counting, everything of the incident.
fn belongs(sources: &Sources<'_>, event: &Event) -> bool {
    match event {
        Event::Delivery(id, event) => {
            *id == sources.delivery.id
                && matches!(
                    event,
                    DeliveryEvent::Pushed(_)
                        | DeliveryEvent::ImageBuilt { .. }
                        | DeliveryEvent::Approved { .. }
                        | DeliveryEvent::RolledBack { .. }
                        | DeliveryEvent::Cancelled { .. }
                        | DeliveryEvent::Failed { .. }
                )
        }
        Event::Rollout(id, event) => {
            *id == sources.rollout.id && !matches!(event, RolloutEvent::Progressed { .. })
        }
        Event::Incident(id, event) => {
            *id == sources.incident.id
                && matches!(
                    event,
                    IncidentEvent::Opened { .. }
                        | IncidentEvent::RolledBack
                        | IncidentEvent::Resolved { .. }
                )
        }
        Event::App(..) | Event::Service(..) | Event::Effect(_) | Event::Access(_) => false,
    }
}

/// From the first traffic of the bad revision to the reason for the rollback.
fn detection_ms(sources: &Sources<'_>) -> Option<u64> {
    let first = sources
        .events
        .iter()
        .find_map(|recorded| match &recorded.event {
            Event::Rollout(id, RolloutEvent::StepEntered(_)) if *id == sources.rollout.id => {
                Some(recorded.at)
            }
            _ => None,
        })?;
    let detected = sources
        .rollout
        .rollback
        .as_ref()
        .map_or(sources.incident.opened_at, |record| record.detected_at);
    u64::try_from(detected.duration_since(first).as_millis()).ok()
}

#[cfg(test)]
mod tests;
