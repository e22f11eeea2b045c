//! What is counted of a revision for as long as the node runs.
//!
//! Counted are first attempts routed by share; tagged requests and those that stable answers in the canary's place are
//! not. It must not know where it stands in a rollout: a revision is counted the same as canary and as stable.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use hdrhistogram::Histogram;

use super::clients::Clients;
use super::evidence::{EvidenceShard, FAILURES_MAX, Failure, endpoint_counts};
use super::{Completed, Shards};
use crate::api::{EndpointCount, Evidence};

/// Seconds over which the counted share is taken.
pub(crate) const SHARE_WINDOW_S: u64 = 10;
/// The longest window of a watch, in seconds.
pub(crate) const WATCH_WINDOW_S_MAX: u64 = 24 * 3600;
/// Latencies are kept in so many parts …
const LATENCY_PARTS: u64 = 6;
/// … of so many seconds each: the last minute or so.
const LATENCY_PART_S: u64 = 10;
/// Latencies above this are counted as this.
const LATENCY_US_MAX: u64 = 3_600_000_000;
/// Two digits: percentiles are within 1 %.
const LATENCY_DIGITS: u8 = 2;

/// Everything counted of one revision.
#[derive(Debug)]
pub(crate) struct RevisionStatistics {
    shards: Shards<Shard>,
}

/// Sums of one revision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RevisionCounts {
    /// First attempts completed.
    pub(crate) requests: u64,
    /// Errors among them.
    pub(crate) errors: u64,
    /// Errors that stable answered in its place.
    pub(crate) shielded: u64,
    /// By class: 1xx to 5xx, then no response.
    pub(crate) responses: [u64; 6],
}

#[derive(Debug, Default)]
struct Shard {
    counts: RevisionCounts,
    /// Seconds and what was completed in each; the newest last.
    completed: VecDeque<(u64, u64)>,
    /// Seconds and the errors of each; the newest last.
    errors: VecDeque<(u64, u64)>,
    latencies: VecDeque<(u64, Histogram<u32>)>,
    clients: Clients,
    clients_with_errors: Clients,
    evidence: EvidenceShard,
}

impl RevisionStatistics {
    /// Nothing counted yet, for a proxy of so many threads.
    pub(crate) fn new(threads: usize) -> Self {
        Self {
            shards: Shards::new(threads),
        }
    }

    /// Counts a first attempt.
    pub(crate) fn record(&self, thread: usize, completed: &Completed<'_>) {
        let mut shard = self.shards.of(thread);
        let shard = &mut *shard;
        let is_error = completed.outcome.is_error();
        let class = completed
            .outcome
            .status()
            .map_or(5, |status| usize::from(status / 100).clamp(1, 5) - 1);
        shard.counts.requests += 1;
        shard.counts.responses[class] += 1;
        shard.clients.insert(completed.client);
        add(&mut shard.completed, completed.second, SHARE_WINDOW_S);
        if is_error {
            shard.counts.errors += 1;
            shard.counts.shielded += u64::from(completed.shielded);
            shard.clients_with_errors.insert(completed.client);
            add(&mut shard.errors, completed.second, WATCH_WINDOW_S_MAX);
        }
        let latency_us = u64::try_from(completed.latency.as_micros())
            .unwrap_or(LATENCY_US_MAX)
            .min(LATENCY_US_MAX);
        shard.record_latency(completed.second, latency_us);
        shard.evidence.record(completed, latency_us);
    }

    /// The sums.
    pub(crate) fn counts(&self) -> RevisionCounts {
        let mut all = RevisionCounts::default();
        for shard in self.shards.each() {
            all.requests += shard.counts.requests;
            all.errors += shard.counts.errors;
            all.shielded += shard.counts.shielded;
            for (sum, count) in all.responses.iter_mut().zip(shard.counts.responses) {
                *sum += count;
            }
        }
        all
    }

