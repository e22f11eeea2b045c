//! Moves bytes between a client and the git processes of one request, and ends those processes.

use std::sync::Mutex;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use rustix::process::{Pid, Signal};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::git::cgi::{self, Head};
use crate::git::command::read_and_drain;

/// When no byte moves in either direction for this long, the request is over. git itself sends a sign of life every
/// five seconds while it works on a pack.
const IDLE_MAX: Duration = Duration::from_secs(120);
/// However busy, no request takes longer.
const EXCHANGE_MAX: Duration = Duration::from_secs(60 * 60);
/// Pieces of output that wait for a slow client.
const CHUNKS_MAX: usize = 16;
/// The size of such a piece.
const CHUNK_BYTES: usize = 64 * 1024;
/// git ends soon after it has closed its output.
const END_MAX: Duration = Duration::from_secs(60);
/// How long the rest of a body is taken after git has answered without it.
const LINGER_MAX: Duration = Duration::from_secs(30);

/// The client's side: first the head, then the body.
pub(super) struct Client {
    pub(super) head: oneshot::Receiver<Head>,
    pub(super) body: mpsc::Receiver<std::io::Result<Bytes>>,
}

/// One request on its way.
pub(super) struct Exchange {
    processes: Processes,
    stdout: Option<ChildStdout>,
    stderr: JoinHandle<Vec<u8>>,
    feed: Option<JoinHandle<Feed>>,
    head: Option<oneshot::Sender<Head>>,
    body: mpsc::Sender<std::io::Result<Bytes>>,
    progress: Progress,
    /// Cancelled when the request's body breaks off.
    broken: CancellationToken,
    /// Whether it goes on without its client once its input is complete.
    outlives_client: bool,
}

/// How the request's body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Feed {
    Complete,
    Broken,
}

