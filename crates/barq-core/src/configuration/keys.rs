//! Every key of `barq.toml`: its name, its shape, its bounds and what it means.
//!
//! This one table drives the check of shapes and unknown keys, the suggestions and the JSON Schema, so that none of
//! them can know a key that the others don't. What two keys mean together is not its business.

mod environment;

use std::time::Duration;

use super::Requirement;
use super::limits::{CHECKS_MAX, DURATION_MAX, ENVIRONMENTS_MAX, ITEMS_MAX, PROBE_FAILURES_MAX};
use super::rules::{self, Rule};
use environment::{APPROVAL, ENVIRONMENT, GUARD, INSTANCES, KEEP, STEP};

/// The keys of one table.
pub(crate) struct Keys {
    /// Where its keys stand, as messages say it.
    pub(crate) place: &'static str,
    /// In the order of the documentation.
    pub(crate) keys: &'static [Key],
}

/// One key.
pub(crate) struct Key {
    /// As written in the file.
    pub(crate) name: &'static str,
    /// What its value must look like.
    pub(crate) shape: Shape,
    /// Whether its table is incomplete without it.
    pub(crate) required: bool,
    /// One sentence with the default; shown by editors.
    pub(crate) about: &'static str,
}

/// What a value must look like.
pub(crate) enum Shape {
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Whole { min: u64, max: u64 },
    /// A number of CPUs, exact to a thousandth.
    Cpu,
    /// Text like `"5m"`.
    Duration { min: Duration, max: Duration },
    /// Text like `"2GiB"`.
    Size { min: u64, max: u64 },
    /// Text under a rule.
    Text(&'static Rule),
    /// One of some words.
    OneOf(&'static [&'static str]),
    /// An array.
    List {
        item: &'static Shape,
        min: usize,
        max: usize,
        unique: bool,
    },
    /// A table of which the keys are free.
    Map {
        key: &'static Rule,
        value: &'static Shape,
        min: usize,
        max: usize,
    },
    /// A table of which the keys are known.
    Table(&'static Keys),
    /// `false`, or the shape.
    OrFalse(&'static Shape),
    /// Text, or a table.
    TextOr(&'static Rule, &'static Keys),
}

/// The shortest duration that is one.
const MILLISECOND: Duration = Duration::from_millis(1);

/// A key that may be left out.
const fn key(name: &'static str, shape: Shape, about: &'static str) -> Key {
    Key {
        name,
        shape,
        required: false,
        about,
    }
}

/// A key that may not.
const fn required(name: &'static str, shape: Shape, about: &'static str) -> Key {
    Key {
        name,
        shape,
        required: true,
        about,
    }
}

/// A duration of at least `min`.
const fn from(min: Duration) -> Shape {
    Shape::Duration {
        min,
        max: DURATION_MAX,
    }
}

/// A list without repetitions.
const fn set(item: &'static Shape) -> Shape {
    Shape::List {
        item,
        min: 0,
        max: ITEMS_MAX,
        unique: true,
    }
}

static ANY_TEXT: Shape = Shape::Text(&rules::ANY_TEXT);
static PATH: Shape = Shape::Text(&rules::PATH);
static BUNDLE_PATH: Shape = Shape::Text(&rules::BUNDLE_PATH);
static CHECK_NAME: Shape = Shape::Text(&rules::CHECK_NAME);
static REQUIREMENT: Shape = Shape::OneOf(&[Requirement::ContainerEngine.name()]);
static CHECK_TABLE: Shape = Shape::Table(&CHECK);
static REQUEST_TABLE: Shape = Shape::Table(&REQUEST);
static ENVIRONMENT_TABLE: Shape = Shape::Table(&ENVIRONMENT);

/// The whole file.
pub(crate) static FILE: Keys = Keys {
    place: "at the top of the file",
    keys: &[
        required(
            "service",
            Shape::Text(&rules::SERVICE),
            "The first part of every service's name, `<service>-<environment>`. Unique on a server; does not change.",
        ),
        key(
            "branch",
            Shape::Text(&rules::BRANCH),
            "The branch whose pushes are delivered; others only run the checks. Default: \"main\".",
        ),
        key(
            "check",
            Shape::List {
                item: &CHECK_TABLE,
                min: 0,
                max: CHECKS_MAX,
                unique: false,
            },
            "What must pass before anything is delivered. All run in parallel, each in its own copy of the commit.",
        ),
        required(
            "build",
            Shape::Table(&BUILD),
            "How the image is made: a bundle (`files`, `command`) or a Dockerfile (`dockerfile`).",
        ),
        key(
            "health",
            Shape::Table(&HEALTH),
            "How an instance tells its state.",
        ),
        key(
            "smoke",
            Shape::Table(&SMOKE),
            "What a new revision must answer before it gets traffic.",
        ),
        key(
            "environments",
            Shape::Map {
                key: &rules::ENVIRONMENT,
                value: &ENVIRONMENT_TABLE,
                min: 0,
                max: ENVIRONMENTS_MAX,
            },
            "`staging` and `production` always exist; what is written here overrides them key by key. Others are \
             delivered between the two, in file order, and default like staging.",
        ),
    ],
};

/// `[[check]]`.
pub(crate) static CHECK: Keys = Keys {
    place: "in `[[check]]`",
    keys: &[
        required(
            "name",
            Shape::Text(&rules::CHECK_NAME),
            "Unique among the checks.",
        ),
        required(
            "run",
            Shape::Text(&rules::COMMAND_LINE),
            "The command line, for `sh -c`.",
        ),
        key(
            "directory",
            Shape::Text(&rules::PATH),
            "Where it runs. Default: \".\", the root of the commit.",
        ),
        key(
            "timeout",
            from(MILLISECOND),
            "How long it may run. Default: \"10m\".",
        ),
        key(
            "needs",
            set(&CHECK_NAME),
            "Names of checks that must pass first. Default: none.",
        ),
        key(
            "cache",
            set(&PATH),
            "Directories kept between deliveries, for this check alone. Default: none.",
        ),
        key(
            "requires",
            set(&REQUIREMENT),
            "What the machine must offer, else the check is skipped. Default: nothing.",
        ),
    ],
};

/// `[build]`.
pub(crate) static BUILD: Keys = Keys {
    place: "in `[build]`",
    keys: &[
        key(
            "run",
            Shape::Text(&rules::COMMAND_LINE),
            "Bundle: the command line that builds, for `sh -c`.",
        ),
        key(
            "files",
            Shape::Map {
                key: &rules::PATH,
                value: &BUNDLE_PATH,
                min: 1,
                max: ITEMS_MAX,
            },
            "Bundle: source in the commit = path in the bundle. They become one image layer under /app.",
        ),
        key(
            "command",
            Shape::List {
                item: &ANY_TEXT,
                min: 1,
                max: ITEMS_MAX,
                unique: false,
            },
            "Bundle: what an instance runs, with /app as working directory.",
        ),
        key(
            "cache",
            set(&PATH),
            "Bundle: directories kept between builds. Default: none.",
        ),
        key(
            "dockerfile",
            Shape::Text(&rules::PATH),
            "Dockerfile: its path in the commit.",
        ),
        key(
            "context",
            Shape::Text(&rules::PATH),
            "Dockerfile: the build context. Default: \".\".",
        ),
        key(
            "target",
            Shape::Text(&rules::ANY_TEXT),
            "Dockerfile: the stage to build. Default: the last one.",
        ),
        key(
            "args",
            Shape::Map {
                key: &rules::VARIABLE,
                value: &ANY_TEXT,
                min: 0,
                max: ITEMS_MAX,
            },
            "Dockerfile: build arguments. Default: none.",
        ),
    ],
};

/// `[health]`.
pub(crate) static HEALTH: Keys = Keys {
    place: "in `[health]`",
    keys: &[
        key(
            "startup",
            Shape::Table(&PROBE),
            "Until it passes the instance is not up; when it fails the deploy fails.",
        ),
        key(
            "liveness",
            Shape::Table(&PROBE),
            "When it fails the instance is restarted.",
        ),
        key(
            "readiness",
            Shape::Table(&PROBE),
            "While it fails the instance gets no traffic.",
        ),
        key("detailed", Shape::Table(&DETAILED), "Asked on demand."),
    ],
};

/// A probe of `[health]`.
pub(crate) static PROBE: Keys = Keys {
    place: "in a probe of `[health]`",
    keys: &[
        key(
            "path",
            Shape::Text(&rules::URL_PATH),
            "Default: \"/health/live\", for readiness \"/health/ready\".",
        ),
        key(
            "initial_delay",
            from(Duration::ZERO),
            "Before the first request. Default: \"10s\" for startup, else \"0s\".",
        ),
        key(
            "period",
            from(MILLISECOND),
            "Between requests. Default: \"10s\", for liveness \"30s\".",
        ),
        key(
            "timeout",
            from(MILLISECOND),
            "For an answer; at most `period`. Default: \"3s\", or `period` if shorter.",
        ),
        key(
            "failures",
            Shape::Whole {
                min: 1,
                max: PROBE_FAILURES_MAX as u64,
            },
            "How many failures in a row count as failed. Default: 3.",
        ),
    ],
};

/// `detailed` of `[health]`.
pub(crate) static DETAILED: Keys = Keys {
    place: "in `detailed` of `[health]`",
    keys: &[key(
        "path",
        Shape::Text(&rules::URL_PATH),
        "Default: \"/health/detailed\".",
    )],
};

/// `[smoke]`.
pub(crate) static SMOKE: Keys = Keys {
    place: "in `[smoke]`",
    keys: &[
        key(
            "requests",
            Shape::List {
                item: &REQUEST_TABLE,
                min: 0,
                max: ITEMS_MAX,
                unique: false,
            },
            "Made in order, after the health paths. Default: none.",
        ),
        key(
            "run",
            Shape::Text(&rules::COMMAND_LINE),
            "A command line for `sh -c`; gets SMOKE_URL. Default: none.",
        ),
    ],
};

/// An item of `requests` of `[smoke]`.
pub(crate) static REQUEST: Keys = Keys {
    place: "in a request of `[smoke]`",
    keys: &[
        required(
            "path",
            Shape::Text(&rules::URL_PATH),
            "The path, with its query.",
        ),
        key("method", Shape::Text(&rules::METHOD), "Default: \"GET\"."),
        key(
            "status",
            Shape::Whole { min: 100, max: 599 },
            "The status that passes. Default: 200.",
        ),
        key(
            "contains",
            Shape::Text(&rules::ANY_TEXT),
            "Text that the body must contain. Default: none.",
        ),
    ],
};

/// All tables, for "that key belongs to …".
pub(crate) static TABLES: [&Keys; 14] = [
    &FILE,
    &CHECK,
    &BUILD,
    &HEALTH,
    &PROBE,
    &DETAILED,
    &SMOKE,
    &REQUEST,
    &ENVIRONMENT,
    &APPROVAL,
    &INSTANCES,
    &STEP,
    &GUARD,
    &KEEP,
];
