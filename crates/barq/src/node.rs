//! The data plane's process: what `barq node` hands to the node.
//!
//! The node knows no data directory, no `up` and no signals; here its place, its token and its end are chosen. What it
//! serves it takes from its own disk, so it never waits for a server.

use std::net::TcpListener;

use anyhow::Context as _;
pub use barq_node::server::Stop;
use barq_node::server::{NodeSettings, ProxyLimits, TlsSettings};
use barq_shim::Launcher;

use crate::data::{self, DataDirectory};

/// Bytes of the token that server and node share.
const TOKEN_BYTES: usize = 32;

/// Serves users' requests on `ingress`, and over TLS where there is a socket for it, until `stop` says how to end.
///
/// # Errors
/// When it can't start.
pub async fn run(
    data: &DataDirectory,
    ingress: TcpListener,
    tls: Option<TlsSettings>,
    stop: impl Future<Output = Stop>,
) -> anyhow::Result<()> {
    let settings = NodeSettings {
        directory: data.node(),
        ingress,
        tls,
        token: token(data)?,
        launcher: Launcher::current_executable(&["shim"]),
        hidden: Some(data.root().to_owned()),
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        limits: ProxyLimits::default(),
    };
    barq_node::server::run(settings, stop)
        .await
        .context("the node failed")
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
