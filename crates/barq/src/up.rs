//! `barq up`: a server and a node on one machine, kept running.
//!
//! `up` does four things, and is small so that it never has to be restarted itself: it owns the listening sockets, it
//! holds the data directory's lock, it starts the two children again when they die, and it replaces them by those of a new
//! executable ([`upgrade`]). It reads no request and knows no state: whatever the children need to go on is on disk.
//!
//! Should `up` itself die, both children see their connection to it close and end, so that the next `up` can bind the
//! addresses. The instances run under shims of their own and serve on; the next node adopts them.

mod child;
mod door;
mod image;
pub(crate) mod line;
mod lines;
mod ready;
mod replace;
#[cfg(test)]
mod tests;
pub(crate) mod upgrade;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::cli::TlsArguments;
use crate::data::DataDirectory;
use crate::output::Output;
use crate::sockets::{self, ListenerName, SocketError};
use child::{ChildSettings, ChildState};
use image::Image;
use lines::Switchboard;
use replace::{Manner, Replace};
use upgrade::{Conductor, Requests};

/// How long the processes of an `up` that was killed may take to end.
const PREDECESSOR_PATIENCE: Duration = Duration::from_secs(20);
/// The server finishes the requests that it has and writes nothing more: short.
const SERVER_DRAIN_MAX: Duration = Duration::from_secs(20);
/// The node lets every instance finish what is in flight (30 s by default), then stop (10 s).
const NODE_DRAIN_MAX: Duration = Duration::from_secs(60);
/// A child that dies this often before both were ready once will not get better by itself.
const START_ATTEMPTS_MAX: u32 = 5;
/// How long an address may still be taken by a node of an `up` that was killed while it handed over: it lets go at once.
const ADDRESS_PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks.
const ADDRESS_LOOK: Duration = Duration::from_millis(20);
/// One replacement at a time; [`upgrade`] sees to that.
const REPLACES_MAX: usize = 1;

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
    /// Where this executable lies: the children run it, and an upgrade runs what is there then.
    pub executable: PathBuf,
}

/// Runs until SIGTERM or SIGINT, then drains: the server first, so that nothing new is begun, then the node. A second
/// signal does not wait.
///
/// # Errors
/// When the lock is held, an address is taken, or a child cannot be brought up at all.
pub async fn run(settings: UpSettings, output: Output) -> anyhow::Result<()> {
    // Before anything that takes time: a signal must never meet the default action half-way.
    let mut signals = Signals::install()?;
    settings.data.create()?;
    let _lock = settings.data.lock_for_up()?;
    settings
        .data
        .wait_for_processes(PREDECESSOR_PATIENCE)
        .await?;
    let server = sockets::bind(settings.listen, ListenerName::Server)?;
    let ingress = bind(&settings, settings.ingress, ListenerName::Ingress).await?;
    let tls = match settings.tls.ingress_tls {
        Some(address) => Some(bind(&settings, address, ListenerName::IngressTls).await?),
        None => None,
    };
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
    let lines = Switchboard::default();
    let (requests, requested) = upgrade::requests();
    let door = door::Door::open(&path, listeners, lines.clone(), requests.clone())
        .with_context(|| format!("cannot listen on {}", path.display()))?;
    banner(&settings, addresses, output);

    let image = Arc::new(Image::own(&settings.executable)?);
    let children = Children::start(&settings, addresses, &image, lines);
    let conductor = Conductor {
        requests: requested,
        path: settings.executable.clone(),
        image,
        server: children.server.replaces.clone(),
        node: children.node.replaces.clone(),
        output,
    };
    let asking = tokio::spawn(upgrade_on_hangup(signals.hangup.take(), requests));
    let outcome = supervise(&settings, addresses, &children, signals, conductor).await;
    asking.abort();
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
    replaces: mpsc::Sender<Replace>,
    task: JoinHandle<()>,
}

