//! An incident: opened by a rollback or by the guard, with what must be done afterwards.
//!
//! Here are the state and how events change it. The report that people read is made from the journal elsewhere.

use jiff::{SignedDuration, Timestamp};

use crate::event::{Evidence, FollowUp, IncidentCause, IncidentEvent};
use crate::identity::{DeliveryId, IncidentId, RevisionName, RolloutId, ServiceId};

/// How long error rates are watched after a rollback (`flow.md` section 6).
pub const MONITOR_MINUTES: i64 = 30;
/// Within what the postmortem is held (`flow.md` section 6).
pub const POSTMORTEM_HOURS: i64 = 48;

/// An incident's state.
#[derive(Debug, Clone, PartialEq)]
pub struct Incident {
    /// Its id.
    pub id: IncidentId,
    /// To blame.
    pub rollout: RolloutId,
    /// Where.
    pub service: ServiceId,
    /// What was bad.
    pub revision: RevisionName,
    /// Why it was opened.
    pub cause: IncidentCause,
    /// When.
    pub opened_at: Timestamp,
    /// What is to be done.
    pub follow_ups: Vec<FollowUp>,
    /// What the data plane saw; `Err` says why it could not tell.
    pub evidence: Option<Result<Evidence, String>>,
    /// Whether the rollback that it offered was made.
    pub rolled_back: bool,
    /// The later delivery that succeeded there, and when.
    pub resolved: Option<(DeliveryId, Timestamp)>,
}

impl Incident {
    /// Changes the incident as the event says; makes it of `Opened`.
    pub fn apply(state: &mut Option<Self>, id: &IncidentId, event: &IncidentEvent, at: Timestamp) {
        match (event, state) {
            (
                IncidentEvent::Opened {
                    rollout,
                    service,
                    revision,
                    cause,
                    follow_ups,
                },
                state,
            ) => {
                *state = Some(Self {
                    id: id.clone(),
                    rollout: rollout.clone(),
                    service: service.clone(),
                    revision: revision.clone(),
                    cause: cause.as_ref().clone(),
                    opened_at: at,
                    follow_ups: follow_ups.clone(),
                    evidence: None,
                    rolled_back: matches!(**cause, IncidentCause::Rollback(_)),
                    resolved: None,
                });
            }
            (IncidentEvent::EvidenceGathered(evidence), Some(incident)) => {
                incident.evidence = Some(Ok(evidence.as_ref().clone()));
            }
            (IncidentEvent::EvidenceMissing { reason }, Some(incident)) => {
                incident.evidence = Some(Err(reason.clone()));
            }
            (IncidentEvent::RolledBack, Some(incident)) => incident.rolled_back = true,
            (IncidentEvent::Resolved { by }, Some(incident)) => {
                incident.resolved = Some((by.clone(), at));
            }
            (
                IncidentEvent::EvidenceGathered(_)
                | IncidentEvent::EvidenceMissing { .. }
                | IncidentEvent::RolledBack
                | IncidentEvent::Resolved { .. },
                None,
            ) => {}
        }
    }
}

/// What is done by itself: the report is there as soon as the incident is.
pub(crate) const REPORT: &str = "create the incident report";

/// What is to be done after a rollback, with its due times (`flow.md` section 6).
pub fn follow_ups(now: Timestamp) -> Vec<FollowUp> {
    let within = |what: &str, span: SignedDuration| FollowUp {
        what: what.to_owned(),
        due_at: now.checked_add(span).ok(),
    };
    let when_ready = |what: &str| FollowUp {
        what: what.to_owned(),
        due_at: None,
    };
    vec![
        within("verify service health", SignedDuration::ZERO),
        within(
            "monitor error rates for 30 min",
            SignedDuration::from_mins(MONITOR_MINUTES),
        ),
        within(REPORT, SignedDuration::ZERO),
        within(
            "hold the postmortem",
            SignedDuration::from_hours(POSTMORTEM_HOURS),
        ),
        when_ready("fix the root cause"),
        when_ready("redeploy when ready"),
    ]
}
