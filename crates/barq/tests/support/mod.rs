//! A barq of its own for each end-to-end test: real processes, real git, real requests, in a temporary directory with free
//! ports. Nothing is waited for by the clock: a condition, with a deadline.

#![allow(
    dead_code,
    unused_imports,
    reason = "each test binary uses a part of it"
)]

mod apart;
mod browser;
mod crash;
mod deaths;
mod disaster;
mod disk;
mod load;
mod processes;
mod repository;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

pub(crate) use browser::{Browser, PHONE, WIDE, key};
pub(crate) use deaths::{Death, Deaths, moments, only_those_in_flight_broke};
pub(crate) use disk::on_a_disk_of_its_own;
pub(crate) use load::{Connections, Load, Sample, failed};
pub(crate) use repository::{Repository, Settings};

/// The longest that anything is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
/// Between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A running `barq up`, drained when dropped.
pub(crate) struct Barq {
    directory: tempfile::TempDir,
    /// `barq up`; `barq node` where the server is kept apart by the test.
    up: Child,
    /// `barq server`, where it is not kept by `up`.
    apart: Option<Mutex<Option<Child>>>,
    /// The server's URL.
    pub(crate) server: String,
    /// `ADDRESS:PORT` of users' requests.
    pub(crate) ingress: String,
    http: reqwest::Client,
}

impl Barq {
    /// Started and ready, on an empty data directory.
    pub(crate) async fn start() -> Self {
        Self::start_in(tempfile::tempdir().expect("a temporary directory")).await
    }

