//! Bodies on their way through: passed on part by part as the other side takes them, so that memory is bounded by two
//! buffers whatever their length, and watched, so that how a response ended is known.

use std::cell::Cell;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use barq_judge::{Failure, Outcome};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use tokio::time::{Instant, Sleep};

use super::attempt::Attempt;
use super::worker::Worker;
use crate::instances::Admission;

/// Why a body did not arrive whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The connection that it came from broke.
    #[error("the body broke off")]
    Broken(#[source] hyper::Error),
    /// Nothing came for too long.
    #[error("the body stopped for too long")]
    Idle,
}

/// How far a request's body has come; shared with whoever waits for the response.
#[derive(Debug)]
pub(super) struct Progress {
    /// When the last part was passed on.
    pub(super) last: Cell<Instant>,
    /// The client's side broke or stopped.
    pub(super) client_failed: Cell<bool>,
}

/// A request's body.
pub(super) enum RequestBody {
    /// There is none: such a request can be sent again.
    Empty,
    /// Passed on as the instance takes it.
    Streamed {
        inner: Incoming,
        progress: Rc<Progress>,
        idle: IdleTimer,
    },
}

/// A response's body.
pub(super) enum ResponseBody {
    /// The proxy's own.
    Full(Option<Bytes>),
    /// Passed on as the client takes it.
    Streamed(Box<Streamed>),
}

/// An instance's response on its way to the client.
pub(super) struct Streamed {
    pub(super) inner: Incoming,
    pub(super) status: u16,
    pub(super) worker: Rc<Worker>,
    pub(super) address: SocketAddr,
    /// Goes back to the pool at the end.
    pub(super) sender: Option<SendRequest<RequestBody>>,
    /// In flight on the instance until dropped.
    pub(super) endpoint: Option<Admission>,
    /// `None` for what is not counted.
    pub(super) attempt: Option<Attempt>,
    pub(super) idle: IdleTimer,
}

/// Runs while the other side is waited for, and only then.
pub(super) struct IdleTimer {
    timeout: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    running: bool,
}

impl IdleTimer {
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            sleep: None,
            running: false,
        }
    }

    /// Ready when it has been polled since `stop` for longer than the time-out.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let deadline = Instant::now() + self.timeout;
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if !std::mem::replace(&mut self.running, true) {
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().poll(context)
    }

    fn stop(&mut self) {
        self.running = false;
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Self::Streamed {
            inner,
            progress,
            idle,
        } = self.get_mut()
        else {
            return Poll::Ready(None);
        };
        let frame = match Pin::new(inner).poll_frame(context) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                ready!(idle.poll(context));
                progress.client_failed.set(true);
                return Poll::Ready(Some(Err(BodyError::Idle)));
            }
        };
        idle.stop();
        progress.last.set(Instant::now());
        Poll::Ready(frame.map(|frame| {
            frame.map_err(|error| {
                progress.client_failed.set(true);
                BodyError::Broken(error)
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Streamed { inner, .. } => inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Streamed { inner, .. } => inner.size_hint(),
        }
    }
}

impl ResponseBody {
    /// A body of the proxy's own.
    pub(super) fn full(bytes: Bytes) -> Self {
        Self::Full(Some(bytes))
    }

    /// No body.
    pub(super) fn empty() -> Self {
        Self::Full(None)
    }

    /// Passes a response on. Without a body it has ended already, and nobody will poll it.
    pub(super) fn streamed(mut streamed: Streamed) -> Self {
        if streamed.inner.is_end_stream() {
            streamed.end();
            return Self::empty();
        }
        Self::Streamed(Box::new(streamed))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Streamed(streamed) => streamed.poll(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(bytes) => bytes.is_none(),
            Self::Streamed(streamed) => streamed.inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Streamed(streamed) => streamed.inner.size_hint(),
        }
    }
}

impl Streamed {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = match Pin::new(&mut self.inner).poll_frame(context) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                ready!(self.idle.poll(context));
                self.fail(Failure::IdleTimeout);
                return Poll::Ready(Some(Err(BodyError::Idle)));
            }
        };
        self.idle.stop();
        match frame {
            None => self.end(),
            // Whoever sends a body of known length does not ask again after its last part.
            Some(Ok(_)) if self.inner.is_end_stream() => self.end(),
            Some(Ok(_)) => {}
            Some(Err(_)) => self.fail(Failure::Broken),
        }
        Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Broken)))
    }

    fn end(&mut self) {
        self.endpoint = None;
        if let Some(sender) = self.sender.take() {
            self.worker.pool.put(self.address, sender);
        }
        if let Some(mut attempt) = self.attempt.take() {
            attempt.finish(Outcome::Answered(self.status));
        }
    }

    fn fail(&mut self, failure: Failure) {
        self.endpoint = None;
        self.sender = None;
        if let Some(mut attempt) = self.attempt.take() {
            attempt.finish(Outcome::Failed {
                failure,
                status: Some(self.status),
            });
        }
    }
}
