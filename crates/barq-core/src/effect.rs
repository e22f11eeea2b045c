//! What must be done outside, and what came of it.
//!
//! Effects are derived from the state (`pending`), never stored: a restart derives them again. So every port is idempotent
//! by `EffectKey`. An outcome comes back as a command; one whose key is no longer pending is late and changes nothing.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::configuration::{Build, Check, Health, Smoke, Tls};
use crate::event::{CheckOutcome, Evidence, Plan, ProbeLine, Trip};
use crate::identity::{
    AppName, CommitHash, DeliveryId, ImageDigest, IncidentId, RevisionName, RolloutId, ServiceId,
};
use crate::service::Revision;

/// Names one attempt of one effect: the idempotency key of the ports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EffectKey {
    /// What is to be done.
    pub target: EffectTarget,
    /// From 1; the next one begins after the one before came to no result.
    pub attempt: u32,
}

/// What an effect is about, over all attempts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectTarget {
    /// A check runs.
    Check(DeliveryId, String),
    /// A check is stopped.
    StopCheck(DeliveryId, String),
    /// The image is built.
    Build(DeliveryId),
    /// The build is stopped.
    StopBuild(DeliveryId),
    /// A plan is put in force; the number is its generation.
    Configure(ServiceId, u64),
    /// Smoke tests.
    Smoke(RolloutId),
    /// The rollback target is asked.
    Prove(RolloutId),
    /// The version served is asked; the number is the round.
    Verify(RolloutId, u32),
    /// Evidence for an incident.
    Evidence(IncidentId),
}

impl EffectKey {
    /// The subject of events about this effect; see `Event::subject`.
    pub fn subject(&self) -> String {
        match &self.target {
            EffectTarget::Check(id, _)
            | EffectTarget::StopCheck(id, _)
            | EffectTarget::Build(id)
            | EffectTarget::StopBuild(id)
            | EffectTarget::Smoke(RolloutId { delivery: id, .. })
            | EffectTarget::Prove(RolloutId { delivery: id, .. })
            | EffectTarget::Verify(RolloutId { delivery: id, .. }, _) => format!("delivery/{id}"),
            EffectTarget::Configure(service, _) => format!("service/{service}"),
            EffectTarget::Evidence(incident) => format!("incident/{incident}"),
        }
    }

    /// Whose it is.
    pub fn app(&self) -> Option<&AppName> {
        match &self.target {
            EffectTarget::Evidence(incident) => Some(&incident.app),
            target => target.delivery().map(|delivery| &delivery.app),
        }
    }
}

impl EffectTarget {
    /// The delivery that is on its way by it.
    pub fn delivery(&self) -> Option<&DeliveryId> {
        match self {
            Self::Check(id, _) | Self::StopCheck(id, _) | Self::Build(id) | Self::StopBuild(id) => {
                Some(id)
            }
            Self::Smoke(id) | Self::Prove(id) | Self::Verify(id, _) => Some(&id.delivery),
            Self::Configure(..) | Self::Evidence(_) => None,
        }
    }
}

impl fmt::Display for EffectKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            EffectTarget::Check(id, check) => write!(formatter, "{id}/check/{check}")?,
            EffectTarget::StopCheck(id, check) => write!(formatter, "{id}/stop-check/{check}")?,
            EffectTarget::Build(id) => write!(formatter, "{id}/build")?,
            EffectTarget::StopBuild(id) => write!(formatter, "{id}/stop-build")?,
            EffectTarget::Configure(id, number) => write!(formatter, "{id}/plan/{number}")?,
            EffectTarget::Smoke(id) => write!(formatter, "{id}/smoke")?,
            EffectTarget::Prove(id) => write!(formatter, "{id}/prove")?,
            EffectTarget::Verify(id, round) => write!(formatter, "{id}/verify/{round}")?,
            EffectTarget::Evidence(id) => write!(formatter, "{id}/evidence")?,
        }
        write!(formatter, "/{}", self.attempt)
    }
}

