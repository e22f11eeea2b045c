//! Requests as a user would make them: smoke tests at a revision's own address, verification through the public ingress.
//!
//! What is verified is what an instance says of itself; the route table proves nothing.

mod http;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use barq_core::configuration::Health;
use barq_core::effect::{EffectKey, Outcome, SmokeTest};
use barq_core::event::ProbeLine;
use barq_core::identity::{RevisionName, ServiceId};
use barq_engine::ports::{PortError, Prober};
use barq_node::api;
use barq_runner::api::{CheckRequest, Outcome as Ended, Runner};

use crate::node::{NodeClient, failed};
use http::{Response, request};

/// The longest that the project's own smoke test may run; `flow.md` gives smoke tests 30 s.
const SCRIPT: Duration = Duration::from_secs(4 * 60);
/// The field of `/health/detailed` in which an app says which revision it is (`K_REVISION`).
const REVISION_FIELD: &str = "revision";
/// The header in which the ingress says where it sent a request.
const REVISION_HEADER: &str = "x-barq-revision";

/// Where requests are made.
#[derive(Debug, Clone)]
pub struct ProberSettings {
    /// The public ingress, `ADDRESS:PORT`.
    pub ingress: String,
    /// Holds `<app>.git`, for the project's script.
    pub repositories: PathBuf,
}

/// The prober of one machine.
pub struct EmbeddedProber {
    settings: ProberSettings,
    node: NodeClient,
    runner: Arc<Runner>,
}

impl EmbeddedProber {
    /// A prober of what `node` runs.
    pub fn new(settings: ProberSettings, node: NodeClient, runner: Arc<Runner>) -> Self {
        Self {
            settings,
            node,
            runner,
        }
    }

    /// The address that reaches one revision alone.
    async fn address(
        &self,
        service: &ServiceId,
        revision: &RevisionName,
    ) -> Result<String, PortError> {
        let observations: api::Observations = self
            .node
            .ask("GET", "/v1/observations?after=0&wait_ms=0")
            .await?;
        observations
            .services
            .get(service.as_str())
            .and_then(|it| it.revisions.get(&revision.to_string()))
            .and_then(|it| it.address.clone())
            .ok_or_else(|| PortError {
                operation: "find the revision's address",
                reason: format!("the node has none for {revision}"),
            })
    }

    /// The project's own script, from the commit that is tested.
    async fn script(
        &self,
        key: &EffectKey,
        test: &SmokeTest,
        run: &str,
        address: &str,
    ) -> Result<ProbeLine, PortError> {
        let url = format!("http://{address}");
        let request = CheckRequest {
            key: key.to_string(),
            app: test.app.to_string(),
            check: "smoke".to_owned(),
            repository: self.settings.repositories.join(format!("{}.git", test.app)),
            commit: test.commit.to_string(),
            run: run.to_owned(),
            directory: ".".to_owned(),
            timeout: SCRIPT,
            cache: Vec::new(),
            environment: BTreeMap::from([("SMOKE_URL".to_owned(), url)]),
        };
        let result = self
            .runner
            .run(request)
            .await
            .map_err(|error| failed("run the smoke test", &error))?;
        let detail = match &result.outcome {
            Ended::Passed => "status 0".to_owned(),
            Ended::Failed { exit_code } => format!("status {exit_code}"),
            Ended::Signalled { signal } => format!("signal {signal}"),
            Ended::TimedOut => format!("longer than {} s", SCRIPT.as_secs()),
            Ended::Cancelled => "cancelled".to_owned(),
            Ended::Error { reason } => reason.clone(),
        };
        Ok(ProbeLine {
            what: run.to_owned(),
            passed: result.outcome == Ended::Passed,
            detail,
            duration_ms: result.duration_ms,
        })
    }
}

