//! The control plane's process: HTTP API, git and engine, wired together.
//!
//! It decides nothing: commands go to the engine, answers come from what the engine knows and from the journal. It must not
//! know where its listener came from.

mod access;
mod admin;
mod api;
mod convert;
mod disk;
mod dry;
mod health;
mod idempotency;
pub(crate) mod journal;
mod openapi;
mod outputs;
mod pages;
mod problem;
mod push;
mod recalls;
mod samples;
mod shapes;
mod sign_in_links;
mod signed_out;
pub(crate) mod start;
mod story;
#[cfg(test)]
mod testing;
mod waiting;
mod web;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use barq_adapters::node::NodeClient;
use barq_engine::engine::Engine;
use barq_engine::ports::{DataPlane, Prober};
use barq_runner::api::Runner;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::data::DataDirectory;

/// Requests in flight when the server ends may take so long; what is slower is cut off. Below `up`'s patience.
const DRAIN_MAX: Duration = Duration::from_secs(10);

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

/// What every request is answered from.
struct Server {
    engine: Engine,
    data: DataDirectory,
    runner: Arc<Runner>,
    node: NodeClient,
    prober: Arc<dyn Prober>,
    data_plane: Arc<dyn DataPlane>,
    /// Rollbacks that moved the traffic and are not recorded yet.
    recalls: recalls::Recalls,
    /// Where users' requests come in.
    ingress: SocketAddr,
    /// Its own URL, without a slash at its end.
    url: String,
    /// For codes that nobody else can make.
    key: start::ServerKey,
    answers: idempotency::Answers,
    links: sign_in_links::SignInLinks,
    signed_out: signed_out::SignedOut,
    /// Streams end with it.
    shutdown: CancellationToken,
    started_at: Timestamp,
    requests: health::RequestCounts,
    /// The pages that are open somewhere.
    live: web::Live,
    /// What was seen over time, for charts.
    samples: samples::Samples,
    /// What they remember.
    kept: web::Kept,
    /// Held while a push is recorded.
    pushes: tokio::sync::Mutex<()>,
    /// Pushes that are stored but could not be recorded yet.
    unrecorded: tokio::sync::Notify,
}

/// A handle on it.
type Shared = Arc<Server>;

/// Serves until it is told to end.
///
/// # Errors
/// When it can't start, when the listener fails, or when the journal is no longer this process's.
pub async fn run(settings: ServerSettings, listener: TcpListener) -> anyhow::Result<()> {
    let shutdown = settings.shutdown.clone();
    let engine_stops = CancellationToken::new();
    let Some((started, router)) = waiting::started(&settings, &listener, &engine_stops).await?
    else {
        return Ok(());
    };
    let server = started.server;
    let engine = watch_engine(started.engine, shutdown.clone());
    admin::ensure(&server).await?;
    let reconciling = tokio::spawn(push::reconcile_for_ever(Arc::clone(&server)));
    let recalling = tokio::spawn(recalls::repeat_for_ever(Arc::clone(&server)));
    let showing = tokio::spawn(web::watch_for_ever(Arc::clone(&server)));
    let keeping = tokio::spawn(samples::keep_for_ever(Arc::clone(&server)));

    let served =
        axum::serve(listener, router).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let drained = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN_MAX).await;
    };
    let outcome = tokio::select! {
        outcome = served => outcome.context("the HTTP server failed"),
        () = drained => {
            tracing::warn!("requests in flight were cut off");
            Ok(())
        }
    };
    shutdown.cancel();
    reconciling.abort();
    recalling.abort();
    showing.abort();
    keeping.abort();
    samples::keep(&server).await;
    engine_stops.cancel();
    let engine = engine.await.context("the engine failed")?;
    server.engine.journal().close().await;
    outcome.and(engine)
}

/// A server without an engine is none: when that ends, so does the rest.
fn watch_engine(
    engine: start::RunningEngine,
    shutdown: CancellationToken,
) -> JoinHandle<anyhow::Result<()>> {
    tokio::spawn(async move {
        let outcome = engine.await;
        if let Err(error) = &outcome {
            tracing::error!(error = %crate::output::chain(error), "the engine ended");
        }
        shutdown.cancel();
        outcome.context("the engine can't go on")
    })
}
