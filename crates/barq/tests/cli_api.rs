//! Commands against a server that answers as the API says: what they ask for, and how they end.

use std::process::Output;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(30);
const AT: &str = "2026-03-01T12:00:00Z";

/// What the server has been asked, and the states that its one delivery goes through, one per look.
#[derive(Default)]
struct Script {
    states: Vec<&'static str>,
    looks: usize,
    posts: Vec<(String, Value)>,
    healthy: bool,
}

type Shared = Arc<Mutex<Script>>;

struct Server {
    script: Shared,
    address: String,
    directory: tempfile::TempDir,
}

impl Server {
    async fn start(states: &[&'static str], healthy: bool) -> Self {
        let script = Arc::new(Mutex::new(Script {
            states: states.to_vec(),
            healthy,
            ..Script::default()
        }));
        let router = Router::new()
            .route("/api/v1/events", get(events))
            .route("/api/v1/deliveries/{id}", get(delivery))
            .route("/api/v1/services", get(services))
            .route("/api/v1/services/{name}/{command}", post(command))
            .route("/api/v1/rollouts/{id}/{command}", post(refuse))
            .with_state(Arc::clone(&script));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("bound");
        let address = listener.local_addr().expect("bound").to_string();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            script,
            address,
            directory: tempfile::tempdir().expect("temporary directory"),
        }
    }

    async fn barq(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_barq"));
        command
            .args(arguments)
            .args(["--server", &format!("http://{}", self.address)])
            .current_dir(self.directory.path())
            .env("BARQ_DATA", self.directory.path().join("data"))
            .env_remove("BARQ_TOKEN")
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true);
        let output: Output = tokio::time::timeout(PATIENCE, command.output())
            .await
            .expect("it ends in time")
            .expect("it runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().expect("an exit code");
        (code, text(&output.stdout), text(&output.stderr))
    }

    fn posts(&self) -> Vec<(String, Value)> {
        self.script.lock().expect("not poisoned").posts.clone()
    }
}

/// One event, then the connection ends: every look needs a new one.
async fn events() -> impl IntoResponse {
    let body = "id: 1\nevent: changed\ndata: {}\n\n";
    ([("content-type", "text/event-stream")], body)
}

async fn delivery(State(script): State<Shared>, Path(id): Path<String>) -> Json<Value> {
    let mut script = script.lock().expect("not poisoned");
    let look = script.looks.min(script.states.len() - 1);
    script.looks += 1;
    let timeline: Vec<Value> = script.states[..=look]
        .iter()
        .map(|state| json!({"at": AT, "event": state, "message": format!("now {state}")}))
        .collect();
    Json(json!({
        "id": id, "app": "shop", "commit": "1".repeat(40), "author": "Ann", "message": "a change",
        "state": script.states[look], "waiting": null, "checks": [], "image": null, "rollouts": [],
        "created_at": AT, "finished_at": null, "timeline": timeline, "unknown": 1,
    }))
}

async fn services() -> Json<Value> {
    let revision = |number: u32, traffic: u32| {
        json!({
            "name": format!("shop-production-{number:05}"), "image": "sha256:0", "commit": "2".repeat(40),
            "traffic": traffic, "counted_traffic": null, "instances": {"ready": 2, "total": 2}, "created_at": AT,
        })
    };
    let service = json!({
        "name": "shop-production", "app": "shop", "environment": "production",
        "revisions": [revision(2, 100), revision(1, 0)],
    });
    Json(json!({"items": [service], "next": null}))
}

async fn command(
    State(script): State<Shared>,
    Path((name, command)): Path<(String, String)>,
    Json(body): Json<Value>,
) -> Json<Value> {
    let mut script = script.lock().expect("not poisoned");
    script.posts.push((command.clone(), body));
    Json(match command.as_str() {
        "verify" => {
            json!({"service": name, "ok": script.healthy, "checks": [{"name": "health", "ok": script.healthy, "detail": ""}]})
        }
        _ => {
            json!({"service": name, "from": "shop-production-00002", "to": "shop-production-00001", "shifted_ms": 12.5, "incident": "shop-i1"})
        }
    })
}

async fn refuse() -> impl IntoResponse {
    let problem = json!({"type": "about:blank", "title": "not allowed", "status": 403, "detail": "operator needed"});
    (StatusCode::FORBIDDEN, Json(problem))
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_tells_each_line_once_and_ends_as_the_delivery_does() {
    for (states, code) in [
        (&["checking", "building", "awaiting_approval"][..], 0),
        (&["production", "succeeded"][..], 0),
        (&["production", "rolled_back"][..], 1),
        (&["failed"][..], 1),
    ] {
        let server = Server::start(states, true).await;
        let (exit, stdout, stderr) = server.barq(&["watch", "shop-1"]).await;
        assert_eq!(exit, code, "{states:?}: {stdout}{stderr}");
        for state in states {
            assert_eq!(
                stdout.matches(&format!("now {state}")).count(),
                1,
                "{stdout}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_prints_json_lines() {
    let server = Server::start(&["production", "succeeded"], true).await;
    let (_, stdout, _) = server.barq(&["watch", "shop-1", "--json"]).await;
    let lines: Vec<Value> = stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[2]["state"], "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_goes_where_it_was_said_to_go() {
    let server = Server::start(&["succeeded"], true).await;
    let arguments = ["rollback", "production", "--yes", "-m", "slow"];
    let (exit, stdout, stderr) = server.barq(&arguments).await;
    assert_eq!(exit, 0, "{stderr}");
    for step in [
        "1. revisions",
        "2. selected",
        "3. confirmed",
        "4. 100 %",
        "5. ",
        "6. rolled back",
    ] {
        assert!(stdout.contains(step), "{step}: {stdout}");
    }
    assert!(stdout.contains("traffic moved in 12 ms"), "{stdout}");
    let posts = server.posts();
    let commands: Vec<&str> = posts.iter().map(|(command, _)| command.as_str()).collect();
    assert_eq!(commands, ["rollback", "rollback", "verify"]);
    assert_eq!(
        posts[0].1,
        json!({"to": null, "reason": "slow", "dry_run": true})
    );
    let to = "shop-production-00001";
    assert_eq!(
        posts[1].1,
        json!({"to": to, "reason": "slow", "dry_run": false})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_to_something_unwell_is_a_failure() {
    let server = Server::start(&["succeeded"], false).await;
    let (exit, _, _) = server.barq(&["rollback", "production", "--yes"]).await;
    assert_eq!(exit, 1);
    let (exit, _, _) = server.barq(&["verify", "production"]).await;
    assert_eq!(exit, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_to_confirm_means_nothing_is_asked() {
    let server = Server::start(&["succeeded"], true).await;
    let (exit, _, stderr) = server.barq(&["rollback", "production"]).await;
    assert_eq!(exit, 2);
    assert!(stderr.contains("--yes"), "{stderr}");
    assert!(server.posts().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn not_allowed_is_4_and_says_why() {
    let server = Server::start(&["succeeded"], true).await;
    let (exit, _, stderr) = server.barq(&["pause", "shop-1-production"]).await;
    assert_eq!(exit, 4);
    assert!(stderr.contains("operator needed"), "{stderr}");
}
