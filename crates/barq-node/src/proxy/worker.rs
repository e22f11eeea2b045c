//! One thread of the proxy: its runtime, its listening sockets, its connections.
//!
//! Everything here stays on the thread, so nothing needs a lock. When the node stops, the thread accepts no more, lets the
//! requests in flight end, and returns.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Instant;

use slab::Slab;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::LocalSet;

use super::buffers::Buffers;
use super::exchange::Entry;
use super::limits::{ACCEPT_PAUSE, CONNECTIONS_MAX, POOL_IDLE, SPARE_REQUESTS_MAX};
use super::pool::Pool;
use super::random::Random;
use super::request::{Origin, Request};
use super::swap::Reader;
use super::transport::Transport;
use super::{OnVerdict, ProxyLimits, ProxyTls, Swap, Table, client};
use crate::tls::{Acceptor, Policies};

/// What a thread begins with.
pub(super) struct Start {
    pub(super) thread: usize,
    pub(super) listener: std::net::TcpListener,
    pub(super) tls: Option<ProxyTls>,
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
    /// What hosts want beside or over TLS; `None`: nothing, the node has none.
    pub(super) policies: Option<Policies>,
    pub(super) buffers: Rc<Buffers>,
    /// Requests whose memory can be used again.
    spare: RefCell<Vec<Request>>,
    table: RefCell<(Reader<Table>, Rc<Seen>)>,
    waiting: Rc<Cell<usize>>,
    is_stopping: Cell<bool>,
    /// The tasks of its connections: what waits for a request is to hear that the node stops.
    connections: RefCell<Slab<Waker>>,
}

/// The table that the thread has seen last. Requests count their hold on it here: the count that all threads share would be
/// written by each of them for each request.
pub(super) struct Seen(Arc<Table>);

/// A connection that is told when the node stops.
struct Watching<'a> {
    worker: &'a Worker,
    place: Option<usize>,
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
    fn new(start: &Start) -> Self {
        let mut reader = start.table.reader();
        let seen = Rc::new(Seen(Arc::clone(reader.read())));
        let policies = start.tls.as_ref().map(|tls| tls.policies.clone());
        Self {
            thread: start.thread,
            pool: Pool::default(),
            random: Random::new(start.thread),
            limits: start.limits.clone(),
            on_verdict: Arc::clone(&start.on_verdict),
            started: start.started,
            policies,
            buffers: Rc::default(),
            spare: RefCell::default(),
            table: RefCell::new((reader, seen)),
            waiting: Rc::default(),
            is_stopping: Cell::new(false),
            connections: RefCell::default(),
        }
    }

    /// The table in force. Counted by this thread alone: no other waits for the count.
    pub(super) fn table(&self) -> Rc<Seen> {
        let (reader, seen) = &mut *self.table.borrow_mut();
        let current = reader.read();
        if !Arc::ptr_eq(&seen.0, current) {
            *seen = Rc::new(Seen(Arc::clone(current)));
        }
        Rc::clone(seen)
    }

    /// A request to read into.
    pub(super) fn spare_request(&self) -> Request {
        self.spare.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes it back.
    pub(super) fn keep_request(&self, request: Request) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE_REQUESTS_MAX {
            spare.push(request);
        }
    }

    /// Whether the node stops.
    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping.get()
    }

    fn stop(&self) {
        self.is_stopping.set(true);
        for (_, waker) in self.connections.borrow().iter() {
            waker.wake_by_ref();
        }
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

impl Deref for Seen {
    type Target = Table;

    fn deref(&self) -> &Table {
        &self.0
    }
}

impl<'a> Watching<'a> {
    fn new(worker: &'a Worker) -> Self {
        let place = None;
        Self { worker, place }
    }

    /// The task that is to be woken; a connection's is always the same.
    fn wake(&mut self, waker: &Waker) {
        if self.place.is_none() {
            let mut connections = self.worker.connections.borrow_mut();
            self.place = Some(connections.insert(waker.clone()));
        }
    }
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.worker.connections.borrow_mut().remove(place);
        }
    }
}

impl Drop for WaitingPlace {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

async fn serve(start: Start) {
    let worker = Rc::new(Worker::new(&start));
    let Start {
        thread,
        listener,
        tls,
        mut commands,
        stopped,
        ..
    } = start;
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let accept = |listener, acceptor, entry, until: Option<watch::Receiver<()>>| {
        let accepting = accept(
            Rc::clone(&worker),
            Arc::clone(&connections),
            listener,
            acceptor,
            Rc::new(entry),
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
    accept(listener, None, Entry::Ingress, None);
    if let Some(tls) = tls {
        accept(tls.ingress, Some(tls.acceptor), Entry::Ingress, None);
    }
    let mut prune = tokio::time::interval(POOL_IDLE);
    let mut stop = stopped;
    loop {
        tokio::select! {
            () = said(&mut stop) => break,
            Some(command) = commands.recv() => {
                accept(command.listener, None, command.entry, Some(command.until));
            }
            _ = prune.tick() => worker.pool.prune(),
        }
    }
    worker.stop();
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
    acceptor: Option<Acceptor>,
    entry: Rc<Entry>,
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
    let mut watching = Watching::new(&worker);
    loop {
        let Ok(place) = Arc::clone(&connections).acquire_owned().await else {
            return;
        };
        let accepted = poll_fn(|context| {
            watching.wake(context.waker());
            match worker.is_stopping() {
                true => Poll::Ready(None),
                false => listener.poll_accept(context).map(Some),
            }
        });
        let Some(accepted) = accepted.await else {
            return;
        };
        match accepted {
            Ok((stream, client)) => {
                let (worker, entry) = (Rc::clone(&worker), Rc::clone(&entry));
                let acceptor = acceptor.clone();
                let connection = serve_connection(worker, entry, acceptor, stream, client, place);
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
    acceptor: Option<Acceptor>,
    stream: TcpStream,
    client: SocketAddr,
    _place: OwnedSemaphorePermit,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection was closed before it was served");
        return;
    }
    let (transport, scheme) = match acceptor {
        None => (Transport::plain(stream), "http"),
        Some(acceptor) => match acceptor.accept(stream).await {
            Ok((stream, _)) => (Transport::tls(stream), "https"),
            Err(error) => {
                tracing::debug!(%client, %error, "no TLS connection");
                return;
            }
        },
    };
    let origin = Origin::new(client.ip(), scheme);
    let served = Rc::clone(&worker);
    let serving = client::serve(served, entry, transport, origin);
    tokio::pin!(serving);
    let mut watching = Watching::new(&worker);
    poll_fn(|context| {
        watching.wake(context.waker());
        serving.as_mut().poll(context)
    })
    .await;
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
