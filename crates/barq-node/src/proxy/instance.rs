//! A connection to an instance, and the head of its response.

use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::buffers::Buffers;
use super::http1::{FIELDS_MAX, Field, Framing, ResponseLine};
use super::http2::{OnThisThread, fields_of};
use super::limits::{CONNECT_TIMEOUT, CONNECTION_WINDOW_BYTES, STREAM_WINDOW_BYTES};
use super::request::Request;
use super::response::{Learned, Mark, read_response};
use super::transport::Transport;
use super::wire::{Connection, Outgoing, Stream, Unsent, Wire};

/// A connection.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) wire: Wire,
    pub(super) address: SocketAddr,
    /// The head of the response as the client gets it, without framing.
    pub(super) head: Vec<u8>,
}

/// No connection to an instance.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("the instance accepted no connection in time")]
    Timeout,
    #[error("the instance refused the connection")]
    Refused(#[source] std::io::Error),
    #[error("the instance does not speak HTTP/2")]
    Handshake(#[source] hyper::Error),
}

/// Why there is no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoResponse {
    /// The request was never sent.
    Unsent,
    /// What arrived is none, or the connection broke before one.
    Broken,
}

/// How HTTP/2 connections to instances are shared by requests.
pub(super) type Multiplexed = SendRequest<Outgoing>;

impl Instance {
    /// Opens a connection.
    pub(super) async fn connect(
        address: SocketAddr,
        buffers: &Rc<Buffers>,
    ) -> Result<Self, ConnectError> {
        let transport = Transport::plain(dial(address).await?);
        Ok(Self {
            wire: Wire::Connection(Connection::new(transport, buffers)),
            address,
            head: Vec::new(),
        })
    }

    /// A stream on an HTTP/2 connection.
    pub(super) fn stream(address: SocketAddr, sender: Multiplexed) -> Self {
        Self {
            wire: Wire::Stream(Box::new(Stream::to_instance(sender))),
            address,
            head: Vec::new(),
        }
    }

    /// Sends a request's head; or what could not be sent over another connection.
    pub(super) fn ask(&mut self, request: &Request, unsent: Option<Unsent>) {
        match (&mut self.wire, unsent) {
            (Wire::Connection(connection), Some(unsent)) => connection.put_unsent(unsent),
            (Wire::Connection(connection), None) => connection
                .begin(request.framing())
                .extend_from_slice(request.head()),
            (Wire::Stream(stream), _) => stream.request(request.head(), request.framing()),
        }
    }

    /// What did not leave, if it can still be said over another connection.
    pub(super) fn take_unsent(&mut self) -> Option<Unsent> {
        match &mut self.wire {
            Wire::Connection(connection) => Some(connection.take_unsent()),
            Wire::Stream(_) => None,
        }
    }

    /// Waits for the head of the response to a request. `before`: what had been moved over the wire before it.
    pub(super) fn poll_head(
        &mut self,
        context: &mut Context<'_>,
        to_head: bool,
        mark: Mark<'_>,
        before: u64,
    ) -> Poll<Result<Learned, NoResponse>> {
        match &mut self.wire {
            Wire::Stream(stream) => {
                poll_stream_head(stream, &mut self.head, context, to_head, mark)
            }
            Wire::Connection(connection) => loop {
                if !connection.data().is_empty()
                    && let Some(learned) = read_head(connection, &mut self.head, to_head, mark)?
                {
                    return Poll::Ready(Ok(learned));
                }
                match ready!(connection.poll_fill(context)) {
                    // The end, or a head that fills a whole block.
                    Ok(0) | Err(_) if connection.moved() == before => {
                        return Poll::Ready(Err(NoResponse::Unsent));
                    }
                    Ok(0) | Err(_) => return Poll::Ready(Err(NoResponse::Broken)),
                    Ok(_) => {}
                }
            },
        }
    }
}

/// Opens an HTTP/2 connection; its driver runs on this thread until either side closes it.
pub(super) async fn connect_multiplexed(address: SocketAddr) -> Result<Multiplexed, ConnectError> {
    let stream = dial(address).await?;
    let (sender, connection) = hyper::client::conn::http2::Builder::new(OnThisThread)
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(ConnectError::Handshake)?;
    tokio::task::spawn_local(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%address, %error, "a connection to an instance ended");
        }
    });
    Ok(sender)
}

async fn dial(address: SocketAddr) -> Result<TcpStream, ConnectError> {
    let connecting = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address));
    let stream = connecting
        .await
        .map_err(|_| ConnectError::Timeout)?
        .map_err(ConnectError::Refused)?;
    stream.set_nodelay(true).map_err(ConnectError::Refused)?;
    Ok(stream)
}

fn read_head(
    connection: &mut Connection,
    head: &mut Vec<u8>,
    to_head: bool,
    mark: Mark<'_>,
) -> Result<Option<Learned>, NoResponse> {
    loop {
        let mut fields = [const { std::mem::MaybeUninit::<Field<'_>>::uninit() }; FIELDS_MAX];
        let read = ResponseLine::read(connection.data(), &mut fields);
        let Some((line, fields, length)) = read.map_err(|_| NoResponse::Broken)? else {
            return Ok(None);
        };
        // What is said on the way is for whoever asked, and that was the proxy.
        if line.status < 200 && line.status != 101 {
            connection.consume(length);
            continue;
        }
        head.clear();
        let learned =
            read_response(line, fields, to_head, mark, head).map_err(|_| NoResponse::Broken)?;
        connection.consume(length);
        connection.expect_body(learned.framing, false);
        return Ok(Some(learned));
    }
}

fn poll_stream_head(
    stream: &mut Stream,
    head: &mut Vec<u8>,
    context: &mut Context<'_>,
    to_head: bool,
    mark: Mark<'_>,
) -> Poll<Result<Learned, NoResponse>> {
    let answered = ready!(stream.poll_response(context));
    let parts = answered.map_err(|is_unsent| match is_unsent {
        true => NoResponse::Unsent,
        false => NoResponse::Broken,
    })?;
    let line = ResponseLine {
        status: parts.status.as_u16(),
        reason: parts.status.canonical_reason().unwrap_or_default(),
        is_old: false,
    };
    head.clear();
    let learned = read_response(line, &fields_of(&parts.headers), to_head, mark, head)
        .map_err(|_| NoResponse::Broken)?;
    Poll::Ready(Ok(Learned {
        // Without a length the body ends with its stream; the stream's end is no connection's.
        framing: match (stream.body_has_ended(), learned.framing) {
            (true, Framing::UntilClose) => Framing::Length(0),
            (false, Framing::UntilClose) => Framing::Chunked,
            (_, framing) => framing,
        },
        keeps: false,
        ..learned
    }))
}
