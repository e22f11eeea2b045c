//! What is counted of a canary's step: canary and stable side by side, over all the generations that it has.
//!
//! A request belongs to the step in which it was routed: it holds on to these counters, so what completes after another
//! generation is in force still counts here. (The tripwire counts errors when they complete; it is not here.)

use serde::{Deserialize, Serialize};

use super::{Clients, Completed, Shards};

/// Who answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Canary,
    Stable,
}

/// The counters of one step.
#[derive(Debug)]
pub(crate) struct StepStatistics {
    /// What an earlier run of the node counted.
    before: StepCounts,
    shards: Shards<Shard>,
}

/// The sums of one step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StepCounts {
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) shielded: u64,
    pub(crate) clients: u64,
    pub(crate) clients_with_errors: u64,
    pub(crate) stable_requests: u64,
    pub(crate) stable_errors: u64,
}

impl StepCounts {
    /// The greater of each.
    pub(crate) fn at_least(self, other: &Self) -> Self {
        Self {
            requests: self.requests.max(other.requests),
            errors: self.errors.max(other.errors),
            shielded: self.shielded.max(other.shielded),
            clients: self.clients.max(other.clients),
            clients_with_errors: self.clients_with_errors.max(other.clients_with_errors),
            stable_requests: self.stable_requests.max(other.stable_requests),
            stable_errors: self.stable_errors.max(other.stable_errors),
        }
    }
}

#[derive(Debug, Default)]
struct Shard {
    counts: StepCounts,
    clients: Clients,
    clients_with_errors: Clients,
}

impl StepStatistics {
    /// Goes on from what an earlier run counted, for a proxy of so many threads.
    pub(crate) fn new(before: StepCounts, threads: usize) -> Self {
        Self {
            before,
            shards: Shards::new(threads),
        }
    }

    /// Counts a first attempt.
    pub(crate) fn record(&self, thread: usize, role: Role, completed: &Completed<'_>) {
        let error = completed.outcome.is_error();
        let mut shard = self.shards.of(thread);
        match role {
            Role::Canary => {
                shard.counts.requests += 1;
                shard.counts.errors += u64::from(error);
                shard.counts.shielded += u64::from(error && completed.shielded);
                shard.clients.insert(completed.client);
                if error {
                    shard.clients_with_errors.insert(completed.client);
                }
            }
            Role::Stable => {
                shard.counts.stable_requests += 1;
                shard.counts.stable_errors += u64::from(error);
            }
        }
    }

    /// The sums.
    pub(crate) fn counts(&self) -> StepCounts {
        let mut all = self.before;
        let (mut clients, mut clients_with_errors) = (Clients::default(), Clients::default());
        for shard in self.shards.each() {
            all.requests += shard.counts.requests;
            all.errors += shard.counts.errors;
            all.shielded += shard.counts.shielded;
            all.stable_requests += shard.counts.stable_requests;
            all.stable_errors += shard.counts.stable_errors;
            clients.merge(&shard.clients);
            clients_with_errors.merge(&shard.clients_with_errors);
        }
        all.clients += clients.count();
        all.clients_with_errors += clients_with_errors.count();
        all
    }
}

#[cfg(test)]
mod tests;
