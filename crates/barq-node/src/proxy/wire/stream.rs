//! One HTTP/2 stream, of a client or to an instance. Hyper speaks the protocol; what is kept here is what was read and not
//! yet taken, and where what is written goes.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body::Body;
use tokio::sync::oneshot;

use super::channel::{Incoming, Outgoing, channel};
use crate::proxy::http1::{Decoded, Framing, Malformed};
use crate::proxy::http2::{self, fields_of};

/// A response that is awaited.
type Answering = Pin<Box<dyn Future<Output = hyper::Result<Response<hyper::body::Incoming>>>>>;

/// A stream.
#[derive(Debug)]
pub(in crate::proxy) struct Stream {
    body: Option<hyper::body::Incoming>,
    part: Bytes,
    trailers: Vec<u8>,
    is_taken: bool,
    outgoing: Option<Incoming>,
    has_ended: bool,
    moved: u64,
    end: End,
}

/// Where the head of what is written goes.
enum End {
    /// To the client, as soon as there is one.
    Client(Option<oneshot::Sender<Response<Outgoing>>>),
    /// To an instance; its response comes later.
    Instance {
        sender: hyper::client::conn::http2::SendRequest<Outgoing>,
        answering: Option<Answering>,
    },
}

impl std::fmt::Debug for End {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Client(_) => "Client",
            Self::Instance { .. } => "Instance",
        })
    }
}

impl Stream {
    /// Of a client, whose request has this body.
    pub(in crate::proxy) fn of_client(
        body: hyper::body::Incoming,
        response: oneshot::Sender<Response<Outgoing>>,
    ) -> Self {
        let body = (!body.is_end_stream()).then_some(body);
        Self::new(body, End::Client(Some(response)))
    }

    /// To an instance.
    pub(in crate::proxy) fn to_instance(
        sender: hyper::client::conn::http2::SendRequest<Outgoing>,
    ) -> Self {
        let answering = None;
        Self::new(None, End::Instance { sender, answering })
    }

    fn new(body: Option<hyper::body::Incoming>, end: End) -> Self {
        Self {
            body,
            part: Bytes::new(),
            trailers: Vec::new(),
            is_taken: false,
            outgoing: None,
            has_ended: false,
            moved: 0,
            end,
        }
    }

    /// Sends the head of a response; `head` is its first line and its fields.
    pub(in crate::proxy) fn respond(&mut self, head: &[u8], framing: Framing) {
        let body = self.open(framing);
        let End::Client(respond) = &mut self.end else {
            return;
        };
        // A head that hyper can't say breaks the stream, as the body's end is dropped with it.
        if let (Some(respond), Ok(response)) = (respond.take(), http2::response(head, body)) {
            self.moved += head.len() as u64;
            if respond.send(response).is_err() {
                tracing::trace!("a client went away before its response");
            }
        }
    }

    /// Sends the head of a request; `head` is a whole one of HTTP/1.1.
    pub(in crate::proxy) fn request(&mut self, head: &[u8], framing: Framing) {
        let body = self.open(framing);
        if let End::Instance { sender, answering } = &mut self.end
            && let Ok(request) = http2::request(head, body)
        {
            *answering = Some(Box::pin(sender.send_request(request)));
        }
    }

