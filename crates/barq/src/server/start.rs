//! What a server needs before it can answer: its key, the journal, the stores, the neighbours, the engine.
//!
//! Every step can be repeated: a start that is killed leaves nothing that hinders the next one.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use anyhow::Context as _;
use barq_adapters::images::Images;
use barq_adapters::node::{EmbeddedNode, NodeSettings};
use barq_adapters::pipeline::EmbeddedPipeline;
use barq_adapters::prober::{EmbeddedProber, ProberSettings};
use barq_engine::engine::{self, EngineError};
use barq_engine::ports::Ports;
use barq_registry::api::Store;
use barq_runner::api::{Runner, RunnerSettings};
use barq_shim::Launcher;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::samples::Samples;
use super::sign_in_links::SignInLinks;
use super::signed_out::SignedOut;
use super::{Server, ServerSettings, Shared, health, idempotency, journal, recalls};
use crate::data::{self, DataDirectory};

/// Bytes of the server's key.
const KEY_BYTES: usize = 32;

/// The engine's loop; ends after its shutdown, or when it can't go on.
pub(super) type RunningEngine = Pin<Box<dyn Future<Output = Result<(), EngineError>> + Send>>;

/// A server that can answer, and its engine.
pub(super) struct Started {
    pub(super) server: Shared,
    pub(super) engine: RunningEngine,
}

/// The secret of this installation: what is coded with it can be made nowhere else. One key for each purpose.
#[derive(Clone)]
pub(crate) struct ServerKey([u8; KEY_BYTES]);

impl ServerKey {
    /// The key in the data directory; made at the first start.
    pub(crate) fn open(data: &DataDirectory) -> anyhow::Result<Self> {
        let mut fresh = [0; KEY_BYTES];
        getrandom::fill(&mut fresh).context("cannot make a random key")?;
        let path = data.server_key();
        let key = data::read_or_create(&path, &fresh)?;
        let key = key.try_into().map_err(|_| {
            anyhow::anyhow!(
                "{} is damaged: it must hold {KEY_BYTES} bytes",
                path.display()
            )
        })?;
        Ok(Self(key))
    }

    /// A code of some text, for one purpose.
    pub(crate) fn code(&self, purpose: &str, text: &str) -> [u8; 32] {
        let mut hmac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        hmac.update(purpose.as_bytes());
        hmac.update(&[0]);
        hmac.update(text.as_bytes());
        hmac.finalize().into_bytes().into()
    }
}

pub(super) async fn start(
    settings: &ServerSettings,
    listener: &TcpListener,
    engine_stops: CancellationToken,
) -> anyhow::Result<Started> {
    let data = settings.data.clone();
    let key = ServerKey::open(&data)?;
    let journal = journal::open(&data, &key).await?;
    remove_left_backups(&data.backup())?;
    let neighbours = Neighbours::open(&data, settings.ingress)?;
    let ports = neighbours.ports.clone();
    let stops = async move { engine_stops.cancelled().await };
    let (engine, running) = engine::start(journal, ports, stops)
        .await
        .context("cannot go on from the journal")?;
    let address = listener
        .local_addr()
        .context("the listener has no address")?;
    let samples = Samples::open(data.samples());
    let signed_out = SignedOut::open(data.signed_out(), super::web::session_end(Timestamp::now()));
    let server = Server {
        engine,
        data,
        runner: neighbours.runner,
        node: neighbours.node,
        prober: neighbours.ports.prober,
        data_plane: neighbours.ports.data_plane,
        recalls: recalls::Recalls::default(),
        ingress: settings.ingress,
        url: own_url(address),
        key,
        answers: idempotency::Answers::default(),
        links: SignInLinks::new().context("no randomness")?,
        signed_out,
        shutdown: settings.shutdown.clone(),
        started_at: Timestamp::now(),
        requests: health::RequestCounts::default(),
        live: super::web::Live::default(),
        samples,
        kept: super::web::Kept::default(),
        pushes: tokio::sync::Mutex::default(),
        unrecorded: tokio::sync::Notify::new(),
    };
    Ok(Started {
        server: Arc::new(server),
        engine: Box::pin(running),
    })
}

struct Neighbours {
    ports: Ports,
    runner: Arc<Runner>,
    node: barq_adapters::node::NodeClient,
}

impl Neighbours {
    fn open(data: &DataDirectory, ingress: SocketAddr) -> anyhow::Result<Self> {
        let launcher = Launcher::current_executable(&["shim"]);
        let runner = RunnerSettings::new(&data.runner(), data.root(), launcher);
        let runner = Arc::new(Runner::new(runner).context("cannot take the checks over")?);
        let store = Store::open(data.blobs()).context("cannot open the images")?;
        let images = Arc::new(Images::new(store, data.images()));
        let node = NodeSettings {
            socket: data.node().join(barq_node::server::SOCKET_NAME),
            token: crate::node::token(data)?,
            revisions: data.revisions(),
        };
        let node = EmbeddedNode::new(node, Arc::clone(&images));
        let client = node.client().clone();
        let pipeline = EmbeddedPipeline::new(Arc::clone(&runner), images, data.repositories());
        let prober = ProberSettings {
            ingress: reachable(ingress).to_string(),
            repositories: data.repositories(),
        };
        let prober = EmbeddedProber::new(prober, client.clone(), Arc::clone(&runner));
        let ports = Ports {
            pipeline: Arc::new(pipeline),
            data_plane: Arc::new(node),
            prober: Arc::new(prober),
        };
        Ok(Self {
            ports,
            runner,
            node: client,
        })
    }
}

/// What a backup that was cut off has left.
fn remove_left_backups(directory: &Path) -> anyhow::Result<()> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", directory.display()))
        }
        _ => Ok(()),
    }
}

/// An address that listens everywhere is reached at home.
fn reachable(address: SocketAddr) -> SocketAddr {
    let mut address = address;
    if address.ip().is_unspecified() {
        let home: std::net::IpAddr = if address.is_ipv4() {
            std::net::Ipv4Addr::LOCALHOST.into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        };
        address.set_ip(home);
    }
    address
}

fn own_url(address: SocketAddr) -> String {
    format!("http://{}", reachable(address))
}
