//! A client's HTTP/1.1 connection: one request after the other, until either side has enough.
//!
//! A connection that waits for a request holds no memory but its own. When the node stops, requests in flight end with
//! `Connection: close`, and so does whatever still arrives for a moment: a client that is about to ask is not cut off. It must
//! not know what becomes of a request.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use http::StatusCode;
use tokio::time::Instant;

use super::deadline::Deadline;
use super::exchange::{Entry, exchange};
use super::forward::Asked;
use super::http1::{FIELDS_MAX, Field, HeadEnd, Refused, read_line, request_framing};
use super::http2::{self, PREFACE};
use super::limits::{HEADER_BYTES_MAX, LINGER, LINGER_BYTES_MAX, STOPPING_IDLE};
use super::request::{Origin, Request};
use super::respond::{Ending, Responding, reply};
use super::response::Reply;
use super::transport::Transport;
use super::wire::{self, Wire};
use super::worker::Worker;

/// What the connection brought.
enum Came {
    /// A request.
    Request,
    /// The first word of HTTP/2.
    Http2,
    /// Something that is none.
    Refused(Refused),
    /// Nothing more.
    Nothing,
}

/// A connection.
struct Connection {
    worker: Rc<Worker>,
    origin: Origin,
    wire: Wire,
    is_first: bool,
    deadline: Deadline,
    request: Request,
}

/// Serves a connection to its end.
pub(super) async fn serve(
    worker: Rc<Worker>,
    entry: Rc<Entry>,
    transport: Transport,
    origin: Origin,
) {
    let wire = Wire::Connection(wire::Connection::new(transport, &worker.buffers));
    let request = worker.spare_request();
    let mut connection = Connection {
        worker,
        origin,
        wire,
        is_first: true,
        deadline: Deadline::default(),
        request,
    };
    let ending = loop {
        let ending = match connection.next().await {
            Came::Request => connection.answer(&entry).await,
            Came::Refused(refused) => connection.refuse(refused).await,
            Came::Http2 => return connection.multiplex(entry).await,
            Came::Nothing => break Ending::Cut,
        };
        if ending != Ending::Keep {
            break ending;
        }
    };
    if ending == Ending::Close {
        connection.close().await;
    }
    connection.worker.keep_request(connection.request);
}

impl Connection {
    async fn next(&mut self) -> Came {
        match self.head().await {
            Ok(Some(length)) => match self.read(length) {
                Ok(true) => Came::Request,
                Ok(false) => Came::Http2,
                Err(refused) => Came::Refused(refused),
            },
            Ok(None) => Came::Nothing,
            Err(refused) => Came::Refused(refused),
        }
    }

    /// Waits for a whole head, and gives its length.
    async fn head(&mut self) -> Result<Option<usize>, Refused> {
        let Self {
            worker,
            wire: Wire::Connection(wire),
            deadline,
            ..
        } = self
        else {
            return Ok(None);
        };
        let (mut end, mut since, mut is_idle) = (HeadEnd::default(), Instant::now(), true);
        poll_fn(|context| {
            loop {
                match end.find(wire.data())? {
                    // An empty line before a request is no request (RFC 9112, section 2.2).
                    Some(2) => {
                        wire.consume(2);
                        end = HeadEnd::default();
                        continue;
                    }
                    Some(length) if length <= HEADER_BYTES_MAX => {
                        return Poll::Ready(Ok(Some(length)));
                    }
                    None if wire.data().len() <= HEADER_BYTES_MAX => {}
                    _ => return Poll::Ready(Err(too_large())),
                }
                match wire.poll_fill(context) {
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Ok(None)),
                    Poll::Ready(Ok(_)) => continue,
                    Poll::Pending => {}
                }
                if wire.data().is_empty() {
                    wire.rest();
                } else if std::mem::take(&mut is_idle) {
                    since = Instant::now();
                }
                let limit = match is_idle && worker.is_stopping() {
                    true => STOPPING_IDLE,
                    false => worker.limits.header_read,
                };
                return deadline
                    .poll(context, since + limit)
                    .map(|()| match is_idle {
                        true => Ok(None),
                        false => Err(too_slow()),
                    });
            }
        })
        .await
    }

    /// Takes in the head. False: it is the first word of HTTP/2, and stays where it is.
    fn read(&mut self, length: usize) -> Result<bool, Refused> {
        let Wire::Connection(wire) = &mut self.wire else {
            return Ok(false);
        };
        let head = &wire.data()[..length];
        if std::mem::take(&mut self.is_first) && PREFACE.starts_with(head) {
            return Ok(false);
        }
        let mut fields = [const { std::mem::MaybeUninit::<Field<'_>>::uninit() }; FIELDS_MAX];
        let (line, fields) = read_line(head, &mut fields)?;
        let framing = request_framing(fields, line.version)?;
        let (origin, random) = (&self.origin, &self.worker.random);
        self.request.read(line, framing, fields, origin, random)?;
        wire.consume(length);
        wire.expect_body(framing, self.request.waits_to_continue);
        Ok(true)
    }

    async fn multiplex(self, entry: Rc<Entry>) {
        if let Wire::Connection(wire) = self.wire {
            let origin = Rc::new(self.origin);
            http2::serve(self.worker, entry, wire.into_transport(), origin).await;
        }
    }

    async fn answer(&mut self, entry: &Entry) -> Ending {
        let mut asked = Asked {
            worker: &self.worker,
            request: &self.request,
            client: &mut self.wire,
            deadline: &mut self.deadline,
        };
        exchange(entry, &self.origin, &mut asked).await
    }

    async fn refuse(&mut self, refused: Refused) -> Ending {
        let mut responding = Responding {
            worker: &self.worker,
            request: None,
            client: &mut self.wire,
            deadline: &mut self.deadline,
        };
        reply(&mut responding, &Reply::refused(refused)).await
    }

    /// Closes so that the client can read what it was sent: a socket that is closed while something arrives takes back what
    /// it has sent (RFC 9112, section 9.6).
    async fn close(&mut self) {
        let Wire::Connection(wire) = &mut self.wire else {
            return;
        };
        // All that was sent has been read: nothing is taken back.
        if wire.body_has_ended() && wire.data().is_empty() && self.request.closes {
            return;
        }
        let lingering = async {
            if poll_fn(|context| wire.poll_shutdown(context))
                .await
                .is_err()
            {
                return;
            }
            let mut left = LINGER_BYTES_MAX;
            while left > 0 {
                wire.consume(usize::MAX);
                match poll_fn(|context| wire.poll_fill(context)).await {
                    Ok(0) | Err(_) => return,
                    Ok(count) => left = left.saturating_sub(count),
                }
            }
        };
        let timeout: Duration = LINGER;
        if tokio::time::timeout(timeout, lingering).await.is_err() {
            tracing::trace!("a client did not close its connection");
        }
    }
}

fn too_large() -> Refused {
    Refused {
        status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        detail: "the head is too large",
    }
}

fn too_slow() -> Refused {
    Refused {
        status: StatusCode::REQUEST_TIMEOUT,
        detail: "the head did not arrive in time",
    }
}
