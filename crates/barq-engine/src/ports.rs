//! What the engine needs of the world: traits that adapters implement, one per kind of neighbour.
//!
//! **Invariant**: every method is idempotent by its `EffectKey`: called again with the same key it joins what runs, or
//! answers as before. A port that fails says so (`PortError`); it never invents an outcome. Time-outs and retries are the
//! executor's, not the port's.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use barq_core::configuration::{Build, Check, Health, Tls};
use barq_core::effect::{EffectKey, Outcome, SmokeTest};
use barq_core::event::{Plan, Recall, Trip};
use barq_core::identity::{CommitHash, DeliveryId, RevisionName, ServiceId};
use barq_core::observation::Observation;
use barq_core::service::Revision;
use jiff::Timestamp;
use tokio::sync::mpsc;

/// An attempt came to no result: nothing is known of what it was to do, so it is tried again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{operation}: {reason}")]
pub struct PortError {
    /// What was tried.
    pub operation: &'static str,
    /// Why it failed, in words.
    pub reason: String,
}

/// The ports that an engine works through.
#[derive(Clone)]
pub struct Ports {
    /// Checks and builds.
    pub pipeline: std::sync::Arc<dyn Pipeline>,
    /// Instances and traffic.
    pub data_plane: std::sync::Arc<dyn DataPlane>,
    /// Smoke tests and verification.
    pub prober: std::sync::Arc<dyn Prober>,
}

/// What a check or a build works on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Whose.
    pub delivery: DeliveryId,
    /// Of what.
    pub commit: CommitHash,
}

/// Tells the engine that a check has begun to run; before, it waited for its turn.
#[derive(Debug, Clone)]
pub struct Started {
    key: EffectKey,
    sender: mpsc::Sender<(EffectKey, Outcome)>,
}

impl Started {
    pub(crate) fn new(key: EffectKey, sender: mpsc::Sender<(EffectKey, Outcome)>) -> Self {
        Self { key, sender }
    }

    /// The check runs now. Where the engine is gone nobody needs to know.
    pub async fn tell(&self) {
        let told = (self.key.clone(), Outcome::CheckStarted);
        if self.sender.send(told).await.is_err() {
            tracing::debug!(key = %self.key, "the engine has stopped");
        }
    }
}

/// Runs checks and builds images.
#[async_trait]
pub trait Pipeline: Send + Sync {
    /// Runs a check to its end: `Outcome::CheckFinished`.
    async fn run_check(
        &self,
        key: &EffectKey,
        source: Source,
        check: Check,
        started: Started,
    ) -> Result<Outcome, PortError>;

    /// Ends a check that was started with the key `started`, its whole tree: `Outcome::Stopped`.
    async fn stop_check(
        &self,
        key: &EffectKey,
        started: &EffectKey,
        check: &str,
    ) -> Result<Outcome, PortError>;

    /// Builds an image: `Outcome::ImageBuilt` or `Outcome::BuildFailed`.
    async fn build(
        &self,
        key: &EffectKey,
        source: Source,
        build: Build,
    ) -> Result<Outcome, PortError>;

    /// Ends a build: `Outcome::Stopped`.
    async fn stop_build(&self, key: &EffectKey, started: &EffectKey) -> Result<Outcome, PortError>;
}

/// A plan, with all that the data plane needs to follow it.
#[derive(Debug, Clone, PartialEq)]
pub struct Configuration {
    /// Where.
    pub service: ServiceId,
    /// The plan's generation.
    pub generation: u64,
    /// The plan.
    pub plan: Plan,
    /// The revisions that it names.
    pub revisions: Vec<Revision>,
    /// Further hosts of the service.
    pub domains: Vec<String>,
    /// How these are served over TLS.
    pub tls: Option<Tls>,
}

/// Where instances run and traffic flows.
#[async_trait]
pub trait DataPlane: Send + Sync {
    /// Puts a plan in force: `Outcome::Configured` or `Outcome::ConfigurationRefused`.
    async fn configure(
        &self,
        key: &EffectKey,
        configuration: Configuration,
    ) -> Result<Outcome, PortError>;