    /// Completed in the seconds over which the counted share is taken.
    pub(crate) fn recently_completed(&self, second: u64) -> u64 {
        self.shards
            .each()
            .map(|shard| sum_since(&shard.completed, second.saturating_sub(SHARE_WINDOW_S)))
            .sum()
    }

    /// Errors of the last `window`.
    pub(crate) fn errors_within(&self, window: Duration, second: u64) -> u64 {
        self.shards
            .each()
            .map(|shard| {
                sum_since(
                    &shard.errors,
                    second.saturating_sub(window.as_secs().max(1)),
                )
            })
            .sum()
    }

    /// p50, p95 and p99 of the last minute or so, in microseconds; `None` without requests.
    pub(crate) fn latency_us(&self, second: u64) -> Option<[u64; 3]> {
        let mut all: Option<Histogram<u32>> = None;
        let oldest = (second / LATENCY_PART_S).saturating_sub(LATENCY_PARTS - 1);
        for shard in self.shards.each() {
            for (_, part) in shard.latencies.iter().filter(|(slot, _)| *slot >= oldest) {
                match &mut all {
                    Some(all) => all.add(part).ok()?,
                    None => all = Some(part.clone()),
                }
            }
        }
        let all = all.filter(|all| !all.is_empty())?;
        Some([0.5, 0.95, 0.99].map(|quantile| all.value_at_quantile(quantile)))
    }

    /// What an incident report shows; the failures' log lines are for the caller to add.
    pub(crate) fn evidence(&self) -> (Evidence, Vec<Failure>) {
        let counts = self.counts();
        let (mut endpoints, mut failures) = (BTreeMap::new(), Vec::new());
        let (mut clients, mut clients_with_errors) = (Clients::default(), Clients::default());
        for shard in self.shards.each() {
            shard.evidence.merge_into(&mut endpoints, &mut failures);
            clients.merge(&shard.clients);
            clients_with_errors.merge(&shard.clients_with_errors);
        }
        failures.sort_by_key(|failure| std::cmp::Reverse(failure.at));
        failures.truncate(FAILURES_MAX);
        let endpoints: Vec<EndpointCount> = endpoint_counts(endpoints);
        let evidence = Evidence {
            endpoints,
            failures: Vec::new(),
            requests: counts.requests,
            errors: counts.errors,
            shielded: counts.shielded,
            clients: clients.count(),
            clients_with_errors: clients_with_errors.count(),
        };
        (evidence, failures)
    }
}

impl Shard {
    fn record_latency(&mut self, second: u64, latency_us: u64) {
        let slot = second / LATENCY_PART_S;
        if self
            .latencies
            .back()
            .is_none_or(|(newest, _)| *newest < slot)
        {
            let reused = (self.latencies.len() as u64 >= LATENCY_PARTS)
                .then(|| self.latencies.pop_front())
                .flatten();
            let part = match reused {
                Some((_, mut part)) => {
                    part.reset();
                    part
                }
                None => Histogram::new_with_max(LATENCY_US_MAX, LATENCY_DIGITS)
                    .expect("the bounds are constants that it accepts"),
            };
            self.latencies.push_back((slot, part));
        }
        if let Some((_, part)) = self.latencies.back_mut() {
            part.saturating_record(latency_us);
        }
    }
}

/// Adds one to the second's count and forgets what is older than the window.
fn add(seconds: &mut VecDeque<(u64, u64)>, second: u64, window_s: u64) {
    match seconds.back_mut() {
        Some((newest, count)) if *newest >= second => *count += 1,
        _ => seconds.push_back((second, 1)),
    }
    while seconds
        .front()
        .is_some_and(|(oldest, _)| oldest + window_s < second)
    {
        seconds.pop_front();
    }
}

fn sum_since(seconds: &VecDeque<(u64, u64)>, after: u64) -> u64 {
    seconds
        .iter()
        .rev()
        .take_while(|(second, _)| *second >= after)
        .map(|(_, count)| count)
        .sum()
}

#[cfg(test)]
mod tests;
