//! barq's node: started alone in a directory of its own, and told over its API what to serve.
//!
//! In the API's words, not its types: so that the binary of another version can be measured, too. A canary is on trial with
//! its tripwire armed, as in a rollout.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};
use tokio::net::UnixStream;

use super::super::Failure;
use super::client::Connection;
use super::contestant::{Contestant, Entrances};
use super::place::{CANARY, PROGRAM, Place, STABLE, free_port};
use super::process::{Counted, Process};

/// The longest start of the API.
const API_MAX: Duration = Duration::from_secs(30);
/// The longest start of its instances.
const READY_MAX: Duration = Duration::from_secs(30);
/// Between two looks whether it has started.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Longer than any measurement, so nobody needs to renew it.
const LEASE_MS: u64 = 24 * 60 * 60 * 1000;
/// Never reached, but counted against.
const ERRORS_MAX: u64 = 1_000_000;
/// More than any load has in flight: the other proxies have no such limit.
const CONCURRENCY: u32 = 100_000;
/// For instances to end.
const DRAIN_MS: u64 = 1000;
/// The service that is measured.
const SERVICE: &str = "bench";

/// What is in its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    /// Services, the measured one among them.
    pub(super) services: u32,
    /// Revisions of each.
    pub(super) revisions: u32,
}

/// The measured service alone, with its two revisions.
pub(super) const ONE: Size = Size {
    services: 1,
    revisions: 2,
};

/// Started and configured, not yet checked.
pub(super) async fn start(
    binary: &Path,
    place: &Place,
    name: &str,
    size: Size,
) -> Result<Contestant, Failure> {
    let own = place.directory_for("barq")?;
    // It takes an empty directory only.
    let (data, log) = (own.path().join("data"), own.path().join("output.log"));
    let port = free_port()?;
    let mut command = Command::new(binary);
    command
        .args(["node", "--ingress", &format!("127.0.0.1:{port}"), "--data"])
        .arg(&data)
        .env_remove("BARQ_DATA")
        .env_remove("BARQ_LOG");
    let mut contestant = Contestant {
        name: name.to_owned(),
        process: Process::start(command, name, &log)?,
        counted: Counted::Alone,
        entrances: Entrances {
            http1: port,
            h2c: Some(port),
            tls: None,
        },
        _directory: own,
    };
    let mut api = Api::open(&data, &mut contestant.process).await?;
    for number in 1..size.services {
        let service = format!("{SERVICE}-{number:04}");
        api.put(&service, &idle_service(&service, place, size))
            .await?;
    }
    api.put(SERVICE, &measured_service(place, size)).await?;
    api.wait_until_ready().await?;
    contestant.entrances.tls = api.tls_port().await?;
    Ok(contestant)
}

/// The node's API.
struct Api {
    connection: Connection,
    token: String,
}

impl Api {
    async fn open(data: &Path, process: &mut Process) -> Result<Self, Failure> {
        let (socket, token) = (data.join("node/node.sock"), data.join("node.token"));
        let deadline = Instant::now() + API_MAX;
        loop {
            if let Some(said) = process.ended()? {
                return Err(said.into());
            }
            if let Ok(stream) = UnixStream::connect(&socket).await {
                return Ok(Self {
                    connection: Connection::over(stream).await?,
                    token: std::fs::read_to_string(&token)?.trim().to_owned(),
                });
            }
            if Instant::now() > deadline {
                return Err(format!("barq's node has no API:\n{}", process.said()).into());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn put(&mut self, service: &str, configuration: &Value) -> Result<(), Failure> {
        let path = format!("/v1/services/{service}");
        self.ask(Method::PUT, &path, configuration.to_string())
            .await?;
        Ok(())
    }

    /// Until stable and canary have an instance that gets requests.
    async fn wait_until_ready(&mut self) -> Result<(), Failure> {
        let deadline = Instant::now() + READY_MAX;
        loop {
            let path = "/v1/observations";
            let observed = self.ask(Method::GET, path, String::new()).await?;
            let revisions = &observed["services"][SERVICE]["revisions"];
            let is_ready = |name: &str| revisions[name]["ready"].as_u64() > Some(0);
            if is_ready(STABLE) && is_ready(CANARY) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("barq's instances are not ready: {revisions}").into());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Where it listens for TLS, if it does.
    async fn tls_port(&mut self) -> Result<Option<u16>, Failure> {
        let status = self.ask(Method::GET, "/v1/node", String::new()).await?;
        let address = status["ingress_tls"].as_str();
        let port = address.and_then(|address| address.rsplit(':').next());
        Ok(port.map(str::parse).transpose()?)
    }

    async fn ask(&mut self, method: Method, path: &str, body: String) -> Result<Value, Failure> {
        let bearer = format!("Bearer {}", self.token);
        let headers = [("authorization", bearer.as_str())];
        let answer = self.connection.ask(method, path, &headers, body).await?;
        match answer.status {
            200 => Ok(serde_json::from_slice(&answer.body)?),
            status => {
                let why = String::from_utf8_lossy(&answer.body);
                Err(format!("barq's node answered {status} to {path}: {why}").into())
            }
        }
    }
}

/// Nine tenths for stable, a tenth for a canary on trial, and the rest known only.
fn measured_service(place: &Place, size: Size) -> Value {
    let mut revisions = vec![
        revision(STABLE, 1, &place.image()),
        revision(CANARY, 1, &place.image()),
    ];
    for number in 3..=size.revisions {
        revisions.push(revision(
            &format!("{SERVICE}-{number:05}"),
            0,
            &place.image(),
        ));
    }
    let mut service = service(SERVICE, &revisions);
    service["traffic"] = json!([
        { "revision": STABLE, "percent": 90 },
        { "revision": CANARY, "percent": 10 },
    ]);
    service["canary"] = json!({
        "revision": CANARY,
        "stable": STABLE,
        "step": 1,
        "max_errors": ERRORS_MAX,
        "lease_ms": LEASE_MS,
        "shield": true,
    });
    service
}

/// In the table, without instances: nobody asks for it.
fn idle_service(name: &str, place: &Place, size: Size) -> Value {
    let of = |number| revision(&format!("{name}-{number:05}"), 0, &place.image());
    let revisions: Vec<Value> = (1..=size.revisions).map(of).collect();
    let mut service = service(name, &revisions);
    service["traffic"] = json!([{ "revision": revisions[0]["name"], "percent": 100 }]);
    service
}

fn service(name: &str, revisions: &[Value]) -> Value {
    json!({
        "service": name,
        "generation": 1,
        "last_trip": 0,
        "acknowledges": null,
        "domains": [],
        "revisions": revisions,
        "traffic": [],
        "canary": null,
        "watch": null,
    })
}

fn revision(name: &str, instances: u32, image: &PathBuf) -> Value {
    let probe = json!({
        "path": "/health",
        "initial_delay_ms": 0,
        "period_ms": 1000,
        "timeout_ms": 1000,
        "failures": 30,
    });
    json!({
        "name": name,
        "tags": [],
        "root": image,
        "working_directory": "",
        "command": [format!("./{PROGRAM}")],
        "environment": {},
        "instances": { "min": instances, "max": instances },
        "concurrency": CONCURRENCY,
        "health": {
            "startup": probe,
            "liveness": probe,
            "readiness": probe,
            "detailed_path": "/health",
        },
        "cpu_milli": 0,
        "memory_bytes": 0,
        "drain_ms": DRAIN_MS,
    })
}
