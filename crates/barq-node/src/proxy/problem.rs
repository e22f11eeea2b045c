//! What the proxy itself answers: RFC 9457 problem documents.
//!
//! It must not tell more than the client may know: no address, no file, no instance.

use http::{HeaderValue, Response, StatusCode, header};

use super::body::ResponseBody;

/// A problem document. `title` says what failed, `detail` why; plain words without quotes.
pub(super) fn problem(status: StatusCode, title: &str, detail: &str) -> Response<ResponseBody> {
    let document = serde_json::json!({
        "type": "about:blank",
        "title": title,
        "status": status.as_u16(),
        "detail": detail,
    });
    let mut response = Response::new(ResponseBody::full(document.to_string().into()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    response
}
