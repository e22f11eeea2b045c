//! The API's documents, as the command line reads them.
//!
//! Written by hand and apart from the server's types: the shapes are a promise to everybody, and this is one of the
//! places that would notice if it were broken. Unknown fields are ignored and missing optional ones are none, so that
//! an older command line works with a newer server.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A page of a list.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Page<T> {
    /// The page's items.
    pub items: Vec<T>,
    /// Where the next page begins; none on the last one.
    #[serde(default)]
    pub next: Option<String>,
}

/// The journey of one commit.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Delivery {
    /// `<app>-<n>`.
    pub id: String,
    /// Whose.
    pub app: String,
    /// The branch that was pushed.
    #[serde(default)]
    pub branch: String,
    /// The full hash.
    pub commit: String,
    /// Whom the commit is by, as git says.
    pub author: String,
    /// The commit's message.
    pub message: String,
    /// One of the delivery states.
    pub state: String,
    /// Why it ended as it did.
    #[serde(default)]
    pub reason: Option<String>,
    /// What it waits for.
    #[serde(default)]
    pub waiting: Option<Waiting>,
    /// The pipeline's checks.
    #[serde(default)]
    pub checks: Vec<Check>,
    /// The image's digest, once there is one.
    #[serde(default)]
    pub image: Option<String>,
    /// Its moves into environments, in order.
    #[serde(default)]
    pub rollouts: Vec<Rollout>,
    /// When it was pushed.
    pub created_at: Timestamp,
    /// When it ended.
    #[serde(default)]
    pub finished_at: Option<Timestamp>,
    /// What happened, oldest first.
    #[serde(default)]
    pub timeline: Vec<TimelineEntry>,
}

impl Delivery {
    /// Whether nothing more will happen.
    pub fn ended(&self) -> bool {
        self.finished_at.is_some()
            || matches!(
                self.state.as_str(),
                "succeeded"
                    | "failed"
                    | "rolled_back"
                    | "rejected"
                    | "expired"
                    | "superseded"
                    | "cancelled"
            )
    }
}

/// What something waits for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Waiting {
    /// What kind of wait.
    pub kind: String,
    /// In words.
    pub message: String,
    /// What ends it here, where somebody must do something.
    #[serde(default)]
    pub command: Option<String>,
    /// Since when.
    pub since: Timestamp,
    /// Until when at the latest, where that is known.
    #[serde(default)]
    pub until: Option<Timestamp>,
}

/// One check of the pipeline.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Check {
    /// Its name in `barq.toml`.
    pub name: String,
    /// One of the check states.
    pub state: String,
    /// How long it has run.
    #[serde(default)]
    pub duration_ms: Option<f64>,
    /// Why it ended as it did, where that is not plain.
    #[serde(default)]
    pub reason: Option<String>,
}

/// The move of a release into one environment.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Rollout {
    /// `<app>-<n>-<environment>`.
    pub id: String,
    /// Where to.
    pub environment: String,
    /// What is on trial.
    pub revision: String,
    /// What it replaces.
    #[serde(default)]
    pub stable: Option<String>,
    /// One of the rollout states.
    pub state: String,
    /// The current step, from 1; 0 before the first.
    #[serde(default)]
    pub step: u32,
    /// How many steps there are.
    #[serde(default)]
    pub steps: Option<u32>,
    /// The revision's share, in percent.
    #[serde(default)]
    pub traffic: u32,
    /// Requests of the current step.
    #[serde(default)]
    pub requests: u64,
    /// Errors of the current step.
    #[serde(default)]
    pub errors: u64,
    /// The current step's limit.
    #[serde(default)]
    pub max_errors: Option<u64>,
    /// The errors that count for the limit: those of the last `window_ms`.
    #[serde(default)]
    pub recent_errors: Option<u64>,
    /// How long an error counts for the limit; none where all errors of the step do.
    #[serde(default)]
    pub window_ms: Option<u64>,
    /// What it waits for.
    #[serde(default)]
    pub waiting: Option<Waiting>,
    /// The way back, where it was taken.
    #[serde(default)]
    pub rollback: Option<RolledBack>,
}

/// That a rollout was taken back.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct RolledBack {
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// From the error that reached the limit to the traffic being moved.
    #[serde(default)]
    pub shifted_ms: Option<f64>,
}

