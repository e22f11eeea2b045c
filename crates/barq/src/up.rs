//! `barq up`: a server and a node on one machine, kept running.
//!
//! `up` does three things, and is small so that it never has to be restarted itself: it owns the listening sockets, it
//! holds the data directory's lock, and it starts the two children again when they die. It reads no request and knows
//! no state: whatever the children need to go on is on disk.
//!
//! Should `up` itself die, both children see their connection to it close and end, so that the next `up` can bind the
//! addresses. The instances run under shims of their own and serve on; the next node adopts them.

mod child;
mod door;
#[cfg(test)]
mod tests;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::cli::TlsArguments;
use crate::data::DataDirectory;
use crate::output::Output;
use crate::sockets::{self, ListenerName};
use child::{ChildSettings, ChildState};

/// How long the processes of an `up` that was killed may take to end.
const PREDECESSOR_PATIENCE: Duration = Duration::from_secs(20);
/// The server finishes the requests that it has and writes nothing more: short.
const SERVER_DRAIN_MAX: Duration = Duration::from_secs(20);
/// The node lets every instance finish what is in flight (30 s by default), then stop (10 s).
const NODE_DRAIN_MAX: Duration = Duration::from_secs(60);
/// A child that dies this often before both were ready once will not get better by itself.
const START_ATTEMPTS_MAX: u32 = 5;
/// How often readiness is asked for.
const READY_INTERVAL: Duration = Duration::from_millis(100);
/// How long one question for readiness may take.
const READY_TIMEOUT: Duration = Duration::from_secs(2);

/// What `barq up` was asked for.
#[derive(Debug, Clone)]
pub struct UpSettings {
    /// Where everything is kept.
    pub data: DataDirectory,
    /// API, git and web UI.
    pub listen: SocketAddr,
    /// Users' requests.
    pub ingress: SocketAddr,
    /// The same over TLS, and what with.
    pub tls: TlsArguments,
    /// The executable that the children run: this one.
    pub executable: PathBuf,
}

/// Runs until SIGTERM or SIGINT, then drains: the server first, so that nothing new is begun, then the node. A second
/// signal does not wait.
///
/// # Errors
/// When the lock is held, an address is taken, or a child cannot be brought up at all.
pub async fn run(settings: UpSettings, output: Output) -> anyhow::Result<()> {
    // Before anything that takes time: a signal must never meet the default action half-way.
    let signals = Signals::install()?;
    settings.data.create()?;
    let _lock = settings.data.lock_for_up()?;
    settings
        .data
        .wait_for_processes(PREDECESSOR_PATIENCE)
        .await?;
    let server = sockets::bind(settings.listen, ListenerName::Server)?;
    let ingress = sockets::bind(settings.ingress, ListenerName::Ingress)?;
    let tls = settings.tls.ingress_tls;
    let tls = tls.map(|address| sockets::bind(address, ListenerName::IngressTls));
    let tls = tls.transpose()?;
    let addresses = Addresses {
        server: server.local_addr()?,
        ingress: ingress.local_addr()?,
        tls: tls.as_ref().map(TcpListener::local_addr).transpose()?,
    };
    let mut listeners = vec![
        (ListenerName::Server, server),
        (ListenerName::Ingress, ingress),
    ];
    listeners.extend(tls.map(|listener| (ListenerName::IngressTls, listener)));
    let path = settings.data.up_socket();
    let door = door::Door::open(&path, listeners)
        .with_context(|| format!("cannot listen on {}", path.display()))?;
    banner(&settings, addresses, output);

    let children = Children::start(&settings, addresses);
    let outcome = supervise(&settings, addresses, &children, signals, output).await;
    children.finish().await;
    drop(door);
    outcome
}

#[derive(Debug, Clone, Copy)]
struct Addresses {
    server: SocketAddr,
    ingress: SocketAddr,
    tls: Option<SocketAddr>,
}

struct Children {
    server: Kept,
    node: Kept,
    hurry: CancellationToken,
}

struct Kept {
    stop: CancellationToken,
    state: watch::Receiver<ChildState>,
    task: JoinHandle<()>,
}

impl Children {
    fn start(settings: &UpSettings, addresses: Addresses) -> Self {
        let hurry = CancellationToken::new();
        let server = arguments(settings, "server", addresses);
        let mut node = arguments(settings, "node", addresses);
        node.extend(settings.tls.words(addresses.tls));
        Self {
            server: Kept::start(settings, "server", server, SERVER_DRAIN_MAX, &hurry),
            node: Kept::start(settings, "node", node, NODE_DRAIN_MAX, &hurry),
            hurry,
        }
    }

    /// The server first: it must not begin anything on a node that is going away.
    async fn finish(self) {
        for kept in [self.server, self.node] {
            kept.stop.cancel();
            if let Err(error) = kept.task.await {
                tracing::error!(%error, "a child's keeper failed");
            }
        }
    }
}

