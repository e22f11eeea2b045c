//! `barq upgrade` with real processes and real traffic: server and node are replaced, and nobody notices.

mod support;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use support::{Barq, Settings, eventually, failed};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

const HOST: &str = "shop-production.localhost";
/// The longest that a request may take beyond what the shop takes.
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// A connection that speaks another protocol than HTTP.
struct Tunnel {
    stream: BufReader<TcpStream>,
}

impl Tunnel {
    async fn open(barq: &Barq) -> Self {
        let stream = TcpStream::connect(&barq.ingress).await.expect("connected");
        let mut stream = BufReader::new(stream);
        let head = format!(
            "GET /echo HTTP/1.1\r\nhost: {HOST}\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.expect("sent");
        let mut line = String::new();
        stream.read_line(&mut line).await.expect("an answer");
        assert!(line.starts_with("HTTP/1.1 101"), "{line}");
        while line.trim() != "" {
            line.clear();
            stream.read_line(&mut line).await.expect("a head");
        }
        Self { stream }
    }

    async fn echoes(&mut self, word: &str) {
        let line = format!("{word}\n");
        self.stream.write_all(line.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        let answered = self.stream.read_line(&mut answer);
        let answered = tokio::time::timeout(ANSWER_MAX, answered).await;
        answered.expect("in time").expect("it is open");
        assert_eq!(answer, line);
    }

    /// Waits until the other side has ended it.
    async fn ends(mut self) {
        let mut rest = Vec::new();
        drop(self.stream.read_to_end(&mut rest).await);
    }
}

/// A request that is in flight for two seconds.
fn slow(barq: &Barq) -> JoinHandle<String> {
    let ingress = barq.ingress.clone();
    tokio::spawn(async move {
        let mut stream = TcpStream::connect(ingress).await.expect("connected");
        let head = format!("GET /slow HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        answer
    })
}

/// Requests over HTTP/2, one after the other on one connection, until it is told to go; then on the next one. Gives the number
/// of requests and of connections.
struct Http2 {
    task: JoinHandle<(usize, usize)>,
    stop: tokio::sync::watch::Sender<bool>,
}

impl Http2 {
    fn start(barq: &Barq) -> Self {
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let ingress = barq.ingress.clone();
        let task = tokio::spawn(async move {
            let (mut requests, mut connections) = (0, 0);
            while !*stopped.borrow() {
                connections += 1;
                let stream = TcpStream::connect(&ingress).await.expect("connected");
                let (mut sender, connection) = hyper::client::conn::http2::handshake(
                    TokioExecutor::new(),
                    TokioIo::new(stream),
                )
                .await
                .expect("a connection");
                let connection = tokio::spawn(connection);
                while !*stopped.borrow() && sender.ready().await.is_ok() {
                    let request = http::Request::get(format!("http://{HOST}/items/7"));
                    let request = request.body(Empty::<Bytes>::new()).expect("a request");
                    match sender.try_send_request(request).await {
                        Ok(answer) => {
                            assert_eq!(answer.status(), 200);
                            answer.into_body().collect().await.expect("a whole body");
                            requests += 1;
                        }
                        Err(mut error) => {
                            // Never sent: the connection was told to go at this instant.
                            let is_back = error.take_message().is_some();
                            assert!(is_back, "{:?}", error.into_error());
                            break;
                        }
                    }
                }
                drop(sender);
                drop(connection.await);
            }
            (requests, connections)
        });
        Self { task, stop }
    }

    async fn end(self) -> (usize, usize) {
        self.stop.send_replace(true);
        self.task.await.expect("no failed request")
    }
}

async fn released(settings: Settings) -> Barq {
    let barq = Barq::start().await;
    let shop = barq.repository("shop");
    shop.configure(&settings);
    barq.release(&shop, "good").await;
    barq
}

fn two_instances() -> Settings {
    Settings {
        instances: 2,
        ..Settings::default()
    }
}

async fn upgrade(barq: &Barq) -> (Output, Value) {
    let output = barq.command(&["upgrade", "--json"]).await;
    let report = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output, report)
}

/// The processes of server and node, as their locks say.
fn processes(barq: &Barq) -> BTreeMap<&'static str, String> {
    ["server", "node"]
        .into_iter()
        .map(|name| {
            let lock = barq.data().join(format!("{name}.lock"));
            let process = std::fs::read_to_string(lock).expect("a lock");
            (name, process.trim().to_owned())
        })
        .collect()
}

async fn are_gone<'a>(processes: impl Iterator<Item = &'a String>) {
    for process in processes {
        eventually("the old process ends", async || {
            (!Path::new("/proc").join(process).exists()).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_upgrades_under_load_cost_no_request() {
    let barq = released(two_instances()).await;
    let before = barq.instances();
    assert_eq!(before.len(), 2, "{before:?}");
    let load = barq.load("shop-production");
    load.goes_on(200).await;
    let http2 = Http2::start(&barq);
    let mut seen = vec![processes(&barq)];
    for round in 0..3 {
        let mut tunnel = Tunnel::open(&barq).await;
        tunnel.echoes("before").await;
        let in_flight = slow(&barq);
        load.goes_on(50).await;
        let (output, report) = upgrade(&barq).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(report["upgraded"], true, "{report:#}");
        println!("upgrade {round}: {} ms", report["took_ms"]);
        // The old node has handed over, and carries on what it had.
        tunnel.echoes("after").await;
        let answer = in_flight.await.expect("no panic");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        load.goes_on(100).await;
        let now = processes(&barq);
        for old in &seen {
            assert!(
                now.iter().all(|(name, process)| old[name] != *process),
                "{seen:?} {now:?}"
            );
        }
        seen.push(now);
        if round == 0 {
            // Nobody else is in the way of the next upgrade.
            drop(tunnel);
        } else {
            let node = seen[round]["node"].clone();
            tokio::spawn(tunnel.ends());
            assert!(
                Path::new("/proc").join(node).exists(),
                "it still has a tunnel"
            );
        }
    }
    let (requests, connections) = http2.end().await;
    println!("{requests} requests over {connections} connections of HTTP/2");
    assert!(connections >= 4, "each old node said that it goes");
    are_gone(seen[..3].iter().flat_map(BTreeMap::values)).await;
    assert_eq!(barq.instances(), before);
    let samples = load.stop().await;
    println!("{} requests", samples.len());
    assert_eq!(failed(&samples), Vec::<String>::new());
    barq.end();
}

/// Puts another file in the place of the executable that `up` was started from.
fn replace(executable: &Path, script: &str) {
    let new = executable.with_extension("new");
    std::fs::write(&new, format!("#!/bin/sh\n{script}\n")).expect("written");
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).expect("executable");
    std::fs::rename(&new, executable).expect("in place");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_executable_costs_no_request_and_is_told() {
    let (barq, executable) = Barq::start_from_a_copy().await;
    let shop = barq.repository("shop");
    shop.configure(&two_instances());
    barq.release(&shop, "good").await;
    let before = barq.instances();
    let load = barq.load("shop-production");
    load.goes_on(100).await;
    let old = processes(&barq);
    let own = PathBuf::from(env!("CARGO_BIN_EXE_barq"));
    let own = own.display();
    // It does not run; the server does not; the node does not.
    let cases = [
        ("exit 9", "--version"),
        (
            "[ \"$1\" = --version ] && echo barq 9 && exit; exit 9",
            "new server",
        ),
        (
            &format!("[ \"$1\" = node ] && exit 9; exec {own} \"$@\""),
            "new node",
        ),
    ];
    for (script, expected) in cases {
        replace(&executable, script);
        let (output, report) = upgrade(&barq).await;
        assert_eq!(output.status.code(), Some(1), "{script}: {output:?}");
        let why = report["why"].as_str().expect("a reason");
        assert!(why.contains(expected), "{script}: {why}");
        println!("{script}: {why}, {} ms", report["took_ms"]);
        load.goes_on(100).await;
    }
    // The server was replaced, and brought back; the node never noticed.
    let now = processes(&barq);
    assert_ne!(now["server"], old["server"]);
    assert_eq!(now["node"], old["node"]);
    assert_eq!(barq.instances(), before);
    assert_eq!(failed(&load.stop().await), Vec::<String>::new());
    barq.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_in_a_canary_takes_its_traffic_back_and_the_step_is_entered_again() {
    let barq = Barq::start().await;
    let shop = barq.repository("shop");
    shop.configure(&Settings {
        steps: "{ traffic = 50, hold = \"3s\", max_errors = 5 }, { traffic = 100 }".to_owned(),
        ..Settings::default()
    });
    barq.release(&shop, "good").await;
    let load = barq.load("shop-production");
    let id = shop.push("good still");
    barq.approve(&id).await;
    barq.canary_of(&id).await;
    let (output, _) = upgrade(&barq).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let delivery = barq.delivery_in(&id, &["succeeded"]).await;
    let timeline = delivery["timeline"].as_array().expect("a timeline");
    let interrupted = timeline
        .iter()
        .filter(|entry| entry["event"] == "rollout.interrupted");
    assert_eq!(interrupted.count(), 1, "{delivery:#}");
    load.goes_on(100).await;
    assert_eq!(failed(&load.stop().await), Vec::<String>::new());
    barq.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_upgrades_and_upgrades_wait_for_each_other() {
    let barq = Barq::start().await;
    let first = processes(&barq);
    barq.hang_up();
    let second = eventually("both are replaced", async || {
        let now = processes(&barq);
        let is_new = |(name, process): (&&str, &String)| first[*name] != *process;
        now.iter().all(is_new).then_some(now)
    })
    .await;
    are_gone(first.values()).await;
    let (one, other) = tokio::join!(upgrade(&barq), upgrade(&barq));
    for (output, report) in [&one, &other] {
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(report["upgraded"], true, "{report:#}");
    }
    // Killed at whatever it does then, a node is followed by another one none the less.
    let again = upgrade(&barq);
    let killed = async { barq.kill_node() };
    let (again, ()) = tokio::join!(again, killed);
    println!("{:#}", again.1);
    are_gone(second.values()).await;
    eventually("somebody serves", async || {
        let url = format!("http://{}/", barq.ingress);
        barq.http().get(url).send().await.ok()
    })
    .await;
    barq.end();
}

#[tokio::test]
async fn where_no_up_runs_the_command_says_so() {
    let directory = tempfile::tempdir().expect("a directory");
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_barq"))
        .args(["upgrade", "--data"])
        .arg(directory.path())
        .output()
        .await
        .expect("it runs");
    assert_eq!(output.status.code(), Some(3));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("no barq up runs on"), "{text}");
}
