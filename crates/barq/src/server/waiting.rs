//! A server that can't start yet because its storage fails (a full disk, a database that is away): it says so to whoever
//! asks, and tries again.
//!
//! Only what may pass by itself is waited for; a damaged journal or a wrong key ends the process. A start that works at once
//! never comes here, so that requests of that moment wait in the listening socket and are answered.

use std::error::Error;
use std::io::ErrorKind;
use std::os::fd::AsFd as _;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use barq_engine::engine::StartError;
use barq_engine::journal::{OpenError, OwnershipError, RebuildError, ReplayError, StorageError};
use http::StatusCode;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::problem::Problem;
use super::start::{self, Started};
use super::{ServerSettings, api, disk, health};
use crate::output::chain;

/// Between two tries.
const RETRY_EVERY: Duration = Duration::from_secs(1);
/// Answers that are under way when it starts at last.
const DRAIN_MAX: Duration = Duration::from_secs(1);

/// A server that can answer, its engine, and all routes to it.
pub(super) type Ready = (Started, Router);

/// Starts, now or as soon as that is possible; none where it was told to end before.
///
/// # Errors
/// What will not pass by itself.
pub(super) async fn started(
    settings: &ServerSettings,
    listener: &TcpListener,
    engine_stops: &CancellationToken,
) -> anyhow::Result<Option<Ready>> {
    let error = match attempt(settings, listener, engine_stops).await {
        Ok(ready) => return Ok(Some(ready)),
        Err(error) if passes(settings, &error) => error,
        Err(error) => return Err(error),
    };
    let reason = why(settings, &error);
    tracing::error!(reason, "the server can't start yet: it waits, and says so");
    let (told, reason) = watch::channel(reason);
    let door = Door::open(listener, reason)?;
    let outcome = loop {
        tokio::select! {
            () = tokio::time::sleep(RETRY_EVERY) => {}
            () = settings.shutdown.cancelled() => break Ok(None),
        }
        match attempt(settings, listener, engine_stops).await {
            Ok(ready) => break Ok(Some(ready)),
            Err(error) if passes(settings, &error) => {
                told.send_replace(why(settings, &error));
            }
            Err(error) => break Err(error),
        }
    };
    door.close().await;
    outcome
}

async fn attempt(
    settings: &ServerSettings,
    listener: &TcpListener,
    engine_stops: &CancellationToken,
) -> anyhow::Result<Ready> {
    let started = start::start(settings, listener, engine_stops.clone()).await?;
    let router = api::router(&started.server)?;
    Ok((started, router))
}

/// Whoever comes meanwhile is told why; on a second handle of the listener, which stays open for the real server.
struct Door {
    closes: CancellationToken,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Door {
    fn open(listener: &TcpListener, reason: watch::Receiver<String>) -> anyhow::Result<Self> {
        let own = listener.as_fd().try_clone_to_owned();
        let own = own
            .and_then(|own| TcpListener::from_std(own.into()))
            .context("cannot use the listener")?;
        let closes = CancellationToken::new();
        let served = axum::serve(own, router(reason))
            .with_graceful_shutdown(closes.clone().cancelled_owned());
        Ok(Self {
            closes,
            task: tokio::spawn(served.into_future()),
        })
    }

    async fn close(self) {
        self.closes.cancel();
        match tokio::time::timeout(DRAIN_MAX, self.task).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::error!(%error, "not everybody was told of the wait"),
            Ok(Err(error)) => tracing::error!(%error, "not everybody was told of the wait"),
            Err(_elapsed) => tracing::debug!("somebody who was told of the wait stays connected"),
        }
    }
}

fn router(reason: watch::Receiver<String>) -> Router {
    Router::new()
        .route("/health/live", get(health::live))
        .route("/health/ready", get(not_ready))
        .fallback(not_yet)
        .with_state(reason)
}

async fn not_ready(State(reason): State<watch::Receiver<String>>) -> Response {
    let text = format!("not ready: {}\n", *reason.borrow());
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

async fn not_yet(State(reason): State<watch::Receiver<String>>) -> Problem {
    let reason = reason.borrow().clone();
    Problem::unavailable("the server can't start yet", reason).hint(disk::HINT)
}

/// The reason in full. Its hint stands beside it in a problem document, and nowhere else.
fn why(settings: &ServerSettings, error: &anyhow::Error) -> String {
    disk::because(settings.data.root(), &chain(error.as_ref()))
}

/// Whether it may be well again by itself, or by what people do elsewhere.
fn passes(settings: &ServerSettings, error: &anyhow::Error) -> bool {
    disk::full(settings.data.root()).is_some() || error.chain().any(cause_passes)
}

fn cause_passes(cause: &(dyn Error + 'static)) -> bool {
    if let Some(error) = cause.downcast_ref::<std::io::Error>() {
        return matches!(
            error.kind(),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded
        );
    }
    storage(cause).is_some_and(|error| match error {
        StorageError::DiskFull { .. }
        | StorageError::Locked { .. }
        | StorageError::InputOutput { .. }
        | StorageError::Disconnected { .. } => true,
        StorageError::Damaged { .. }
        | StorageError::ImpossibleRow { .. }
        | StorageError::Refused { .. } => false,
    })
}

/// The storage's error behind those that show it as their own.
fn storage<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a StorageError> {
    let opened = cause.downcast_ref::<OpenError>().and_then(|it| match it {
        OpenError::Storage(error) => Some(error),
        _ => None,
    });
    let started = cause.downcast_ref::<StartError>().and_then(|it| match it {
        StartError::Storage(error)
        | StartError::Ownership(OwnershipError::Storage(error))
        | StartError::Replay(ReplayError::Storage(error))
        | StartError::Rebuild(RebuildError::Storage(error)) => Some(error),
        _ => None,
    });
    opened
        .or(started)
        .or_else(|| cause.downcast_ref::<StorageError>())
}
