//! What happens around every request: its id, its span, its time limit, its line in the log.

use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument;

use crate::problem::ApiError;

/// How long a handler may take: longer than a wait for a connection and the statement after it.
const HANDLER_TIMEOUT: Duration = Duration::from_secs(10);
const REQUEST_ID_CHARACTERS_MAX: usize = 128;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Runs the handler in a span with the request's id and trace, within the time limit, and writes the request's line.
pub(crate) async fn observe(request: Request, next: Next) -> Response {
    let request_id = request_id(request.headers());
    let trace = trace_id(request.headers());
    let span = tracing::info_span!("request", request_id, trace);
    let started = Instant::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let route = request.extensions().get::<MatchedPath>().map(|route| route.as_str().to_owned());
    async move {
        let mut response = match tokio::time::timeout(HANDLER_TIMEOUT, next.run(request)).await {
            Ok(response) => response,
            Err(_elapsed) => {
                tracing::error!(
                    timeout_ms = HANDLER_TIMEOUT.as_millis() as u64,
                    "the request failed: it took too long"
                );
                ApiError::TooSlow.into_response()
            }
        };
        tracing::info!(
            method = method.as_str(),
            path,
            route,
            status = response.status().as_u16(),
            latency_ms = (started.elapsed().as_secs_f64() * 1e6).round() / 1e3,
            "{method} {path}"
        );
        if let Ok(value) = HeaderValue::from_str(&request_id) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        response
    }
    .instrument(span)
    .await
}

/// The id that the proxy gave, if it is one that can be logged; else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let is_usable = |id: &&str| {
        (1..=REQUEST_ID_CHARACTERS_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
    };
    given.filter(is_usable).map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned)
}

/// The trace of W3C's `traceparent` (`00-TRACE-SPAN-FLAGS`), or of Google's `x-cloud-trace-context` (`TRACE/SPAN;…`).
fn trace_id(headers: &HeaderMap) -> Option<String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let parent = text("traceparent").and_then(|parent| parent.split('-').nth(1));
    let trace = parent.or_else(|| text("x-cloud-trace-context").and_then(|context| context.split('/').next()))?;
    let is_trace = trace.len() == 32 && trace.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_trace.then(|| trace.to_owned())
}

#[cfg(test)]
mod tests;
