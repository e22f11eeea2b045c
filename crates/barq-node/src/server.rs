//! The node as a process: what is started in which order, its HTTP API on a Unix socket, and how it ends.
//!
//! Adopted instances come first, then the configurations from the disk, then the proxy: a request that is accepted finds
//! its route and its instance. The API comes last; the node serves users without it. It may hand over to a next node while
//! it still serves ([`succession`]). It must not know who calls it.

mod answer;
mod api;
mod running;
mod secured;
mod succession;

use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use barq_shim::Launcher;
use rustix::fs::{FlockOperation, Mode, OFlags};
use tokio::net::UnixListener;
use tokio::sync::watch;

use crate::api::{RevisionConfiguration, RevisionObservation};
use crate::control::{Fleet, Services};
use crate::instances::{Instances, InstancesError, InstancesSettings, ReadySet};
use crate::logs::Logs;
use crate::proxy::{OnVerdict, Proxy, ProxySettings, ProxyTls};
use crate::tls::TlsError;
use running::{Running, Tasks};
use secured::Secured;

pub use crate::instances::somebody_drains;
pub use crate::proxy::ProxyLimits;
pub use crate::tls::TlsSettings;
pub use succession::{HandOverError, Steering, Succession, succession};

/// The API's socket in the node's directory.
pub const SOCKET_NAME: &str = "node.sock";
const LOCK_NAME: &str = "node.lock";

/// What a node runs with.
#[derive(Debug)]
pub struct NodeSettings {
    /// Everything that the node keeps.
    pub directory: PathBuf,
    /// Users' requests arrive here.
    pub ingress: TcpListener,
    /// … and here over TLS, if anywhere.
    pub tls: Option<TlsSettings>,
    /// Callers of the API show it.
    pub token: String,
    /// How shims are started.
    pub launcher: Launcher,
    /// The data directory that instances must not see; `None`: no sandbox.
    pub hidden: Option<PathBuf>,
    /// Threads of the proxy; usually one for each core.
    pub threads: usize,
    /// Time-outs of the proxy.
    pub limits: ProxyLimits,
}

/// How a node ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Requests in flight end, instances run on: the next node adopts them.
    Leave,
    /// Requests in flight end, then the instances.
    Drain,
}

/// Why a node can't run.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Its directory can't be used.
    #[error("the node's directory {} can't be used", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another node runs there.
    #[error("another node uses {}", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// What earlier instances left can't be understood.
    #[error("the instances can't be taken over")]
    Instances(#[source] InstancesError),
    /// The proxy can't start.
    #[error("the proxy can't start")]
    Proxy(#[source] io::Error),
    /// TLS can't start.
    #[error("TLS can't start")]
    Tls(#[source] TlsError),
    /// The API's socket can't be opened.
    #[error("the socket {} can't be opened", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Serves until `stop` says how to end, and ends so. To be run on a runtime of at least two threads. Once it has handed over,
/// the instances are the next node's, and it only lets its requests end, whatever `stop` says.
///
/// # Errors
/// When it can't start; once it serves, it serves.
pub async fn run(
    settings: NodeSettings,
    mut succession: Succession,
    stop: impl Future<Output = Stop>,
) -> Result<(), NodeError> {
    let directory = settings.directory.clone();
    let unusable = |source| NodeError::Directory {
        path: directory.clone(),
        source,
    };
    std::fs::create_dir_all(&directory).map_err(unusable)?;
    let lock = lock(&directory)?;
    let changes = watch::Sender::new(0);
    let instances = InstancesSettings {
        directory: directory.clone(),
        launcher: settings.launcher,
        hidden: settings.hidden,
    };
    let instances = Instances::start(instances, changes.clone()).await;
    let instances = instances.map_err(NodeError::Instances)?;
    let fleet = Box::new(InstancesFleet(instances.clone()));
    let services = Services::load(&directory, settings.threads, fleet).map_err(unusable)?;
    instances.retain(&services.names());

    let keeper = tokio::spawn({
        let (services, changes) = (Arc::clone(&services), changes.subscribe());
        async move { services.keep(changes).await }
    });
    let ingress = settings.ingress.local_addr().map_err(NodeError::Proxy)?;
    let secured = Secured::start(settings.tls, &directory, ingress, &services).await?;
    let tls = Secured::for_proxy(secured.as_ref())?;
    let proxy = start_proxy(
        &services,
        settings.ingress,
        tls,
        settings.threads,
        settings.limits,
    )?;
    services.attach(proxy.sockets());
    let state = api::Api::new(
        Arc::clone(&services),
        instances.clone(),
        Logs::new(&directory),
        &settings.token,
        api::Ingress::new(ingress, secured.as_ref().map(Secured::seen)),
    );
    let tasks = Tasks { keeper, secured };
    let mut running = Running::start(directory, lock, services, instances, tasks, state)?;
    succession.say_serving();
    let how = running.until(stop, &mut succession).await;
    running.end(proxy, how).await;
    Ok(())
}

struct InstancesFleet(Instances);

impl Fleet for InstancesFleet {
    fn apply(&self, service: &str, revisions: &[RevisionConfiguration]) -> Result<(), String> {
        self.0
            .apply(service, revisions)
            .map_err(|error| error.to_string())
    }

    fn ready_set(&self, service: &str, revision: &str) -> Option<Arc<ReadySet>> {
        self.0.ready_set(service, revision)
    }

    fn observe(&self, service: &str, revision: &str) -> Option<RevisionObservation> {
        self.0.observe(service, revision)
    }
}

fn start_proxy(
    services: &Arc<Services>,
    ingress: TcpListener,
    tls: Option<ProxyTls>,
    threads: usize,
    limits: ProxyLimits,
) -> Result<Proxy, NodeError> {
    let verdicts = Arc::clone(services);
    let on_verdict: OnVerdict = Arc::new(move |verdict| verdicts.on_verdict(&verdict));
    let settings = ProxySettings {
        ingress,
        tls,
        threads,
        table: Arc::clone(services.table()),
        on_verdict,
        started: services.started(),
        limits,
    };
    Proxy::start(settings).map_err(NodeError::Proxy)
}

/// Held for the node's life: two nodes on one directory would fight for its instances.
fn lock(directory: &Path) -> Result<rustix::fd::OwnedFd, NodeError> {
    let unusable = |error: rustix::io::Errno| NodeError::Directory {
        path: directory.to_owned(),
        source: error.into(),
    };
    let flags = OFlags::CREATE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = rustix::fs::open(directory.join(LOCK_NAME), flags, Mode::RUSR | Mode::WUSR)
        .map_err(unusable)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(NodeError::InUse {
            path: directory.to_owned(),
        }),
        Err(error) => Err(unusable(error)),
    }
}

/// The lock is held, so a socket that is there is a dead node's.
fn open_socket(path: &Path) -> Result<UnixListener, NodeError> {
    let failed = |source| NodeError::Socket {
        path: path.to_owned(),
        source,
    };
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    rustix::fs::chmod(path, Mode::RUSR | Mode::WUSR).map_err(|error| failed(error.into()))?;
    Ok(listener)
}

#[cfg(test)]
mod tests;
