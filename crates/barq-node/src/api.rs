//! What the control plane and the node say to each other: the bodies of the node's HTTP API.
//!
//! The server owns what is desired (`ServiceConfiguration`), the node what is observed (`ServiceObservation`), and the
//! node has a one-way veto towards stable (`Trip`, an expired lease). Plain data with public fields, so that adapters can
//! convert by hand; it knows neither the proxy nor the domain.
//!
//! | method and path | body → answer |
//! | --- | --- |
//! | `PUT /v1/services/{service}` | `ServiceConfiguration` → `Accepted`, or 409 `Refusal` |
//! | `POST /v1/services/{service}/lease` | `LeaseRenewal` → 200 `LeaseObservation`, or 409 `Refusal` |
//! | `POST /v1/services/{service}/recall` | `Recall` → `Recalled`, or 409 `Refusal` |
//! | `GET /v1/observations?after=N&wait_ms=M` | → `Observations`, at once when something changed since `N`, else after `M` |
//! | `POST /v1/services/{service}/revisions/{revision}/probe` | → `ProbeReport`: the health paths asked of every instance now |
//! | `GET /v1/services/{service}/revisions/{revision}/evidence` | → `Evidence`: requests by endpoint, samples of failures |
//! | `GET /v1/services/{service}/logs?revision=&severity=&text=&since_ms=&window=&after=&before=&limit=` | → `LogPage` |
//! | `GET /v1/node` | → `NodeStatus` |

mod node;
mod tls;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use node::NodeStatus;
pub use tls::{CertificateObservation, CertificateSource, TlsConfiguration};

/// Everything that the node must know to serve one service: the desired state, whole, never a difference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceConfiguration {
    /// The service's name, e.g. `barq-api-production`; also its host under `.localhost`.
    pub service: String,
    /// Counts the service's configurations. Must be greater than the accepted one; the same generation with the same
    /// content is accepted again (a duplicate), with other content it is refused.
    pub generation: u64,
    /// The number of the last trip that the server has heard of (0: none). Refused when the node knows of a later one.
    pub last_trip: u64,
    /// The trip that this configuration acknowledges, so that the revision which tripped may have traffic again.
    pub acknowledges: Option<u64>,
    /// Further hosts that reach the service.
    pub domains: Vec<String>,
    /// How these are served over TLS; `None`: not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsConfiguration>,
    /// Every revision that has instances or keeps a tagged address.
    pub revisions: Vec<RevisionConfiguration>,
    /// The shares of the traffic: they sum to 100, or the list is empty (the service answers 503).
    pub traffic: Vec<Share>,
    /// The revision on trial, if there is one.
    pub canary: Option<CanaryConfiguration>,
    /// The watch on the stable revision after a rollout.
    pub watch: Option<WatchConfiguration>,
}

/// A revision's share of the service's requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The revision's name.
    pub revision: String,
    /// 0 to 100. A revision with 0 never gets a request except by its tag.
    pub percent: u8,
}

/// How to run a revision. Immutable but for `instances`, `tags`: a change of anything else under the same name is refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RevisionConfiguration {
    /// E.g. `barq-api-production-00043`.
    pub name: String,
    /// Names for `<tag>---<service>.localhost`, e.g. `canary`, `r00043`.
    pub tags: Vec<String>,
    /// The directory that the image was unpacked to; also the working directory's root.
    pub root: String,
    /// The working directory inside `root` (e.g. `app`).
    pub working_directory: String,
    /// The program and its arguments; a relative program is found from the working directory.
    pub command: Vec<String>,
    /// The environment, complete but for `PORT`, `K_*` and `PATH`, which the node sets.
    pub environment: BTreeMap<String, String>,
    /// How many instances are kept. `{0, 0}` keeps the revision known without instances.
    pub instances: InstanceRange,
    /// Requests that one instance handles at a time; scaling aims at 70 % of it.
    pub concurrency: u32,
    /// What its instances speak, to users' requests and to probes alike.
    #[serde(default)]
    pub protocol: Protocol,
    /// The probes, `flow.md` section 4.
    pub health: HealthConfiguration,
    /// Thousandths of a CPU.
    pub cpu_milli: u32,
    /// Bytes.
    pub memory_bytes: u64,
    /// How long a leaving instance may finish what it has begun.
    pub drain_ms: u64,
}

/// The bounds of a revision's instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceRange {
    /// Kept even without requests.
    pub min: u32,
    /// Never exceeded.
    pub max: u32,
}

/// What an instance speaks on its port.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 without TLS, by prior knowledge: what gRPC needs.
    H2c,
}

