//! What one environment asks for: its gate, its size, its rollout and what happens after it.
//!
//! Kept apart from the rest of the configuration because a rollout pins exactly this, and because a push that loosens
//! it needs an approval under the one before.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Protocol, Tls, milliseconds};

/// One environment of an app; together they are a service, `<service>-<environment>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// A DNS label; unique in the configuration.
    pub name: String,
    /// Who must agree before a release enters; none lets every release in.
    pub approval: Option<Approval>,
    /// How many instances a revision has.
    pub instances: Instances,
    /// CPU limit of an instance in thousandths of a CPU.
    pub cpu_millis: u32,
    /// Memory limit of an instance in bytes.
    pub memory_bytes: u64,
    /// How many requests an instance works on at once. At least 1.
    pub concurrency: u32,
    /// What an instance speaks.
    #[serde(default, skip_serializing_if = "Protocol::is_default")]
    pub protocol: Protocol,
    /// Environment variables of the instances.
    pub env: BTreeMap<String, EnvironmentValue>,
    /// Names of the secrets that become environment variables of the same name.
    pub secrets: Vec<String>,
    /// The rollout: shares of traffic that rise to 100. Never empty.
    pub steps: Vec<Step>,
    /// How long, and with what consequence, a revision is watched after it got all traffic.
    pub guard: Option<Guard>,
    /// Whether a failed request that is safe to repeat is answered by the stable revision.
    pub shield: bool,
    /// How long a canary keeps its traffic with no word from the control plane.
    #[serde(rename = "lease_ms", with = "milliseconds")]
    pub lease: Duration,
    /// What stays of the revisions before.
    pub keep: Keep,
    /// Host names of users' requests beside `<service>-<environment>.localhost`; lower case.
    pub domains: Vec<String>,
    /// How these are served over TLS; none: by plain HTTP alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// How long requests in flight may take to end once an instance is out of the route table.
    #[serde(rename = "drain_ms", with = "milliseconds")]
    pub drain: Duration,
}

impl Environment {
    /// The limit that the guard holds a revision to: that of the last step that has one, scaled to all traffic and
    /// rounded up. None without a guard, or where no step has a limit.
    ///
    /// A limit on the 100 % step, which has no hold, is counted over the whole time of the guard.
    pub fn guard_limit(&self) -> Option<GuardLimit> {
        let guard = self.guard.as_ref()?;
        let (step, max_errors) = self
            .steps
            .iter()
            .rev()
            .find_map(|step| Some((step, step.max_errors?)))?;
        let scaled = (u64::from(max_errors) * 100).div_ceil(u64::from(step.traffic.max(1)));
        Some(GuardLimit {
            max_errors: u32::try_from(scaled).unwrap_or(u32::MAX),
            window: if step.hold.is_zero() {
                guard.duration
            } else {
                step.hold
            },
        })
    }
}

/// Who must agree before a release enters an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The least role of an approver.
    pub role: Role,
    /// How long a delivery waits for it.
    #[serde(rename = "expires_ms", with = "milliseconds")]
    pub expires: Duration,
    /// Whether the approver must be another person than the one who pushed.
    pub separate_approver: bool,
}

/// What a token may do, from the least to the most (architecture section 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Pushes.
    Developer,
    /// Also steers rollouts and rolls back.
    Operator,
    /// Also approves.
    TechLead,
    /// Everything.
    Admin,
}

/// A text that names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no role {0:?}; the roles are developer, operator, tech-lead and admin")]
pub struct UnknownRole(String);

impl Role {
    /// All roles, from the least to the most.
    pub const ALL: [Self; 4] = [Self::Developer, Self::Operator, Self::TechLead, Self::Admin];

    /// The name in `barq.toml`, on the command line and in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Developer => "developer",
            Self::Operator => "operator",
            Self::TechLead => "tech-lead",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL
            .into_iter()
            .find(|role| role.name() == text)
            .ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

/// How many instances a revision with all traffic has; `1 <= min <= max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instances {
    /// The fewest, whatever the load.
    pub min: u32,
    /// The most, whatever the load.
    pub max: u32,
}

/// Where the value of an environment variable comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnvironmentValue {
    /// The file says it.
    Literal(String),
    /// The variable of this name in the server's own environment.
    FromEnvironment(String),
}

/// One stage of a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Percent of the traffic to the new revision: 1 to 100, rising from step to step, 100 in the last.
    pub traffic: u8,
    /// How long the canary is held there, in time that it was served; zero in the last step alone.
    #[serde(rename = "hold_ms", with = "milliseconds")]
    pub hold: Duration,
    /// The error at which the tripwire trips: with 5 the fifth error within the hold's length aborts. At least 1; always
    /// there below 100 %.
    pub max_errors: Option<u32>,
}

impl Step {
    /// An error counts for the limit for as long as the step is held ("fewer than 5 errors in 5 min"), however long the
    /// step lasts: it may be paused, extended, or wait for traffic. None where there is no hold: then all of it counts.
    pub fn window(&self) -> Option<Duration> {
        (!self.hold.is_zero()).then_some(self.hold)
    }
}

/// The watch over a revision after it got all traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guard {
    /// How long it is watched (`for` in the file).
    #[serde(rename = "for_ms", with = "milliseconds")]
    pub duration: Duration,
    /// What happens when it passes the limit.
    pub action: GuardAction,
}

/// What a guard does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuardAction {
    /// Opens an incident and offers the rollback.
    Alert,
    /// Opens an incident and rolls back.
    Rollback,
}

impl GuardAction {
    /// All actions, from the weaker to the stronger.
    pub const ALL: [Self; 2] = [Self::Alert, Self::Rollback];

    /// The name in `barq.toml`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Rollback => "rollback",
        }
    }
}

/// What a guarded revision may do wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuardLimit {
    /// The error, within the window, at which the guard acts. At least 1.
    pub max_errors: u32,
    /// The time over which errors are counted.
    pub window: Duration,
}

/// What stays of the revisions before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keep {
    /// How long the revision before stays at full size after it lost its traffic.
    #[serde(rename = "warm_ms", with = "milliseconds")]
    pub warm: Duration,
    /// How many revisions stay deployable after that. At least 1.
    pub revisions: u32,
}
