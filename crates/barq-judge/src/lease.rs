//! The lease: a canary keeps its traffic only while somebody who judges it says so.
//!
//! Bound to one run of the node and one generation, renewed only by who knows both, and never once it has run out: a
//! control plane that slept must enter the step again, and cannot revive what the node has already taken back. It knows
//! no clock: `now` is the time since the run began.

use std::time::Duration;

/// One run of the node, from its start to its end. Opaque.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Run(pub u128);

/// A canary's lease.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lease {
    run: Run,
    generation: u64,
    length: Duration,
    expires: Duration,
}

/// Why a lease was not renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum LeaseRefusal {
    /// The configuration in force has no canary, or the node restarted since.
    #[error("there is none")]
    None,
    /// The node restarted since.
    #[error("it belongs to another run of the node")]
    OtherRun,
    /// Another configuration is in force.
    #[error("it belongs to generation {held}, not {offered}")]
    OtherGeneration {
        /// The generation that the lease is bound to.
        held: u64,
        /// The one that was named.
        offered: u64,
    },
    /// The traffic is already back at stable.
    #[error("it has run out")]
    Expired,
    /// The traffic is already back at stable.
    #[error("the canary has tripped")]
    Tripped,
}

impl Lease {
    /// Grants a lease that ends at `now + length`.
    pub fn grant(run: Run, generation: u64, length: Duration, now: Duration) -> Self {
        Self {
            run,
            generation,
            length,
            expires: now.saturating_add(length),
        }
    }

    /// Moves the end to `now + length`; it never moves backwards.
    ///
    /// # Errors
    /// When the caller names another run or generation, or the lease has run out.
    pub fn renew(&mut self, run: Run, generation: u64, now: Duration) -> Result<(), LeaseRefusal> {
        if run != self.run {
            return Err(LeaseRefusal::OtherRun);
        }
        if generation != self.generation {
            return Err(LeaseRefusal::OtherGeneration {
                held: self.generation,
                offered: generation,
            });
        }
        if self.has_expired(now) {
            return Err(LeaseRefusal::Expired);
        }
        self.expires = self.expires.max(now.saturating_add(self.length));
        Ok(())
    }

    /// Whether it has run out: at its last instant it has.
    pub fn has_expired(&self, now: Duration) -> bool {
        now >= self.expires
    }

    /// When it runs out, if nobody renews it.
    pub fn expires(&self) -> Duration {
        self.expires
    }

    /// What is left, zero when it has run out.
    pub fn remaining(&self, now: Duration) -> Duration {
        self.expires.saturating_sub(now)
    }
}

#[cfg(test)]
mod tests;
