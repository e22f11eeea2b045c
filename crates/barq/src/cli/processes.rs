//! `up`, `server`, `node`: the long-running processes, and what they take hold of before they start.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use barq_node::server::TlsSettings;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};

use super::Context;
use super::arguments::{NodeArguments, ProcessArguments, TlsArguments, UpArguments};
use crate::data::{DataDirectory, DataError};
use crate::node;
use crate::output::{Exit, Failure, chain};
use crate::server::{self, ServerSettings};
use crate::sockets::{ListenerName, ListenerSource, SocketError, UpConnection};
use crate::up::line::Lifeline;
use crate::up::{self, UpSettings};

/// The variable that says how much is logged, e.g. `debug` or `barq=debug,info`.
const LOG_VARIABLE: &str = "BARQ_LOG";
/// What is logged without it (and without `RUST_LOG`): what somebody should look at. The story is in the journal.
const LOG_DEFAULT: &str = "warn";

/// Logs of this process go to standard error.
pub(super) fn log_to_stderr() {
    let filter = EnvFilter::try_from_env(LOG_VARIABLE)
        .or_else(|_| EnvFilter::try_from_default_env())
        .unwrap_or_else(|_| EnvFilter::new(LOG_DEFAULT));
    let log = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_writer(std::io::stderr)
        .with_filter(filter);
    let subscriber = tracing_subscriber::registry().with(log);
    #[cfg(feature = "crash-points")]
    let subscriber = subscriber.with(crate::crash_points::layer());
    if tracing::subscriber::set_global_default(subscriber).is_err() {
        // Only a second call in one process fails: the first one's subscriber stays.
    }
}

/// `barq up`.
pub(super) async fn up(context: &Context, arguments: &UpArguments) -> Result<Exit, Failure> {
    let executable = executable().map_err(|error| {
        Failure::failed("cannot find this executable").because(error.to_string())
    })?;
    let settings = UpSettings {
        data: context.data()?,
        listen: arguments.listen,
        ingress: arguments.ingress,
        tls: arguments.tls.clone(),
        executable,
    };
    up::run(settings, context.output).await.map_err(explain)?;
    Ok(Exit::Done)
}

/// `barq server`.
pub(super) async fn server(
    context: &Context,
    arguments: &ProcessArguments,
) -> Result<Exit, Failure> {
    let data = context.data()?;
    data.create()?;
    let _lock = data.lock_for_server(arguments.supervised)?;
    let source = source(&data, arguments, arguments.listen);
    let (listener, up) = source.open(ListenerName::Server)?;
    let settings = ServerSettings {
        data,
        ingress: arguments.ingress,
        shutdown: Stop::install(up)?.token,
    };
    let listener = into_tokio(listener)?;
    server::run(settings, listener).await.map_err(explain)?;
    Ok(Exit::Done)
}

/// `barq node`. Under `up` the node before it may still serve: the listener comes first, so that `up` sees that this one
/// runs, and then the lock, once that one hands over.
pub(super) async fn node(context: &Context, arguments: &NodeArguments) -> Result<Exit, Failure> {
    let NodeArguments {
        process: arguments,
        tls,
    } = arguments;
    let data = context.data()?;
    data.create()?;
    let alone = match arguments.supervised {
        true => None,
        false => Some(data.lock_for_node(false)?),
    };
    let source = source(&data, arguments, arguments.ingress);
    let (listener, up) = source.open(ListenerName::Ingress)?;
    let tls = tls_settings(&data, arguments, tls)?;
    let mut up = match up {
        Some(up) => Some(Lifeline::new(up.into_stream().map_err(|error| {
            Failure::failed("cannot talk to barq up").because(error.to_string())
        })?)),
        None => None,
    };
    let mut stop = Stop::install(None)?;
    let lock = match alone {
        Some(lock) => lock,
        None => tokio::select! {
            lock = node::take_turn(&data, up.as_mut()) => match lock? {
                Some(lock) => lock,
                None => return Ok(Exit::Done),
            },
            // Nothing was begun.
            _ = stop.reason() => return Ok(Exit::Done),
        },
    };
    let asked = async { _ = stop.reason().await };
    let listeners = node::Listeners {
        ingress: listener,
        tls,
    };
    node::run(&data, listeners, lock, up, asked)
        .await
        .map_err(explain)?;
    Ok(Exit::Done)
}

