//! The data plane's process: what `barq node` hands to the node.
//!
//! The node knows no data directory, no `up` and no signals; here its place, its token, its turn and its end are chosen. What it
//! serves it takes from its own disk, so it never waits for a server.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::Context as _;
use barq_node::server::{NodeSettings, ProxyLimits, Steering, Stop, TlsSettings};
use barq_shim::Launcher;

use crate::data::{self, DataDirectory, DataError, Lock};
use crate::up::line::{Lifeline, Order, Said};

/// Bytes of the token that server and node share.
const TOKEN_BYTES: usize = 32;

/// Longer than `up` waits for a hand-over: whoever still waits then is not waited for.
const TURN_PATIENCE: Duration = Duration::from_secs(180);

/// The node's lock, once the node before this one has handed over or is gone. None: `up` does not want this one any more.
///
/// # Errors
/// When the directory can't be used, or stays in use.
pub(crate) async fn take_turn(
    data: &DataDirectory,
    mut up: Option<&mut Lifeline>,
) -> Result<Option<Lock>, DataError> {
    if let Some(up) = &mut up {
        up.say(&Said::Waits).await;
    }
    let unwanted = async {
        let Some(up) = up else {
            return std::future::pending().await;
        };
        while let Some(order) = up.order().await {
            match order {
                Order::End => return,
                // It has nothing to hand over yet.
                Order::HandOver => {
                    let why = "it is just being started".to_owned();
                    up.say(&Said::Keeps(why)).await;
                }
            }
        }
    };
    tokio::select! {
        // A lock that is free is taken, whatever else is said.
        biased;
        lock = data.wait_for_node(TURN_PATIENCE) => lock.map(Some),
        () = unwanted => Ok(None),
    }
}

/// Where users' requests come from.
#[derive(Debug)]
pub(crate) struct Listeners {
    pub(crate) ingress: TcpListener,
    /// The same over TLS.
    pub(crate) tls: Option<TlsSettings>,
}

/// Serves users' requests until it is `asked` to end with its instances, or `up` has it end without them or is
/// gone. The next node takes `lock` when this one hands over.
///
/// # Errors
/// When it can't start.
pub(crate) async fn run(
    data: &DataDirectory,
    listeners: Listeners,
    lock: Lock,
    up: Option<Lifeline>,
    asked: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let settings = NodeSettings {
        directory: data.node(),
        ingress: listeners.ingress,
        tls: listeners.tls,
        token: token(data)?,
        launcher: Launcher::current_executable(&["shim"]),
        hidden: Some(data.root().to_owned()),
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        limits: ProxyLimits::default(),
    };
    let (succession, steering) = barq_node::server::succession();
    // Held to the end of the node, not only of what listens to `up`.
    let mut lock = Some(lock);
    let stop = async {
        tokio::select! {
            () = asked => Stop::Drain,
            () = follow(up, steering, &mut lock) => Stop::Leave,
        }
    };
    barq_node::server::run(settings, succession, stop)
        .await
        .context("the node failed")
}

/// Does what `up` says, until it says that this is the end, or says nothing any more.
async fn follow(up: Option<Lifeline>, mut steering: Steering, lock: &mut Option<Lock>) {
    let Some(mut up) = up else {
        return std::future::pending().await;
    };
    if steering.serves().await {
        up.say(&Said::Serves).await;
    }
    while let Some(order) = up.order().await {
        match order {
            Order::End => return,
            Order::HandOver => {
                let said = match steering.hand_over().await {
                    Ok(()) => {
                        drop(lock.take());
                        Said::HandedOver
                    }
                    Err(error) => Said::Keeps(error.to_string()),
                };
                up.say(&said).await;
            }
        }
    }
}

/// The token that the server shows to the node; whoever of the two starts first makes it.
///
/// # Errors
/// When it can be neither read nor made.
pub fn token(data: &DataDirectory) -> anyhow::Result<String> {
    let mut fresh = [0; TOKEN_BYTES];
    getrandom::fill(&mut fresh).context("cannot make a random token")?;
    let fresh: String = fresh.iter().map(|byte| format!("{byte:02x}")).collect();
    let token = data::read_or_create(&data.node_token(), fresh.as_bytes())?;
    String::from_utf8(token)
        .ok()
        .filter(|token| token.len() == fresh.len())
        .with_context(|| {
            let path = data.node_token();
            format!(
                "{} is damaged: stop server and node, and remove it",
                path.display()
            )
        })
}

#[cfg(test)]
mod tests;
