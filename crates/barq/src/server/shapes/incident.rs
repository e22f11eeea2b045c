//! The incident report as JSON: what a postmortem begins with.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::CommitLine;

/// An incident's report.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in super::super) struct IncidentReport {
    /// `<app>-incident-<n>`.
    pub(in super::super) id: String,
    /// Where.
    pub(in super::super) service: String,
    /// `open`, `resolved`.
    pub(in super::super) state: String,
    /// In a few words.
    pub(in super::super) title: String,
    /// What happened, in one sentence.
    pub(in super::super) summary: String,
    /// Why.
    pub(in super::super) cause: String,
    /// What was bad.
    pub(in super::super) revision: String,
    /// What it was rolled out by.
    pub(in super::super) rollout: String,
    /// Whose release.
    pub(in super::super) delivery: String,
    /// When it began.
    pub(in super::super) opened_at: Timestamp,
    /// When a later delivery succeeded there.
    pub(in super::super) closed_at: Option<Timestamp>,
    /// That delivery.
    pub(in super::super) resolved_by: Option<String>,
    /// By when the postmortem is due.
    pub(in super::super) postmortem_due: Option<Timestamp>,
    /// From its first traffic to the deciding error; null where it never had traffic.
    pub(in super::super) detection_ms: Option<f64>,
    /// What the traffic went back to.
    pub(in super::super) rolled_back_to: Option<String>,
    /// From the deciding error (or the command) until the traffic had moved.
    pub(in super::super) rollback_ms: Option<f64>,
    /// Whom and what it met; null where that is not known.
    pub(in super::super) blast_radius: Option<BlastRadius>,
    /// Why it is not known.
    pub(in super::super) evidence_missing: Option<String>,
    /// Where the branch pointed before the push.
    pub(in super::super) commits_after: Option<String>,
    /// The commits of the push, newest first.
    pub(in super::super) commits: Vec<CommitLine>,
    /// Requests by endpoint and status, errors first.
    pub(in super::super) endpoints: Vec<EndpointCount>,
    /// Samples of failed requests, newest first.
    pub(in super::super) failures: Vec<FailedRequest>,
    /// What happened, oldest first.
    pub(in super::super) timeline: Vec<ReportLine>,
    /// What is to be done.
    pub(in super::super) follow_ups: Vec<FollowUp>,
}

/// Whom and what a bad revision met.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(in super::super) struct BlastRadius {
    /// Requests that met it.
    pub(in super::super) requests: u64,
    /// Errors among them.
    pub(in super::super) errors: u64,
    /// Errors that stable answered in its place: nobody saw them.
    pub(in super::super) shielded: u64,
    /// Different clients that met it.
    pub(in super::super) clients: u64,
    /// Different clients that saw an error.
    pub(in super::super) clients_with_errors: u64,
}

/// Requests of one endpoint with one status.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in super::super) struct EndpointCount {
    /// E.g. `GET`.
    pub(in super::super) method: String,
    /// Templated.
    pub(in super::super) endpoint: String,
    /// 0 where there was no response.
    pub(in super::super) status: u16,
    /// How many.
    pub(in super::super) requests: u64,
}

/// One failed request.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in super::super) struct FailedRequest {
    /// When it ended.
    pub(in super::super) at: Timestamp,
    /// E.g. `GET`.
    pub(in super::super) method: String,
    /// Without the query.
    pub(in super::super) path: String,
    /// 0 where there was no response.
    pub(in super::super) status: u16,
    /// Why there was none.
    pub(in super::super) failure: Option<String>,
    /// How long it took.
    pub(in super::super) latency_ms: f64,
    /// `x-request-id`.
    pub(in super::super) request_id: String,
    /// Whether stable answered in its place.
    pub(in super::super) shielded: bool,
    /// What the instance wrote with that id.
    pub(in super::super) log_lines: Vec<String>,
}

/// One line of a report's timeline.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in super::super) struct ReportLine {
    /// When.
    pub(in super::super) at: Timestamp,
    /// What.
    pub(in super::super) message: String,
    /// Who did it, where it was somebody.
    pub(in super::super) actor: Option<String>,
}

/// Something to be done.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in super::super) struct FollowUp {
    /// What.
    pub(in super::super) what: String,
    /// By when; null: when ready.
    pub(in super::super) due_at: Option<Timestamp>,
}
