//! One question to a health path: an HTTP GET on a connection of its own, answered in time with a 2xx or failed.
//!
//! A connection of its own, because that is what a probe is to find out: whether the instance accepts one. It must not
//! know what follows from the answer.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::api::Protocol;

/// What is read of an answer, in bytes; a longer one is cut off.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// What is quoted of the answer that failed a probe, in characters.
const QUOTE_CHARACTERS_MAX: usize = 200;

/// Why a probe failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProbeFailure {
    /// Nobody listens, or the connection broke.
    #[error("GET {path}: no connection")]
    Connection { path: String, source: io::Error },
    /// The answer is no HTTP, or it ended early.
    #[error("GET {path}: no answer")]
    Answer { path: String, source: hyper::Error },
    /// The answer was not 2xx.
    #[error("GET {path} answered {status}{}", quote(body))]
    Status {
        path: String,
        status: StatusCode,
        body: String,
    },
    /// It took too long.
    #[error("GET {path}: no answer within {} ms", after.as_millis())]
    TimedOut { path: String, after: Duration },
    /// The path is none.
    #[error("GET {path}: not a valid path")]
    Path { path: String, source: http::Error },
}

/// Asks a path; connection and answer together may take `timeout`.
pub(super) async fn ask(
    address: SocketAddr,
    protocol: Protocol,
    path: &str,
    timeout: Duration,
) -> Result<(), ProbeFailure> {
    match tokio::time::timeout(timeout, get(address, protocol, path)).await {
        Ok(answer) => answer,
        Err(_) => Err(ProbeFailure::TimedOut {
            path: path.to_owned(),
            after: timeout,
        }),
    }
}

async fn get(address: SocketAddr, protocol: Protocol, path: &str) -> Result<(), ProbeFailure> {
    let request = Request::get(format!("http://{address}{path}"))
        .header(header::HOST, address.to_string())
        .header(header::USER_AGENT, "barq-probe")
        .body(Empty::<Bytes>::new())
        .map_err(|source| ProbeFailure::Path {
            path: path.to_owned(),
            source,
        })?;
    let stream = TcpStream::connect(address)
        .await
        .map_err(|source| ProbeFailure::Connection {
            path: path.to_owned(),
            source,
        })?;
    let no_answer = |source| ProbeFailure::Answer {
        path: path.to_owned(),
        source,
    };
    let response = match protocol {
        Protocol::Http1 => over_http1(stream, request).await,
        Protocol::H2c => over_http2(stream, request).await,
    };
    let (status, body) = response.map_err(no_answer)?;
    if status.is_success() {
        return Ok(());
    }
    let body = String::from_utf8_lossy(&body).into_owned();
    Err(ProbeFailure::Status {
        path: path.to_owned(),
        status,
        body,
    })
}

async fn over_http1(
    stream: TcpStream,
    mut request: Request<Empty<Bytes>>,
) -> hyper::Result<(StatusCode, Vec<u8>)> {
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = path.map_or_else(Uri::default, Uri::from);
    let close = HeaderValue::from_static("close");
    request.headers_mut().insert(header::CONNECTION, close);
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    answered(connection, async { sender.send_request(request).await }).await
}

async fn over_http2(
    stream: TcpStream,
    mut request: Request<Empty<Bytes>>,
) -> hyper::Result<(StatusCode, Vec<u8>)> {
    // The authority says it already.
    request.headers_mut().remove(header::HOST);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    answered(connection, async { sender.send_request(request).await }).await
}

/// Drives the connection until the answer has been read.
async fn answered(
    connection: impl Future<Output = hyper::Result<()>>,
    sent: impl Future<Output = hyper::Result<Response<Incoming>>>,
) -> hyper::Result<(StatusCode, Vec<u8>)> {
    let exchange = async {
        let response = sent.await?;
        let status = response.status();
        let mut body = response.into_body();
        let mut read = Vec::new();
        while read.len() < BODY_BYTES_MAX
            && let Some(frame) = body.frame().await
        {
            if let Some(data) = frame?.data_ref() {
                read.extend_from_slice(data);
            }
        }
        Ok((status, read))
    };
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        answered = &mut exchange => answered,
        // The connection may end first with the answer already handed over.
        ended = connection => match exchange.await {
            Err(failure) => Err(ended.err().unwrap_or(failure)),
            answered => answered,
        },
    }
}

fn quote(body: &str) -> String {
    let line: String = body.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() {
        return String::new();
    }
    format!(
        ": {}",
        line.chars().take(QUOTE_CHARACTERS_MAX).collect::<String>()
    )
}

#[cfg(test)]
mod tests;
