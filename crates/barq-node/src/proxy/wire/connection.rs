//! One HTTP/1.1 connection, of a client or of an instance: what was read, what is to be written, and how far the body has
//! come in either direction.
//!
//! Nothing here waits: every function goes as far as it can. Small parts gather and leave in one call, with the head before
//! them; large parts go from one socket to the other without a copy between. It must not know what is said over it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::proxy::buffers::{Buffers, Input, Lent};
use crate::proxy::http1::{Decoded, Decoder, Encoder, Framing, Malformed, WrongLength};
use crate::proxy::transport::Transport;

/// Bytes that gather before they must leave.
const OUTPUT_BYTES_MAX: usize = 96 * 1024;
/// A part of this size is written from where it stands.
const DIRECT_BYTES_MIN: usize = 16 * 1024;
/// Says that the body may come (RFC 9110, section 10.1.1).
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A connection.
#[derive(Debug)]
pub(crate) struct Connection {
    transport: Transport,
    input: Input,
    decoder: Decoder,
    output: Lent,
    sent: usize,
    encoder: Encoder,
    /// The body that is written has been written to its end.
    has_ended: bool,
    /// Something of the body that is read has been taken.
    is_taken: bool,
    /// The other side waits to be asked for its body.
    waits_to_continue: bool,
    moved: u64,
}

/// The beginning of a message that did not leave.
#[derive(Debug)]
pub(crate) struct Unsent {
    output: Vec<u8>,
    encoder: Encoder,
    has_ended: bool,
}

impl Connection {
    pub(in crate::proxy) fn new(transport: Transport, buffers: &Rc<Buffers>) -> Self {
        Self {
            transport,
            input: Input::new(buffers),
            decoder: Decoder::new(Framing::None),
            output: Lent::new(buffers),
            sent: 0,
            encoder: Encoder::new(Framing::None),
            has_ended: true,
            is_taken: false,
            waits_to_continue: false,
            moved: 0,
        }
    }

    /// What was read and not consumed.
    pub(in crate::proxy) fn data(&self) -> &[u8] {
        self.input.data()
    }

    pub(in crate::proxy) fn consume(&mut self, count: usize) {
        self.input.consume(count);
    }

    /// Bytes moved in either direction so far: whether something has happened since.
    pub(in crate::proxy) fn moved(&self) -> u64 {
        self.moved
    }

    /// The next body that is read is framed so.
    pub(in crate::proxy) fn expect_body(&mut self, framing: Framing, waits_to_continue: bool) {
        self.decoder = Decoder::new(framing);
        self.waits_to_continue = waits_to_continue;
        self.is_taken = false;
    }

    /// Whether something of the body that is read has been taken: it can't be sent anew.
    pub(in crate::proxy) fn is_taken(&self) -> bool {
        self.is_taken
    }

    /// Whether the other side still waits to be asked for its body.
    pub(in crate::proxy) fn waits_to_continue(&self) -> bool {
        self.waits_to_continue
    }

    /// Whether the body that is read has ended.
    pub(in crate::proxy) fn body_has_ended(&self) -> bool {
        self.decoder.has_ended()
    }

    /// A head to be sent, and how the body behind it is framed.
    pub(in crate::proxy) fn begin(&mut self, framing: Framing) -> &mut Vec<u8> {
        self.encoder = Encoder::new(framing);
        self.has_ended = false;
        &mut self.output
    }

    /// The whole body behind the head.
    pub(in crate::proxy) fn write_body(&mut self, body: &[u8]) {
        self.output.extend_from_slice(body);
        self.has_ended = true;
    }

    /// What was to be written, if nothing of it has left: to be said over another connection.
    pub(in crate::proxy) fn take_unsent(&mut self) -> Unsent {
        Unsent {
            output: std::mem::take(&mut *self.output),
            encoder: self.encoder,
            has_ended: self.has_ended,
        }
    }

    /// Says what could not be said over another connection.
    pub(in crate::proxy) fn put_unsent(&mut self, unsent: Unsent) {
        *self.output = unsent.output;
        self.encoder = unsent.encoder;
        self.has_ended = unsent.has_ended;
        self.sent = 0;
    }

    /// Whether everything has left.
    pub(in crate::proxy) fn is_flushed(&self) -> bool {
        self.sent == self.output.len()
    }

    /// Nothing is on its way: gives the memory back.
    pub(in crate::proxy) fn rest(&mut self) {
        self.input.rest();
        if self.is_flushed() {
            self.output.rest();
            self.sent = 0;
        }
    }

    /// Reads once. 0: the other side has ended, or a whole block waits to be consumed.
    pub(in crate::proxy) fn poll_fill(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut room = ReadBuf::new(self.input.room());
        ready!(Pin::new(&mut self.transport).poll_read(context, &mut room))?;
        let count = room.filled().len();
        self.input.filled(count);
        self.moved += count as u64;
        Poll::Ready(Ok(count))
    }