    /// Asks a revision whether it could take all traffic now: `Outcome::TargetProbed`.
    async fn prove(
        &self,
        key: &EffectKey,
        service: &ServiceId,
        revision: &RevisionName,
    ) -> Result<Outcome, PortError>;

    /// What was seen of a bad revision: `Outcome::EvidenceGathered`.
    async fn evidence(
        &self,
        key: &EffectKey,
        service: &ServiceId,
        revision: &RevisionName,
    ) -> Result<Outcome, PortError>;

    /// What is seen now: at once when something that matters changed since `after`, else after `wait`.
    async fn observe(&self, after: u64, wait: Duration) -> Result<Seen, PortError>;

    /// Takes the traffic of a revision back on somebody's word, before it can be recorded; told from then on as a trip.
    /// Given twice it changes nothing the second time. Not an effect: effects follow from what is recorded.
    async fn recall(&self, order: &RecallOrder) -> Result<Recalled, PortError>;

    /// Keeps a canary's lease alive.
    async fn renew(&self, lease: &Lease) -> Result<(), PortError>;
}

/// Makes requests as a user would.
#[async_trait]
pub trait Prober: Send + Sync {
    /// Smoke tests at the revision's own address: `Outcome::SmokeTested`.
    async fn smoke(&self, key: &EffectKey, test: SmokeTest) -> Result<Outcome, PortError>;

    /// Which revision answers through the public ingress, and whether it is healthy: `Outcome::VersionProbed`.
    async fn verify(
        &self,
        key: &EffectKey,
        service: &ServiceId,
        revision: &RevisionName,
        health: &Health,
    ) -> Result<Outcome, PortError>;
}

/// Somebody's word that all traffic of a revision goes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecallOrder {
    /// Where.
    pub service: ServiceId,
    /// Whose traffic is taken.
    pub revision: RevisionName,
    /// Whose word it is, and where the traffic goes.
    pub recall: Recall,
}

/// What became of a recall.
#[derive(Debug, Clone, PartialEq)]
pub enum Recalled {
    /// The traffic is there.
    Moved {
        /// The trip that took it there: this one's, or one that came before.
        trip: Trip,
        /// Whether it would survive a restart of the data plane.
        durable: bool,
    },
    /// It would be no way back.
    Refused {
        /// In words.
        why: String,
    },
}

/// A canary's lease, as the data plane shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Where.
    pub service: ServiceId,
    /// The run of the data plane that it is bound to.
    pub run: String,
    /// The generation that it is bound to.
    pub generation: u64,
    /// What is left, in milliseconds.
    pub remaining_ms: u64,
}

/// What the data plane sees of everything.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// To be passed as `after` next time.
    pub change: u64,
    /// By service.
    pub services: BTreeMap<ServiceId, ServiceSeen>,
}

/// What the data plane sees of a service.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServiceSeen {
    /// What decisions are made with.
    pub observation: Observation,
    /// The lease of its canary, while it serves.
    pub lease: Option<Lease>,
    /// What people want to see beside it, by revision.
    pub details: BTreeMap<RevisionName, RevisionDetail>,
}

/// What people want to see of a revision.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RevisionDetail {
    /// Share of the service's completed requests of the last 10 s, in percent; none without requests.
    pub counted_percent: Option<f64>,
    /// Requests since the data plane started.
    pub requests: u64,
    /// Errors among them.
    pub errors: u64,
    /// p50, p95, p99 of the last minute, in microseconds; none without requests.
    pub latency_us: Option<[u64; 3]>,
    /// Admitted and not completed.
    pub in_flight: u64,
    /// `ADDRESS:PORT` that reaches this revision alone.
    pub address: Option<String>,
    /// Whether CPU and memory limits are enforced.
    pub limits_enforced: bool,
    /// One by one.
    pub instances: Vec<InstanceDetail>,
}

/// What people want to see of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceDetail {
    /// Its id.
    pub id: String,
    /// `starting`, `not_ready`, `ready`, `draining`, `backing_off`.
    pub state: &'static str,
    /// Its loopback port; none while it has none, before its start and between two.
    pub port: Option<u16>,
    /// Since when.
    pub started_at: Timestamp,
    /// How often it was restarted.
    pub restarts: u32,
    /// The last probe that failed, in words.
    pub last_probe_failure: Option<String>,
}
