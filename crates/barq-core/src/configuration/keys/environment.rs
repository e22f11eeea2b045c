//! The keys of `[environments.NAME]` and of the tables in it: half of the file's keys, and the half that is a gate.

use std::time::Duration;

use super::super::limits::{
    CONCURRENCY_MAX, HSTS_MAX, INSTANCES_MAX, ITEMS_MAX, LEASE_MAX, LEASE_MIN, MEMORY_BYTES_MAX,
    MEMORY_BYTES_MIN, REVISIONS_MAX, STEP_ERRORS_MAX, STEPS_MAX,
};
use super::super::rules;
use super::super::{GuardAction, Protocol, Role};
use super::{Keys, MILLISECOND, Shape, from, key, required, set};

static APPROVAL_TABLE: Shape = Shape::Table(&APPROVAL);
static GUARD_TABLE: Shape = Shape::Table(&GUARD);
static STEP_TABLE: Shape = Shape::Table(&STEP);
static VALUE: Shape = Shape::TextOr(&rules::ANY_TEXT, &FROM_ENVIRONMENT);
static VARIABLE: Shape = Shape::Text(&rules::OWN_VARIABLE);
static DOMAIN: Shape = Shape::Text(&rules::DOMAIN);

/// `[environments.NAME]`.
pub(crate) static ENVIRONMENT: Keys = Keys {
    place: "in `[environments.NAME]`",
    keys: &[
        key(
            "approval",
            Shape::OrFalse(&APPROVAL_TABLE),
            "Who must agree before a release enters. Default: production a tech lead within 24h, others false.",
        ),
        key(
            "instances",
            Shape::Table(&INSTANCES),
            "How many instances a revision has.",
        ),
        key(
            "cpu",
            Shape::Cpu,
            "CPUs of an instance. Default: production 4, others 2.",
        ),
        key(
            "memory",
            Shape::Size {
                min: MEMORY_BYTES_MIN,
                max: MEMORY_BYTES_MAX,
            },
            "Memory of an instance. Default: production \"4GiB\", others \"2GiB\".",
        ),
        key(
            "concurrency",
            Shape::Whole {
                min: 1,
                max: CONCURRENCY_MAX as u64,
            },
            "Requests that an instance works on at once. Default: 80.",
        ),
        key(
            "protocol",
            Shape::OneOf(&[Protocol::Http1.name(), Protocol::H2c.name()]),
            "What an instance speaks, also to probes: \"h2c\" is HTTP/2 without TLS, as gRPC needs. Default: \"http1\".",
        ),
        key(
            "env",
            Shape::Map {
                key: &rules::OWN_VARIABLE,
                value: &VALUE,
                min: 0,
                max: ITEMS_MAX,
            },
            "Environment variables: a text, or { from_env = \"NAME\" } for one of the server's. Default: none.",
        ),
        key(
            "secrets",
            set(&VARIABLE),
            "Secrets that become environment variables of the same name. Default: none.",
        ),
        key(
            "steps",
            Shape::List {
                item: &STEP_TABLE,
                min: 1,
                max: STEPS_MAX,
                unique: false,
            },
            "The rollout: rising shares of traffic. Default: production 10, 50, 100 percent, others 100.",
        ),
        key(
            "guard",
            Shape::OrFalse(&GUARD_TABLE),
            "The watch after 100 percent. Default: production 30m with an alert, others false.",
        ),
        key(
            "shield",
            Shape::Flag,
            "Whether stable answers what fails on the canary and is safe to repeat. Default: true.",
        ),
        key(
            "lease",
            Shape::Duration {
                min: LEASE_MIN,
                max: LEASE_MAX,
            },
            "How long a canary keeps its traffic with no word from the control plane. Default: \"60s\".",
        ),
        key(
            "keep",
            Shape::Table(&KEEP),
            "What stays of the revisions before.",
        ),
        key(
            "domains",
            set(&DOMAIN),
            "Host names of users' requests. Default: none.",
        ),
        key(
            "tls",
            Shape::Table(&TLS),
            "How the domains are served over TLS: with `certificate` and `key`, or by `acme`. Default: not.",
        ),
        key(
            "drain",
            from(Duration::ZERO),
            "How long requests in flight may take to end. Default: \"30s\".",
        ),
    ],
};

