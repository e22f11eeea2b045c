//! A whole node behind its API's socket, with revisions that keep no instances.

mod secured;

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use barq_shim::Launcher;
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::{
    HandOverError, NodeError, NodeSettings, ProxyLimits, SOCKET_NAME, Steering, Stop, run,
    somebody_drains, succession,
};
use crate::api::{InstanceRange, LeaseRenewal, ServiceConfiguration};
use crate::control::tests::{SERVICE, configuration, trial};

const TOKEN: &str = "secret";
const PATIENCE: Duration = Duration::from_secs(30);

struct Node {
    stop: oneshot::Sender<Stop>,
    steering: Steering,
    ended: JoinHandle<Result<(), NodeError>>,
    socket: PathBuf,
}

fn settings(directory: &Path) -> NodeSettings {
    NodeSettings {
        directory: directory.to_owned(),
        ingress: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(),
        tls: None,
        token: TOKEN.to_owned(),
        launcher: Launcher {
            program: "/nonexistent".into(),
            leading_arguments: vec![],
        },
        hidden: None,
        threads: 1,
        limits: ProxyLimits::default(),
    }
}

impl Node {
    async fn start(directory: &Path) -> Self {
        Self::start_with(settings(directory)).await
    }

    async fn start_with(settings: NodeSettings) -> Self {
        let socket = settings.directory.join(SOCKET_NAME);
        let (stop, stopped) = oneshot::channel();
        let (node, steering) = succession();
        let ended = tokio::spawn(run(settings, node, async { stopped.await.unwrap() }));
        let mut node = Self {
            stop,
            steering,
            ended,
            socket,
        };
        let serves = tokio::time::timeout(PATIENCE, node.steering.serves());
        assert!(serves.await.unwrap(), "the node does not start");
        node
    }

    async fn try_ask<T: Serialize>(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: &T,
    ) -> Option<(StatusCode, Value)> {
        let stream = UnixStream::connect(&self.socket).await.ok()?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .ok()?;
        tokio::spawn(async move { drop(connection.await) });
        let body = Full::new(Bytes::from(serde_json::to_vec(body).unwrap()));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "node")
            .header("authorization", format!("Bearer {token}"));
        let (head, body) = sender
            .send_request(request.body(body).unwrap())
            .await
            .ok()?
            .into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        Some((head.status, serde_json::from_slice(&body).unwrap()))
    }

    async fn ask<T: Serialize>(&self, method: Method, path: &str, body: &T) -> (StatusCode, Value) {
        self.try_ask(method, path, TOKEN, body).await.unwrap()
    }

    async fn put(&self, configuration: &ServiceConfiguration) -> (StatusCode, Value) {
        self.ask(
            Method::PUT,
            &format!("/v1/services/{SERVICE}"),
            configuration,
        )
        .await
    }

    async fn stop(self, how: Stop) {
        self.stop.send(how).unwrap();
        self.ended.await.unwrap().unwrap();
    }
}

/// Revisions without instances.
fn idle(mut configuration: ServiceConfiguration) -> ServiceConfiguration {
    for revision in &mut configuration.revisions {
        revision.instances = InstanceRange { min: 0, max: 0 };
    }
    configuration
}

fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_needs_its_token_and_says_what_is_wrong() {
    let directory = directory();
    let node = Node::start(directory.path()).await;
    let (status, _) = node
        .try_ask(Method::GET, "/v1/node", "wrong", &())
        .await
        .unwrap();
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let evidence = format!("/v1/services/{SERVICE}/revisions/none/evidence");
    let probe = format!("/v1/services/{SERVICE}/revisions/none/probe");
    let logs = format!("/v1/services/{SERVICE}/logs?severity=LOUD");
    let cases = [
        (Method::GET, "/v2", 404),
        (Method::GET, &evidence, 404),
        (Method::POST, &probe, 404),
        (Method::GET, &logs, 400),
    ];
    for (method, path, expected) in cases {
        let (status, problem) = node.ask(method, path, &()).await;
        assert_eq!(
            (status.as_u16(), problem["status"].as_u64()),
            (expected, Some(u64::from(expected))),
            "{path}: {problem}"
        );
    }
    let (status, _) = node
        .ask(Method::PUT, "/v1/services/other", &idle(configuration(1)))
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let mut settings = settings(directory.path());
    settings.threads = 1;
    let second = run(settings, succession().0, std::future::pending()).await;
    assert!(matches!(second, Err(NodeError::InUse { .. })), "{second:?}");
    node.stop(Stop::Leave).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn configurations_leases_and_observations() {
    let directory = directory();
    let node = Node::start(directory.path()).await;
    let (status, accepted) = node.put(&idle(trial(1, 10, Some(5)))).await;
    assert_eq!(
        (status, accepted["durable"].as_bool()),
        (StatusCode::OK, Some(true))
    );
    let (status, refusal) = node.put(&idle(configuration(1))).await;
    assert_eq!(
        (status, refusal["reason"].as_str()),
        (StatusCode::CONFLICT, Some("stale_generation"))
    );
    let (_, seen) = node.ask(Method::GET, "/v1/observations", &()).await;
    assert_eq!(seen["services"][SERVICE]["canary"]["state"], "serving");
    let run: Uuid = serde_json::from_value(seen["run"].clone()).unwrap();
    let lease = format!("/v1/services/{SERVICE}/lease");
    let renewed = node
        .ask(Method::POST, &lease, &LeaseRenewal { run, generation: 1 })
        .await;
    assert_eq!(renewed.0, StatusCode::OK);
    let refused = node
        .ask(
            Method::POST,
            &lease,
            &LeaseRenewal {
                run: Uuid::nil(),
                generation: 1,
            },
        )
        .await;
    assert_eq!(
        (refused.0, refused.1["reason"].as_str()),
        (StatusCode::CONFLICT, Some("lease"))
    );

    let after = format!("/v1/observations?after={}&wait_ms=20000", seen["change"]);
    let begun = Instant::now();
    let (waited, put) = tokio::join!(node.ask(Method::GET, &after, &()), async {
        node.put(&idle(configuration(2))).await
    });
    assert_eq!(put.0, StatusCode::OK);
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "a change ends the wait"
    );
    assert_ne!(waited.1["change"], seen["change"]);
    node.stop(Stop::Leave).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_starts_from_its_disk_with_the_canary_at_0() {
    let directory = directory();
    let node = Node::start(directory.path()).await;
    node.put(&idle(trial(1, 10, Some(5)))).await;
    node.stop(Stop::Leave).await;
    let node = Node::start(directory.path()).await;
    let (_, seen) = node.ask(Method::GET, "/v1/observations", &()).await;
    let service = &seen["services"][SERVICE];
    assert_eq!(
        (&service["generation"], &service["canary"]["state"]),
        (&1.into(), &"suspended".into())
    );
    assert_eq!(
        service["traffic"],
        serde_json::json!([{ "revision": "stable", "percent": 100 }])
    );
    assert_eq!(service["canary"]["lease"]["remaining_ms"], 0);
    node.stop(Stop::Drain).await;
}

/// What an HTTP/1.1 client reads of one request on a connection of its own.
async fn get(ingress: std::net::SocketAddr) -> String {
    let mut stream = TcpStream::connect(ingress).await.unwrap();
    let request = "GET / HTTP/1.1\r\nhost: nobody.localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_hands_over_serves_until_it_is_told_to_end() {
    let directory = directory();
    let settings_of_first = settings(directory.path());
    let ingress = settings_of_first.ingress.local_addr().unwrap();
    let listener = settings_of_first.ingress.try_clone().unwrap();
    let first = Node::start_with(settings_of_first).await;
    first.put(&idle(trial(1, 10, Some(5)))).await;
    let (_, seen) = first.ask(Method::GET, "/v1/observations", &()).await;
    assert_eq!(seen["services"][SERVICE]["canary"]["state"], "serving");
    assert!(!somebody_drains(directory.path()));
    first.steering.hand_over().await.unwrap();
    assert!(somebody_drains(directory.path()));
    let again = first.try_ask(Method::GET, "/v1/node", TOKEN, &()).await;
    assert_eq!(again, None, "its API has ended");
    // Nobody has that name, and the proxy says so: it serves.
    assert!(get(ingress).await.starts_with("HTTP/1.1 404"));

    let mut settings_of_second = settings(directory.path());
    settings_of_second.ingress = listener;
    let second = Node::start_with(settings_of_second).await;
    first.stop(Stop::Drain).await;
    assert!(!somebody_drains(directory.path()));
    assert!(get(ingress).await.starts_with("HTTP/1.1 404"));
    let (_, seen) = second.ask(Method::GET, "/v1/observations", &()).await;
    let service = &seen["services"][SERVICE];
    assert_eq!(
        (&service["generation"], &service["canary"]["state"]),
        (&1.into(), &"suspended".into())
    );
    second.stop(Stop::Leave).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_cant_write_what_is_in_force_does_not_hand_over() {
    let directory = directory();
    let node = Node::start(directory.path()).await;
    node.put(&idle(trial(1, 10, Some(5)))).await;
    let (counters, away) = (
        directory.path().join("counters"),
        directory.path().join("away"),
    );
    std::fs::rename(&counters, &away).unwrap();
    assert_eq!(node.steering.hand_over().await, Err(HandOverError::NotKept));
    assert!(!somebody_drains(directory.path()));
    // The step is entered again by a new generation, as after any lease that ran out.
    let (_, seen) = node.ask(Method::GET, "/v1/observations", &()).await;
    let service = &seen["services"][SERVICE];
    assert_eq!(service["canary"]["state"], "lease_expired");
    std::fs::rename(&away, &counters).unwrap();
    let (status, _) = node.put(&idle(trial(2, 10, Some(5)))).await;
    assert_eq!(status, StatusCode::OK);
    node.steering.hand_over().await.unwrap();
    node.stop(Stop::Leave).await;
}
