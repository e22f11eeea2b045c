//! The API's documents: what others rely on (architecture section 8). Plain data, converted to by hand in `convert`.

mod incident;
mod request;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub(super) use incident::{
    BlastRadius, EndpointCount, FailedRequest, FollowUp, IncidentReport, ReportLine,
};
pub(super) use request::{
    LockRequest, Message, Nothing, PromoteRequest, RetryRequest, RollbackRequest, TokenRequest,
};

/// The journey of one commit.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Delivery {
    /// `<app>-<n>`.
    pub(super) id: String,
    /// Whose.
    pub(super) app: String,
    /// The branch that was pushed.
    pub(super) branch: String,
    /// The full hash.
    pub(super) commit: String,
    /// Whom the commit is by, as git says.
    pub(super) author: String,
    /// The first line of the commit's message.
    pub(super) message: String,
    /// `checking`, `building`, `staging`, `awaiting_approval`, `production`, `succeeded`, `failed`, `rolled_back`,
    /// `rejected`, `expired`, `superseded`, `cancelled`.
    pub(super) state: String,
    /// Why it ended as it did.
    pub(super) reason: Option<String>,
    /// What it waits for.
    pub(super) waiting: Option<Waiting>,
    /// The pipeline's checks, in file order.
    pub(super) checks: Vec<Check>,
    /// The image's digest, once there is one.
    pub(super) image: Option<String>,
    /// Its moves into environments, in order.
    pub(super) rollouts: Vec<Rollout>,
    /// When it was pushed.
    pub(super) created_at: Timestamp,
    /// When it ended.
    pub(super) finished_at: Option<Timestamp>,
    /// What happened, oldest first; empty in lists.
    pub(super) timeline: Vec<TimelineEntry>,
}

/// What something waits for.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Waiting {
    /// What kind of wait.
    pub(super) kind: String,
    /// In words.
    pub(super) message: String,
    /// What ends it on the command line, where somebody must do something.
    pub(super) command: Option<String>,
    /// Since when.
    pub(super) since: Timestamp,
    /// Until when, where that is known.
    pub(super) until: Option<Timestamp>,
}

/// One check of the pipeline.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Check {
    /// Its name in `barq.toml`.
    pub(super) name: String,
    /// `queued`, `running`, `passed`, `failed`, `timed_out`, `cancelled`, `skipped`.
    pub(super) state: String,
    /// How long it ran.
    pub(super) duration_ms: Option<f64>,
    /// Why it ended as it did, where that is not plain.
    pub(super) reason: Option<String>,
}

/// The move of a release into one environment.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Rollout {
    /// `<app>-<n>-<environment>`.
    pub(super) id: String,
    /// Where to.
    pub(super) environment: String,
    /// What is on trial.
    pub(super) revision: String,
    /// What it replaces.
    pub(super) stable: Option<String>,
    /// `deploying`, `smoke_testing`, `canary`, `promoting`, `verifying`, `succeeded`, `rolling_back`, `rolled_back`,
    /// `failed`, `aborted`, `paused`.
    pub(super) state: String,
    /// The current step, from 1; 0 before the first.
    pub(super) step: u32,
    /// How many steps there are.
    pub(super) steps: u32,
    /// The revision's share, in percent.
    pub(super) traffic: u32,
    /// Requests of the current step.
    pub(super) requests: u64,
    /// Errors of the current step.
    pub(super) errors: u64,
    /// The current step's limit.
    pub(super) max_errors: Option<u64>,
    /// The errors that count for the limit: those of the last `window_ms`.
    pub(super) recent_errors: u64,
    /// How long an error counts for the limit; null where all errors of the step do.
    pub(super) window_ms: Option<u64>,
    /// What it waits for.
    pub(super) waiting: Option<Waiting>,
    /// The way back, where it was taken.
    pub(super) rollback: Option<RolledBack>,
}

/// That a rollout was taken back.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct RolledBack {
    /// Why.
    pub(super) reason: String,
    /// When it was decided.
    pub(super) at: Timestamp,
    /// From the deciding error (or the command) until the traffic had moved; null while under way.
    pub(super) shifted_ms: Option<f64>,
}

/// One line of the story.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct TimelineEntry {
    /// When.
    pub(super) at: Timestamp,
    /// The event's type.
    pub(super) event: String,
    /// In words.
    pub(super) message: String,
    /// Who did it, where somebody did.
    pub(super) actor: Option<String>,
}

