//! Whether what runs is what was deployed, and is well: asked now, through the public ingress.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Response;
use barq_core::effect::{EffectKey, EffectTarget, Outcome};
use barq_core::identity::{RevisionName, ServiceId};
use barq_core::service::{Revision, Service};
use barq_engine::engine::View;
use jiff::{SignedDuration, Timestamp};

use super::super::convert::{as_served, in_milliseconds};
use super::super::idempotency::{Answer, Order};
use super::super::problem::Problem;
use super::super::shapes::{Fact, Nothing, Verification};
use super::super::{Server, Shared};
use super::services::parse;
use crate::output::text;

/// How long traffic is counted: a longer past may be from before a change of the shares. The node is seen twice a second.
const COUNT_FOR: Duration = Duration::from_millis(1500);
/// The longest wait for a look at the node that is from after the question: what was seen last may be from before a rollback.
const SEEN_WITHIN: Duration = Duration::from_secs(1);
/// Fewer requests say nothing of shares.
const COUNT_REQUESTS_MIN: u64 = 20;
/// How far counted traffic may be from desired, in percent points: what was in flight before still ends.
const TRAFFIC_TOLERANCE_PERCENT: f64 = 5.0;
/// Requests are spread at random, so this many standard deviations of a binomial share are allowed beside it.
const TRAFFIC_DEVIATIONS: f64 = 4.0;
/// How often the ingress is asked while it has two revisions.
const CANARY_TRIES: usize = 10;
/// p95 above this is slow: the alert policy of `flow.md` section 5.
const LATENCY_P95_MAX_US: u64 = 1_000_000;
/// Lines of an error in the last minutes.
const RECENT_MINUTES: i64 = 5;

/// Health, version served, traffic, latency, recent errors.
#[utoipa::path(post, path = "/api/v1/services/{name}/verify", tag = "services", params(("name" = String, Path, description = "`<service>-<environment>`")), request_body = Nothing, responses((status = 200, description = "What was seen", body = Verification)))]
pub(super) async fn verify(
    State(server): State<Shared>,
    Path(name): Path<String>,
    order: Order,
) -> Result<Response, Problem> {
    let Nothing {} = order.body()?;
    let id = parse(&name)?;
    let work = async { Answer::json(&server.verification(&id).await?) };
    server.answer(&order, work).await
}

impl Server {
    /// Looks at everything now; takes two seconds or so, since traffic is counted.
    pub(in super::super) async fn verification(
        &self,
        id: &ServiceId,
    ) -> Result<Verification, Problem> {
        let view = &self.engine.view();
        let service = view
            .state
            .service(id)
            .ok_or_else(|| Problem::unknown("service", id.as_str()))?;
        let now = Timestamp::now();
        let service = &as_served(view, service);
        let before = requests(&self.seen_since(now).await, service);
        let counted_until = tokio::time::Instant::now() + COUNT_FOR;
        let revision = service.stable_revision();
        let mut checks = Vec::new();
        match revision {
            Some(revision) => {
                checks.extend(self.probe(service, revision).await);
                checks.extend(instances(view, service));
                tokio::time::sleep_until(counted_until).await;
                let after = requests(&self.engine.view(), service);
                checks.extend(traffic(service, &before, &after));
                checks.push(latency(view, service, revision));
                checks.push(self.recent_errors(service, revision, now).await);
            }
            None => checks.push(fact(
                "stable revision",
                Some(false),
                "nothing is stable yet",
            )),
        }
        if let Some(error) = &view.data_plane_error {
            checks.push(fact("node", Some(false), error));
        }
        Ok(Verification {
            service: service.id.to_string(),
            revision: revision.map(|revision| revision.name.to_string()),
            ok: checks.iter().all(|check| check.ok != Some(false)),
            checks,
            checked_at: now,
        })
    }

    /// What is seen of the node since then; what was seen last, where nothing comes.
    async fn seen_since(&self, since: Timestamp) -> View {
        let mut watch = self.engine.watch();
        let seen = watch.wait_for(|view| view.seen_at.is_some_and(|at| at >= since));
        let seen = tokio::time::timeout(SEEN_WITHIN, seen).await;
        match seen {
            Ok(Ok(view)) => view.clone(),
            Ok(Err(_)) | Err(_) => self.engine.view(),
        }
    }

    /// As a user would ask. During a canary some of the answers are the canary's: then it is asked until stable answers.
    async fn probe(&self, service: &Service, revision: &Revision) -> Vec<Fact> {
        let key = EffectKey {
            target: EffectTarget::Verify(revision.rollout.clone(), 0),
            attempt: 1,
        };
        let tries = if service.plan.traffic.len() > 1 {
            CANARY_TRIES
        } else {
            1
        };
        let mut facts = Vec::new();
        for _ in 0..tries {
            let asked = self
                .prober
                .verify(&key, &service.id, &revision.name, &revision.health);
            facts = match asked.await {
                Ok(Outcome::VersionProbed { lines }) => lines
                    .into_iter()
                    .map(|line| fact(&line.what, Some(line.passed), &line.detail))
                    .collect(),
                Ok(other) => vec![fact("health", None, &format!("unexpected: {other:?}"))],
                Err(error) => vec![fact("health", Some(false), &error.to_string())],
            };
            if facts.iter().all(|fact| fact.ok == Some(true)) {
                break;
            }
        }
        facts
    }