/// The probes of `flow.md` section 4.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthConfiguration {
    /// Until it passes once, the instance is starting; when it fails for good, the start has failed.
    pub startup: ProbeConfiguration,
    /// When it fails for good, the instance is restarted.
    pub liveness: ProbeConfiguration,
    /// While it fails, the instance gets no requests.
    pub readiness: ProbeConfiguration,
    /// The path of the detailed report.
    pub detailed_path: String,
}

/// One probe: an HTTP GET that a 2xx answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeConfiguration {
    /// E.g. `/health/live`.
    pub path: String,
    /// Before the first probe.
    pub initial_delay_ms: u64,
    /// Between the starts of two probes.
    pub period_ms: u64,
    /// For connection and answer together.
    pub timeout_ms: u64,
    /// So many in a row mean failed.
    pub failures: u32,
}

/// A revision on trial: what the tripwire, the lease and the shield need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryConfiguration {
    /// The revision on trial.
    pub revision: String,
    /// Gets all traffic on a trip, when the lease runs out, and when the node restarts.
    pub stable: String,
    /// The step that this configuration belongs to, from 1. Counts are kept by step, over all its generations: the next
    /// generation of the same step counts on, another step starts at zero.
    pub step: u32,
    /// The tripwire's limit: the error of the step that makes so many inside the window trips. `None`: not armed.
    pub max_errors: Option<u64>,
    /// The limit's window: an error that is older counts no more. `None`: all errors of the step count.
    #[serde(default)]
    pub window_ms: Option<u64>,
    /// What the server knows to be counted in this step already. The node, which knows exactly, counts on where it is, and
    /// not below this; it observes what is beyond this, so that the sum of both is the step's.
    #[serde(default)]
    pub counted: CanaryCounts,
    /// The errors of `counted` that counted for the limit when the server last looked. `None`: all of them do.
    #[serde(default)]
    pub recent: Option<RecentErrors>,
    /// Without a renewal for so long the traffic goes back to stable.
    pub lease_ms: u64,
    /// Whether safe requests that fail on the canary are answered by stable.
    pub shield: bool,
}

/// The errors inside the limit's window, and when they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecentErrors {
    /// How many.
    pub errors: u64,
    /// When they were seen, by the server's clock.
    pub at: Timestamp,
}

/// What was counted of a canary and of stable beside it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryCounts {
    /// First attempts routed to the canary, completed.
    pub requests: u64,
    /// Those that were errors.
    pub errors: u64,
    /// Errors that stable answered in the canary's place.
    pub shielded: u64,
    /// Requests that stable answered by its own share.
    pub stable_requests: u64,
    /// Errors among them.
    pub stable_errors: u64,
}

/// The watch over the revision that serves: errors in a sliding window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchConfiguration {
    /// Whose errors are counted.
    pub revision: String,
    /// The window's length.
    pub window_ms: u64,
    /// So many errors inside the window are reported, once.
    pub max_errors: u64,
}

/// A configuration was accepted and is in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Accepted {
    /// The generation in force.
    pub generation: u64,
    /// From the arrival of the configuration until every later request was routed by it, in microseconds.
    pub switched_us: u64,
    /// Whether it is on disk. A change towards stable is accepted even if not.
    pub durable: bool,
}

/// Why a configuration or a renewal was refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Refusal {
    /// An older generation, or other content under the generation in force.
    #[error("generation {offered} is refused: {current} is in force")]
    StaleGeneration {
        /// What was offered.
        offered: u64,
        /// What is in force.
        current: u64,
    },
    /// The server planned it before it heard of a trip.
    #[error("the configuration knows of trip {known}, but {} has tripped since (trip {})", trip.revision, trip.number)]
    UnheardTrip {
        /// What the server knew.
        known: u64,
        /// What happened.
        trip: Trip,
    },
    /// Traffic for a revision that has tripped, without the acknowledgement of that trip.
    #[error("revision {} tripped (trip {}) and the configuration does not acknowledge it", trip.revision, trip.number)]
    Latched {
        /// What happened.
        trip: Trip,
    },
    /// The lease is of another run of the node, of another generation, or has run out.
    #[error("the lease can't be renewed: {why}")]
    Lease {
        /// In words.
        why: String,
    },
    /// The configuration contradicts itself.
    #[error("the configuration is not valid: {why}")]
    Invalid {
        /// In words.
        why: String,
    },
    /// The traffic can't be recalled: it would be no way back.
    #[error("the traffic can't be recalled: {why}")]
    Recall {
        /// In words.
        why: String,
    },
    /// It could not be written to disk, and it moves traffic away from stable.
    #[error("the configuration could not be kept: {why}")]
    NotKept {
        /// In words.
        why: String,
    },
}