    /// As [`Self::start`], from a file that may be replaced.
    pub(crate) async fn start_from_a_copy() -> (Self, PathBuf) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let copy = directory.path().join("barq");
        let own = env!("CARGO_BIN_EXE_barq");
        if std::fs::hard_link(own, &copy).is_err() {
            std::fs::copy(own, &copy).expect("copied");
        }
        (Self::start_of(&copy, directory).await, copy)
    }

    async fn start_in(directory: tempfile::TempDir) -> Self {
        Self::start_of(Path::new(env!("CARGO_BIN_EXE_barq")), directory).await
    }

    async fn start_of(executable: &Path, directory: tempfile::TempDir) -> Self {
        std::fs::create_dir(directory.path().join("counts")).expect("a directory");
        let any = "127.0.0.1:0";
        let (up, listening) = up_of(executable, directory.path(), any, any);
        let address = |name: &str| listening[name].as_str().expect("a URL").to_owned();
        let barq = Self {
            directory,
            up,
            apart: None,
            server: address("server"),
            ingress: address("ingress").replace("http://", ""),
            http: api_client(),
        };
        barq.ready().await;
        barq
    }

    /// Kills `up` and everything that it started, and starts the next one on the same data and the same ports.
    pub(crate) async fn restart_after_a_kill(&mut self) {
        kill_process(pid(self.up.id()), Signal::KILL).expect("killed");
        self.up.wait().expect("ended");
        let listen = self.server.replace("http://", "");
        let (up, _) = up(self.directory.path(), &listen, &self.ingress);
        self.up = up;
        self.ready().await;
    }

    async fn ready(&self) {
        eventually("barq is ready", async || {
            let url = format!("{}/health/ready", self.server);
            let server = self.http.get(url).send().await.ok()?;
            let node = self
                .http
                .get(format!("http://{}/", self.ingress))
                .send()
                .await;
            (server.status().is_success() && node.is_ok()).then_some(())
        })
        .await;
    }

    /// The data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// The first admin's token.
    pub(crate) fn token(&self) -> String {
        let path = self.data().join("admin.token");
        let token = std::fs::read_to_string(path).expect("a token");
        token.trim().to_owned()
    }

    /// `kill -9` of the server; `up` starts it again.
    pub(crate) fn kill_server(&self) {
        self.kill("server.lock");
    }

    /// `kill -9` of the node; `up` starts it again.
    pub(crate) fn kill_node(&self) {
        self.kill("node.lock");
    }

    /// Stops the node where it is; it goes on when what is given is dropped.
    pub(crate) fn hang_the_node(&self) -> Hung {
        let node = self.process("node.lock");
        kill_process(node, Signal::STOP).expect("stopped");
        Hung(node)
    }

    fn kill(&self, lock: &str) {
        kill_process(self.process(lock), Signal::KILL).expect("killed");
    }

    fn process(&self, lock: &str) -> Pid {
        let text = std::fs::read_to_string(self.data().join(lock)).expect("a lock file");
        pid(text.trim().parse().expect("a process id"))
    }

    /// SIGHUP, as `systemctl reload` sends it.
    pub(crate) fn hang_up(&self) {
        kill_process(pid(self.up.id()), Signal::HUP).expect("signalled");
    }

    /// A working copy of an app, with the remote set.
    pub(crate) fn repository(&self, app: &str) -> Repository {
        Repository::new(self, app)
    }

    /// What the API answers; a server that is just being restarted is asked again.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = self.request("GET", path, None, None).await;
        assert_eq!(answer.0, 200, "GET {path}: {}", answer.1);
        answer.1
    }

    /// A command, as an admin, under no key.
    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.request("POST", path, Some(body), None).await
    }

    /// Any request of the API: status and document.
    pub(crate) async fn request(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        key: Option<&str>,
    ) -> (u16, Value) {
        let token = self.token();
        self.request_as(&token, method, path, body, key).await
    }

    /// Any request of the API, by whoever has the token.
    pub(crate) async fn request_as(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
        key: Option<&str>,
    ) -> (u16, Value) {
        eventually(path, async || {
            let method = method.parse().expect("a method");
            let url = format!("{}{path}", self.server);
            let mut request = self.http.request(method, url).bearer_auth(token);
            if let Some(body) = &body {
                request = request.json(body);
            }
            if let Some(key) = key {
                request = request.header("idempotency-key", key);
            }
            let answer = request.send().await.ok()?;
            let status = answer.status().as_u16();
            let bytes = answer.bytes().await.ok()?;
            Some((
                status,
                serde_json::from_slice(&bytes).unwrap_or(Value::Null),
            ))
        })
        .await
    }

    /// The client, for what is no JSON.
    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// The delivery, once it is in one of these states.
    pub(crate) async fn delivery_in(&self, id: &str, states: &[&str]) -> Value {
        let path = format!("/api/v1/deliveries/{id}");
        let mut last = Value::Null;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            last = self.get(&path).await;
            let state = last["state"].as_str().expect("a state");
            if states.contains(&state) {
                return last;
            }
            assert!(
                last["finished_at"].is_null(),
                "{id} ended {state}, not {states:?}: {last:#}"
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
        panic!("{id} never became {states:?}: {last:#}");
    }

    /// The delivery, once its rollout is in one of these states.
    pub(crate) async fn rollout_in(&self, id: &str, states: &[&str]) -> Value {
        let path = format!("/api/v1/rollouts/{id}");
        eventually(&format!("{id} in {states:?}"), async || {
            let (status, rollout) = self.request("GET", &path, None, None).await;
            let state = rollout["state"].as_str().unwrap_or_default();
            (status == 200 && states.contains(&state)).then_some(rollout)
        })
        .await
    }

    /// Waits for the gate and opens it.
    pub(crate) async fn approve(&self, id: &str) {
        self.delivery_in(id, &["awaiting_approval"]).await;
        let path = format!("/api/v1/deliveries/{id}/approve");
        let (status, answer) = self.post(&path, serde_json::json!({"message": "go"})).await;
        assert_eq!(status, 200, "{answer:#}");
    }

    /// Pushes a mode of the shop, opens the gate, and waits for success.
    pub(crate) async fn release(&self, shop: &Repository, mode: &str) -> String {
        let id = shop.push(mode);
        self.approve(&id).await;
        self.delivery_in(&id, &["succeeded"]).await;
        id
    }

    /// The revision of a delivery's canary in production, once it was asked something.
    pub(crate) async fn canary_of(&self, id: &str) -> String {
        let rollout = self
            .rollout_in(&format!("{id}-production"), &["canary"])
            .await;
        let canary = rollout["revision"].as_str().expect("a revision");
        eventually("a request on the canary", async || {
            (!self.arrivals(canary).is_empty()).then_some(())
        })
        .await;
        canary.to_owned()
    }

    /// Runs a command of the CLI on this server and its data.
    pub(crate) async fn command(&self, arguments: &[&str]) -> Output {
        tokio::process::Command::new(env!("CARGO_BIN_EXE_barq"))
            .args(arguments)
            .args(["--server", &self.server])
            .arg("--data")
            .arg(self.data())
            .env_remove("DATABASE_URL")
            .env_remove("BARQ_TOKEN")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .expect("it runs")
    }

    /// Rolls the shop's production back by the CLI.
    pub(crate) async fn roll_back(&self) -> Output {
        self.command(&["rollback", "production", "--yes", "--json", "--app", "shop"])
            .await
    }

    /// Requests to a service at a steady rate, whatever the answers.
    pub(crate) fn load(&self, service: &str) -> Load {
        Load::start(&self.ingress, service, Connections::Kept)
    }

    /// As [`Self::load`], each request over a connection of its own: none is sent into one that has died.
    pub(crate) fn load_unpooled(&self, service: &str) -> Load {
        Load::start(&self.ingress, service, Connections::New)
    }

    /// What the shop itself counted: (revision, path, status) of each request that reached it.
    pub(crate) fn counted(&self) -> Vec<(String, String, u16)> {
        let text = std::fs::read_to_string(self.count_file()).unwrap_or_default();
        text.lines()
            .filter_map(|line| {
                let mut words = line.split(' ').map(ToOwned::to_owned);
                let status = |word: String| word.parse().ok();
                Some((words.next()?, words.next()?, words.next().and_then(status)?))
            })
            .collect()
    }

    /// When each request reached the shop that a revision is, by the shop's own clock, oldest first.
    pub(crate) fn arrivals(&self, revision: &str) -> Vec<Timestamp> {
        let text = std::fs::read_to_string(self.count_file()).unwrap_or_default();
        let mut arrivals: Vec<Timestamp> = text
            .lines()
            .filter(|line| line.split(' ').next() == Some(revision))
            .filter_map(|line| {
                Timestamp::from_microsecond(line.split(' ').nth(3)?.parse().ok()?).ok()
            })
            .collect();
        arrivals.sort_unstable();
        arrivals
    }

    /// How often an instance of each revision was started in production, by the shop's own record.
    pub(crate) fn starts(&self) -> BTreeMap<String, usize> {
        let path = self.count_file().with_extension("starts");
        let mut starts = BTreeMap::new();
        for revision in std::fs::read_to_string(path).unwrap_or_default().lines() {
            *starts.entry(revision.to_owned()).or_default() += 1;
        }
        starts
    }

    /// A shop that was pushed as `turning` fails from now on.
    pub(crate) fn turn(&self) {
        std::fs::write(self.count_file().with_extension("turned"), "").expect("written");
    }

    /// Where the shop counts.
    pub(crate) fn count_file(&self) -> PathBuf {
        self.directory.path().join("counts").join("requests")
    }

    /// A directory for whatever the test needs, beside barq's data.
    pub(crate) fn place(&self) -> &Path {
        self.directory.path()
    }
}

