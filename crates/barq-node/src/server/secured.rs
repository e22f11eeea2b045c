//! TLS in the node: started before the proxy, so that whoever connects finds the certificates, and kept to what the
//! services in force want.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use tokio::task::JoinHandle;

use super::NodeError;
use crate::control::Services;
use crate::proxy::ProxyTls;
use crate::tls::{LOOK_INTERVAL, Ports, Sources, Tls, TlsError, TlsSettings};

/// What TLS keeps, in the node's directory.
const DIRECTORY: &str = "tls";

/// TLS that has started; it ends when this is dropped.
pub(super) struct Secured {
    tls: Arc<Tls>,
    ingress: TcpListener,
    address: SocketAddr,
    follower: JoinHandle<()>,
}

impl Secured {
    /// Starts it, where the node has a socket for it.
    pub(super) async fn start(
        settings: Option<TlsSettings>,
        directory: &Path,
        plain: SocketAddr,
        services: &Arc<Services>,
    ) -> Result<Option<Self>, NodeError> {
        let Some(settings) = settings else {
            return Ok(None);
        };
        let address = settings.ingress.local_addr();
        let address = address.map_err(|error| NodeError::Tls(TlsError::Address(error)))?;
        let ports = Ports {
            plain: plain.port(),
            tls: address.port(),
        };
        let changes = services.changes();
        let wanted = services.wanted_over_tls();
        let sources = Sources {
            directory: directory.join(DIRECTORY),
            default: settings.default,
            acme: settings.acme,
            look_interval: LOOK_INTERVAL,
        };
        let tls = Tls::start(sources, ports, wanted).await;
        let tls = Arc::new(tls.map_err(NodeError::Tls)?);
        let follower = follow(Arc::clone(services), Arc::clone(&tls), changes);
        Ok(Some(Self {
            tls,
            ingress: settings.ingress,
            address,
            follower: tokio::spawn(follower),
        }))
    }

    /// For the proxy, where there is TLS.
    pub(super) fn for_proxy(this: Option<&Self>) -> Result<Option<ProxyTls>, NodeError> {
        let Some(this) = this else {
            return Ok(None);
        };
        Ok(Some(ProxyTls {
            ingress: this.ingress.try_clone().map_err(NodeError::Proxy)?,
            acceptor: this.tls.acceptor(),
            policies: this.tls.policies(),
        }))
    }

    /// For those who ask how it is.
    pub(super) fn seen(&self) -> (SocketAddr, Arc<Tls>) {
        (self.address, Arc::clone(&self.tls))
    }
}

impl Drop for Secured {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

async fn follow(
    services: Arc<Services>,
    tls: Arc<Tls>,
    mut changes: tokio::sync::watch::Receiver<u64>,
) {
    while changes.changed().await.is_ok() {
        tls.want(services.wanted_over_tls());
    }
}