    async fn recent_errors(&self, service: &Service, revision: &Revision, now: Timestamp) -> Fact {
        let since = now
            .checked_sub(SignedDuration::from_mins(RECENT_MINUTES))
            .unwrap_or(now);
        let name = revision.name.to_string();
        match self.count_lines(&service.id, &name, "ERROR", since).await {
            Ok(0) => fact(
                "recent errors",
                Some(true),
                &format!("no error in the log of the last {RECENT_MINUTES} min"),
            ),
            // An error in the log alone is no verdict: the requests are what counts.
            Ok(lines) => fact(
                "recent errors",
                None,
                &format!(
                    "{} in the log of the last {RECENT_MINUTES} min",
                    text::count(lines as u64, "error")
                ),
            ),
            Err(_) => fact("recent errors", None, "the node's log can't be read"),
        }
    }
}

fn instances(view: &View, service: &Service) -> Vec<Fact> {
    let seen = view.observed.get(&service.id);
    service
        .plan
        .traffic
        .iter()
        .map(|share| {
            let wanted = service.planned_instances(&share.revision).min;
            let seen = seen.and_then(|seen| seen.revisions.get(&share.revision));
            let (ready, total) = seen.map_or((0, 0), |seen| (seen.ready, seen.total));
            fact(
                &format!("instances of {}", share.revision),
                Some(ready > 0 && ready >= wanted),
                &format!("{ready} of {total} are ready, at least {wanted} are wanted"),
            )
        })
        .collect()
}

/// Requests that each revision was routed, as seen now.
fn requests(view: &View, service: &Service) -> BTreeMap<RevisionName, u64> {
    let seen = view.seen.services.get(&service.id);
    let details = seen.into_iter().flat_map(|seen| &seen.details);
    details
        .map(|(name, detail)| (name.clone(), detail.requests))
        .collect()
}

fn traffic(
    service: &Service,
    before: &BTreeMap<RevisionName, u64>,
    after: &BTreeMap<RevisionName, u64>,
) -> Vec<Fact> {
    let of = |name: &RevisionName| {
        let earlier = before.get(name).copied().unwrap_or(0);
        after
            .get(name)
            .map_or(0, |later| later.saturating_sub(earlier))
    };
    let total: u64 = after.keys().map(of).sum();
    let shares = service.plan.traffic.iter();
    shares
        .map(|share| traffic_of(&share.revision, share.percent, of(&share.revision), total))
        .collect()
}

fn traffic_of(revision: &RevisionName, percent: u8, requests: u64, total: u64) -> Fact {
    let name = format!("traffic of {revision}");
    if total < COUNT_REQUESTS_MIN {
        let detail = format!(
            "{percent} % desired; only {} while it was counted",
            text::count(total, "request")
        );
        return fact(&name, None, &detail);
    }
    // Counts of a second or two: exact as floating point numbers.
    let exact = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let (desired, total) = (f64::from(percent) / 100.0, exact(total));
    let counted = exact(requests) / total;
    let deviation = (desired * (1.0 - desired) / total).sqrt();
    let allowed = TRAFFIC_TOLERANCE_PERCENT / 100.0 + TRAFFIC_DEVIATIONS * deviation;
    fact(
        &name,
        Some((counted - desired).abs() <= allowed),
        &format!(
            "{percent} % desired, {:.1} % counted ({requests} of {total} requests)",
            counted * 100.0
        ),
    )
}

fn latency(view: &View, service: &Service, revision: &Revision) -> Fact {
    let detail = view
        .seen
        .services
        .get(&service.id)
        .and_then(|seen| seen.details.get(&revision.name));
    match detail.and_then(|detail| detail.latency_us) {
        Some([p50, p95, p99]) => {
            let [p50, slow, p99] = [p50, p95, p99].map(in_milliseconds);
            fact(
                "latency",
                Some(p95 <= LATENCY_P95_MAX_US),
                &format!("p50 {p50:.1} ms, p95 {slow:.1} ms, p99 {p99:.1} ms"),
            )
        }
        None => fact("latency", None, "no requests in the last minute"),
    }
}

fn fact(name: &str, ok: Option<bool>, detail: &str) -> Fact {
    Fact {
        name: name.to_owned(),
        ok,
        detail: detail.to_owned(),
    }
}

#[cfg(test)]
mod tests;