/// Where this executable lies, as it was called: a link that leads elsewhere tomorrow is followed then.
fn executable() -> std::io::Result<PathBuf> {
    let file = std::env::current_exe()?;
    let called = std::env::args_os().next().map(PathBuf::from);
    let called = called.filter(|path| path.components().count() > 1);
    let Some(called) = called.map(std::path::absolute).transpose()? else {
        return Ok(file);
    };
    let is_it = called.canonicalize().is_ok_and(|target| target == file);
    Ok(if is_it { called } else { file })
}

/// When a process shall end, and why.
struct Stop {
    token: CancellationToken,
    reason: JoinHandle<StopReason>,
}

/// Why a process shall end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StopReason {
    Asked,
    UpGone,
}

impl Stop {
    /// On SIGTERM, on SIGINT, and when the `up` that started this process is gone.
    fn install(up: Option<UpConnection>) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| {
            Failure::failed("cannot wait for signals").because(error.to_string())
        };
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let token = CancellationToken::new();
        let cancelled = token.clone();
        let reason = tokio::spawn(async move {
            let gone = async {
                match up {
                    Some(up) => up.closed().await,
                    None => std::future::pending().await,
                }
            };
            let reason = tokio::select! {
                _ = terminate.recv() => StopReason::Asked,
                _ = interrupt.recv() => StopReason::Asked,
                () = gone => StopReason::UpGone,
            };
            tracing::info!(?reason, "stopping");
            cancelled.cancel();
            reason
        });
        Ok(Self { token, reason })
    }

    /// Why, once it is so.
    async fn reason(&mut self) -> StopReason {
        (&mut self.reason).await.unwrap_or(StopReason::UpGone)
    }
}

fn source(
    data: &DataDirectory,
    arguments: &ProcessArguments,
    address: SocketAddr,
) -> ListenerSource {
    match arguments.supervised {
        true => ListenerSource::Inherited(data.up_socket()),
        false => ListenerSource::Bind(address),
    }
}

/// TLS, if the node is to listen for it. That `up` is gone is seen on the other listener's connection.
fn tls_settings(
    data: &DataDirectory,
    arguments: &ProcessArguments,
    tls: &TlsArguments,
) -> Result<Option<TlsSettings>, SocketError> {
    let Some(address) = tls.ingress_tls else {
        return Ok(None);
    };
    let source = source(data, arguments, address);
    let (ingress, _) = source.open(ListenerName::IngressTls)?;
    Ok(Some(TlsSettings {
        ingress,
        default: tls.default_pair(),
        acme: tls.acme(),
    }))
}

fn into_tokio(listener: TcpListener) -> Result<tokio::net::TcpListener, Failure> {
    tokio::net::TcpListener::from_std(listener)
        .map_err(|error| Failure::failed("cannot use the listener").because(error.to_string()))
}

impl From<DataError> for Failure {
    fn from(error: DataError) -> Self {
        match &error {
            DataError::Io { .. } => Self::from(anyhow::Error::new(error)),
            DataError::NoHome
            | DataError::Foreign { .. }
            | DataError::TooLong { .. }
            | DataError::Locked { .. } => {
                Self::failed("cannot use the data directory").because(error.to_string())
            }
        }
    }
}

impl From<SocketError> for Failure {
    fn from(error: SocketError) -> Self {
        let chain = chain(&error);
        match error {
            SocketError::InUse { .. } | SocketError::Bind { .. } => {
                Self::failed("cannot listen").because(chain)
            }
            SocketError::Inherit { .. } => {
                Self::failed("cannot start under barq up").because(chain)
            }
        }
    }
}

/// Errors that have a form of their own keep it.
fn explain(error: anyhow::Error) -> Failure {
    match error.downcast::<DataError>() {
        Ok(error) => error.into(),
        Err(error) => match error.downcast::<SocketError>() {
            Ok(error) => error.into(),
            Err(error) => error.into(),
        },
    }
}
