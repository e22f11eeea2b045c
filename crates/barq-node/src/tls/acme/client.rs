//! HTTPS to an authority: the machine's roots and one more, a time and a size for each answer, and what it asks us to wait.
//!
//! One for each order, so that what an authority says of one host holds up no other.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, Request};
use http_body_util::Limited;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{ALL_VERSIONS, ClientConfig, RootCertStore};

/// For the head of an answer: authorities think about an order for some seconds.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);
/// Bytes of an answer; the largest is a certificate chain.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// A client for one order.
pub(super) struct Client {
    http: HyperClient<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>>,
    asked: Asked,
}

/// The moment that an authority asked us to wait for.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked(Arc<Mutex<Option<Timestamp>>>);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    #[error("the root certificate {} can't be used", path.display())]
    Root { path: PathBuf, source: pem::Error },
    #[error("a root certificate can't be used")]
    BadRoot(#[source] rustls::Error),
    #[error(
        "this machine has no root certificates to trust an authority by: install ca-certificates"
    )]
    NoRoots,
    #[error("TLS can't be set up")]
    Tls(#[source] rustls::Error),
}

#[derive(Debug, thiserror::Error)]
#[error("it did not answer within {} s", ANSWER_TIME_MAX.as_secs())]
struct NoAnswer;

impl Client {
    /// Trusts the machine's roots, and one more.
    pub(super) fn new(root: Option<&Path>) -> Result<Self, ClientError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(ALL_VERSIONS)
            .map_err(ClientError::Tls)?
            .with_root_certificates(roots(root)?)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_only()
            .enable_http1()
            .build();
        Ok(Self {
            http: HyperClient::builder(TokioExecutor::new()).build(connector),
            asked: Asked::default(),
        })
    }

    /// What the authority will have asked for, once the order is over.
    pub(super) fn asked_to_wait(&self) -> Asked {
        self.asked.clone()
    }
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let (answer, asked) = (self.http.request(request), self.asked.clone());
        Box::pin(async move {
            let answer = tokio::time::timeout(ANSWER_TIME_MAX, answer).await;
            let answer = answer.map_err(|_| Error::Other(Box::new(NoAnswer)))?;
            let answer = answer.map_err(|error| Error::Other(Box::new(error)))?;
            if answer.status().is_client_error() || answer.status().is_server_error() {
                asked.note(answer.headers(), Timestamp::now());
            }
            let limited = answer.map(|body| Limited::new(body, ANSWER_BYTES_MAX));
            Ok(BytesResponse::from(limited))
        })
    }
}

impl Asked {
    /// The moment, if there is one.
    pub(super) fn get(&self) -> Option<Timestamp> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `Retry-After`: seconds or a date (RFC 9110 section 10.2.3).
    fn note(&self, headers: &HeaderMap, now: Timestamp) {
        let value = headers
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok());
        let at = value.and_then(|value| match value.trim().parse::<u32>() {
            Ok(seconds) => now
                .checked_add(SignedDuration::from_secs(seconds.into()))
                .ok(),
            Err(_) => jiff::fmt::rfc2822::DateTimeParser::new()
                .parse_timestamp(value)
                .ok(),
        });
        if at.is_some() {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = at;
        }
    }
}

fn roots(root: Option<&Path>) -> Result<RootCertStore, ClientError> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::warn!(%error, "root certificates of this machine can't be read");
    }
    roots.add_parsable_certificates(native.certs);
    if let Some(path) = root {
        let certificate =
            CertificateDer::from_pem_file(path).map_err(|source| ClientError::Root {
                path: path.to_owned(),
                source,
            })?;
        roots.add(certificate).map_err(ClientError::BadRoot)?;
    }
    match roots.is_empty() {
        true => Err(ClientError::NoRoots),
        false => Ok(roots),
    }
}

#[cfg(test)]
mod tests;
