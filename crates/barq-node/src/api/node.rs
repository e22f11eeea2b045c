//! What is said of the node itself, so that whoever is woken sees what it can't do before asking why. It must not know
//! services.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::CertificateObservation;

/// The node itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// This run.
    pub run: Uuid,
    /// Where users' requests arrive, `ADDRESS:PORT`.
    pub ingress: String,
    /// The same over TLS, if the node listens for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress_tls: Option<String>,
    /// One for each host that is to be served over TLS.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<CertificateObservation>,
    /// Since when.
    pub started_at: Timestamp,
    /// What does not work as it should (disk, limits), in words.
    pub degraded: Vec<String>,
}