/// Why git's output is not read further.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error("the client went away")]
    ClientGone,
    #[error("nothing moved for {} s", IDLE_MAX.as_secs())]
    Idle,
    #[error("it took longer than {} s", EXCHANGE_MAX.as_secs())]
    TooLong,
    #[error("git http-backend printed {0}")]
    Head(&'static str),
    #[error("cannot read git's output")]
    Read(#[source] std::io::Error),
}

impl Exchange {
    /// Starts the processes and the feeding of the request's body into them.
    pub(super) fn start(
        mut command: Command,
        request: Body,
        outlives_client: bool,
    ) -> std::io::Result<(Self, Client)> {
        let mut child = command.spawn()?;
        let progress = Progress::default();
        let broken = CancellationToken::new();
        let stdout = child.stdout.take();
        let stderr = tokio::spawn(drain_messages(child.stderr.take()));
        let feed = Some(tokio::spawn(feed(
            request,
            child.stdin.take(),
            progress.clone(),
            broken.clone(),
        )));
        let (head_sender, head) = oneshot::channel();
        let (body_sender, body) = mpsc::channel(CHUNKS_MAX);
        let exchange = Self {
            processes: Processes {
                child,
                ended: false,
            },
            stdout,
            stderr,
            feed,
            head: Some(head_sender),
            body: body_sender,
            progress,
            broken,
            outlives_client,
        };
        Ok((exchange, Client { head, body }))
    }

    /// Until git has ended, well or killed.
    pub(super) async fn run(mut self) {
        let outcome = tokio::time::timeout(EXCHANGE_MAX, self.pump()).await;
        match outcome.unwrap_or(Err(Stop::TooLong)) {
            Ok(()) => {}
            Err(stop) => {
                tracing::info!(reason = %crate::output::chain(&stop), "a git request was cut off");
                self.processes.kill();
                // Breaks the connection: the client must not take half an answer for a whole one.
                drop(
                    self.body
                        .try_send(Err(std::io::Error::other(stop.to_string()))),
                );
            }
        }
        let status = self.processes.wait().await;
        if let Some(mut feed) = self.feed.take() {
            // The client sends the rest of its body before it reads an early answer.
            if tokio::time::timeout(LINGER_MAX, &mut feed).await.is_err() {
                feed.abort();
            }
        }
        let messages = self.stderr.await.unwrap_or_default();
        let messages = String::from_utf8_lossy(&messages);
        match status {
            Ok(status) if status.success() => {
                tracing::debug!(messages = messages.trim(), "git http-backend ended");
            }
            Ok(status) => {
                tracing::warn!(%status, messages = messages.trim(), "git http-backend failed");
            }
            Err(error) => tracing::error!(%error, "cannot learn how git http-backend ended"),
        }
    }

    async fn pump(&mut self) -> Result<(), Stop> {
        let Some(mut stdout) = self.stdout.take() else {
            return Err(Stop::Head("nothing"));
        };
        let mut buffer = BytesMut::with_capacity(CHUNK_BYTES);
        let mut with_client = true;
        loop {
            buffer.reserve(CHUNK_BYTES);
            let client = self.body.clone();
            tokio::select! {
                read = stdout.read_buf(&mut buffer) => {
                    self.progress.moved();
                    if read.map_err(Stop::Read)? == 0 {
                        return match self.head {
                            Some(_) => Err(Stop::Head("no complete head")),
                            None => Ok(()),
                        };
                    }
                    if with_client {
                        with_client = self.deliver(&mut buffer).await?;
                    } else {
                        buffer.clear();
                    }
                }
                () = client.closed(), if with_client => with_client = self.go_on_alone().await?,
                // git itself may go on waiting for the rest.
                () = self.broken.cancelled() => return Err(Stop::ClientGone),
                () = self.progress.idle() => return Err(Stop::Idle),
            }
        }
    }

    /// Hands over what has come; says whether the client is still there.
    async fn deliver(&mut self, buffer: &mut BytesMut) -> Result<bool, Stop> {
        if self.head.is_some() {
            let Some(head) = cgi::parse(buffer).map_err(Stop::Head)? else {
                return Ok(true);
            };
            drop(buffer.split_to(head.length));
            let sender = self.head.take();
            if sender.is_none_or(|sender| sender.send(head).is_err()) {
                return self.go_on_alone().await;
            }
        }
        if buffer.is_empty() {
            return Ok(true);
        }
        let chunk = buffer.split().freeze();
        let sent = tokio::select! {
            sent = self.body.send(Ok(chunk)) => sent.is_ok(),
            () = self.progress.idle() => return Err(Stop::Idle),
        };
        self.progress.moved();
        if sent {
            Ok(true)
        } else {
            self.go_on_alone().await
        }
    }

    /// The client is gone. False: git goes on without it.
    async fn go_on_alone(&mut self) -> Result<bool, Stop> {
        // A head that nobody waits for any more is no error.
        self.head = None;
        if !self.outlives_client {
            return Err(Stop::ClientGone);
        }
        let Some(feed) = self.feed.take() else {
            return Ok(false);
        };
        let feed = tokio::select! {
            feed = feed => feed.unwrap_or(Feed::Broken),
            () = self.progress.idle() => return Err(Stop::Idle),
        };
        match feed {
            Feed::Complete => Ok(false),
            Feed::Broken => Err(Stop::ClientGone),
        }
    }
}

/// The request's body into git, as it comes. What git does not want is read all the same: a client that is still
/// sending would not see the answer.
async fn feed(
    mut request: Body,
    stdin: Option<ChildStdin>,
    progress: Progress,
    broken: CancellationToken,
) -> Feed {
    let mut stdin = stdin;
    loop {
        match request.frame().await {
            None => return Feed::Complete,
            Some(Err(_)) => {
                broken.cancel();
                return Feed::Broken;
            }
            Some(Ok(frame)) => {
                progress.moved();
                let (Ok(data), Some(pipe)) = (frame.into_data(), stdin.as_mut()) else {
                    continue;
                };
                if pipe.write_all(&data).await.is_err() {
                    stdin = None;
                }
                progress.moved();
            }
        }
    }
}

async fn drain_messages(stderr: Option<ChildStderr>) -> Vec<u8> {
    read_and_drain(stderr).await.unwrap_or_default()
}

/// When a byte last moved, in either direction.
#[derive(Debug, Clone)]
struct Progress(Arc<Mutex<Instant>>);

impl Default for Progress {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }
}

impl Progress {
    fn moved(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Resolves when nothing has moved for too long.
    async fn idle(&self) {
        loop {
            let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let deadline = last + IDLE_MAX;
            if deadline <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(deadline).await;
        }
    }
}

/// The processes of one request: a group, whose leader is our child. The group's id is ours for as long as the leader
/// is not reaped, so only then is it signalled.
struct Processes {
    child: Child,
    ended: bool,
}

impl Processes {
    async fn wait(&mut self) -> std::io::Result<std::process::ExitStatus> {
        if let Ok(status) = tokio::time::timeout(END_MAX, self.child.wait()).await {
            self.ended = true;
            return status;
        }
        self.kill();
        let status = self.child.wait().await;
        self.ended = true;
        status
    }

    fn kill(&self) {
        let leader = self
            .child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        let Some(leader) = leader.filter(|_| !self.ended) else {
            return;
        };
        if let Err(error) = rustix::process::kill_process_group(leader, Signal::KILL) {
            tracing::debug!(%error, "the group has ended already");
        }
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        self.kill();
    }
}