    /// Ready when the other side has gone; what else it sends is kept for later.
    pub(in crate::proxy) fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while !self.input.room().is_empty() {
            match ready!(self.poll_fill(context)) {
                Ok(0) | Err(_) => return Poll::Ready(()),
                Ok(_) => {}
            }
        }
        Poll::Pending
    }

    /// Writes what is to be written.
    pub(in crate::proxy) fn poll_flush(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.sent < self.output.len() {
            let rest = &self.output[self.sent..];
            let count = ready!(Pin::new(&mut self.transport).poll_write(context, rest))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += count;
            self.moved += count as u64;
        }
        self.output.clear();
        self.sent = 0;
        Pin::new(&mut self.transport).poll_flush(context)
    }

    /// Tells the other side that nothing more comes.
    pub(in crate::proxy) fn poll_shutdown(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_flush(context))?;
        Pin::new(&mut self.transport).poll_shutdown(context)
    }

    /// For another protocol, which reads first what was read and not consumed.
    pub(in crate::proxy) fn into_transport(self) -> Transport {
        let read = Bytes::copy_from_slice(self.input.data());
        self.transport.rewound(read)
    }

    /// Takes as much of a part of the body as it can.
    pub(super) fn poll_send(
        &mut self,
        context: &mut Context<'_>,
        part: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wrong_length = |_| io::Error::from(io::ErrorKind::InvalidData);
        loop {
            let pending = self.output.len() - self.sent;
            if part.len() >= DIRECT_BYTES_MIN && self.encoder.is_plain() {
                let count = ready!(self.poll_write_with(context, part))?;
                if count == 0 {
                    continue;
                }
                self.encoder.passed(count).map_err(wrong_length)?;
                return Poll::Ready(Ok(count));
            }
            if pending == 0 || pending + part.len() <= OUTPUT_BYTES_MAX {
                let written = self.encoder.write(part, &mut self.output);
                return Poll::Ready(written.map(|()| part.len()).map_err(wrong_length));
            }
            ready!(self.poll_flush(context))?;
        }
    }

    /// Writes what waits and then as much of `part` as goes, in one call; gives how much of `part` went.
    fn poll_write_with(
        &mut self,
        context: &mut Context<'_>,
        part: &[u8],
    ) -> Poll<io::Result<usize>> {
        let waiting = &self.output[self.sent..];
        let both = [IoSlice::new(waiting), IoSlice::new(part)];
        let slices = if waiting.is_empty() {
            &both[1..]
        } else {
            &both
        };
        let transport = Pin::new(&mut self.transport);
        let count = ready!(transport.poll_write_vectored(context, slices))?;
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.moved += count as u64;
        let of_waiting = count.min(waiting.len());
        self.sent += of_waiting;
        if self.is_flushed() {
            self.output.clear();
            self.sent = 0;
        }
        Poll::Ready(Ok(count - of_waiting))
    }

    /// Whether there is more to read, most likely.
    pub(super) fn has_more(&self) -> bool {
        self.input.was_filled()
    }

    /// What comes next of the body.
    pub(super) fn next(&mut self) -> Result<Decoded, Malformed> {
        let (framing, next) = self.decoder.decode(self.input.data())?;
        self.input.consume(framing);
        Ok(next)
    }

    /// So many bytes of it were taken.
    pub(super) fn taken(&mut self, count: usize) {
        self.is_taken = true;
        self.decoder.consumed(count);
        self.input.consume(count);
    }

    /// Waits for more of it.
    pub(super) fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Malformed>> {
        self.ask_to_continue(context).map_err(|_| Malformed)?;
        match ready!(self.poll_fill(context)) {
            Ok(0) => Poll::Ready(self.decoder.closed()),
            Ok(_) => Poll::Ready(Ok(())),
            Err(_) => Poll::Ready(Err(Malformed)),
        }
    }

    /// The lines behind it.
    pub(super) fn trailers(&self) -> &[u8] {
        self.decoder.trailers()
    }

    /// Whether the body that is written has been written to its end.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Writes its end.
    pub(super) fn end(&mut self, trailers: &[u8]) -> Result<(), WrongLength> {
        self.has_ended = true;
        self.encoder.end(trailers, &mut self.output)
    }

    fn ask_to_continue(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if !std::mem::take(&mut self.waits_to_continue) {
            return Ok(());
        }
        self.output.extend_from_slice(CONTINUE);
        match self.poll_flush(context) {
            Poll::Ready(flushed) => flushed,
            Poll::Pending => Ok(()),
        }
    }
}