/// Somebody wants all traffic of a revision back at another one, now, and the server can't write that down: the node moves
/// it in memory and tells of it as of a trip, so that the server hears of it whatever becomes of either. From a canary the
/// traffic goes to its stable alone; where nothing is on trial, from the revision that serves to one that is ready.
/// Given twice it changes nothing the second time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recall {
    /// Whose traffic is taken.
    pub revision: String,
    /// Who gets it.
    pub to: String,
    /// Whose word it is.
    pub actor: String,
    /// The actor's role, in the server's words.
    pub role: String,
    /// Why, as they said.
    pub message: Option<String>,
    /// The server's record of the request that this answers; opaque.
    pub request: Option<String>,
}

/// The traffic is where it was recalled to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recalled {
    /// The trip that took it there: of this recall, or of what came before it.
    pub trip: Trip,
    /// Whether this would survive a restart of the node.
    pub durable: bool,
}

/// The tripwire's verdict, or somebody's word in its place: the traffic is already back at stable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trip {
    /// Counts the service's trips from 1; survives restarts.
    pub number: u64,
    /// Whose traffic was taken.
    pub revision: String,
    /// The generation in force.
    pub generation: u64,
    /// The step.
    pub step: u32,
    /// The errors that counted for the limit: those of the step inside its window, over all its generations.
    pub errors: u64,
    /// When the deciding error was seen.
    pub at: Timestamp,
    /// From the deciding error until no further request could start on the canary, in microseconds.
    pub shifted_us: u64,
    /// Requests in flight on the canary at that moment.
    pub in_flight: u64,
    /// The word that it was, where it was no verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recall: Option<Box<Recall>>,
}

/// Keeps a canary's lease alive; sent by the loop that judges, after it has judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRenewal {
    /// The node's run that the lease was bound to.
    pub run: Uuid,
    /// The generation in force.
    pub generation: u64,
}

/// All services, as the node sees them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observations {
    /// To be passed as `after`: changes when a generation, a trip, a lease, an instance's readiness or a watch changes.
    pub change: u64,
    /// This run of the node.
    pub run: Uuid,
    /// The node's clock.
    pub at: Timestamp,
    /// By service.
    pub services: BTreeMap<String, ServiceObservation>,
}

/// What the node sees of one service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceObservation {
    /// The generation in force.
    pub generation: u64,
    /// Whether the accepted configuration is on disk.
    pub durable: bool,
    /// The last trip, if there ever was one.
    pub trip: Option<Trip>,
    /// The canary's state, if the configuration in force has one.
    pub canary: Option<CanaryObservation>,
    /// The shares in force now: differs from the configuration after a trip, an expired lease, a restart.
    pub traffic: Vec<Share>,
    /// By revision.
    pub revisions: BTreeMap<String, RevisionObservation>,
    /// The watch, if there is one.
    pub watch: Option<WatchObservation>,
}

/// What the node sees of a canary, in the step of the configuration in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CanaryObservation {
    /// The revision on trial.
    pub revision: String,
    /// The step.
    pub step: u32,
    /// How it stands.
    pub state: CanaryState,
    /// The lease.
    pub lease: LeaseObservation,
    /// Since this generation: how long the canary had its share and a ready instance.
    pub served_ms: u64,
    /// In this step, beyond what the configuration says is counted: first attempts routed to the canary, completed.
    pub requests: u64,
    /// Beyond what is counted: those that were errors.
    pub errors: u64,
    /// The errors that count for the limit now: those of the step inside the window.
    pub recent_errors: u64,
    /// Beyond what is counted: errors that stable answered in the canary's place.
    pub shielded: u64,
    /// In this step: different clients routed to the canary (by address; an estimate above 4096).
    pub clients: u64,
    /// In this step: different clients that saw an error of the canary.
    pub clients_with_errors: u64,
    /// Beyond what is counted: requests that stable answered by its own share.
    pub stable_requests: u64,
    /// Beyond what is counted: errors among them.
    pub stable_errors: u64,
}

/// How a canary stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CanaryState {
    /// It has its share.
    Serving,
    /// It tripped; its share is 0.
    Tripped,
    /// Its lease ran out; its share is 0.
    LeaseExpired,
    /// The node restarted; its share is 0 until a new generation.
    Suspended,
}

/// A lease's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseObservation {
    /// The run of the node that it is bound to.
    pub run: Uuid,
    /// What is left; 0 when it has run out.
    pub remaining_ms: u64,
}

