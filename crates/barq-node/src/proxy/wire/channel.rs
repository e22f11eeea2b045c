//! A body on its way to an HTTP/2 stream: given by the task that carries a request, taken by the one that drives the
//! connection, both on one thread. Bounded; whoever gives more than is taken waits.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

/// Bytes that wait to be taken.
const WAITING_BYTES_MAX: usize = 64 * 1024;

/// The giver's end. Dropped before the end, it breaks the body.
#[derive(Debug)]
pub(in crate::proxy) struct Incoming(Rc<RefCell<Queue>>);

/// The taker's end: a body for hyper.
#[derive(Debug)]
pub(in crate::proxy) struct Outgoing(Rc<RefCell<Queue>>);

/// The body ended before its end.
#[derive(Debug, thiserror::Error)]
#[error("the body broke off")]
pub(in crate::proxy) struct BrokeOff;

#[derive(Debug, Default)]
struct Queue {
    parts: VecDeque<Bytes>,
    bytes: usize,
    trailers: Option<HeaderMap>,
    length: Option<u64>,
    end: End,
    /// The taker is gone.
    is_abandoned: bool,
    giver: Option<Waker>,
    taker: Option<Waker>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum End {
    #[default]
    Open,
    Ended,
    Broken,
}

/// Both ends. `length` is announced where it is known.
pub(in crate::proxy) fn channel(length: Option<u64>) -> (Incoming, Outgoing) {
    let queue = Queue {
        length,
        ..Queue::default()
    };
    let queue = Rc::new(RefCell::new(queue));
    (Incoming(Rc::clone(&queue)), Outgoing(queue))
}

impl Incoming {
    /// Gives a part, once there is room.
    pub(super) fn poll_give(&self, context: &mut Context<'_>, part: &[u8]) -> Poll<io::Result<()>> {
        let mut queue = self.0.borrow_mut();
        if queue.is_abandoned {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if queue.bytes >= WAITING_BYTES_MAX {
            queue.giver = Some(context.waker().clone());
            return Poll::Pending;
        }
        queue.bytes += part.len();
        queue.parts.push_back(Bytes::copy_from_slice(part));
        wake(&mut queue.taker);
        Poll::Ready(Ok(()))
    }

    /// That was all.
    pub(super) fn end(&self, trailers: Option<HeaderMap>) {
        let mut queue = self.0.borrow_mut();
        queue.trailers = trailers;
        queue.end = End::Ended;
        wake(&mut queue.taker);
    }

    /// Whether everything has been taken.
    pub(super) fn is_empty(&self) -> bool {
        self.0.borrow().bytes == 0
    }

    /// Ready when everything has been taken.
    pub(super) fn poll_empty(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut queue = self.0.borrow_mut();
        if queue.bytes == 0 {
            return Poll::Ready(Ok(()));
        }
        if queue.is_abandoned {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        queue.giver = Some(context.waker().clone());
        Poll::Pending
    }

    /// Ready when nobody takes anything any more.
    pub(super) fn poll_abandoned(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut queue = self.0.borrow_mut();
        if queue.is_abandoned {
            return Poll::Ready(());
        }
        queue.giver = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let mut queue = self.0.borrow_mut();
        if queue.end == End::Open {
            queue.end = End::Broken;
        }
        wake(&mut queue.taker);
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        let mut queue = self.0.borrow_mut();
        queue.is_abandoned = true;
        wake(&mut queue.giver);
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BrokeOff;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokeOff>>> {
        let mut queue = self.0.borrow_mut();
        if let Some(part) = queue.parts.pop_front() {
            queue.bytes -= part.len();
            wake(&mut queue.giver);
            return Poll::Ready(Some(Ok(Frame::data(part))));
        }
        match queue.end {
            End::Open => {
                queue.taker = Some(context.waker().clone());
                Poll::Pending
            }
            End::Ended => {
                let trailers = queue.trailers.take();
                Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
            }
            End::Broken => Poll::Ready(Some(Err(BrokeOff))),
        }
    }

    fn is_end_stream(&self) -> bool {
        let queue = self.0.borrow();
        queue.end == End::Ended && queue.parts.is_empty() && queue.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match self.0.borrow().length {
            Some(length) => SizeHint::with_exact(length),
            None => SizeHint::default(),
        }
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}
