//! Which certificate answers for which host, and how a host wants to be reached: immutable, swapped whole.
//!
//! Each certificate has a rustls configuration of its own, and all share one ticketer, so a client resumes on any thread
//! and after any reload. Choosing is a look-up by the name that the client sent; there is no guess: an unknown name gets
//! the default certificate where the node has one, and else none. It must not know where certificates come from.

use std::collections::HashMap;
use std::sync::Arc;

use http::HeaderValue;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{NoServerSessionStorage, ProducesTickets};
use rustls::sign::SingleCertAndKey;
use rustls::{ALL_VERSIONS, ServerConfig};

use super::pair::{Pair, PairError};

/// HTTP/2 first: who speaks both gets it.
const PROTOCOLS: [&[u8]; 2] = [ALPN_H2, ALPN_HTTP_1];
/// HTTP/2 in ALPN (RFC 9113 section 3.2).
pub(super) const ALPN_H2: &[u8] = b"h2";
/// HTTP/1.1 in ALPN (RFC 7301 section 6).
pub(super) const ALPN_HTTP_1: &[u8] = b"http/1.1";

/// How the domains of a service want to be reached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// Whether plain HTTP is sent to HTTPS.
    pub redirect: bool,
    /// The value of `strict-transport-security`; `None`: no such header.
    pub hsts: Option<HeaderValue>,
}

/// All hosts.
#[derive(Debug, Default)]
pub(super) struct Table {
    domains: HashMap<String, Domain>,
    default: Option<Arc<ServerConfig>>,
    /// The only certificate that there is, where there is exactly one.
    only: Option<Arc<ServerConfig>>,
}

/// One host that has a certificate.
#[derive(Debug, Clone)]
pub(super) struct Domain {
    pub(super) served: Arc<Served>,
    pub(super) policy: Policy,
}

/// A pair, ready to be served.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) pair: Pair,
    config: Arc<ServerConfig>,
}

/// What all certificates are served with.
#[derive(Debug, Clone)]
pub(super) struct Crypto {
    provider: Arc<CryptoProvider>,
    ticketer: Arc<dyn ProducesTickets>,
}

impl Table {
    pub(super) fn new(domains: HashMap<String, Domain>, default: Option<&Arc<Served>>) -> Self {
        let mut different: Vec<&Arc<Served>> = Vec::new();
        for domain in domains.values() {
            let is_same = |seen: &&Arc<Served>| seen.pair.is_same(&domain.served.pair);
            if !different.iter().any(is_same) {
                different.push(&domain.served);
            }
        }
        let only = match different.as_slice() {
            [only] => Some(Arc::clone(&only.config)),
            _ => None,
        };
        Self {
            only,
            domains,
            default: default.map(|served| Arc::clone(&served.config)),
        }
    }

    /// For a client that sent this name (in lower case, without a final dot) or none.
    pub(super) fn choose(&self, name: Option<&str>) -> Option<&Arc<ServerConfig>> {
        match name {
            Some(name) => match self.domains.get(name) {
                Some(domain) => Some(&domain.served.config),
                None => self.default.as_ref(),
            },
            None => self.default.as_ref().or(self.only.as_ref()),
        }
    }

    /// How a host wants to be reached; `None` where it has no certificate, so that nobody is sent where nothing answers.
    pub(super) fn policy(&self, host: &str) -> Option<&Policy> {
        self.domains.get(host).map(|domain| &domain.policy)
    }
}

impl Crypto {
    /// With fresh ticket keys.
    ///
    /// # Errors
    /// When the machine gives no randomness.
    pub(super) fn new() -> Result<Self, rustls::Error> {
        Ok(Self {
            provider: Arc::new(aws_lc_rs::default_provider()),
            ticketer: aws_lc_rs::Ticketer::new()?,
        })
    }

    /// Reads a pair, and readies it: TLS 1.2 and 1.3, tickets, the ciphers and their order as rustls has them.
    pub(super) fn serve(&self, certificate: &[u8], key: &[u8]) -> Result<Arc<Served>, PairError> {
        let pair = Pair::from_pem(certificate, key, &self.provider)?;
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(ALL_VERSIONS)
            .expect("aws-lc-rs has ciphers for TLS 1.2 and for TLS 1.3")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(pair.certified())));
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        config.ticketer = Arc::clone(&self.ticketer);
        // Tickets carry the session; a store beside them would be a lock that all threads share.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Arc::new(Served {
            pair,
            config: Arc::new(config),
        }))
    }
}

#[cfg(test)]
mod tests;