/// One line of the story.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct TimelineEntry {
    /// When.
    pub at: Timestamp,
    /// The event's type.
    pub event: String,
    /// In words.
    #[serde(default)]
    pub message: String,
    /// Who did it, where somebody did.
    #[serde(default)]
    pub actor: Option<String>,
}

/// What the gate's reviewer is shown.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Evidence {
    /// For which delivery.
    pub delivery: String,
    /// Into which environment.
    pub environment: String,
    /// The commit.
    pub commit: String,
    /// The image's digest.
    #[serde(default)]
    pub image: Option<String>,
    /// The digest of the configuration.
    #[serde(default)]
    pub configuration: Option<String>,
    /// The revision that it would replace.
    #[serde(default)]
    pub stable: Option<String>,
    /// The role that may approve.
    #[serde(default)]
    pub role: Option<String>,
    /// When the gate closes by itself.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    /// Whether the one who pushed may not approve.
    #[serde(default)]
    pub separate_approver: bool,
    /// Whether the commit loosens its own gate.
    #[serde(default)]
    pub gate_weakened: bool,
    /// What was observed.
    #[serde(default)]
    pub facts: Vec<Fact>,
    /// What is new since the last release there.
    #[serde(default)]
    pub commits: Vec<CommitLine>,
}

/// Something that was observed. `ok` none means: not enough evidence.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Fact {
    /// What was looked at.
    pub name: String,
    /// Whether it is good.
    #[serde(default)]
    pub ok: Option<bool>,
    /// What was seen.
    #[serde(default)]
    pub detail: String,
}

/// A commit on one line.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct CommitLine {
    /// The full hash.
    pub commit: String,
    /// Whom it is by.
    pub author: String,
    /// The message's first line.
    pub subject: String,
}

/// An app in an environment.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Service {
    /// `<service>-<environment>`.
    pub name: String,
    /// Whose.
    #[serde(default)]
    pub app: String,
    /// Where.
    #[serde(default)]
    pub environment: String,
    /// Where it answers.
    #[serde(default)]
    pub url: Option<String>,
    /// The revision that has proved itself.
    #[serde(default)]
    pub stable: Option<String>,
    /// The rollout that is going on.
    #[serde(default)]
    pub rollout: Option<String>,
    /// Whether it is locked.
    #[serde(default)]
    pub lock: Option<ServiceLock>,
    /// What it waits for.
    #[serde(default)]
    pub waiting: Option<Waiting>,
    /// When the node was seen last: its numbers are as of then.
    #[serde(default)]
    pub seen_at: Option<Timestamp>,
    /// Why the node can't be seen now, if it can't.
    #[serde(default)]
    pub node_error: Option<String>,
    /// Its revisions, newest first.
    #[serde(default)]
    pub revisions: Vec<Revision>,
}

/// Nothing enters a locked environment.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct ServiceLock {
    /// Why.
    pub message: String,
    /// Who.
    pub by: String,
    /// Since when.
    pub at: Timestamp,
}

/// An immutable version of a service.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Revision {
    /// `<service>-<environment>-<n>`.
    pub name: String,
    /// The image's digest.
    #[serde(default)]
    pub image: String,
    /// The full hash.
    #[serde(default)]
    pub commit: String,
    /// The share that it shall have, in percent.
    #[serde(default)]
    pub traffic: u32,
    /// The share that was counted, in percent; none without enough requests.
    #[serde(default)]
    pub counted_traffic: Option<f64>,
    /// Its copies.
    #[serde(default)]
    pub instances: Instances,
    /// What its probes say.
    #[serde(default)]
    pub health: Option<String>,
    /// Whether it was taken back.
    #[serde(default)]
    pub rolled_back: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

/// How many copies run, and which.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
pub struct Instances {
    /// Those whose readiness probe passes.
    pub ready: u32,
    /// All.
    pub total: u32,
    /// One by one, as far as the node can be seen.
    #[serde(default)]
    pub items: Vec<Instance>,
}

/// One running copy of a revision.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Instance {
    /// Unique in the service's life.
    pub id: String,
    /// How it stands.
    pub state: String,
    /// Its loopback port, while it has one.
    #[serde(default)]
    pub port: Option<u16>,
    /// Since when it runs.
    pub started_at: Timestamp,
    /// How often it was restarted.
    #[serde(default)]
    pub restarts: u32,
    /// The last probe that failed, in words.
    #[serde(default)]
    pub last_probe_failure: Option<String>,
}