impl Kept {
    fn start(
        settings: &UpSettings,
        name: &'static str,
        arguments: Vec<std::ffi::OsString>,
        drain_max: Duration,
        hurry: &CancellationToken,
    ) -> Self {
        let stop = CancellationToken::new();
        let (sender, state) = watch::channel(ChildState::default());
        let child = ChildSettings {
            name,
            executable: settings.executable.clone(),
            arguments,
            drain_max,
            stop: stop.clone(),
            hurry: hurry.clone(),
        };
        let task = tokio::spawn(child::keep(child, sender));
        Self { stop, state, task }
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn install() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

async fn supervise(
    settings: &UpSettings,
    addresses: Addresses,
    children: &Children,
    mut signals: Signals,
    output: Output,
) -> anyhow::Result<()> {
    let outcome = tokio::select! {
        () = signals.next() => Ok(()),
        outcome = bring_up(addresses, children, output) => match outcome {
            Ok(()) => {
                announce_ready(settings, addresses, output);
                signals.next().await;
                Ok(())
            }
            Err(error) => Err(error),
        },
    };
    let hurry = children.hurry.clone();
    if outcome.is_ok() {
        output.note("stopping: waiting for requests in flight (Ctrl-C again to stop at once)");
        tokio::spawn(async move {
            signals.next().await;
            hurry.cancel();
        });
    } else {
        hurry.cancel();
    }
    outcome
}

/// Waits until both answer. Gives up when one of them dies again and again before that.
async fn bring_up(addresses: Addresses, children: &Children, output: Output) -> anyhow::Result<()> {
    let mut server = children.server.state.clone();
    let mut node = children.node.state.clone();
    tokio::select! {
        ready = wait_until_ready(addresses, output) => ready,
        died = server.wait_for(ChildState::hopeless) => Err(hopeless("server", died.ok().map(|state| state.clone()))),
        died = node.wait_for(ChildState::hopeless) => Err(hopeless("node", died.ok().map(|state| state.clone()))),
    }
}

impl ChildState {
    fn hopeless(&self) -> bool {
        self.deaths >= START_ATTEMPTS_MAX
    }
}

fn hopeless(name: &str, state: Option<ChildState>) -> anyhow::Error {
    let last = state.and_then(|state| state.last).unwrap_or_default();
    anyhow::anyhow!(
        "barq {name} does not start: it ended {START_ATTEMPTS_MAX} times, the last time with {last}; its own message is above"
    )
}

async fn wait_until_ready(addresses: Addresses, output: Output) -> anyhow::Result<()> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(READY_TIMEOUT)
        .build()
        .context("cannot make an HTTP client")?;
    let server = format!("http://{}/health/ready", addresses.server);
    let node = format!("http://{}/", addresses.ingress);
    let mut told = String::new();
    loop {
        let server = client.get(&server).send().await;
        // The node has no service yet; any answer shows that it is there.
        let node = client.get(&node).send().await;
        let Ok(server) = server else {
            tokio::time::sleep(READY_INTERVAL).await;
            continue;
        };
        if server.status().is_success() && node.is_ok() {
            return Ok(());
        }
        // A server that waits for something says for what, and goes on by itself.
        let reason = server.text().await.unwrap_or_default().trim().to_owned();
        if reason.starts_with("not ready") && reason != told {
            output.note(&format!("the server is {reason}"));
            told = reason;
        }
        tokio::time::sleep(READY_INTERVAL).await;
    }
}

fn arguments(
    settings: &UpSettings,
    process: &str,
    addresses: Addresses,
) -> Vec<std::ffi::OsString> {
    vec![
        process.into(),
        "--supervised".into(),
        "--data".into(),
        settings.data.root().into(),
        "--listen".into(),
        addresses.server.to_string().into(),
        "--ingress".into(),
        addresses.ingress.to_string().into(),
    ]
}

fn banner(settings: &UpSettings, addresses: Addresses, output: Output) {
    if output.json() {
        output.document(&serde_json::json!({
            "event": "listening",
            "server": format!("http://{}", addresses.server),
            "ingress": format!("http://{}", addresses.ingress),
            "ingress_tls": addresses.tls.map(|address| format!("https://{address}")),
            "data": settings.data.root(),
            "process": std::process::id(),
        }));
        return;
    }
    let tls = addresses.tls.map(|address| {
        format!(
            "  over TLS     https://{address}  (the domains of barq.toml that have a certificate)\n"
        )
    });
    output.note(&format!(
        "barq {version}\n  server       http://{server}\n  ingress      http://{ingress}  (http://<service>-<environment>.localhost:{port})\n{tls}  data         {data}\n  admin token  {token}\n",
        version = env!("CARGO_PKG_VERSION"),
        server = addresses.server,
        ingress = addresses.ingress,
        port = addresses.ingress.port(),
        tls = tls.unwrap_or_default(),
        data = settings.data.root().display(),
        token = settings.data.admin_token().display(),
    ));
}

fn announce_ready(settings: &UpSettings, addresses: Addresses, output: Output) {
    if output.json() {
        output.document(&serde_json::json!({"event": "ready", "data": settings.data.root()}));
        return;
    }
    output.note(&format!(
        "ready. Open http://{} in a browser; `barq web` signs it in.\nIn the repository of your app:\n  barq init            writes barq.toml and adds the remote\n  git push barq main   starts a delivery\n  barq watch           follows it\nCtrl-C stops it.",
        addresses.server
    ));
}
