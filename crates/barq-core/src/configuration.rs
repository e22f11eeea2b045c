//! What a commit asks for: the validated, effective form of `barq.toml`.
//!
//! The values here are complete (every default is filled in) and valid (every rule of the file was checked), so that
//! no reader needs to know what a missing key means. They are stored inside journal events: a delivery keeps the
//! configuration that it was pushed with. Hence the JSON form is stable; a new field needs `#[serde(default)]`.
//!
//! Nothing here may know how a rollout proceeds, what a role may do, or that there is a file system or a clock.

mod defaults;
mod diagnostics;
mod digest;
mod environment;
mod keys;
mod limits;
pub mod loosening;
mod milliseconds;
mod parse;
mod protocol;
mod render;
mod rules;
mod schema;
mod service_name;
mod shapes;
mod spelling;
#[cfg(test)]
pub(crate) mod testing;
mod tls;
mod units;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use diagnostics::{DIAGNOSTICS_MAX, Diagnostic, Diagnostics, Severity, Style};
pub use environment::{
    Approval, Environment, EnvironmentValue, Guard, GuardAction, GuardLimit, Instances, Keep, Role,
    Step, UnknownRole,
};
pub use limits::{
    CHECKS_MAX, CONCURRENCY_MAX, CONFIGURATION_BYTES_MAX, CPU_MILLIS_MAX, DURATION_MAX,
    ENVIRONMENTS_MAX, HSTS_MAX, INSTANCES_MAX, ITEMS_MAX, LEASE_MAX, LEASE_MIN, MEMORY_BYTES_MAX,
    MEMORY_BYTES_MIN, PROBE_FAILURES_MAX, REVISIONS_MAX, STEP_ERRORS_MAX, STEPS_MAX,
};
pub use parse::Parsed;
pub use protocol::Protocol;
pub use render::render_toml;
pub use schema::schema;
pub use service_name::{InvalidServiceName, ServiceName};
pub use tls::{CertificateSource, Tls};

/// The environment that every push reaches by itself; always the first in delivery order.
pub const STAGING: &str = "staging";

/// The environment that users meet; always the last in delivery order.
pub const PRODUCTION: &str = "production";

/// The effective configuration of an app at one commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// The first part of every service's name, `<service>-<environment>`. Unique on a server (checked there).
    pub service: ServiceName,
    /// The branch whose pushes are delivered; others only run the checks.
    pub branch: String,
    /// What must pass before anything is delivered, in file order.
    pub checks: Vec<Check>,
    /// How the image is made.
    pub build: Build,
    /// How an instance tells its state.
    pub health: Health,
    /// What a new revision must answer before it gets traffic, beyond the health paths.
    pub smoke: Smoke,
    /// In delivery order: staging first, production last, others between in file order.
    pub environments: Vec<Environment>,
}

impl Configuration {
    /// The environment of that name, if there is one.
    pub fn environment(&self, name: &str) -> Option<&Environment> {
        self.environments
            .iter()
            .find(|environment| environment.name == name)
    }

    /// The name of the service that the app is in an environment, e.g. `barq-api-production`.
    pub fn service_in(&self, environment: &str) -> String {
        format!("{}-{environment}", self.service)
    }
}

/// One command that judges the commit. All checks run in parallel, each in its own copy of the commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Unique among the checks; also a safe file name.
    pub name: String,
    /// The command line, for `sh -c`.
    pub run: String,
    /// Where it runs, relative to the root of the commit; `.` is the root.
    pub directory: String,
    /// How long it may run.
    #[serde(rename = "timeout_ms", with = "milliseconds")]
    pub timeout: Duration,
    /// Names of the checks that must pass before this one starts. Never cyclic.
    pub needs: Vec<String>,
    /// Directories, relative to `directory`, that are kept for this check between deliveries.
    pub cache: Vec<String>,
    /// What the machine must offer; where it does not, the check is skipped, which is not passed.
    pub requires: Vec<Requirement>,
}

/// Something that not every machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Requirement {
    /// Docker or Podman.
    ContainerEngine,
}

impl Requirement {
    /// All of them.
    pub const ALL: [Self; 1] = [Self::ContainerEngine];

    /// The name in `barq.toml`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ContainerEngine => "container-engine",
        }
    }
}

/// How a commit becomes an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Build {
    /// Files of the built commit become one image layer under `/app`.
    Bundle {
        /// The command line that builds, for `sh -c`, at the root of the commit. None where nothing is to be built.
        run: Option<String>,
        /// Source, relative to the root of the commit, to path in the bundle. Never empty.
        files: BTreeMap<String, String>,
        /// What an instance runs, with `/app` as working directory. Never empty.
        command: Vec<String>,
        /// Directories, relative to the root of the commit, that are kept between builds.
        cache: Vec<String>,
    },
    /// An image build by a container engine.
    Dockerfile {
        /// The Dockerfile, relative to the root of the commit.
        dockerfile: String,
        /// The build context, relative to the root of the commit; `.` is the root.
        context: String,
        /// The stage to build; none builds the last one.
        target: Option<String>,
        /// Build arguments.
        args: BTreeMap<String, String>,
    },
}

/// The probes of every instance (`flow.md` section 4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Until it passes the instance is not up; when it fails the deploy fails.
    pub startup: Probe,
    /// When it fails the instance is restarted.
    pub liveness: Probe,
    /// While it fails the instance gets no traffic.
    pub readiness: Probe,
    /// Asked on demand, by people and dashboards.
    pub detailed: DetailedProbe,
}

/// One probe: `GET path`; 200 to 399 passes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// Starts with `/`.
    pub path: String,
    /// How long after the start of the instance the first request is made.
    #[serde(rename = "initial_delay_ms", with = "milliseconds")]
    pub initial_delay: Duration,
    /// From one request to the next.
    #[serde(rename = "period_ms", with = "milliseconds")]
    pub period: Duration,
    /// How long an answer may take; never more than `period`.
    #[serde(rename = "timeout_ms", with = "milliseconds")]
    pub timeout: Duration,
    /// How many failures in a row count as failed. At least 1.
    pub failures: u32,
}

/// The detailed health path, which is not polled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DetailedProbe {
    /// Starts with `/`.
    pub path: String,
}

/// What a new revision must answer before it gets traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Smoke {
    /// Made in order, after the health paths.
    pub requests: Vec<SmokeRequest>,
    /// A command line for `sh -c`, given `SMOKE_URL`; runs after the requests.
    pub run: Option<String>,
}

/// One request and the answer that it must get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmokeRequest {
    /// Starts with `/`.
    pub path: String,
    /// In upper case; `GET` where the file names none.
    pub method: String,
    /// The status that passes.
    pub status: u16,
    /// Text that the body must contain.
    pub contains: Option<String>,
}
