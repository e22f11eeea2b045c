//! How long a failed instance waits for its next start.
//!
//! Exponential, so that a crash loop costs little, and with jitter, so that instances which failed together (a database
//! that went away) do not start together. Pure: the jitter is an argument.

use std::time::Duration;

/// The wait before the first restart; doubled for each further one.
pub const BACKOFF_MIN: Duration = Duration::from_secs(1);

/// The longest wait.
pub const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// An instance that was ready for so long starts from [`BACKOFF_MIN`] again.
pub const READY_RESETS_BACKOFF: Duration = Duration::from_secs(60);

/// The wait before the restart number `step` (from 0) in a row. `jitter` from 0 to 1 takes off up to half of it.
pub(super) fn delay(step: u32, jitter: f64) -> Duration {
    let full = BACKOFF_MIN
        .saturating_mul(2_u32.saturating_pow(step.min(31)))
        .min(BACKOFF_MAX);
    full.mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests;
