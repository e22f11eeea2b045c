//! What a key means that the file leaves out: the numbers of `flow.md`, in one place.
//!
//! The parser starts from these values and overrides them key by key, so `barq.toml` can be two keys long. Nothing
//! else may carry a default of its own.

use std::time::Duration;

use super::{
    Approval, Build, Configuration, DetailedProbe, Environment, Guard, GuardAction, Health,
    Instances, Keep, PRODUCTION, Probe, Protocol, Role, STAGING, ServiceName, Smoke, Step,
};

/// The branch that is delivered (`flow.md` section 1).
pub(crate) const BRANCH: &str = "main";

/// How long a check may run (architecture section 6).
pub(crate) const CHECK_TIMEOUT: Duration = Duration::from_mins(10);

/// How long a canary step is held (`flow.md` section 3).
pub(crate) const STEP_HOLD: Duration = Duration::from_mins(5);

/// One gibibyte in bytes.
const GIBIBYTE: u64 = 1 << 30;

impl Configuration {
    /// The configuration of a file that says nothing but `service` and `build`.
    pub fn with_defaults(service: ServiceName, build: Build) -> Self {
        Self {
            service,
            branch: BRANCH.to_owned(),
            checks: Vec::new(),
            build,
            health: Health::default(),
            smoke: Smoke {
                requests: Vec::new(),
                run: None,
            },
            environments: vec![
                Environment::with_defaults(STAGING),
                Environment::with_defaults(PRODUCTION),
            ],
        }
    }
}

impl Environment {
    /// An environment of which the file says nothing: `production` as `flow.md` has it, all others like staging.
    pub fn with_defaults(name: &str) -> Self {
        let production = name == PRODUCTION;
        Self {
            name: name.to_owned(),
            approval: production.then(Approval::default),
            instances: if production {
                Instances { min: 2, max: 50 }
            } else {
                Instances { min: 1, max: 10 }
            },
            cpu_millis: if production { 4_000 } else { 2_000 },
            memory_bytes: if production {
                4 * GIBIBYTE
            } else {
                2 * GIBIBYTE
            },
            concurrency: 80,
            protocol: Protocol::default(),
            env: Default::default(),
            secrets: Vec::new(),
            steps: if production {
                canary_steps()
            } else {
                vec![Step::last()]
            },
            guard: production.then(Guard::default),
            shield: true,
            lease: Duration::from_mins(1),
            keep: Keep {
                warm: Duration::from_mins(30),
                revisions: 10,
            },
            domains: Vec::new(),
            tls: None,
            drain: Duration::from_secs(30),
        }
    }
}

impl Step {
    /// The end of every rollout: all traffic, nothing held.
    pub fn last() -> Self {
        Self {
            traffic: 100,
            hold: Duration::ZERO,
            max_errors: None,
        }
    }

    /// The limit of a step that names none: `flow.md` has 5 errors at 10 % and 10 at 50 %.
    pub(crate) fn default_max_errors(traffic: u8) -> u32 {
        if traffic < 50 { 5 } else { 10 }
    }
}

/// The canary of `flow.md` section 3.
fn canary_steps() -> Vec<Step> {
    let held = |traffic| Step {
        traffic,
        hold: STEP_HOLD,
        max_errors: Some(Step::default_max_errors(traffic)),
    };
    vec![held(10), held(50), Step::last()]
}

impl Default for Approval {
    /// A tech lead, within a day, who may be the one who pushed.
    fn default() -> Self {
        Self {
            role: Role::TechLead,
            expires: Duration::from_hours(24),
            separate_approver: false,
        }
    }
}

impl Default for Guard {
    /// Half an hour, then an alert (`flow.md` section 6: "monitor error rates for 30 min").
    fn default() -> Self {
        Self {
            duration: Duration::from_mins(30),
            action: GuardAction::Alert,
        }
    }
}

impl Default for Health {
    /// The table of `flow.md` section 4.
    fn default() -> Self {
        let probe = |path: &str, initial_delay_s, period_s| Probe {
            path: path.to_owned(),
            initial_delay: Duration::from_secs(initial_delay_s),
            period: Duration::from_secs(period_s),
            timeout: Duration::from_secs(3),
            failures: 3,
        };
        Self {
            startup: probe("/health/live", 10, 10),
            liveness: probe("/health/live", 0, 30),
            readiness: probe("/health/ready", 0, 10),
            detailed: DetailedProbe {
                path: "/health/detailed".to_owned(),
            },
        }
    }
}