/// What the gate's reviewer is shown.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Evidence {
    /// For which delivery.
    pub(super) delivery: String,
    /// Into which environment.
    pub(super) environment: String,
    /// The commit.
    pub(super) commit: String,
    /// The image's digest.
    pub(super) image: String,
    /// The digest of the configuration.
    pub(super) configuration: String,
    /// The revision that it would replace.
    pub(super) stable: Option<String>,
    /// The role that may approve.
    pub(super) role: Option<String>,
    /// When the gate closes by itself.
    pub(super) expires_at: Option<Timestamp>,
    /// Whether the one who pushed may not approve.
    pub(super) separate_approver: bool,
    /// Whether the commit loosens its own gate.
    pub(super) gate_weakened: bool,
    /// What was observed.
    pub(super) facts: Vec<Fact>,
    /// What is new since the release that serves there, newest first.
    pub(super) commits: Vec<CommitLine>,
    /// The commit that serves there now.
    pub(super) changes_since: Option<String>,
}

/// Something that was observed.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Fact {
    /// What was looked at.
    pub(super) name: String,
    /// Whether it is good; null: not enough evidence.
    pub(super) ok: Option<bool>,
    /// What was seen.
    pub(super) detail: String,
}

/// A commit on one line.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct CommitLine {
    /// The full hash.
    pub(super) commit: String,
    /// Whom it is by.
    pub(super) author: String,
    /// The message's first line.
    pub(super) subject: String,
}

/// An app in an environment.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Service {
    /// `<service>-<environment>`.
    pub(super) name: String,
    /// Whose.
    pub(super) app: String,
    /// Where.
    pub(super) environment: String,
    /// Where it answers.
    pub(super) url: String,
    /// The revision that has proved itself.
    pub(super) stable: Option<String>,
    /// The rollout that is going on.
    pub(super) rollout: Option<String>,
    /// Whether it is locked.
    pub(super) lock: Option<Lock>,
    /// What it waits for.
    pub(super) waiting: Option<Waiting>,
    /// When the node was seen last: what it counts, and the instances, are as of then. Null before the first time.
    pub(super) seen_at: Option<Timestamp>,
    /// Why the node can't be seen now; null while it can.
    pub(super) node_error: Option<String>,
    /// Its revisions, newest first.
    pub(super) revisions: Vec<Revision>,
}

/// Nothing enters a locked environment.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Lock {
    /// Why.
    pub(super) message: String,
    /// Who.
    pub(super) by: String,
    /// Since when.
    pub(super) at: Timestamp,
}

/// An immutable version of a service.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Revision {
    /// `<service>-<environment>-<n>`.
    pub(super) name: String,
    /// The image's digest.
    pub(super) image: String,
    /// The full hash.
    pub(super) commit: String,
    /// The share that it shall have, in percent.
    pub(super) traffic: u32,
    /// The share that was counted in the last 10 s, in percent; null without requests, and while the node can't be seen.
    pub(super) counted_traffic: Option<f64>,
    /// Its copies.
    pub(super) instances: Instances,
    /// `healthy`, `starting`, `unhealthy`, `stopped`, `unknown`.
    pub(super) health: String,
    /// Whether it was taken back.
    pub(super) rolled_back: bool,
    /// When it was made.
    pub(super) created_at: Timestamp,
}

/// How many copies run, and which.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Instances {
    /// Those that get requests.
    pub(super) ready: u32,
    /// All.
    pub(super) total: u32,
    /// One by one; empty while the node can't be seen.
    pub(super) items: Vec<Instance>,
}

/// One running copy of a revision.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Instance {
    /// Unique in the service's life.
    pub(super) id: String,
    /// `starting`, `not_ready`, `ready`, `draining`, `backing_off`.
    pub(super) state: String,
    /// Its loopback port; null while it has none.
    pub(super) port: Option<u16>,
    /// Since when it runs.
    pub(super) started_at: Timestamp,
    /// How often it was restarted.
    pub(super) restarts: u32,
    /// The last probe that failed, in words.
    pub(super) last_probe_failure: Option<String>,
}

/// What a rollback did, or (dry) would do.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Rollback {
    /// Of which service.
    pub(super) service: String,
    /// From which revision.
    pub(super) from: Option<String>,
    /// To which.
    pub(super) to: String,
    /// Why.
    pub(super) reason: Option<String>,
    /// The rollout that it undoes.
    pub(super) rollout: Option<String>,
    /// The incident that it opened.
    pub(super) incident: Option<String>,
    /// When it was asked for.
    pub(super) requested_at: Timestamp,
    /// When the traffic was seen to have moved.
    pub(super) shifted_at: Option<Timestamp>,
    /// How long that took.
    pub(super) shifted_ms: Option<f64>,
    /// Whether it is in the journal. If not, the traffic has moved all the same.
    pub(super) recorded: bool,
    /// Why it is not, and what to do.
    pub(super) unrecorded: Option<String>,
}

