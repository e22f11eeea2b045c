//! The bounds of what a `barq.toml` may ask for, each with its unit.
//!
//! In one place, since the check, the JSON Schema and the tests need the same ones. They bound what a file can cost the
//! server and the node; sensible values lie far inside.

use std::time::Duration;

/// The largest `barq.toml`, in bytes.
pub const CONFIGURATION_BYTES_MAX: usize = 256 * 1024;

/// The most checks of an app.
pub const CHECKS_MAX: usize = 64;

/// The most environments that a file declares.
pub const ENVIRONMENTS_MAX: usize = 16;

/// The most steps of a rollout.
pub const STEPS_MAX: usize = 32;

/// The most items in any other list or map.
pub const ITEMS_MAX: usize = 256;

/// The longest duration that no narrower limit bounds: a week.
pub const DURATION_MAX: Duration = Duration::from_hours(7 * 24);

/// The longest time that browsers are told to come by HTTPS alone: two years, what their preload lists ask for at most.
pub const HSTS_MAX: Duration = Duration::from_hours(730 * 24);

/// The longest lease: beyond it a dead control plane would leave a canary with its traffic for too long.
pub const LEASE_MAX: Duration = Duration::from_hours(1);

/// The shortest lease: below it a busy machine would lose healthy canaries.
pub const LEASE_MIN: Duration = Duration::from_secs(1);

/// The most instances of a revision.
pub const INSTANCES_MAX: u32 = 1_000;

/// The most CPUs of an instance, in thousandths.
pub const CPU_MILLIS_MAX: u32 = 256_000;

/// The most requests at once in an instance.
pub const CONCURRENCY_MAX: u32 = 10_000;

/// The most revisions kept.
pub const REVISIONS_MAX: u32 = 1_000;

/// The most failures in a row of a probe.
pub const PROBE_FAILURES_MAX: u32 = 1_000;

/// The highest error limit of a step.
pub const STEP_ERRORS_MAX: u32 = 1_000_000;

/// The least memory of an instance, in bytes.
pub const MEMORY_BYTES_MIN: u64 = 1 << 20;

/// The most memory of an instance, in bytes.
pub const MEMORY_BYTES_MAX: u64 = 64 << 40;
