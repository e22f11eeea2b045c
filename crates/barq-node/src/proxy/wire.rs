//! What a request came by, or goes to an instance by: an HTTP/1.1 connection or an HTTP/2 stream.
//!
//! Both are read and written part by part and never wait within a call, so that one task carries a request's two bodies at
//! once, whatever is spoken on either side. It must not know what is said.

mod channel;
mod connection;
mod stream;

use std::io;
use std::task::{Context, Poll, ready};

use super::http1::{Decoded, Framing};

pub(super) use channel::Outgoing;
pub(super) use connection::{Connection, Unsent};
pub(super) use stream::Stream;

/// A way to carry a message.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are connections: one more allocation for each would cost more than it saves"
)]
pub(super) enum Wire {
    /// HTTP/1.1.
    Connection(Connection),
    /// HTTP/2.
    Stream(Box<Stream>),
}

/// Why a body could not be carried on.
#[derive(Debug)]
pub(super) enum CarryError {
    /// It did not arrive whole.
    Read,
    /// It could not be passed on.
    Write,
}

impl Wire {
    /// Bytes moved in either direction so far: whether something has happened since.
    pub(super) fn moved(&self) -> u64 {
        match self {
            Self::Connection(connection) => connection.moved(),
            Self::Stream(stream) => stream.moved(),
        }
    }

    /// Whether the body that is read has ended.
    pub(super) fn body_has_ended(&self) -> bool {
        match self {
            Self::Connection(connection) => connection.body_has_ended(),
            Self::Stream(stream) => stream.body_has_ended(),
        }
    }

    /// Whether something of the body that is read has been taken: it can't be sent anew.
    pub(super) fn is_taken(&self) -> bool {
        match self {
            Self::Connection(connection) => connection.is_taken(),
            Self::Stream(stream) => stream.is_taken(),
        }
    }

    /// Whether the other side still waits to be asked for its body.
    pub(super) fn waits_to_continue(&self) -> bool {
        match self {
            Self::Connection(connection) => connection.waits_to_continue(),
            Self::Stream(_) => false,
        }
    }

    /// Whether everything has left.
    pub(super) fn is_flushed(&self) -> bool {
        match self {
            Self::Connection(connection) => connection.is_flushed(),
            Self::Stream(stream) => stream.is_flushed(),
        }
    }

    /// The lines behind the body that was read.
    pub(super) fn trailers(&self) -> &[u8] {
        match self {
            Self::Connection(connection) => connection.trailers(),
            Self::Stream(stream) => stream.trailers(),
        }
    }

    /// Ready when the other side has gone; what else it sends is kept for later.
    pub(super) fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Connection(connection) => connection.poll_gone(context),
            Self::Stream(stream) => stream.poll_gone(context),
        }
    }

    /// Writes what is to be written.
    pub(super) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Connection(connection) => connection.poll_flush(context),
            Self::Stream(stream) => stream.poll_flush(context),
        }
    }

    /// The whole body behind the head.
    pub(super) fn write_body(&mut self, body: &[u8]) {
        match self {
            Self::Connection(connection) => connection.write_body(body),
            Self::Stream(stream) => stream.write_body(body),
        }
    }

    /// The head of a response that changes the protocol; `None` where that can't be.
    pub(super) fn begin_switch(&mut self) -> Option<&mut Vec<u8>> {
        match self {
            Self::Connection(connection) => Some(connection.begin(Framing::UntilClose)),
            Self::Stream(_) => None,
        }
    }

    /// From here on bytes go both ways as they are, to the end of the connection. False: it is no connection.
    pub(super) fn switch(&mut self, begins: bool) -> bool {
        let Self::Connection(connection) = self else {
            return false;
        };
        connection.expect_body(Framing::UntilClose, false);
        if begins {
            connection.begin(Framing::UntilClose);
        }
        true
    }

    /// Tells the other side that nothing more comes.
    pub(super) fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Connection(connection) => connection.poll_shutdown(context),
            Self::Stream(stream) => stream.poll_flush(context),
        }
    }

    fn has_ended(&self) -> bool {
        match self {
            Self::Connection(connection) => connection.has_ended(),
            Self::Stream(stream) => stream.has_ended(),
        }
    }

    fn next(&mut self) -> Result<Decoded, CarryError> {
        match self {
            Self::Connection(connection) => connection.next().map_err(|_| CarryError::Read),
            Self::Stream(stream) => Ok(stream.next()),
        }
    }

    fn has_more(&self) -> bool {
        match self {
            Self::Connection(connection) => connection.has_more(),
            Self::Stream(_) => false,
        }
    }

    fn part(&self, count: usize) -> &[u8] {
        match self {
            Self::Connection(connection) => &connection.data()[..count],
            Self::Stream(stream) => &stream.data()[..count],
        }
    }

    fn taken(&mut self, count: usize) {
        match self {
            Self::Connection(connection) => connection.taken(count),
            Self::Stream(stream) => stream.taken(count),
        }
    }

    fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<Result<(), CarryError>> {
        match self {
            Self::Connection(connection) => {
                connection.poll_more(context).map_err(|_| CarryError::Read)
            }
            Self::Stream(stream) => stream.poll_more(context).map_err(|_| CarryError::Read),
        }
    }

    fn poll_send(
        &mut self,
        context: &mut Context<'_>,
        part: &[u8],
    ) -> Poll<Result<usize, CarryError>> {
        let sent = match self {
            Self::Connection(connection) => connection.poll_send(context, part),
            Self::Stream(stream) => stream.poll_send(context, part),
        };
        sent.map_err(|_| CarryError::Write)
    }

    /// What has come goes on before more is waited for: an event stream is not held back. What a stream was given, it sends
    /// by itself.
    fn poll_pass_on(&mut self, context: &mut Context<'_>) -> Poll<Result<(), CarryError>> {
        match self {
            Self::Connection(connection) => {
                let flushed = connection.poll_flush(context);
                flushed.map_err(|_| CarryError::Write)
            }
            Self::Stream(_) => Poll::Ready(Ok(())),
        }
    }

    fn end(&mut self, trailers: &[u8]) -> Result<(), CarryError> {
        match self {
            Self::Connection(connection) => connection.end(trailers).map_err(|_| CarryError::Write),
            Self::Stream(stream) => {
                stream.end(trailers);
                Ok(())
            }
        }
    }
}

/// Carries a body on, as far as it goes. Ready when it has been read whole and is written or waits to be flushed; then it
/// stays ready.
pub(super) fn poll_carry(
    from: &mut Wire,
    to: &mut Wire,
    context: &mut Context<'_>,
) -> Poll<Result<(), CarryError>> {
    if to.has_ended() {
        return Poll::Ready(Ok(()));
    }
    loop {
        match from.next()? {
            Decoded::Data(count) => {
                let sent = ready!(to.poll_send(context, from.part(count)))?;
                from.taken(sent);
            }
            Decoded::End => return Poll::Ready(to.end(from.trailers())),
            // What certainly follows at once goes along with what has come.
            Decoded::More if from.has_more() && from.poll_more(context)?.is_ready() => {}
            Decoded::More => {
                ready!(to.poll_pass_on(context))?;
                ready!(from.poll_more(context))?;
            }
        }
    }
}
