//! A connection to an instance, and the head of its response.

use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use super::buffers::Buffers;
use super::http1::{FIELDS_MAX, Field, ResponseLine};
use super::limits::CONNECT_TIMEOUT;
use super::response::{Learned, Mark, read_response};
use super::transport::Transport;
use super::wire::Wire;
use tokio::net::TcpStream;

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
}

/// What arrived is no response, or the connection broke before one.
#[derive(Debug)]
pub(super) struct NoResponse;

impl Instance {
    /// Opens a connection.
    pub(super) async fn connect(
        address: SocketAddr,
        buffers: &Rc<Buffers>,
    ) -> Result<Self, ConnectError> {
        let connecting = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address));
        let stream = connecting
            .await
            .map_err(|_| ConnectError::Timeout)?
            .map_err(ConnectError::Refused)?;
        stream.set_nodelay(true).map_err(ConnectError::Refused)?;
        Ok(Self {
            wire: Wire::new(Transport::Plain(stream), buffers),
            address,
            head: Vec::new(),
        })
    }

    /// Waits for the head of the response to a request.
    pub(super) fn poll_head(
        &mut self,
        context: &mut Context<'_>,
        to_head: bool,
        mark: Mark<'_>,
    ) -> Poll<Result<Learned, NoResponse>> {
        loop {
            if !self.wire.data().is_empty()
                && let Some(learned) = self.read_head(to_head, mark)?
            {
                return Poll::Ready(Ok(learned));
            }
            match ready!(self.wire.poll_fill(context)) {
                // The end, or a head that fills a whole block.
                Ok(0) | Err(_) => return Poll::Ready(Err(NoResponse)),
                Ok(_) => {}
            }
        }
    }

    fn read_head(&mut self, to_head: bool, mark: Mark<'_>) -> Result<Option<Learned>, NoResponse> {
        loop {
            let mut fields = [const { std::mem::MaybeUninit::<Field<'_>>::uninit() }; FIELDS_MAX];
            let read = ResponseLine::read(self.wire.data(), &mut fields).map_err(|_| NoResponse)?;
            let Some((line, fields, length)) = read else {
                return Ok(None);
            };
            // What is said on the way is for whoever asked, and that was the proxy.
            if line.status < 200 && line.status != 101 {
                self.wire.consume(length);
                continue;
            }
            self.head.clear();
            let learned = read_response(line, fields, to_head, mark, &mut self.head)
                .map_err(|_| NoResponse)?;
            self.wire.consume(length);
            self.wire.expect_body(learned.framing, false);
            return Ok(Some(learned));
        }
    }
}
