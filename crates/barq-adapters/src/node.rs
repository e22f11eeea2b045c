//! The data plane on this machine: `barq node`, over HTTP on its Unix socket.
//!
//! Every call is a connection of its own: there are few, and none may wait behind a long poll. A node that can't be
//! reached is an error of the port, and tried again; nothing is remembered here that the node does not know.

mod client;
mod convert;
mod revisions;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use barq_core::effect::{EffectKey, Outcome, PlanRefusal};
use barq_core::event::Evidence;
use barq_core::identity::{RevisionName, ServiceId};
use barq_engine::ports::{Configuration, DataPlane, Lease, PortError, RecallOrder, Recalled, Seen};
use barq_node::api;
use uuid::Uuid;

use crate::images::Images;
pub use client::{Answer, NodeClient};
use revisions::Revisions;

/// How the embedded node is reached.
#[derive(Debug, Clone)]
pub struct NodeSettings {
    /// Its Unix socket.
    pub socket: PathBuf,
    /// Its token.
    pub token: String,
    /// Where the environments of revisions are kept, mode 0600: a revision does not change with the server's own
    /// environment.
    pub revisions: PathBuf,
}

/// The data plane of one machine.
pub struct EmbeddedNode {
    client: NodeClient,
    images: Arc<Images>,
    revisions: Revisions,
}

impl EmbeddedNode {
    /// A node, whether it runs already or not.
    pub fn new(settings: NodeSettings, images: Arc<Images>) -> Self {
        Self {
            client: NodeClient::new(settings.socket, settings.token),
            images,
            revisions: Revisions::new(settings.revisions),
        }
    }

    /// To ask the node what is no matter of the engine: logs, its status.
    pub fn client(&self) -> &NodeClient {
        &self.client
    }

    /// The node's form of a plan; the error is one that another attempt would not mend.
    async fn configuration(
        &self,
        configuration: Configuration,
    ) -> Result<Result<api::ServiceConfiguration, String>, PortError> {
        let mut revisions = Vec::new();
        for revision in &configuration.revisions {
            let image = match self.images.unpack(&revision.image).await {
                Ok(image) => image,
                Err(error) => return Err(failed("unpack the image", &error)),
            };
            let environment = match self.revisions.environment(revision).await? {
                Ok(environment) => environment,
                Err(missing) => return Ok(Err(missing)),
            };
            revisions.push(convert::revision(
                revision,
                &configuration.plan,
                &image,
                environment,
            ));
        }
        Ok(Ok(convert::service(&configuration, revisions)))
    }
}

/// What the node has seen of a revision: its requests, and those that failed. Gathered under the locks that requests need.
///
/// # Errors
/// `PortError`: the node can't be reached, or does not know the revision.
pub async fn evidence(
    node: &NodeClient,
    service: &ServiceId,
    revision: &RevisionName,
) -> Result<Evidence, PortError> {
    let path = format!("/v1/services/{service}/revisions/{revision}/evidence");
    node.ask("GET", &path).await.map(convert::evidence)
}

#[async_trait]
impl DataPlane for EmbeddedNode {
    async fn configure(
        &self,
        _key: &EffectKey,
        configuration: Configuration,
    ) -> Result<Outcome, PortError> {
        let body = match self.configuration(configuration).await? {
            Ok(body) => body,
            Err(reason) => {
                return Ok(Outcome::ConfigurationRefused(PlanRefusal::Invalid {
                    reason,
                }));
            }
        };
        let path = format!("/v1/services/{}", body.service);
        let answer = self
            .client
            .call::<_, api::Accepted, api::Refusal>("PUT", &path, Some(&body))
            .await?;
        match answer {
            Answer::Done(accepted) => Ok(Outcome::Configured {
                durable: accepted.durable,
                switched_us: accepted.switched_us,
            }),
            Answer::Refused(refusal) => convert::refusal(refusal),
        }
    }

    async fn prove(
        &self,
        _key: &EffectKey,
        service: &ServiceId,
        revision: &RevisionName,
    ) -> Result<Outcome, PortError> {
        let path = format!("/v1/services/{service}/revisions/{revision}/probe");
        let report: api::ProbeReport = self.client.ask("POST", &path).await?;
        Ok(Outcome::TargetProbed {
            ready: report.ready,
            desired: report.desired,
            failures: report.failures,
        })
    }

    async fn evidence(
        &self,
        _key: &EffectKey,
        service: &ServiceId,
        revision: &RevisionName,
    ) -> Result<Outcome, PortError> {
        let evidence = evidence(&self.client, service, revision).await?;
        Ok(Outcome::EvidenceGathered(Box::new(evidence)))
    }

    async fn observe(&self, after: u64, wait: Duration) -> Result<Seen, PortError> {
        let path = format!(
            "/v1/observations?after={after}&wait_ms={}",
            wait.as_millis()
        );
        let observations: api::Observations = self.client.ask("GET", &path).await?;
        convert::seen(&observations)
    }

    async fn recall(&self, order: &RecallOrder) -> Result<Recalled, PortError> {
        let path = format!("/v1/services/{}/recall", order.service);
        let body = convert::recall(order);
        let answer = self
            .client
            .call::<_, api::Recalled, api::Refusal>("POST", &path, Some(&body))
            .await?;
        match answer {
            Answer::Done(recalled) => Ok(Recalled::Moved {
                trip: convert::trip(&recalled.trip)?,
                durable: recalled.durable,
            }),
            Answer::Refused(refusal) => Ok(Recalled::Refused {
                why: refusal.to_string(),
            }),
        }
    }

    async fn renew(&self, lease: &Lease) -> Result<(), PortError> {
        let run: Uuid = lease
            .run
            .parse()
            .map_err(|error: uuid::Error| failed("renew a lease", &error))?;
        let renewal = api::LeaseRenewal {
            run,
            generation: lease.generation,
        };
        let path = format!("/v1/services/{}/lease", lease.service);
        let answer = self
            .client
            .call::<_, api::LeaseObservation, api::Refusal>("POST", &path, Some(&renewal))
            .await?;
        match answer {
            Answer::Done(_) => Ok(()),
            Answer::Refused(refusal) => Err(failed("renew a lease", &refusal)),
        }
    }
}

pub(crate) fn failed(operation: &'static str, error: &dyn std::error::Error) -> PortError {
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        reason.push_str(": ");
        reason.push_str(&cause.to_string());
        source = cause.source();
    }
    PortError { operation, reason }
}
