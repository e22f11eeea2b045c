//! One question to a health path: an HTTP GET on a connection of its own, answered in time with a 2xx or failed.
//!
//! A connection of its own, because that is what a probe is to find out: whether the instance accepts one. It must not
//! know what follows from the answer.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

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
    path: &str,
    timeout: Duration,
) -> Result<(), ProbeFailure> {
    match tokio::time::timeout(timeout, get(address, path)).await {
        Ok(answer) => answer,
        Err(_) => Err(ProbeFailure::TimedOut {
            path: path.to_owned(),
            after: timeout,
        }),
    }
}

async fn get(address: SocketAddr, path: &str) -> Result<(), ProbeFailure> {
    let request = Request::get(path)
        .header(header::HOST, address.to_string())
        .header(header::USER_AGENT, "barq-probe")
        .header(header::CONNECTION, "close")
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
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(no_answer)?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(no_answer)?;
        let status = response.status();
        let mut body = response.into_body();
        let mut read = Vec::new();
        while read.len() < BODY_BYTES_MAX
            && let Some(frame) = body.frame().await
        {
            if let Some(data) = frame.map_err(no_answer)?.data_ref() {
                read.extend_from_slice(data);
            }
        }
        Ok((status, read))
    };
    let mut exchange = std::pin::pin!(exchange);
    let answered = tokio::select! {
        answered = &mut exchange => answered,
        // The connection may end first with the answer already handed over.
        ended = connection => match exchange.await {
            Err(failure) => Err(ended.err().map_or(failure, no_answer)),
            answered => answered,
        },
    };
    let (status, body) = answered?;
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
