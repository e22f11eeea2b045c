//! `up.sock`: where the children get their listeners.
//!
//! `up` keeps the listeners for as long as it lives, and gives duplicates away as often as asked. Each connection is
//! held open after that: it is how a child learns that `up` is gone. The socket lies in the private data directory, so
//! whoever can connect may have a listener.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

use crate::sockets::{self, ListenerName};

/// A failed accept (too many open files) is tried again after this.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// The open door; closed, with all its connections, when dropped.
pub(super) struct Door {
    task: JoinHandle<()>,
    path: PathBuf,
}

impl Door {
    pub(super) fn open(
        path: &Path,
        listeners: Vec<(ListenerName, TcpListener)>,
    ) -> std::io::Result<Self> {
        let door = sockets::listen_unix(path)?;
        let listeners = Arc::new(Listeners(listeners));
        Ok(Self {
            task: tokio::spawn(serve(door, listeners)),
            path: path.to_owned(),
        })
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, "up.sock is gone already");
        }
    }
}

struct Listeners(Vec<(ListenerName, TcpListener)>);

impl Listeners {
    fn duplicate(&self, name: &str) -> Option<OwnedFd> {
        let mut listeners = self.0.iter();
        let (_, listener) = listeners.find(|(candidate, _)| candidate.as_str() == name)?;
        match listener.try_clone() {
            Ok(duplicate) => Some(duplicate.into()),
            Err(error) => {
                tracing::error!(%error, name, "cannot duplicate a listener");
                None
            }
        }
    }
}

async fn serve(door: UnixListener, listeners: Arc<Listeners>) {
    // Dropped with this task, and with it every connection: the children notice.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        match door.accept().await {
            Ok((stream, _)) => {
                connections.spawn(attend(stream, Arc::clone(&listeners)));
            }
            Err(error) => {
                tracing::error!(%error, "cannot accept on up.sock");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

async fn attend(stream: UnixStream, listeners: Arc<Listeners>) {
    if let Err(error) = hand_over_and_hold(stream, listeners).await {
        tracing::warn!(%error, "cannot hand a listener over");
    }
}

async fn hand_over_and_hold(stream: UnixStream, listeners: Arc<Listeners>) -> std::io::Result<()> {
    let stream = stream.into_std()?;
    let stream = tokio::task::spawn_blocking(move || -> std::io::Result<_> {
        stream.set_nonblocking(false)?;
        sockets::hand_over(&stream, |name| listeners.duplicate(name))?;
        stream.set_nonblocking(true)?;
        Ok(stream)
    })
    .await
    .map_err(std::io::Error::other)??;
    let mut stream = UnixStream::from_std(stream)?;
    let mut byte = [0; 1];
    while stream.read(&mut byte).await? > 0 {}
    Ok(())
}
