//! One thread of the proxy: its runtime, its listening sockets, its connections.
//!
//! Everything here stays on the thread, so nothing needs a lock. When the node stops, the thread accepts no more, lets the
//! requests in flight end, and returns.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::LocalSet;

use super::handle::{Entry, handle};
use super::limits::{
    ACCEPT_PAUSE, BUFFER_BYTES_MAX, CONNECTIONS_MAX, HEADER_BYTES_MAX, HEADERS_MAX, POOL_IDLE,
};
use super::pool::Pool;
use super::random::Random;
use super::swap::Reader;
use super::{OnVerdict, ProxyLimits, Swap, Table};

/// What a thread begins with.
pub(super) struct Start {
    pub(super) thread: usize,
    pub(super) listener: std::net::TcpListener,
    pub(super) table: Arc<Swap<Table>>,
    pub(super) on_verdict: OnVerdict,
    pub(super) started: Instant,
    pub(super) limits: ProxyLimits,
    pub(super) commands: mpsc::UnboundedReceiver<Command>,
    pub(super) stopped: watch::Receiver<bool>,
}

/// Serves one more listening socket, until the sender of `until` is dropped.
pub(super) struct Command {
    pub(super) listener: std::net::TcpListener,
    pub(super) entry: Entry,
    pub(super) until: watch::Receiver<()>,
}

/// What all requests of the thread share.
pub(super) struct Worker {
    pub(super) thread: usize,
    pub(super) pool: Pool,
    pub(super) random: Random,
    pub(super) limits: ProxyLimits,
    pub(super) on_verdict: OnVerdict,
    pub(super) started: Instant,
    table: RefCell<Reader<Table>>,
    waiting: Rc<Cell<usize>>,
}

/// A place among the requests that wait for an instance.
pub(super) struct WaitingPlace(Rc<Cell<usize>>);

/// Runs the thread to its end.
pub(super) fn run(start: Start) {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "a thread of the proxy could not start");
            return;
        }
    };
    LocalSet::new().block_on(&runtime, serve(start));
}

impl Worker {
    /// Looks at the table in force.
    pub(super) fn with_table<R>(&self, look: impl FnOnce(&Table) -> R) -> R {
        look(self.table.borrow_mut().read())
    }

    /// A place among the waiting, unless there are `most` already.
    pub(super) fn waiting_place(&self, most: usize) -> Option<WaitingPlace> {
        let waiting = self.waiting.get();
        (waiting < most).then(|| {
            self.waiting.set(waiting + 1);
            WaitingPlace(Rc::clone(&self.waiting))
        })
    }
}

impl Drop for WaitingPlace {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

async fn serve(start: Start) {
    let Start {
        thread,
        listener,
        table,
        on_verdict,
        started,
        limits,
        mut commands,
        stopped,
    } = start;
    let worker = Rc::new(Worker {
        thread,
        pool: Pool::default(),
        random: Random::new(thread),
        limits,
        on_verdict,
        started,
        table: RefCell::new(table.reader()),
        waiting: Rc::default(),
    });
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let accept = |listener, entry, until: Option<watch::Receiver<()>>| {
        let accepting = accept(
            Rc::clone(&worker),
            Arc::clone(&connections),
            listener,
            Rc::new(entry),
            stopped.clone(),
        );
        tokio::task::spawn_local(async move {
            match until {
                None => accepting.await,
                Some(mut until) => tokio::select! {
                    () = accepting => {}
                    () = gone(&mut until) => {}
                },
            }
        })
    };
    accept(listener, Entry::Ingress, None);
    let mut prune = tokio::time::interval(POOL_IDLE);
    let mut stop = stopped.clone();
    loop {
        tokio::select! {
            () = said(&mut stop) => break,
            Some(command) = commands.recv() => {
                accept(command.listener, command.entry, Some(command.until));
            }
            _ = prune.tick() => worker.pool.prune(),
        }
    }
    let all = u32::try_from(CONNECTIONS_MAX).unwrap_or(u32::MAX);
    if tokio::time::timeout(worker.limits.drain, connections.acquire_many(all))
        .await
        .is_err()
    {
        tracing::warn!(
            thread,
            "requests were still in flight when the node stopped"
        );
    }
}

async fn accept(
    worker: Rc<Worker>,
    connections: Arc<Semaphore>,
    listener: std::net::TcpListener,
    entry: Rc<Entry>,
    mut stopped: watch::Receiver<bool>,
) {
    let listener = match listener
        .set_nonblocking(true)
        .and_then(|()| TcpListener::from_std(listener))
    {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "a listening socket can't be used");
            return;
        }
    };
    let stop = stopped.clone();
    loop {
        let Ok(place) = Arc::clone(&connections).acquire_owned().await else {
            return;
        };
        let accepted = tokio::select! {
            () = said(&mut stopped) => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, client)) => {
                let connection = serve_connection(
                    Rc::clone(&worker),
                    Rc::clone(&entry),
                    stream,
                    client,
                    stop.clone(),
                    place,
                );
                tokio::task::spawn_local(connection);
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve_connection(
    worker: Rc<Worker>,
    entry: Rc<Entry>,
    stream: TcpStream,
    client: SocketAddr,
    mut stopped: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection was closed before it was served");
        return;
    }
    let header_read: Duration = worker.limits.header_read;
    let service = service_fn(move |request| {
        handle(Rc::clone(&worker), Rc::clone(&entry), client.ip(), request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_read)
        .max_headers(HEADERS_MAX)
        .max_header_size(HEADER_BYTES_MAX)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = said(&mut stopped) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%client, %error, "a connection ended");
    }
}

/// Resolves when the flag is set, or can never be; holds no guard of it then.
async fn said(flag: &mut watch::Receiver<bool>) {
    if flag.wait_for(|said| *said).await.is_err() {
        tracing::trace!("whoever would say so is gone");
    }
}

/// Resolves when the sender is gone.
async fn gone(sender: &mut watch::Receiver<()>) {
    while sender.changed().await.is_ok() {}
}