/// What the node sees of one revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct RevisionObservation {
    /// Instances that get requests.
    pub ready: u32,
    /// Instances that run, whatever their state.
    pub total: u32,
    /// Instances that the autoscaler wants now.
    pub desired: u32,
    /// Starts in a row that failed since one last became ready.
    pub failed_starts: u32,
    /// The last failure of an instance, in words with the end of its output.
    pub last_failure: Option<String>,
    /// `127.0.0.1:PORT`: reaches this revision alone, whatever its share.
    pub address: Option<String>,
    /// First attempts routed by share, completed, since the node started.
    pub requests: u64,
    /// Those that were errors.
    pub errors: u64,
    /// By class: 1xx to 5xx, then those with no response.
    pub responses: [u64; 6],
    /// Admitted and not yet completed.
    pub in_flight: u64,
    /// Latency of the last minute or so, in microseconds: p50, p95, p99. `None` without requests.
    pub latency_us: Option<[u64; 3]>,
    /// Share of the service's completed requests of the last 10 s, in percent. `None` without requests.
    pub counted_percent: Option<f64>,
    /// Whether CPU and memory limits are enforced.
    pub limits_enforced: bool,
    /// The instances one by one.
    pub instances: Vec<InstanceObservation>,
}

/// What the node sees of one instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstanceObservation {
    /// Unique in the service's life.
    pub id: String,
    /// How it stands.
    pub state: InstanceState,
    /// Its loopback port.
    pub port: u16,
    /// Since when it runs.
    pub started_at: Timestamp,
    /// How often it was restarted.
    pub restarts: u32,
    /// The last probe that failed, in words.
    pub last_probe_failure: Option<String>,
}

/// The life of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceState {
    /// The startup probe has not passed yet.
    Starting,
    /// Started, the readiness probe does not pass.
    NotReady,
    /// Gets requests.
    Ready,
    /// Out of the route table, finishing what it has begun.
    Draining,
    /// Waits for its next start after a failure.
    BackingOff,
}

/// The watch's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchObservation {
    /// Whose errors.
    pub revision: String,
    /// Errors inside the window now.
    pub errors: u64,
    /// When the limit was first reached under this configuration.
    pub exceeded_at: Option<Timestamp>,
}

/// The answers of a revision's instances to its health paths, asked now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeReport {
    /// Ready instances.
    pub ready: u32,
    /// The size that it should have.
    pub desired: u32,
    /// One line per instance and path that did not answer with 2xx; empty when all did.
    pub failures: Vec<String>,
}

/// What happened on a revision while it had traffic: for the incident report. Capped everywhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Evidence {
    /// By method, templated path and status.
    pub endpoints: Vec<EndpointCount>,
    /// The latest failed requests, newest first.
    pub failures: Vec<FailedRequest>,
    /// Requests that met the revision by its share.
    pub requests: u64,
    /// Those that were errors.
    pub errors: u64,
    /// Errors that stable answered in its place.
    pub shielded: u64,
    /// Different clients that met it.
    pub clients: u64,
    /// Different clients that saw an error of it.
    pub clients_with_errors: u64,
}

/// Requests of one endpoint with one status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointCount {
    /// E.g. `GET`.
    pub method: String,
    /// E.g. `/api/v1/vehicles/{id}`: segments that look like ids are replaced; never a query string.
    pub endpoint: String,
    /// The status, or 0 when there was no response.
    pub status: u16,
    /// How many.
    pub count: u64,
}

/// One failed request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedRequest {
    /// When it was completed.
    pub at: Timestamp,
    /// E.g. `GET`.
    pub method: String,
    /// Without the query string.
    pub path: String,
    /// The status, or 0 when there was no response.
    pub status: u16,
    /// In words when there was no response.
    pub failure: Option<String>,
    /// From the first byte of the request to the last of the response, in microseconds.
    pub latency_us: u64,
    /// `x-request-id`.
    pub request_id: String,
    /// Whether stable answered in the canary's place.
    pub shielded: bool,
    /// Lines that the instance wrote with that request id.
    pub log_lines: Vec<String>,
}

/// A page of log lines: the first ones with `since_ms`, else (and with `window=last`) the last ones; or those next to a place.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LogPage {
    /// Oldest first.
    pub lines: Vec<LogLine>,
    /// To be passed as `after` for what comes next; none on a page that was asked for with `before`.
    pub next: Option<String>,
    /// To be passed as `before` for what comes before; none where there is nothing, and on pages that go forwards.
    #[serde(default)]
    pub older: Option<String>,
    /// How far back was read, where so much had to be read that the page ends before it is full.
    #[serde(default)]
    pub searched_to: Option<Timestamp>,
}

/// One line that an instance wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When it was read.
    pub at: Timestamp,
    /// Its place among all lines, to be passed as `before`.
    #[serde(default)]
    pub place: String,
    /// The revision.
    pub revision: String,
    /// The instance.
    pub instance: String,
    /// `DEBUG`, `INFO`, `WARNING`, `ERROR`, `DEFAULT`: from the line's JSON `severity` or `level`.
    pub severity: String,
    /// The line as written.
    pub text: String,
}
