//! The node's HTTP API: the table of `crate::api`, each line a function.
//!
//! On a Unix socket that only the node's user can open, and behind a token. It must not decide anything.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};

use super::answer::{Answer, json, problem};
use crate::api::{Evidence, FailedRequest, LeaseRenewal, NodeStatus, Recall, ServiceConfiguration};
use crate::control::Services;
use crate::instances::Instances;
use crate::logs::{LogError, LogQuery, Logs, PAGE_LINES_MAX, Window};
use crate::tls::Tls;

/// Bytes of a request's body.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Connections at a time.
const CONNECTIONS_MAX: usize = 256;
/// For a request's head and body.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest that an observation is waited for.
const OBSERVATION_WAIT_MAX: Duration = Duration::from_secs(60);
/// Log lines shown of a failed request.
const LOG_LINES_MAX: usize = 20;
/// Requests in flight when the node stops.
const DRAIN: Duration = Duration::from_secs(2);

/// What the API answers from.
pub(super) struct Api {
    services: Arc<Services>,
    instances: Instances,
    logs: Logs,
    token: [u8; 32],
    ingress: Ingress,
}

/// Where users' requests arrive.
pub(super) struct Ingress {
    plain: SocketAddr,
    tls: Option<(SocketAddr, Arc<Tls>)>,
}

impl Ingress {
    /// For plain HTTP, and for TLS with its certificates.
    pub(super) fn new(plain: SocketAddr, tls: Option<(SocketAddr, Arc<Tls>)>) -> Self {
        Self { plain, tls }
    }
}

impl Api {
    pub(super) fn new(
        services: Arc<Services>,
        instances: Instances,
        logs: Logs,
        token: &str,
        ingress: Ingress,
    ) -> Self {
        Self {
            services,
            instances,
            logs,
            token: Sha256::digest(token).into(),
            ingress,
        }
    }
}

