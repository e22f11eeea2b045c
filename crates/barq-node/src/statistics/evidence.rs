//! Which endpoints a revision was asked for, and its latest failures: what an incident report shows.
//!
//! Capped everywhere, whatever clients send: endpoints beyond the limit are counted together, paths are cut.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::Write;

use jiff::Timestamp;

use super::{Completed, template};
use crate::api::EndpointCount;

/// Most endpoints told apart, by method and status, in each thread; the rest is counted as `(others)`.
const ENDPOINTS_MAX: usize = 400;
/// Failures kept.
pub(crate) const FAILURES_MAX: usize = 50;
/// Most bytes kept of a failed request's path.
const PATH_BYTES_MAX: usize = 500;

/// A failed request, without its log lines.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failure {
    pub(crate) at: Timestamp,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) status: u16,
    pub(crate) failure: Option<String>,
    pub(crate) latency_us: u64,
    pub(crate) request_id: String,
    pub(crate) shielded: bool,
}

/// One thread's evidence on one revision.
#[derive(Debug, Default)]
pub(super) struct EvidenceShard {
    /// `METHOD\nENDPOINT\nSTATUS` → how many: one string, so that counting allocates only for what is new.
    endpoints: HashMap<String, u64>,
    failures: VecDeque<Failure>,
    scratch: String,
}

impl EvidenceShard {
    pub(super) fn record(&mut self, completed: &Completed<'_>, latency_us: u64) {
        let status = completed.outcome.status().unwrap_or(0);
        self.count(completed.method, completed.path, status);
        if !completed.outcome.is_error() {
            return;
        }
        if self.failures.len() == FAILURES_MAX {
            self.failures.pop_front();
        }
        let failure = match completed.outcome {
            barq_judge::Outcome::Failed { failure, .. } => Some(failure.words().to_owned()),
            barq_judge::Outcome::Answered(_) | barq_judge::Outcome::ClientGone => None,
        };
        self.failures.push_back(Failure {
            at: completed.at,
            method: completed.method.to_owned(),
            path: completed.path.chars().take(PATH_BYTES_MAX).collect(),
            status,
            failure,
            latency_us,
            request_id: completed.request_id.to_owned(),
            shielded: completed.shielded,
        });
    }

    pub(super) fn merge_into(
        &self,
        endpoints: &mut BTreeMap<(String, String, u16), u64>,
        failures: &mut Vec<Failure>,
    ) {
        for (key, count) in &self.endpoints {
            let mut parts = key.splitn(3, '\n');
            let (Some(method), Some(endpoint), Some(status)) =
                (parts.next(), parts.next(), parts.next())
            else {
                continue;
            };
            let key = (
                endpoint.to_owned(),
                method.to_owned(),
                status.parse().unwrap_or(0),
            );
            *endpoints.entry(key).or_default() += count;
        }
        failures.extend(self.failures.iter().cloned());
    }

    fn count(&mut self, method: &str, path: &str, status: u16) {
        self.scratch.clear();
        self.scratch.push_str(method);
        self.scratch.push('\n');
        template(path, &mut self.scratch);
        write!(self.scratch, "\n{status}").expect("writing to a string cannot fail");
        if let Some(count) = self.endpoints.get_mut(self.scratch.as_str()) {
            *count += 1;
        } else if self.endpoints.len() < ENDPOINTS_MAX {
            self.endpoints.insert(self.scratch.clone(), 1);
        } else {
            *self
                .endpoints
                .entry(format!("{method}\n(others)\n{status}"))
                .or_default() += 1;
        }
    }
}

/// The merged counts in the API's form.
pub(super) fn endpoint_counts(
    endpoints: BTreeMap<(String, String, u16), u64>,
) -> Vec<EndpointCount> {
    let counts = endpoints.into_iter();
    counts
        .map(|((endpoint, method, status), count)| EndpointCount {
            method,
            endpoint,
            status,
            count,
        })
        .collect()
}