#[async_trait]
impl Prober for EmbeddedProber {
    async fn smoke(&self, key: &EffectKey, test: SmokeTest) -> Result<Outcome, PortError> {
        let address = self.address(&test.service, &test.revision).await?;
        let mut lines = Vec::new();
        for path in health_paths(&test.health) {
            let response = request(&address, &address, "GET", path).await;
            lines.push(healthy(path, &response));
        }
        for wanted in &test.smoke.requests {
            let response = request(&address, &address, &wanted.method, &wanted.path).await;
            lines.push(as_wanted(wanted, &response));
        }
        if let Some(run) = &test.smoke.run {
            lines.push(self.script(key, &test, run, &address).await?);
        }
        Ok(Outcome::SmokeTested { lines })
    }

    async fn verify(
        &self,
        _key: &EffectKey,
        service: &ServiceId,
        revision: &RevisionName,
        health: &Health,
    ) -> Result<Outcome, PortError> {
        let host = format!("{service}.localhost");
        let ingress = &self.settings.ingress;
        let mut lines = Vec::new();
        for path in [&health.startup.path, &health.readiness.path] {
            let response = request(ingress, &host, "GET", path).await;
            lines.push(healthy(path, &response));
        }
        let path = &health.detailed.path;
        let response = request(ingress, &host, "GET", path).await;
        lines.push(healthy(path, &response));
        lines.push(served(revision, &response));
        Ok(Outcome::VersionProbed { lines })
    }
}

fn health_paths(health: &Health) -> [&str; 3] {
    [
        &health.startup.path,
        &health.readiness.path,
        &health.detailed.path,
    ]
}

fn healthy(path: &str, response: &Result<Response, String>) -> ProbeLine {
    let what = format!("GET {path}");
    match response {
        Ok(response) => ProbeLine {
            what,
            passed: (200..400).contains(&response.status),
            detail: format!("status {}", response.status),
            duration_ms: response.duration_ms,
        },
        Err(error) => broken(what, error),
    }
}

fn as_wanted(
    wanted: &barq_core::configuration::SmokeRequest,
    response: &Result<Response, String>,
) -> ProbeLine {
    let what = format!("{} {}", wanted.method, wanted.path);
    let response = match response {
        Ok(response) => response,
        Err(error) => return broken(what, error),
    };
    let lacks = wanted
        .contains
        .as_ref()
        .filter(|text| !String::from_utf8_lossy(&response.body).contains(text.as_str()));
    let detail = match (response.status == wanted.status, lacks) {
        (false, _) => format!("status {}, expected {}", response.status, wanted.status),
        (true, Some(text)) => format!("the body does not contain {text:?}"),
        (true, None) => format!("status {}", response.status),
    };
    ProbeLine {
        what,
        passed: response.status == wanted.status && lacks.is_none(),
        detail,
        duration_ms: response.duration_ms,
    }
}

/// Whether the instance that answered is of the revision that it should be. Where the app does not say, the ingress's word
/// stands, and the line says so.
fn served(revision: &RevisionName, response: &Result<Response, String>) -> ProbeLine {
    let what = "revision served".to_owned();
    let response = match response {
        Ok(response) => response,
        Err(error) => return broken(what, error),
    };
    let reported = serde_json::from_slice::<serde_json::Value>(&response.body)
        .ok()
        .and_then(|body| Some(body.get(REVISION_FIELD)?.as_str()?.to_owned()));
    let routed = response
        .headers
        .get(REVISION_HEADER)
        .and_then(|value| value.to_str().ok());
    let expected = revision.to_string();
    let (passed, detail) = match (&reported, routed) {
        (Some(reported), _) if *reported == expected => {
            (true, format!("{expected}, as the instance says"))
        }
        (Some(reported), _) => (
            false,
            format!("the instance says {reported}, expected {expected}"),
        ),
        (None, Some(routed)) => (
            routed == expected,
            format!(
                "{routed}, as the ingress says: the app does not report its {REVISION_FIELD} (K_REVISION)"
            ),
        ),
        (None, None) => (false, format!("nobody says which; expected {expected}")),
    };
    ProbeLine {
        what,
        passed,
        detail,
        duration_ms: response.duration_ms,
    }
}

fn broken(what: String, error: &str) -> ProbeLine {
    ProbeLine {
        what,
        passed: false,
        detail: error.to_owned(),
        duration_ms: 0,
    }
}