impl Children {
    fn start(
        settings: &UpSettings,
        addresses: Addresses,
        image: &Arc<Image>,
        lines: Switchboard,
    ) -> Self {
        let hurry = CancellationToken::new();
        let child = |name: &'static str, manner: Manner, drain_max: Duration| {
            let mut arguments = arguments(settings, name, addresses);
            if let Manner::Succeed { .. } = manner {
                arguments.extend(settings.tls.words(addresses.tls));
            }
            Kept::start(ChildSettings {
                name,
                image: Arc::clone(image),
                manner,
                arguments,
                drain_max,
                stop: CancellationToken::new(),
                hurry: hurry.clone(),
            })
        };
        let url = format!("http://{}", addresses.server);
        Self {
            server: child("server", Manner::Swap { url }, SERVER_DRAIN_MAX),
            node: child("node", Manner::Succeed { lines }, NODE_DRAIN_MAX),
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
    fn start(child: ChildSettings) -> Self {
        let stop = child.stop.clone();
        let (sender, state) = watch::channel(ChildState::default());
        let (replaces, replaced) = mpsc::channel(REPLACES_MAX);
        let task = tokio::spawn(child::keep(child, sender, replaced));
        Self {
            stop,
            state,
            replaces,
            task,
        }
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// Asks for an upgrade; taken by whoever asks for one then.
    hangup: Option<Signal>,
    /// The same signal, where it says that the terminal is gone: nobody is there any more who could stop `up`.
    terminal: Option<Signal>,
}

impl Signals {
    fn install() -> anyhow::Result<Self> {
        let hangup = || signal(SignalKind::hangup()).context("cannot wait for SIGHUP");
        let is_on_terminal = std::io::IsTerminal::is_terminal(&std::io::stdin());
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?,
            hangup: (!is_on_terminal).then(hangup).transpose()?,
            terminal: is_on_terminal.then(hangup).transpose()?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            () = received(&mut self.terminal) => {}
        }
    }
}

async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => _ = signal.recv().await,
        None => std::future::pending().await,
    }
}

/// Several signals while one upgrade is under way are one further upgrade: the kernel does not count them.
async fn upgrade_on_hangup(mut hangup: Option<Signal>, requests: Requests) {
    loop {
        received(&mut hangup).await;
        requests.ask(None).await;
    }
}

/// A node of an `up` that was killed while it handed over has its listener for a moment yet, and no lock.
async fn bind(
    settings: &UpSettings,
    address: SocketAddr,
    name: ListenerName,
) -> Result<TcpListener, SocketError> {
    let deadline = Instant::now() + ADDRESS_PATIENCE;
    loop {
        let bound = sockets::bind(address, name);
        let waits = matches!(bound, Err(SocketError::InUse { .. }))
            && barq_node::server::somebody_drains(&settings.data.node())
            && Instant::now() < deadline;
        if !waits {
            return bound;
        }
        tokio::time::sleep(ADDRESS_LOOK).await;
    }
}

async fn supervise(
    settings: &UpSettings,
    addresses: Addresses,
    children: &Children,
    mut signals: Signals,
    conductor: Conductor,
) -> anyhow::Result<()> {
    let output = conductor.output;
    let mut upgrading = None;
    let outcome = tokio::select! {
        () = signals.next() => Ok(()),
        outcome = bring_up(addresses, children, output) => match outcome {
            Ok(()) => {
                announce_ready(settings, addresses, output);
                upgrading = Some(tokio::spawn(conductor.conduct()));
                signals.next().await;
                Ok(())
            }
            Err(error) => Err(error),
        },
    };
    // No further one begins; the children finish the one that is under way before they stop.
    if let Some(upgrading) = upgrading {
        upgrading.abort();
    }
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
    let client = ready::client().context("cannot make an HTTP client")?;
    let server = format!("http://{}/health/ready", addresses.server);
    let node = format!("http://{}/", addresses.ingress);
    let mut told = String::new();
    loop {
        let server = client.get(&server).send().await;
        // The node has no service yet; any answer shows that it is there.
        let node = client.get(&node).send().await;
        let Ok(server) = server else {
            tokio::time::sleep(ready::ASK_EVERY).await;
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
        tokio::time::sleep(ready::ASK_EVERY).await;
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
