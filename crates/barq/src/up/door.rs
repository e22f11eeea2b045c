//! `up.sock`: where the children get their listeners.
//!
//! `up` keeps the listeners for as long as it lives, and gives duplicates away as often as asked. Each connection is
//! held open after that: it is how a child learns that `up` is gone, and where the two talk ([`super::line`]). Whoever says
//! `upgrade` instead of a listener's name asks for an upgrade, and hears how it ended. The socket lies in the private data
//! directory, so whoever can connect may have either.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::line::Said;
use super::lines::{Carrier, Switchboard};
use super::upgrade::{Requests, UPGRADE};
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
        children: Switchboard,
        upgrades: Requests,
    ) -> std::io::Result<Self> {
        let door = sockets::listen_unix(path)?;
        let shared = Arc::new(Shared {
            listeners: Listeners(listeners),
            children,
            upgrades,
        });
        Ok(Self {
            task: tokio::spawn(serve(door, shared)),
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

/// What every connection needs.
struct Shared {
    listeners: Listeners,
    children: Switchboard,
    upgrades: Requests,
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

async fn serve(door: UnixListener, shared: Arc<Shared>) {
    // Dropped with this task, and with it every connection: the children notice.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        match door.accept().await {
            Ok((stream, _)) => {
                connections.spawn(attend(stream, Arc::clone(&shared)));
            }
            Err(error) => {
                tracing::error!(%error, "cannot accept on up.sock");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

async fn attend(stream: UnixStream, shared: Arc<Shared>) {
    if let Err(error) = answer(stream, &shared).await {
        tracing::warn!(%error, "a connection to up.sock failed");
    }
}

async fn answer(stream: UnixStream, shared: &Arc<Shared>) -> std::io::Result<()> {
    let process = stream.peer_cred()?.pid();
    let stream = stream.into_std()?;
    let giving = Arc::clone(shared);
    let (stream, wish) = tokio::task::spawn_blocking(move || -> std::io::Result<_> {
        stream.set_nonblocking(false)?;
        let wish = sockets::read_wish(&stream)?;
        if wish != UPGRADE {
            sockets::hand_over(&stream, &wish, |name| giving.listeners.duplicate(name))?;
        }
        stream.set_nonblocking(true)?;
        Ok((stream, wish))
    })
    .await
    .map_err(std::io::Error::other)??;
    let mut stream = UnixStream::from_std(stream)?;
    if wish == UPGRADE {
        return upgrade(stream, &shared.upgrades).await;
    }
    // A node talks on the connection of its first listener; others are only held open.
    let process = process.and_then(|process| u32::try_from(process).ok());
    let Some(process) = process.filter(|_| wish == ListenerName::Ingress.as_str()) else {
        let mut byte = [0; 1];
        while stream.read(&mut byte).await? > 0 {}
        return Ok(());
    };
    let carrier = shared.children.enter(process);
    let carried = carry(stream, carrier).await;
    shared.children.leave(process);
    carried
}

/// Carries words both ways until the child is gone.
async fn carry(stream: UnixStream, carrier: Carrier) -> std::io::Result<()> {
    let Carrier { mut orders, said } = carrier;
    let (reader, mut writer) = stream.into_split();
    let ordering = async {
        while let Some(order) = orders.recv().await {
            let line = format!("{}\n", order.word());
            writer.write_all(line.as_bytes()).await?;
        }
        // Nobody will say anything more; the connection stays open none the less.
        std::future::pending().await
    };
    let hearing = async {
        let mut lines = BufReader::new(reader).lines();
        while let Some(line) = lines.next_line().await? {
            let heard = Said::read(&line);
            // Whoever kept the child may have lost interest in it.
            if let Some(heard) = heard
                && said.send(heard).await.is_err()
            {
                tracing::trace!(line, "nobody listens to this child");
            }
        }
        Ok(())
    };
    tokio::select! {
        ended = ordering => ended,
        ended = hearing => ended,
    }
}

/// Tells whoever asked for an upgrade how it ended. Who goes away does not end it.
async fn upgrade(mut stream: UnixStream, upgrades: &Requests) -> std::io::Result<()> {
    let (reply, answer) = oneshot::channel();
    upgrades.ask(Some(reply)).await;
    if let Ok(report) = answer.await {
        let line = serde_json::to_vec(&report)?;
        stream.write_all(&line).await?;
    }
    Ok(())
}