/// Something that must be done outside, with all that it needs.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Run a check.
    RunCheck {
        /// Whose.
        delivery: DeliveryId,
        /// Of what.
        commit: CommitHash,
        /// Which.
        check: Check,
    },
    /// Stop a check, whose outcome is then `Cancelled`.
    StopCheck {
        /// Whose.
        delivery: DeliveryId,
        /// The key that it was started with.
        started: EffectKey,
        /// Which.
        check: String,
    },
    /// Build the image.
    BuildImage {
        /// Whose.
        delivery: DeliveryId,
        /// Of what.
        commit: CommitHash,
        /// How.
        build: Build,
    },
    /// Stop the build.
    StopBuild {
        /// Whose.
        delivery: DeliveryId,
        /// The key that it was started with.
        started: EffectKey,
    },
    /// Put a plan in force.
    Configure {
        /// Where.
        service: ServiceId,
        /// Its generation.
        generation: u64,
        /// What.
        plan: Plan,
        /// The revisions that the plan names.
        revisions: Vec<Revision>,
        /// Further hosts of the service.
        domains: Vec<String>,
        /// How these are served over TLS.
        tls: Option<Tls>,
    },
    /// Test the new revision at its tagged address.
    SmokeTest(SmokeTest),
    /// Ask the revision to go back to: is it ready, at its size, and does it answer its health checks now?
    ProveTarget {
        /// Where.
        service: ServiceId,
        /// Which.
        revision: RevisionName,
    },
    /// Ask through the public ingress which revision serves, and whether it is healthy.
    Verify {
        /// Where.
        service: ServiceId,
        /// Which it must be.
        revision: RevisionName,
        /// The paths.
        health: Health,
    },
    /// Ask the data plane what it saw of a bad revision.
    GatherEvidence {
        /// Where.
        service: ServiceId,
        /// Of which.
        revision: RevisionName,
    },
}

/// What to test, and with what.
#[derive(Debug, Clone, PartialEq)]
pub struct SmokeTest {
    /// Where.
    pub service: ServiceId,
    /// Which.
    pub revision: RevisionName,
    /// For the health paths.
    pub health: Health,
    /// The project's own.
    pub smoke: Smoke,
    /// Where the project's script is from.
    pub app: AppName,
    /// Where the project's script is from.
    pub commit: CommitHash,
}

/// What came of an effect.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The check has begun to run (before, it waited for its turn).
    CheckStarted,
    /// The check ended.
    CheckFinished {
        /// How.
        outcome: CheckOutcome,
        /// How long it ran, in milliseconds.
        duration_ms: u64,
    },
    /// The image is in the registry.
    ImageBuilt {
        /// Its digest.
        image: ImageDigest,
        /// Its size in bytes.
        size_bytes: u64,
        /// How long it took, in milliseconds.
        duration_ms: u64,
    },
    /// The commit can't be built; another attempt would not help.
    BuildFailed {
        /// In words.
        reason: String,
    },
    /// It no longer runs.
    Stopped,
    /// The plan is in force.
    Configured {
        /// Whether it would survive a restart there.
        durable: bool,
        /// From its arrival until every later request followed it, in microseconds.
        switched_us: u64,
    },
    /// The plan was refused.
    ConfigurationRefused(PlanRefusal),
    /// Smoke tests ended.
    SmokeTested {
        /// What was seen; passed where every line passed.
        lines: Vec<ProbeLine>,
    },
    /// The rollback target answered, or not.
    TargetProbed {
        /// Ready instances.
        ready: u32,
        /// The size that it should have.
        desired: u32,
        /// What was not as it should be; empty when all was.
        failures: Vec<String>,
    },
    /// The verification ended.
    VersionProbed {
        /// What was seen; passed where every line passed.
        lines: Vec<ProbeLine>,
    },
    /// The evidence.
    EvidenceGathered(Box<Evidence>),
    /// The attempt came to no result: the port failed or did not answer in time.
    NoResult {
        /// In words.
        error: String,
    },
}

/// Why the data plane refused a plan.
#[derive(Debug, Clone, PartialEq)]
pub enum PlanRefusal {
    /// It is ahead.
    StaleGeneration {
        /// What is in force there.
        current: u64,
    },
    /// A trip that the plan did not know of.
    UnheardTrip(Trip),
    /// It can't be: in words.
    Invalid {
        /// Why.
        reason: String,
    },
}
