//! The handshake: reads the client's hello, chooses the certificate by its name, and answers within a time.
//!
//! Cheap to clone, one for each thread; a handshake shares nothing with others but a read of the table's pointer. It must
//! not know what is spoken on the connection afterwards.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::{StartHandshake, TlsStream};

use super::table::{ALPN_H2, Table};

/// From the accepted connection to the end of the handshake: a client that is slower holds a place for nothing.
pub const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);

/// A fatal alert `unrecognized_name` as a plain record: there are no keys yet (RFC 8446 sections 5.1, 6.2; RFC 6066 section 3).
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// Makes TLS connections of TCP connections.
#[derive(Debug, Clone)]
pub struct Acceptor {
    table: Arc<ArcSwap<Table>>,
    handshake_time_max: Duration,
}

/// What both sides agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiated {
    /// What is spoken on the connection.
    pub alpn: Alpn,
    /// The host that the client asked for, in lower case; `None` where it sent none.
    pub sni: Option<String>,
}

/// A protocol above TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alpn {
    /// HTTP/2.
    Http2,
    /// HTTP/1.1: chosen, or nothing was offered.
    Http1,
}

/// Why there is no TLS connection. The client's doing in all cases, or the network's.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// It took longer than [`HANDSHAKE_TIME_MAX`].
    #[error("the handshake took too long")]
    TimedOut,
    /// No certificate for that name; the client was told so.
    #[error("there is no certificate for {}", name.as_deref().unwrap_or("a client that names no host"))]
    UnknownName {
        /// The name that the client sent.
        name: Option<String>,
    },
    /// It was no TLS, had no protocol or cipher in common with us, or broke.
    #[error("the handshake failed")]
    Handshake(#[source] io::Error),
}

impl Acceptor {
    pub(super) fn new(table: Arc<ArcSwap<Table>>, handshake_time_max: Duration) -> Self {
        Self {
            table,
            handshake_time_max,
        }
    }

    /// Makes the handshake.
    ///
    /// # Errors
    /// When there is no TLS connection; the TCP connection is closed then.
    pub async fn accept(
        &self,
        stream: TcpStream,
    ) -> Result<(TlsStream<TcpStream>, Negotiated), AcceptError> {
        tokio::time::timeout(self.handshake_time_max, self.handshake(stream))
            .await
            .unwrap_or(Err(AcceptError::TimedOut))
    }

    async fn handshake(
        &self,
        stream: TcpStream,
    ) -> Result<(TlsStream<TcpStream>, Negotiated), AcceptError> {
        let acceptor = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream);
        let start = acceptor.await.map_err(AcceptError::Handshake)?;
        let sni = start.client_hello().server_name().map(normal);
        let chosen = self.table.load().choose(sni.as_deref()).cloned();
        let Some(config) = chosen else {
            return Err(refuse(start, sni).await);
        };
        let stream = start
            .into_stream(config)
            .await
            .map_err(AcceptError::Handshake)?;
        let alpn = match stream.get_ref().1.alpn_protocol() {
            Some(ALPN_H2) => Alpn::Http2,
            _ => Alpn::Http1,
        };
        Ok((stream, Negotiated { alpn, sni }))
    }
}

async fn refuse(start: StartHandshake<TcpStream>, name: Option<String>) -> AcceptError {
    let mut stream = start.io;
    let told = async {
        stream.write_all(&UNRECOGNIZED_NAME).await?;
        stream.shutdown().await
    };
    if let Err(error) = told.await {
        tracing::debug!(%error, "a client went away before it was told that its name is unknown");
    }
    AcceptError::UnknownName { name }
}

/// Names are compared without case; a final dot means the same host.
pub(super) fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}
