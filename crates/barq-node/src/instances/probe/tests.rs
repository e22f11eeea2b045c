//! Each answer an instance can give, from a real socket, as a table.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::ask;
use crate::api::Protocol;

/// Serves one connection with fixed bytes; `None` never answers.
async fn serve(answer: Option<&'static str>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("accept");
        let mut request = [0; 1024];
        let read = stream.read(&mut request).await.expect("read");
        assert!(
            String::from_utf8_lossy(&request[..read]).starts_with("GET /health/ready HTTP/1.1\r\n")
        );
        match answer {
            Some(answer) => stream.write_all(answer.as_bytes()).await.expect("write"),
            None => std::future::pending().await,
        }
    });
    address
}

#[tokio::test]
async fn answers() {
    let cases = [
        (Some("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"), None),
        (Some("HTTP/1.1 204 No Content\r\n\r\n"), None),
        (
            Some("HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n"),
            Some("GET /health/ready answered 302 Found"),
        ),
        (
            Some("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 16\r\n\r\nno\n   database  "),
            Some("GET /health/ready answered 503 Service Unavailable: no database"),
        ),
        (
            Some("HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\ncut"),
            Some("GET /health/ready: no answer"),
        ),
        (
            Some("nonsense\r\n\r\n"),
            Some("GET /health/ready: no answer"),
        ),
        (Some(""), Some("GET /health/ready: no answer")),
        (None, Some("GET /health/ready: no answer within 100 ms")),
    ];
    for (answer, expect) in cases {
        let timeout = if answer.is_none() {
            Duration::from_millis(100)
        } else {
            Duration::from_secs(10)
        };
        let result = ask(
            serve(answer).await,
            Protocol::Http1,
            "/health/ready",
            timeout,
        )
        .await
        .map_err(|failure| failure.to_string());
        match expect {
            None => assert_eq!(result, Ok(()), "{answer:?}"),
            Some(expect) => assert!(
                result.as_ref().is_err_and(|text| text.starts_with(expect)),
                "{answer:?}: {result:?}"
            ),
        }
    }
}

#[tokio::test]
async fn nobody_listens() {
    let address = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("bind")
        .local_addr()
        .expect("address");
    let failure = ask(address, Protocol::Http1, "/", Duration::from_secs(10))
        .await
        .expect_err("closed");
    assert!(
        failure.to_string().starts_with("GET /: no connection"),
        "{failure}"
    );
}
