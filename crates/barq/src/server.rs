//! The control plane's HTTP server.
//!
//! It answers whether it lives and whether it is ready. It must not know where its listener came from.

use std::net::SocketAddr;

use anyhow::Context as _;
use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::data::DataDirectory;

/// What the server is told at its start.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Where everything is kept. The lock on it is held by the caller.
    pub data: DataDirectory,
    /// Where users' requests come in: final verification goes through it.
    pub ingress: SocketAddr,
    /// Cancelled when the server shall end: it answers what it has begun and returns.
    pub shutdown: CancellationToken,
}

/// Serves until it is told to end.
///
/// # Errors
/// When the listener fails.
pub async fn run(settings: ServerSettings, listener: TcpListener) -> anyhow::Result<()> {
    let router = Router::new()
        .route("/health/live", get(|| async { "live\n" }))
        .route("/health/ready", get(|| async { "ready\n" }));
    axum::serve(listener, router)
        .with_graceful_shutdown(settings.shutdown.cancelled_owned())
        .await
        .context("the HTTP server failed")
}
