//! Requests whose end two parties could see in different places, as bytes.

use http::Request;
use http_body_util::BodyExt;

use super::harness::{Backend, HOST, Stack, raw, reply};
use crate::control::tests::configuration;

/// What a smuggler hopes for: a second request behind the first.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nhost: shop-production.localhost\r\n\r\n";

/// Heads without their host, and bodies.
const CASES: [(&str, &str, &str); 13] = [
    (
        "two lengths",
        "content-length: 1\r\ncontent-length: 2\r\n",
        "x",
    ),
    ("length list", "content-length: 1, 1\r\n", "x"),
    ("signed length", "content-length: +1\r\n", "x"),
    ("space before colon", "content-length : 1\r\n", "x"),
    ("folded", "x: a\r\n content-length: 1\r\n", "x"),
    (
        "coding not last",
        "transfer-encoding: chunked, gzip\r\n",
        "0\r\n\r\n",
    ),
    (
        "coding before",
        "transfer-encoding: gzip, chunked\r\n",
        "0\r\n\r\n",
    ),
    (
        "coding twice",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        "0\r\n\r\n",
    ),
    (
        "unknown coding",
        "transfer-encoding: xchunked\r\n",
        "0\r\n\r\n",
    ),
    (
        "bad chunk",
        "transfer-encoding: chunked\r\n",
        "0x1\r\nx\r\n0\r\n\r\n",
    ),
    ("two hosts", "host: other.localhost\r\n", ""),
    (
        "listed length",
        "connection: content-length\r\ncontent-length: 1\r\n",
        "x",
    ),
    ("listed host", "connection: host\r\n", ""),
];

async fn stack() -> (Backend, Stack) {
    let backend = Backend::start(|request: Request<hyper::body::Incoming>| async move {
        let count = |name| request.headers().get_all(name).iter().count();
        assert!(
            count("content-length") + count("transfer-encoding") <= 1,
            "{:?}",
            request.headers()
        );
        let path = request.uri().path().to_owned();
        let length = request
            .into_body()
            .collect()
            .await
            .map_or(0, |body| body.to_bytes().len());
        reply(200, format!("{path} {length}"))
    })
    .await;
    let stack = Stack::with(&backend, &backend, configuration(1)).await;
    (backend, stack)
}

#[tokio::test(flavor = "multi_thread")]
async fn ambiguous_requests_are_refused_with_their_connection() {
    let (_backend, stack) = stack().await;
    for (name, head, body) in CASES {
        let bytes = format!("POST / HTTP/1.1\r\nhost: {HOST}\r\n{head}\r\n{body}{HIDDEN}");
        let answer = raw(stack.ingress, bytes.as_bytes(), "").await;
        assert!(!answer.contains("/hidden"), "{name}: {answer}");
        assert!(!answer.starts_with("HTTP/1.1 2"), "{name}: {answer}");
    }
    for bytes in [
        format!("GET / HTTP/1.1\r\n\r\n{HIDDEN}"),
        format!(
            "POST / HTTP/1.0\r\nhost: {HOST}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}"
        ),
    ] {
        let answer = raw(stack.ingress, bytes.as_bytes(), "").await;
        assert!(
            !answer.contains("/hidden") && !answer.contains(" 200 "),
            "{answer}"
        );
    }
}

/// Hyper takes the coding, drops the length and closes (RFC 9112, section 6.1): what follows is never a request.
#[tokio::test(flavor = "multi_thread")]
async fn a_length_beside_a_coding_ends_the_connection() {
    let (_backend, stack) = stack().await;
    for head in [
        "content-length: 3\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 3\r\n",
    ] {
        let bytes = format!("POST / HTTP/1.1\r\nhost: {HOST}\r\n{head}\r\n0\r\n\r\n{HIDDEN}");
        let answer = raw(stack.ingress, bytes.as_bytes(), "").await;
        assert!(!answer.contains("/hidden"), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_have_a_limit() {
    let (backend, stack) = stack().await;
    let long = format!(
        "GET / HTTP/1.1\r\nhost: {HOST}\r\nx: {}\r\n\r\n",
        "a".repeat(64 * 1024)
    );
    let many = format!(
        "GET / HTTP/1.1\r\nhost: {HOST}\r\n{}\r\n",
        "x: y\r\n".repeat(300)
    );
    for bytes in [long, many] {
        let answer = raw(stack.ingress, bytes.as_bytes(), "").await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
            "{answer}"
        );
    }
    assert_eq!(backend.count(), 0);
}
