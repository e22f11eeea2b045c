//! What is said of TLS: what a service wants, and what is seen of its certificates.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How a service's domains are served over TLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsConfiguration {
    /// Where the certificate comes from.
    pub source: CertificateSource,
    /// Whether plain HTTP is sent to HTTPS once there is a certificate.
    pub redirect: bool,
    /// For how long browsers come by HTTPS alone, in seconds (`strict-transport-security`); 0: no such header.
    pub hsts_seconds: u64,
}

/// Where a certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CertificateSource {
    /// Files on the node's machine, absolute paths, PEM; read again when they change.
    Files {
        /// The server's own certificate, then its chain.
        certificate: String,
        /// The private key.
        key: String,
    },
    /// A certificate authority that the node asks, for each domain by itself.
    Acme,
}

/// What the node sees of one host's certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateObservation {
    /// The host.
    pub host: String,
    /// Whose domain it is; empty for the node's default certificate.
    pub service: String,
    /// When the certificate that is served expires; `None`: there is none, the host is served by plain HTTP alone.
    pub expires_at: Option<Timestamp>,
    /// When the node renews it, or tries again to get it; `None` where that is not the node's to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
    /// What is wrong, why, and what to do.
    pub problem: Option<String>,
}
