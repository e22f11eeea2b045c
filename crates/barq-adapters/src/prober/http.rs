//! One HTTP request on a connection of its own.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// For connection and answer together.
const REQUEST: Duration = Duration::from_secs(10);
/// The longest body that is looked at, in bytes.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// An answer.
#[derive(Debug, Clone)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) duration_ms: u64,
}

/// Asks `address` as `host`. The error is for people.
pub(super) async fn request(
    address: &str,
    host: &str,
    method: &str,
    path: &str,
) -> Result<Response, String> {
    let begun = Instant::now();
    match tokio::time::timeout(REQUEST, exchange(address, host, method, path)).await {
        Ok(Ok((status, headers, body))) => Ok(Response {
            status,
            headers,
            body,
            duration_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        }),
        Ok(Err(error)) => Err(error),
        Err(_elapsed) => Err(format!("no answer within {} s", REQUEST.as_secs())),
    }
}

async fn exchange(
    address: &str,
    host: &str,
    method: &str,
    path: &str,
) -> Result<(u16, HeaderMap, Bytes), String> {
    let text = |error: &dyn std::error::Error| error.to_string();
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| format!("no connection to {address}: {error}"))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| text(&error))?;
    let driver = tokio::spawn(connection);
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header(http::header::HOST, host)
        .header(http::header::USER_AGENT, "barq-probe")
        .body(Empty::<Bytes>::new())
        .map_err(|error| text(&error))?;
    let response = sender
        .send_request(request)
        .await
        .map_err(|error| text(&error))?;
    let (head, body) = response.into_parts();
    let body = Limited::new(body, BODY_BYTES_MAX)
        .collect()
        .await
        .map_err(|error| error.to_string())?;
    driver.abort();
    Ok((head.status.as_u16(), head.headers, body.to_bytes()))
}