/// `approval` of an environment.
pub(crate) static APPROVAL: Keys = Keys {
    place: "in `approval`",
    keys: &[
        key(
            "role",
            Shape::OneOf(&[
                Role::Developer.name(),
                Role::Operator.name(),
                Role::TechLead.name(),
                Role::Admin.name(),
            ]),
            "The least role of an approver. Default: \"tech-lead\".",
        ),
        key(
            "expires",
            from(MILLISECOND),
            "How long a delivery waits for it. Default: \"24h\".",
        ),
        key(
            "separate_approver",
            Shape::Flag,
            "Whether it must be another than the one who pushed. Default: false.",
        ),
    ],
};

/// `instances` of an environment.
pub(crate) static INSTANCES: Keys = Keys {
    place: "in `instances`",
    keys: &[
        key(
            "min",
            Shape::Whole {
                min: 1,
                max: INSTANCES_MAX as u64,
            },
            "The fewest. Default: production 2, others 1.",
        ),
        key(
            "max",
            Shape::Whole {
                min: 1,
                max: INSTANCES_MAX as u64,
            },
            "The most. Default: production 50, others 10.",
        ),
    ],
};

/// A step of an environment.
pub(crate) static STEP: Keys = Keys {
    place: "in a step of `steps`",
    keys: &[
        required(
            "traffic",
            Shape::Whole { min: 1, max: 100 },
            "Percent of the traffic to the new revision.",
        ),
        key(
            "hold",
            from(Duration::ZERO),
            "How long it is held there; not in the last step. Default: \"5m\".",
        ),
        key(
            "max_errors",
            Shape::Whole {
                min: 1,
                max: STEP_ERRORS_MAX as u64,
            },
            "The error that aborts: with 5 the fifth within the time of `hold`. Default: 5 below 50 percent, else 10. \
             In the last step: what the guard tolerates.",
        ),
    ],
};

/// `guard` of an environment.
pub(crate) static GUARD: Keys = Keys {
    place: "in `guard`",
    keys: &[
        key(
            "for",
            from(MILLISECOND),
            "How long it watches. Default: \"30m\".",
        ),
        key(
            "action",
            Shape::OneOf(&[GuardAction::Alert.name(), GuardAction::Rollback.name()]),
            "What happens when the limit is passed. Default: \"alert\".",
        ),
    ],
};

/// `keep` of an environment.
pub(crate) static KEEP: Keys = Keys {
    place: "in `keep`",
    keys: &[
        key(
            "warm",
            from(Duration::ZERO),
            "How long the revision before stays at full size. Default: \"30m\".",
        ),
        key(
            "revisions",
            Shape::Whole {
                min: 1,
                max: REVISIONS_MAX as u64,
            },
            "How many revisions stay deployable. Default: 10.",
        ),
    ],
};

/// `tls` of an environment.
pub(crate) static TLS: Keys = Keys {
    place: "in `tls`",
    keys: &[
        key(
            "certificate",
            Shape::Text(&rules::MACHINE_PATH),
            "A PEM file on the node's machine: the server's own certificate, then its chain. Read again when it changes.",
        ),
        key(
            "key",
            Shape::Text(&rules::MACHINE_PATH),
            "A PEM file on the node's machine: the private key.",
        ),
        key(
            "acme",
            Shape::Flag,
            "Whether the node gets certificates from a certificate authority. Default: false.",
        ),
        key(
            "redirect",
            Shape::Flag,
            "Whether plain HTTP is sent to HTTPS, once there is a certificate. Default: true.",
        ),
        key(
            "hsts",
            Shape::Duration {
                min: Duration::ZERO,
                max: HSTS_MAX,
            },
            "For how long browsers come by HTTPS alone; \"0s\" tells them nothing. Default: \"180d\".",
        ),
    ],
};

/// The table form of a variable's value.
pub(crate) static FROM_ENVIRONMENT: Keys = Keys {
    place: "in the value of a variable",
    keys: &[required(
        "from_env",
        Shape::Text(&rules::VARIABLE),
        "A variable in the server's own environment.",
    )],
};
