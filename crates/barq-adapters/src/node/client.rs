//! HTTP on the node's Unix socket, and nothing of what is said there.

use std::path::PathBuf;
use std::time::Duration;

use barq_engine::ports::PortError;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::failed;

/// The longest answer, in bytes: evidence and logs are capped by the node far below this.
const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The longest a call may take; a long poll waits far less.
const CALL: Duration = Duration::from_secs(30);

/// Asks the node.
#[derive(Debug, Clone)]
pub struct NodeClient {
    socket: PathBuf,
    token: String,
}

/// A node's answer: it did as asked, or it refused (409).
#[derive(Debug, Clone, PartialEq)]
pub enum Answer<Done, Refused> {
    /// 2xx.
    Done(Done),
    /// 409.
    Refused(Refused),
}

/// There is no refusal of a question.
#[derive(Debug, serde::Deserialize, thiserror::Error)]
#[error("{0}")]
struct Unexpected(serde_json::Value);

impl NodeClient {
    /// A client; it connects with each call.
    pub fn new(socket: PathBuf, token: String) -> Self {
        Self { socket, token }
    }

    /// A question without a body.
    ///
    /// # Errors
    /// `PortError`: the node can't be reached, or its answer is not the one expected.
    pub async fn ask<Done: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
    ) -> Result<Done, PortError> {
        match self
            .call::<(), Done, Unexpected>(method, path, None)
            .await?
        {
            Answer::Done(done) => Ok(done),
            Answer::Refused(refused) => Err(failed("ask the node", &refused)),
        }
    }

    /// A call with a body.
    ///
    /// # Errors
    /// `PortError`: the node can't be reached, or its answer is neither of the two expected.
    pub async fn call<Body, Done, Refused>(
        &self,
        method: &str,
        path: &str,
        body: Option<&Body>,
    ) -> Result<Answer<Done, Refused>, PortError>
    where
        Body: Serialize + Sync,
        Done: DeserializeOwned,
        Refused: DeserializeOwned,
    {
        let (status, bytes) = tokio::time::timeout(CALL, self.exchange(method, path, body))
            .await
            .map_err(|elapsed| failed("ask the node", &elapsed))??;
        let unreadable = |error: serde_json::Error| failed("read the node's answer", &error);
        if status.is_success() {
            return Ok(Answer::Done(
                serde_json::from_slice(&bytes).map_err(unreadable)?,
            ));
        }
        if status == http::StatusCode::CONFLICT {
            return Ok(Answer::Refused(
                serde_json::from_slice(&bytes).map_err(unreadable)?,
            ));
        }
        Err(PortError {
            operation: "ask the node",
            reason: format!(
                "{method} {path}: {status}: {}",
                String::from_utf8_lossy(&bytes)
            ),
        })
    }

    async fn exchange<Body: Serialize + Sync>(
        &self,
        method: &str,
        path: &str,
        body: Option<&Body>,
    ) -> Result<(http::StatusCode, Bytes), PortError> {
        let bytes = match body {
            Some(body) => {
                serde_json::to_vec(body).map_err(|error| failed("write to the node", &error))?
            }
            None => Vec::new(),
        };
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::HOST, "node")
            .header(http::header::CONTENT_TYPE, "application/json")
            .header(
                http::header::AUTHORIZATION,
                format!("Bearer {}", self.token),
            )
            .body(Full::new(Bytes::from(bytes)))
            .map_err(|error| failed("ask the node", &error))?;
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|error| failed("connect to the node", &error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failed("connect to the node", &error))?;
        let driver = tokio::spawn(connection);
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| failed("ask the node", &error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
            .collect()
            .await
            .map_err(|error| failed("read the node's answer", error.as_ref()))?;
        drop(sender);
        driver.abort();
        Ok((status, body.to_bytes()))
    }
}
