//! Answers of the node's API: JSON, or an RFC 9457 problem document.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde::Serialize;

/// An answer of the API.
pub(super) type Answer = Response<Full<Bytes>>;

/// A value with a status.
pub(super) fn json<T: Serialize>(status: StatusCode, value: &T) -> Answer {
    match serde_json::to_vec(value) {
        Ok(body) => respond(status, "application/json", body),
        Err(error) => problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The answer can't be written",
            &error.to_string(),
        ),
    }
}

/// A problem document: what failed, and why.
pub(super) fn problem(status: StatusCode, title: &str, detail: &str) -> Answer {
    let document = serde_json::json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
    respond(
        status,
        "application/problem+json",
        document.to_string().into_bytes(),
    )
}

fn respond(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