/// Serves until `ends` says so.
pub(super) async fn serve(listener: UnixListener, api: Arc<Api>, mut ends: watch::Receiver<bool>) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let ending = ends.clone();
    loop {
        let Ok(place) = Arc::clone(&connections).acquire_owned().await else {
            return;
        };
        let accepted = tokio::select! {
            () = said(&mut ends) => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let (api, ending) = (Arc::clone(&api), ending.clone());
                tokio::spawn(async move {
                    serve_connection(stream, api, ending).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a caller of the API could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    let all = u32::try_from(CONNECTIONS_MAX).unwrap_or(u32::MAX);
    if tokio::time::timeout(DRAIN, connections.acquire_many(all))
        .await
        .is_err()
    {
        tracing::debug!("callers of the API were cut off");
    }
}

async fn serve_connection(stream: UnixStream, api: Arc<Api>, mut ending: watch::Receiver<bool>) {
    let service = service_fn(move |request| {
        let api = Arc::clone(&api);
        async move { Ok::<_, Infallible>(api.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = said(&mut ending) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the API ended");
    }
}

impl Api {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        if !self.is_allowed(&request) {
            return problem(
                StatusCode::UNAUTHORIZED,
                "Not allowed",
                "The token is missing or wrong.",
            );
        }
        let method = request.method().clone();
        let path = request.uri().path().to_owned();
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        match (&method, segments.as_slice()) {
            (&Method::PUT, ["v1", "services", service]) => self.configure(service, request).await,
            (&Method::POST, ["v1", "services", service, "lease"]) => {
                self.renew(service, request).await
            }
            (&Method::POST, ["v1", "services", service, "recall"]) => {
                self.recall(service, request).await
            }
            (&Method::GET, ["v1", "observations"]) => self.observations(query(request.uri())).await,
            (&Method::POST, ["v1", "services", service, "revisions", revision, "probe"]) => {
                self.probe(service, revision).await
            }
            (&Method::GET, ["v1", "services", service, "revisions", revision, "evidence"]) => {
                self.evidence(service, revision).await
            }
            (&Method::GET, ["v1", "services", service, "logs"]) => {
                self.log_page(service, &query(request.uri())).await
            }
            (&Method::GET, ["v1", "node"]) => json(StatusCode::OK, &self.status()),
            _ => problem(
                StatusCode::NOT_FOUND,
                "There is no such resource",
                &format!("{method} {path} is not part of the API."),
            ),
        }
    }

    /// Digests are compared, so the time that it takes tells nothing about the token.
    fn is_allowed(&self, request: &Request<Incoming>) -> bool {
        let shown = request
            .headers()
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let token = shown.and_then(|shown| shown.strip_prefix("Bearer "));
        token.is_some_and(|token| <[u8; 32]>::from(Sha256::digest(token)) == self.token)
    }

    async fn configure(&self, service: &str, request: Request<Incoming>) -> Answer {
        let configuration: ServiceConfiguration = match read(request).await {
            Ok(configuration) => configuration,
            Err(answer) => return answer,
        };
        if configuration.service != service {
            return problem(
                StatusCode::BAD_REQUEST,
                "The body is not valid",
                "It names another service than the path.",
            );
        }
        // A task of its own: a caller that goes away must not leave a configuration written but not in force.
        let services = Arc::clone(&self.services);
        match tokio::spawn(async move { services.accept(configuration).await }).await {
            Ok(Ok(accepted)) => json(StatusCode::OK, &accepted),
            Ok(Err(refusal)) => json(StatusCode::CONFLICT, &refusal),
            Err(error) => {
                let title = "The configuration was not taken in";
                problem(StatusCode::INTERNAL_SERVER_ERROR, title, &error.to_string())
            }
        }
    }

    async fn renew(&self, service: &str, request: Request<Incoming>) -> Answer {
        let renewal: LeaseRenewal = match read(request).await {
            Ok(renewal) => renewal,
            Err(answer) => return answer,
        };
        match self.services.renew(service, &renewal) {
            Ok(lease) => json(StatusCode::OK, &lease),
            Err(refusal) => json(StatusCode::CONFLICT, &refusal),
        }
    }

    async fn recall(&self, service: &str, request: Request<Incoming>) -> Answer {
        let recall: Recall = match read(request).await {
            Ok(recall) => recall,
            Err(answer) => return answer,
        };
        // A task of its own, as above: the word counts once it has arrived.
        let (services, service) = (Arc::clone(&self.services), service.to_owned());
        match tokio::spawn(async move { services.recall(&service, recall).await }).await {
            Ok(Ok(recalled)) => json(StatusCode::OK, &recalled),
            Ok(Err(refusal)) => json(StatusCode::CONFLICT, &refusal),
            Err(error) => {
                let title = "The traffic was not recalled";
                problem(StatusCode::INTERNAL_SERVER_ERROR, title, &error.to_string())
            }
        }
    }

    async fn observations(&self, query: BTreeMap<String, String>) -> Answer {
        let number = |name: &str| query.get(name).and_then(|value| value.parse::<u64>().ok());
        if let Some(after) = number("after") {
            let wait =
                Duration::from_millis(number("wait_ms").unwrap_or(0)).min(OBSERVATION_WAIT_MAX);
            let mut changes = self.services.changes();
            // Other than, not more than: another run of the node counts from elsewhere.
            let changed = changes.wait_for(|change| *change != after);
            if tokio::time::timeout(wait, changed).await.is_err() {
                tracing::trace!("nothing changed while a caller waited");
            }
        }
        json(StatusCode::OK, &self.services.observe())
    }

    async fn probe(&self, service: &str, revision: &str) -> Answer {
        match self.instances.probe(service, revision).await {
            Some(report) => json(StatusCode::OK, &report),
            None => unknown(service, revision),
        }
    }

    async fn evidence(&self, service: &str, revision: &str) -> Answer {
        let Some((mut evidence, failures)) = self.services.evidence(service, revision) else {
            return unknown(service, revision);
        };
        let ids = failures
            .iter()
            .map(|failure| failure.request_id.clone())
            .collect();
        let lines = self
            .logs
            .lines_with_any(service, revision, ids, LOG_LINES_MAX)
            .await;
        let mut lines = lines.unwrap_or_else(|error| {
            tracing::warn!(service, revision, %error, "log lines of failed requests can't be shown");
            BTreeMap::new()
        });
        evidence.failures = failures
            .into_iter()
            .map(|failure| FailedRequest {
                log_lines: lines.remove(&failure.request_id).unwrap_or_default(),
                at: failure.at,
                method: failure.method,
                path: failure.path,
                status: failure.status,
                failure: failure.failure,
                latency_us: failure.latency_us,
                request_id: failure.request_id,
                shielded: failure.shielded,
            })
            .collect();
        json::<Evidence>(StatusCode::OK, &evidence)
    }

    async fn log_page(&self, service: &str, query: &BTreeMap<String, String>) -> Answer {
        let query = match log_query(service, query) {
            Ok(query) => query,
            Err(why) => return problem(StatusCode::BAD_REQUEST, "The query is not valid", &why),
        };
        match self.logs.page(query).await {
            Ok(page) => json(StatusCode::OK, &page),
            Err(error @ LogError::Cursor(_)) => problem(
                StatusCode::BAD_REQUEST,
                "The query is not valid",
                &error.to_string(),
            ),
            Err(error) => problem(
                StatusCode::INTERNAL_SERVER_ERROR,
                "The logs can't be read",
                &error.to_string(),
            ),
        }
    }

    fn status(&self) -> NodeStatus {
        let tls = self.ingress.tls.as_ref();
        let mut degraded = self.services.degraded();
        degraded.extend(tls.map(|(_, tls)| tls.problems()).unwrap_or_default());
        NodeStatus {
            run: self.services.run(),
            ingress: self.ingress.plain.to_string(),
            ingress_tls: tls.map(|(address, _)| address.to_string()),
            certificates: tls.map(|(_, tls)| tls.certificates()).unwrap_or_default(),
            started_at: self.services.started_at(),
            degraded,
        }
    }
}

/// Resolves when the flag is set, or can never be; holds no guard of it then.
async fn said(flag: &mut watch::Receiver<bool>) {
    if flag.wait_for(|said| *said).await.is_err() {
        tracing::trace!("whoever would say so is gone");
    }
}

async fn read<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, Answer> {
    let invalid = |detail: &str| problem(StatusCode::BAD_REQUEST, "The body is not valid", detail);
    let body = Limited::new(request.into_body(), BODY_BYTES_MAX).collect();
    let body = tokio::time::timeout(READ_TIMEOUT, body)
        .await
        .map_err(|_| invalid("It did not arrive in time."))?;
    let bytes = body
        .map_err(|error| invalid(&error.to_string()))?
        .to_bytes();
    serde_json::from_slice(&bytes).map_err(|error| invalid(&error.to_string()))
}

fn unknown(service: &str, revision: &str) -> Answer {
    problem(
        StatusCode::NOT_FOUND,
        "There is no such revision",
        &format!("{service} has no revision {revision} on this node."),
    )
}

fn query(uri: &Uri) -> BTreeMap<String, String> {
    let pairs = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

/// Percent-decoding; what is no escape stays as it is.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = (first == b'%').then(|| after.get(..2)).flatten();
        let byte = escaped
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        match byte {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(if first == b'+' { b' ' } else { first });
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn log_window(query: &BTreeMap<String, String>) -> Result<Window, String> {
    let words = query.get("window").map(String::as_str);
    Ok(match (query.get("after"), query.get("before"), words) {
        (Some(after), None, None) => Window::After(after.clone()),
        (None, Some(before), None) => {
            Window::Before(before.parse().map_err(|error| format!("{error}"))?)
        }
        (None, None, Some("last")) => Window::Last,
        (None, None, None) if query.contains_key("since_ms") => Window::First,
        (None, None, None) => Window::Last,
        _ => return Err("give one of `after`, `before` and `window=last`".to_owned()),
    })
}

fn log_query(service: &str, query: &BTreeMap<String, String>) -> Result<LogQuery, String> {
    let since = query.get("since_ms").map(|value| {
        let milliseconds = value
            .parse()
            .map_err(|_| format!("since_ms={value} is no number"))?;
        Timestamp::from_millisecond(milliseconds).map_err(|error| error.to_string())
    });
    let limit = query.get("limit").map(|value| {
        value
            .parse::<usize>()
            .map_err(|_| format!("limit={value} is no number"))
    });
    Ok(LogQuery {
        service: service.to_owned(),
        revision: query.get("revision").cloned(),
        severity: query
            .get("severity")
            .map(|word| word.parse().map_err(|error| format!("{error}")))
            .transpose()?,
        text: query.get("text").cloned(),
        window: log_window(query)?,
        since: since.transpose()?,
        limit: limit
            .transpose()?
            .unwrap_or(PAGE_LINES_MAX)
            .clamp(1, PAGE_LINES_MAX),
    })
}
