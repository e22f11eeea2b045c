//! One thread's connections to instances, kept while they are idle.
//!
//! The newest is used first, so that the rest can grow old and go. A kept connection may have been closed by the other
//! side meanwhile: whoever uses one must be ready for that. It must not know requests.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::body::RequestBody;
use super::limits::{
    BUFFER_BYTES_MAX, CONNECT_TIMEOUT, HEADERS_MAX, POOL_CONNECTIONS_MAX, POOL_IDLE,
};

/// Idle connections by the instance's address.
#[derive(Default)]
pub(super) struct Pool {
    idle: RefCell<HashMap<SocketAddr, Vec<Idle>>>,
}

struct Idle {
    sender: SendRequest<RequestBody>,
    since: Instant,
}

/// No connection to an instance.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("the instance accepted no connection in time")]
    Timeout,
    #[error("the instance refused the connection")]
    Refused(#[source] io::Error),
    #[error("the connection could not be used")]
    Handshake(#[source] hyper::Error),
}

impl Pool {
    /// A kept connection that looks usable.
    pub(super) fn take(&self, address: SocketAddr) -> Option<SendRequest<RequestBody>> {
        let mut idle = self.idle.borrow_mut();
        let kept = idle.get_mut(&address)?;
        kept.retain(|idle| !idle.sender.is_closed() && idle.since.elapsed() < POOL_IDLE);
        let newest_ready = kept.iter().rposition(|idle| idle.sender.is_ready())?;
        Some(kept.remove(newest_ready).sender)
    }

    /// Keeps a connection whose response has been read to its end.
    pub(super) fn put(&self, address: SocketAddr, sender: SendRequest<RequestBody>) {
        let mut idle = self.idle.borrow_mut();
        let kept = idle.entry(address).or_default();
        if !sender.is_closed() && kept.len() < POOL_CONNECTIONS_MAX {
            kept.push(Idle {
                sender,
                since: Instant::now(),
            });
        }
    }

    /// Forgets the connections to an instance: one of them turned out closed, so the others probably are.
    pub(super) fn forget(&self, address: SocketAddr) {
        self.idle.borrow_mut().remove(&address);
    }

    /// Lets go what is old or closed.
    pub(super) fn prune(&self) {
        self.idle.borrow_mut().retain(|_, kept| {
            kept.retain(|idle| !idle.sender.is_closed() && idle.since.elapsed() < POOL_IDLE);
            !kept.is_empty()
        });
    }
}

/// Opens a connection; its driver runs on this thread until either side closes it.
pub(super) async fn connect(address: SocketAddr) -> Result<SendRequest<RequestBody>, ConnectError> {
    let connecting = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address));
    let stream = connecting
        .await
        .map_err(|_| ConnectError::Timeout)?
        .map_err(ConnectError::Refused)?;
    stream.set_nodelay(true).map_err(ConnectError::Refused)?;
    let (sender, connection) = http1::Builder::new()
        .max_headers(HEADERS_MAX)
        .max_buf_size(BUFFER_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(ConnectError::Handshake)?;
    tokio::task::spawn_local(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%address, %error, "a connection to an instance ended");
        }
    });
    Ok(sender)
}
