//! How users' requests for an environment's domains are served over TLS.
//!
//! It belongs to the service, not to a revision: no rollback may take a certificate back. Nor is it a part of the gate.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::milliseconds;

/// How the domains are served over TLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tls {
    /// Where the certificates come from.
    pub source: CertificateSource,
    /// Whether plain HTTP is sent to HTTPS, once there is a certificate.
    pub redirect: bool,
    /// For how long browsers come by HTTPS alone (`strict-transport-security`), in whole seconds; zero: no such header.
    #[serde(rename = "hsts_ms", with = "milliseconds")]
    pub hsts: Duration,
}

/// Where certificates come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum CertificateSource {
    /// Files on the node's machine: absolute paths, PEM.
    Files {
        /// The server's own certificate, then its chain.
        certificate: String,
        /// The private key.
        key: String,
    },
    /// A certificate authority, asked by the node (RFC 8555), for each domain by itself.
    Acme,
}

impl Tls {
    /// With these certificates, and nothing else said.
    pub fn with_defaults(source: CertificateSource) -> Self {
        Self {
            source,
            redirect: true,
            // Half a year: long enough for browsers to remember between visits, short enough to be undone.
            hsts: Duration::from_hours(180 * 24),
        }
    }
}
