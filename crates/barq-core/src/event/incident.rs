//! What happens to an incident: opened, evidence gathered, resolved.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::rollout::RollbackCause;
use crate::identity::{DeliveryId, RevisionName, RolloutId, ServiceId};

/// Why an incident was opened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentCause {
    /// A rollback.
    Rollback(RollbackCause),
    /// The guard's limit was reached; the rollback is offered.
    Guard {
        /// Errors in its window.
        errors: u64,
    },
}

/// Something to be done after a rollback (`flow.md` section 6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowUp {
    /// What.
    pub what: String,
    /// By when; none: when ready.
    pub due_at: Option<Timestamp>,
}

/// What the data plane saw of a bad revision. Capped everywhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// By method, endpoint and status.
    pub endpoints: Vec<EndpointCount>,
    /// The latest failed requests, newest first.
    pub failures: Vec<FailedRequest>,
    /// Requests that met the revision.
    pub requests: u64,
    /// Errors among them.
    pub errors: u64,
    /// Errors that stable answered in its place.
    pub shielded: u64,
    /// Different clients that met it.
    pub clients: u64,
    /// Different clients that saw an error.
    pub clients_with_errors: u64,
}

/// Requests of one endpoint with one status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointCount {
    /// E.g. `GET`.
    pub method: String,
    /// Templated, e.g. `/api/v1/vehicles/{id}`.
    pub endpoint: String,
    /// 0 where there was no response.
    pub status: u16,
    /// How many.
    pub count: u64,
}

/// One failed request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedRequest {
    /// When it ended.
    pub at: Timestamp,
    /// E.g. `GET`.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// 0 where there was no response.
    pub status: u16,
    /// Why there was none.
    pub failure: Option<String>,
    /// In microseconds.
    pub latency_us: u64,
    /// `x-request-id`.
    pub request_id: String,
    /// Whether stable answered in its place.
    pub shielded: bool,
    /// What the instance wrote with that id.
    pub log_lines: Vec<String>,
}

/// What happens to an incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentEvent {
    /// It began.
    Opened {
        /// The rollout that is to blame.
        rollout: RolloutId,
        /// Where.
        service: ServiceId,
        /// What was bad.
        revision: RevisionName,
        /// Why.
        cause: Box<IncidentCause>,
        /// What is to be done.
        follow_ups: Vec<FollowUp>,
    },
    /// What the data plane saw.
    EvidenceGathered(Box<Evidence>),
    /// The data plane could not tell; the report does without.
    EvidenceMissing {
        /// Why.
        reason: String,
    },
    /// A rollback that was offered was made.
    RolledBack,
    /// A later delivery succeeded there.
    Resolved {
        /// Which.
        by: DeliveryId,
    },
}

impl IncidentEvent {
    /// See `Event::kind`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Opened { .. } => "incident.opened",
            Self::EvidenceGathered(_) => "incident.evidence_gathered",
            Self::EvidenceMissing { .. } => "incident.evidence_missing",
            Self::RolledBack => "incident.rolled_back",
            Self::Resolved { .. } => "incident.resolved",
        }
    }
}