/// Whether what runs is what was deployed, and is well.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Verification {
    /// Of which service.
    pub(super) service: String,
    /// Which revision it should be.
    pub(super) revision: Option<String>,
    /// Whether all is well.
    pub(super) ok: bool,
    /// What was looked at.
    pub(super) checks: Vec<Fact>,
    /// When.
    pub(super) checked_at: Timestamp,
}

/// One line of a service's logs.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct LogLine {
    /// When it was read.
    pub(super) at: Timestamp,
    /// Which revision wrote it.
    pub(super) revision: String,
    /// Which copy of it.
    pub(super) instance: String,
    /// `DEBUG`, `INFO`, `WARNING`, `ERROR`, `DEFAULT`.
    pub(super) severity: String,
    /// What it says.
    pub(super) message: String,
    /// The request that it belongs to, where it says so.
    pub(super) request_id: Option<String>,
}

/// An incident in a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct IncidentLine {
    /// Its id.
    pub(super) id: String,
    /// Where.
    pub(super) service: String,
    /// `open`, `resolved`.
    pub(super) state: String,
    /// What happened.
    pub(super) title: String,
    /// When it began.
    pub(super) opened_at: Timestamp,
    /// When a later delivery succeeded there.
    pub(super) closed_at: Option<Timestamp>,
    /// By when the postmortem is due.
    pub(super) postmortem_due: Option<Timestamp>,
}

/// One event of the journal.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct AuditEntry {
    /// Its place in the journal.
    pub(super) sequence: u64,
    /// When.
    pub(super) at: Timestamp,
    /// Who.
    pub(super) actor: String,
    /// To what.
    pub(super) subject: String,
    /// Its type.
    pub(super) event: String,
    /// In words.
    pub(super) message: String,
    /// All of it, as stored.
    pub(super) data: serde_json::Value,
}

/// One event in the stream.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct StreamedEvent {
    /// Its place in the journal.
    pub(super) sequence: u64,
    /// When.
    pub(super) at: Timestamp,
    /// Its type.
    pub(super) event: String,
    /// To what.
    pub(super) subject: String,
    /// Whose.
    pub(super) app: Option<String>,
    /// Of which delivery.
    pub(super) delivery: Option<String>,
    /// Of which rollout.
    pub(super) rollout: Option<String>,
    /// In which service.
    pub(super) service: Option<String>,
    /// Who.
    pub(super) actor: String,
    /// In words.
    pub(super) message: String,
}

/// Heads of the journal that were recorded outside.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditVerify {
    /// May be empty.
    #[serde(default)]
    pub(super) heads: Vec<AuditHead>,
}

/// A place in the journal and its code.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditHead {
    /// The place.
    pub(super) sequence: u64,
    /// The code of all up to there, hexadecimal.
    pub(super) mac: String,
}

/// Whether the journal's chain is whole.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct AuditVerification {
    /// Whether it is.
    pub(super) ok: bool,
    /// How many events hold.
    pub(super) events: u64,
    /// The last event that holds: to be recorded outside.
    pub(super) head: Option<AuditHead>,
    /// Where it is broken.
    pub(super) problem: Option<AuditProblem>,
}

/// Where the journal is not as it was written.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct AuditProblem {
    /// The place.
    pub(super) sequence: u64,
    /// What is wrong.
    pub(super) detail: String,
}

/// A token in a list; the token itself is never shown again.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct TokenLine {
    /// Its name: the actor in the journal.
    pub(super) name: String,
    /// What it may do.
    pub(super) role: String,
    /// When it was made.
    pub(super) created_at: Timestamp,
}

/// A new token.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct NewToken {
    /// Its name.
    pub(super) name: String,
    /// What it may do.
    pub(super) role: String,
    /// The token: shown once.
    pub(super) token: String,
    /// When it was made.
    pub(super) created_at: Timestamp,
}

/// The one who asks.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Whoami {
    /// The token's name.
    pub(super) name: String,
    /// What it may do.
    pub(super) role: String,
}

/// A link that signs a browser in.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct SignInLink {
    /// To be opened; by the server's own address.
    pub(super) url: String,
    /// Until then, and once.
    pub(super) expires_at: Timestamp,
}

/// A page of a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Page<T> {
    /// The page's items.
    pub(super) items: Vec<T>,
    /// Where the next page begins; null on the last one.
    pub(super) next: Option<String>,
}
