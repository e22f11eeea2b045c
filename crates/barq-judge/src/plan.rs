//! A plan: what the control plane wants of one service's traffic, and the rules that a plan must meet by itself.
//!
//! A small value, taken from a whole configuration: `content` stands for all the rest, so that the same generation with
//! other content is seen. It does not know what is in force; `control` does.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::tripwire::{Limit, Past};

/// What the control plane wants.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Plan {
    /// Counts the service's plans, from 1.
    pub generation: u64,
    /// A digest of the whole configuration. Opaque: same digest, same content.
    pub content: String,
    /// The number of the last trip that the planner had heard of (0: none).
    pub last_trip: u64,
    /// The trip that this plan acknowledges.
    pub acknowledges: Option<u64>,
    /// Every revision that can be given traffic.
    pub revisions: Vec<String>,
    /// Who gets how much. Sums to 100, or is empty.
    pub traffic: Vec<Share>,
    /// The revision on trial, if any.
    pub canary: Option<Canary>,
}

/// A revision's share of the traffic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Share {
    /// The revision.
    pub revision: String,
    /// 0 to 100.
    pub percent: u8,
}

/// The trial.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Canary {
    /// The revision on trial.
    pub revision: String,
    /// Who gets everything when the trial ends badly.
    pub stable: String,
    /// The step, from 1. Errors are counted by step, over all the plans that it has.
    pub step: u32,
    /// The step's limit: the error that makes so many inside the window trips. `None`: not armed.
    pub max_errors: Option<u64>,
    /// The limit's window, in milliseconds. `None`: all errors of the step count.
    #[serde(default)]
    pub window_ms: Option<u64>,
    /// Errors of the step that the planner knows of. The count begins no lower, whatever was lost with an earlier run.
    #[serde(default)]
    pub counted: u64,
    /// Those of them that counted for the limit when it looked.
    #[serde(default)]
    pub recent: u64,
    /// When it looked, in milliseconds on the clock of [`crate::Control::count`].
    #[serde(default)]
    pub recent_at_ms: u64,
    /// Without a renewal for so long, the traffic goes back.
    pub lease_ms: u64,
    /// Whether stable answers safe requests in the canary's place when it fails.
    pub shield: bool,
}

/// A plan that contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Invalid {
    /// It would give away more or less than there is.
    #[error("the shares sum to {0}, not 100")]
    Sum(u32),
    /// A revision has two shares.
    #[error("revision {0} has two shares")]
    TwoShares(String),
    /// Traffic or trial for a revision that is not described.
    #[error("revision {0} is not among the revisions")]
    UnknownRevision(String),
    /// A trial needs somebody to fall back to.
    #[error("revision {0} can't be canary and stable at once")]
    CanaryIsStable(String),
    /// During a trial only canary and stable may serve, so that every fall-back is whole.
    #[error("revision {0} has traffic during a trial, but is neither canary nor stable")]
    ThirdRevision(String),
    /// A trial needs traffic, if only stable's.
    #[error("there is a canary, but nobody has traffic")]
    NoTraffic,
    /// A lease of no length has run out at once.
    #[error("the lease has no length")]
    NoLease,
    /// A limit of 0 is reached before it starts.
    #[error("a limit of 0 errors is already reached")]
    NoErrorsAllowed,
    /// A window of no length forgets each error before the next.
    #[error("the limit's window has no length")]
    NoWindow,
    /// Steps count from 1.
    #[error("steps count from 1")]
    StepZero,
}

impl Canary {
    /// What trips, if anything does.
    pub fn limit(&self) -> Option<Limit> {
        Some(Limit {
            errors: self.max_errors?,
            window: self.window_ms.map(Duration::from_millis),
        })
    }

    /// What the planner knows of the step's errors; `wall_ms` is now, on the clock that it looked at.
    pub fn past(&self, wall_ms: u64) -> Past {
        Past {
            errors: self.counted,
            recent: self.recent,
            age: Duration::from_millis(wall_ms.saturating_sub(self.recent_at_ms)),
        }
    }
}

impl Plan {
    /// Whether the plan is consistent in itself.
    ///
    /// # Errors
    /// The first contradiction found.
    pub fn check(&self) -> Result<(), Invalid> {
        for (index, share) in self.traffic.iter().enumerate() {
            self.check_known(&share.revision)?;
            if self.traffic[..index]
                .iter()
                .any(|other| other.revision == share.revision)
            {
                return Err(Invalid::TwoShares(share.revision.clone()));
            }
        }
        let sum = self
            .traffic
            .iter()
            .map(|share| u32::from(share.percent))
            .sum();
        if !self.traffic.is_empty() && sum != 100 {
            return Err(Invalid::Sum(sum));
        }
        self.canary
            .as_ref()
            .map_or(Ok(()), |canary| self.check_canary(canary))
    }

    /// The revision's planned share, 0 if it has none.
    pub fn percent(&self, revision: &str) -> u8 {
        percent_in(&self.traffic, revision)
    }

    /// Every revision that this plan may give traffic to, now or by falling back.
    pub fn receivers(&self) -> impl Iterator<Item = &str> {
        let planned = self
            .traffic
            .iter()
            .filter(|share| share.percent > 0)
            .map(|share| share.revision.as_str());
        planned.chain(self.canary.iter().map(|canary| canary.stable.as_str()))
    }

    fn check_canary(&self, canary: &Canary) -> Result<(), Invalid> {
        self.check_known(&canary.revision)?;
        self.check_known(&canary.stable)?;
        if canary.revision == canary.stable {
            return Err(Invalid::CanaryIsStable(canary.revision.clone()));
        }
        if let Some(third) = self.traffic.iter().find(|share| {
            share.percent > 0
                && share.revision != canary.revision
                && share.revision != canary.stable
        }) {
            return Err(Invalid::ThirdRevision(third.revision.clone()));
        }
        match canary {
            _ if self.traffic.is_empty() => Err(Invalid::NoTraffic),
            Canary { lease_ms: 0, .. } => Err(Invalid::NoLease),
            Canary {
                max_errors: Some(0),
                ..
            } => Err(Invalid::NoErrorsAllowed),
            Canary {
                window_ms: Some(0), ..
            } => Err(Invalid::NoWindow),
            Canary { step: 0, .. } => Err(Invalid::StepZero),
            Canary { .. } => Ok(()),
        }
    }

    fn check_known(&self, revision: &str) -> Result<(), Invalid> {
        match self.revisions.iter().any(|known| known == revision) {
            true => Ok(()),
            false => Err(Invalid::UnknownRevision(revision.to_owned())),
        }
    }
}

/// The revision's share in a list, 0 if it has none.
pub fn percent_in(shares: &[Share], revision: &str) -> u8 {
    shares
        .iter()
        .find(|share| share.revision == revision)
        .map_or(0, |share| share.percent)
}

#[cfg(test)]
mod tests;