/// What a rollback did, or (dry) would do.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Rollback {
    /// Of which service.
    pub service: String,
    /// From which revision.
    #[serde(default)]
    pub from: Option<String>,
    /// To which.
    pub to: String,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// The incident that it opened.
    #[serde(default)]
    pub incident: Option<String>,
    /// When it was asked for.
    #[serde(default)]
    pub requested_at: Option<Timestamp>,
    /// When the traffic had moved.
    #[serde(default)]
    pub shifted_at: Option<Timestamp>,
    /// How long that took.
    #[serde(default)]
    pub shifted_ms: Option<f64>,
    /// Why it is not recorded yet, although the traffic has moved; and what to do.
    #[serde(default)]
    pub unrecorded: Option<String>,
}

/// Whether what runs is what was deployed, and is well.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Verification {
    /// Of which service.
    pub service: String,
    /// Which revision it is.
    #[serde(default)]
    pub revision: Option<String>,
    /// Whether all is well.
    pub ok: bool,
    /// What was looked at.
    #[serde(default)]
    pub checks: Vec<Fact>,
    /// When.
    #[serde(default)]
    pub checked_at: Option<Timestamp>,
}

/// One line of a service's logs.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct LogLine {
    /// When.
    pub at: Timestamp,
    /// Which revision wrote it.
    #[serde(default)]
    pub revision: String,
    /// Which copy of it.
    #[serde(default)]
    pub instance: String,
    /// How bad it is.
    #[serde(default)]
    pub severity: String,
    /// What it says.
    #[serde(default)]
    pub message: String,
    /// The request that it belongs to.
    #[serde(default)]
    pub request_id: Option<String>,
}

/// An incident in a list.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct IncidentLine {
    /// Its id.
    pub id: String,
    /// Where.
    pub service: String,
    /// How far it is.
    #[serde(default)]
    pub state: String,
    /// What happened.
    #[serde(default)]
    pub title: String,
    /// When it began.
    pub opened_at: Timestamp,
    /// When it ended.
    #[serde(default)]
    pub closed_at: Option<Timestamp>,
    /// By when the postmortem is due.
    #[serde(default)]
    pub postmortem_due: Option<Timestamp>,
}

/// One event of the journal.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct AuditEntry {
    /// Its place in the journal.
    pub sequence: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    #[serde(default)]
    pub actor: String,
    /// To what.
    #[serde(default)]
    pub subject: String,
    /// Its type.
    pub event: String,
    /// In words.
    #[serde(default)]
    pub message: String,
    /// All of it.
    #[serde(default)]
    pub data: serde_json::Value,
}

/// Whether the journal's chain is whole.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct AuditVerification {
    /// Whether it is.
    pub ok: bool,
    /// How many events were checked.
    pub events: u64,
    /// Its end: to be recorded outside.
    #[serde(default)]
    pub head: Option<AuditHead>,
    /// Where it is broken.
    #[serde(default)]
    pub problem: Option<AuditProblem>,
}

/// A place in the journal and its code.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct AuditHead {
    /// The place.
    pub sequence: u64,
    /// The code of all up to there.
    pub mac: String,
}

/// Where the journal is not as it was written.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct AuditProblem {
    /// The place.
    pub sequence: u64,
    /// What is wrong.
    pub detail: String,
}

/// A token in a list; the token itself is never shown again.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct TokenLine {
    /// Its name: the actor in the journal.
    pub name: String,
    /// What it may do.
    pub role: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A new token.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct NewToken {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub role: String,
    /// The token: shown once.
    pub token: String,
}

/// A link that signs a browser in.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct SignInLink {
    /// To be opened, once.
    pub url: String,
    /// Until then.
    pub expires_at: Timestamp,
}

/// An error as the API reports it (RFC 9457).
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
pub struct Problem {
    /// What failed.
    #[serde(default)]
    pub title: String,
    /// Why.
    #[serde(default)]
    pub detail: Option<String>,
    /// What to do.
    #[serde(default)]
    pub hint: Option<String>,
}