/// A process that does nothing, until it is dropped.
pub(crate) struct Hung(Pid);

impl Drop for Hung {
    fn drop(&mut self) {
        if let Err(error) = kill_process(self.0, Signal::CONT) {
            eprintln!("it has ended: {error}");
        }
    }
}

impl Drop for Barq {
    /// SIGTERM drains, so that no instance is left; what does not end is killed.
    fn drop(&mut self) {
        if let Some(server) = &self.apart
            && let Ok(mut server) = server.lock()
            && let Some(mut server) = server.take()
        {
            end(&mut server);
        }
        end(&mut self.up);
        disk::unmount(&self.data());
    }
}

fn end(process: &mut Child) {
    if let Ok(Some(_)) = process.try_wait() {
        return;
    }
    if let Err(error) = kill_process(pid(process.id()), Signal::TERM) {
        eprintln!("it has ended already: {error}");
    }
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Ok(Some(_)) = process.try_wait() {
            return;
        }
        std::thread::park_timeout(LOOK_EVERY);
    }
    drop(process.kill());
    drop(process.wait());
}

/// Looks until there is something to see.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: never");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn api_client() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(120))
        .build()
        .expect("a client")
}

fn log(directory: &Path) -> std::fs::File {
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(directory.join("up.log"))
        .expect("a log")
}

fn up(directory: &Path, listen: &str, ingress: &str) -> (Child, Value) {
    let executable = Path::new(env!("CARGO_BIN_EXE_barq"));
    up_of(executable, directory, listen, ingress)
}

fn up_of(executable: &Path, directory: &Path, listen: &str, ingress: &str) -> (Child, Value) {
    let mut child = Command::new(executable)
        .args(["up", "--json", "--listen", listen, "--ingress", ingress])
        .arg("--data")
        .arg(directory.join("data"))
        .env_remove("DATABASE_URL")
        .env(crash::VARIABLE, crash::directory(directory))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log(directory))
        .spawn()
        .expect("started");
    let stdout = child.stdout.take().expect("piped");
    let mut reader = BufReader::new(stdout);
    let mut line = String::new();
    reader.read_line(&mut line).expect("a line");
    let listening = serde_json::from_str(&line).expect("JSON");
    // Read on, so that nothing that is printed later meets a closed pipe.
    std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
    (child, listening)
}

fn pid(id: u32) -> Pid {
    let id = i32::try_from(id).expect("a process id");
    Pid::from_raw(id).expect("not zero")
}
