//! When to renew, and when to try again. Pure: randomness is an argument.

use jiff::{SignedDuration, Timestamp};

/// The first wait after a failure. Let's Encrypt counts 5 failed validations of a host in an hour: by doubling from here
/// there are 5 in the first hour, and one in each second hour after that.
const BACKOFF_FIRST: SignedDuration = SignedDuration::from_mins(2);
/// The longest wait of our own choice.
const BACKOFF_MAX: SignedDuration = SignedDuration::from_hours(2);
/// A wait is longer by up to this part of itself, so that hosts which failed together don't come back together.
const BACKOFF_JITTER_PART: i32 = 4;
/// The longest wait that an authority can ask for.
pub(super) const WAIT_MAX: SignedDuration = SignedDuration::from_hours(7 * 24);
/// A renewal is earlier by up to this part of the lifetime.
const RENEWAL_JITTER_PART: i32 = 20;

/// At two thirds of the lifetime, or a little earlier: a third is left to try again.
pub(super) fn renew_at(not_before: Timestamp, not_after: Timestamp, random: u64) -> Timestamp {
    let lifetime = not_after
        .duration_since(not_before)
        .max(SignedDuration::ZERO);
    not_before + lifetime / 3 * 2 - part(lifetime / RENEWAL_JITTER_PART, random)
}

/// How long to wait after so many failures in a row.
pub(super) fn backoff(failures: u32, random: u64) -> SignedDuration {
    let doublings = failures.saturating_sub(1).min(16);
    let wait = (BACKOFF_FIRST * (1 << doublings)).min(BACKOFF_MAX);
    wait + part(wait / BACKOFF_JITTER_PART, random)
}

/// A random part of it, in whole seconds.
fn part(whole: SignedDuration, random: u64) -> SignedDuration {
    let seconds = u64::try_from(whole.as_secs()).unwrap_or(0);
    let chosen = random.checked_rem(seconds).unwrap_or(0);
    SignedDuration::from_secs(i64::try_from(chosen).unwrap_or(0))
}

#[cfg(test)]
mod tests;