    /// Waits for the head of the response, whose body is read from then on. `Err(true)`: the request was never sent.
    pub(in crate::proxy) fn poll_response(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<http::response::Parts, bool>> {
        let End::Instance { answering, .. } = &mut self.end else {
            return Poll::Ready(Err(false));
        };
        let Some(answer) = answering else {
            return Poll::Ready(Err(false));
        };
        let answered = ready!(answer.as_mut().poll(context));
        *answering = None;
        Poll::Ready(match answered {
            Ok(response) => {
                let (head, body) = response.into_parts();
                self.moved += 1;
                self.body = (!body.is_end_stream()).then_some(body);
                Ok(head)
            }
            Err(error) => Err(error.is_canceled()),
        })
    }

    pub(in crate::proxy) fn moved(&self) -> u64 {
        self.moved
    }

    pub(in crate::proxy) fn body_has_ended(&self) -> bool {
        self.body.is_none() && self.part.is_empty()
    }

    pub(in crate::proxy) fn is_taken(&self) -> bool {
        self.is_taken
    }

    pub(in crate::proxy) fn is_flushed(&self) -> bool {
        self.outgoing.as_ref().is_none_or(Incoming::is_empty)
    }

    pub(in crate::proxy) fn trailers(&self) -> &[u8] {
        &self.trailers
    }

    pub(in crate::proxy) fn has_ended(&self) -> bool {
        self.has_ended
    }

    pub(in crate::proxy) fn data(&self) -> &[u8] {
        &self.part
    }

    pub(in crate::proxy) fn next(&self) -> Decoded {
        match (self.part.len(), &self.body) {
            (0, Some(_)) => Decoded::More,
            (0, None) => Decoded::End,
            (count, _) => Decoded::Data(count),
        }
    }

    pub(in crate::proxy) fn taken(&mut self, count: usize) {
        self.is_taken = true;
        self.part.advance(count);
    }

    pub(in crate::proxy) fn poll_more(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Malformed>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(Ok(()));
        };
        match ready!(Pin::new(body).poll_frame(context)) {
            None => self.body = None,
            Some(Err(_)) => return Poll::Ready(Err(Malformed)),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(part) => {
                    self.moved += part.len() as u64;
                    self.part = part;
                }
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        for field in fields_of(&trailers) {
                            crate::proxy::request::write_field(
                                &mut self.trailers,
                                field.name.as_bytes(),
                                field.value,
                            );
                        }
                    }
                }
            },
        }
        Poll::Ready(Ok(()))
    }

    pub(in crate::proxy) fn poll_send(
        &mut self,
        context: &mut Context<'_>,
        part: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Some(outgoing) = &self.outgoing else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        ready!(outgoing.poll_give(context, part))?;
        self.moved += part.len() as u64;
        Poll::Ready(Ok(part.len()))
    }

    pub(in crate::proxy) fn poll_flush(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        match &self.outgoing {
            Some(outgoing) => outgoing.poll_empty(context),
            None => Poll::Ready(Ok(())),
        }
    }

    pub(in crate::proxy) fn write_body(&mut self, body: &[u8]) {
        if let Some(outgoing) = &self.outgoing {
            let mut context = Context::from_waker(std::task::Waker::noop());
            // The first part always has room.
            if outgoing.poll_give(&mut context, body).is_ready() {
                outgoing.end(None);
            }
        }
        self.has_ended = true;
    }

    pub(in crate::proxy) fn end(&mut self, trailers: &[u8]) {
        self.has_ended = true;
        if let Some(outgoing) = &self.outgoing {
            outgoing.end(trailers_of(trailers));
        }
    }

    pub(in crate::proxy) fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match (&mut self.end, &self.outgoing) {
            (End::Client(Some(respond)), _) => respond.poll_closed(context),
            (_, Some(outgoing)) => outgoing.poll_abandoned(context),
            (_, None) => Poll::Pending,
        }
    }

    fn open(&mut self, framing: Framing) -> Outgoing {
        let length = match framing {
            Framing::Length(length @ 1..) => Some(length),
            Framing::Length(0) | Framing::None | Framing::Chunked | Framing::UntilClose => None,
        };
        let (incoming, outgoing) = channel(length);
        self.has_ended = framing.is_empty();
        if self.has_ended {
            incoming.end(None);
        }
        self.outgoing = Some(incoming);
        outgoing
    }
}

fn trailers_of(lines: &[u8]) -> Option<HeaderMap> {
    let mut trailers = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut halves = line.splitn(2, |byte| *byte == b':');
        if let (Some(name), Some(value)) = (halves.next(), halves.next())
            && let (Ok(name), Ok(value)) = (
                HeaderName::from_bytes(name),
                HeaderValue::from_bytes(value.trim_ascii()),
            )
        {
            trailers.append(name, value);
        }
    }
    (!trailers.is_empty()).then_some(trailers)
}
