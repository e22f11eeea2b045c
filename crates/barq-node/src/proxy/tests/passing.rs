//! Requests and responses on their way through: bodies, upgrades, connections that were closed meanwhile.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::stream;
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::harness::{Backend, HOST, Stack, raw, reply};
use crate::control::tests::configuration;
use crate::proxy::ProxyLimits;

async fn stack(backend: &Backend) -> Stack {
    Stack::with(backend, backend, configuration(1)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn head_and_headers() {
    let backend = Backend::start(|request: Request<hyper::body::Incoming>| async move {
        let seen = request.headers().clone();
        let names = [
            "host",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto",
            "x-request-id",
            "connection",
            "x-hop",
        ];
        let text = names
            .map(|name| {
                seen.get(name)
                    .map_or("-", |value| value.to_str().unwrap())
                    .to_owned()
            })
            .join(" ");
        let mut response = reply(200, text);
        response
            .headers_mut()
            .insert("connection", "x-internal".parse().unwrap());
        response
            .headers_mut()
            .insert("x-internal", "1".parse().unwrap());
        response
    })
    .await;
    let stack = stack(&backend).await;
    let request = Request::get("/")
        .header("host", HOST)
        .header("x-request-id", "mine-1")
        .header("connection", "x-hop")
        .header("x-hop", "1");
    let read = stack
        .client()
        .await
        .request(request.body(Full::new(Bytes::new())).unwrap())
        .await
        .unwrap();
    assert_eq!(
        read.body,
        format!("{HOST} 127.0.0.1 {HOST} http mine-1 - -")
    );
    assert_eq!(
        (
            &read.headers["x-request-id"],
            read.headers.get("x-internal")
        ),
        (&"mine-1".parse().unwrap(), None)
    );
    let head = stack
        .client()
        .await
        .send(Method::HEAD, HOST, "/", "")
        .await
        .unwrap();
    assert!(
        head.body.is_empty()
            && head.headers["content-length"]
                .to_str()
                .unwrap()
                .parse::<u64>()
                .unwrap()
                > 0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_chunked_body_goes_through_both_ways() {
    let backend = Backend::start(|request: Request<hyper::body::Incoming>| async move {
        let body = request.into_body().map_err(std::io::Error::other).boxed();
        Response::new(body)
    })
    .await;
    let stack = stack(&backend).await;
    const PARTS: usize = 2000;
    let parts = stream::iter((0..PARTS).map(|index| {
        Ok::<_, std::io::Error>(Frame::data(Bytes::from(vec![
            (index % 251) as u8;
            16 * 1024
        ])))
    }));
    let stream = TcpStream::connect(stack.ingress).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(async move { drop(connection.await) });
    let request = Request::post("/echo")
        .header("host", HOST)
        .body(StreamBody::new(parts))
        .unwrap();
    let mut body = sender.send_request(request).await.unwrap().into_body();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        length += frame.unwrap().into_data().map_or(0, |data| data.len());
    }
    assert_eq!(length, PARTS * 16 * 1024);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_stops_the_instance() {
    const PART: usize = 64 * 1024;
    let produced = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&produced);
    let backend = Backend::start(move |_| {
        let counter = Arc::clone(&counter);
        async move {
            let parts = stream::repeat_with(move || {
                counter.fetch_add(PART as u64, SeqCst);
                Ok(Frame::data(Bytes::from_static(&[7; PART])))
            });
            Response::new(StreamBody::new(parts).boxed())
        }
    })
    .await;
    let stack = stack(&backend).await;
    let mut client = TcpStream::connect(stack.ingress).await.unwrap();
    client
        .write_all(format!("GET / HTTP/1.1\r\nhost: {HOST}\r\n\r\n").as_bytes())
        .await
        .unwrap();
    client.read_u8().await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let before = produced.load(SeqCst);
        tokio::time::sleep(Duration::from_millis(300)).await;
        if produced.load(SeqCst) == before {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "still produces: {} bytes",
            produced.load(SeqCst)
        );
    }
    // The kernel's buffers of two connections, and the proxy's.
    assert!(
        produced.load(SeqCst) < 32 * 1024 * 1024,
        "{}",
        produced.load(SeqCst)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_protocol_can_be_changed() {
    let backend = Backend::start(|mut request: Request<hyper::body::Incoming>| async move {
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut io = TokioIo::new(upgrade.await.unwrap());
            let mut bytes = [0; 4];
            io.read_exact(&mut bytes).await.unwrap();
            bytes.reverse();
            io.write_all(&bytes).await.unwrap();
        });
        let mut response = reply(101, "");
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response
            .headers_mut()
            .insert("connection", "upgrade".parse().unwrap());
        response
            .headers_mut()
            .insert("upgrade", "websocket".parse().unwrap());
        response
    })
    .await;
    let stack = stack(&backend).await;
    let request = format!(
        "GET /ws HTTP/1.1\r\nhost: {HOST}\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\r\nping"
    );
    let answer = raw(stack.ingress, request.as_bytes(), "gnip")
        .await
        .to_lowercase();
    assert!(
        answer.starts_with("http/1.1 101") && answer.contains("upgrade: websocket"),
        "{answer}"
    );
    assert!(answer.ends_with("gnip"), "{answer}");
    stack
        .until("the tunnel to end", |seen| {
            seen.revisions["stable"].in_flight == 0 && seen.revisions["stable"].requests == 1
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_waits_to_be_asked_is_asked() {
    let backend = Backend::start(|request: Request<hyper::body::Incoming>| async move {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        reply(200, body)
    })
    .await;
    let stack = stack(&backend).await;
    let mut client = TcpStream::connect(stack.ingress).await.unwrap();
    client.write_all(format!("POST / HTTP/1.1\r\nhost: {HOST}\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n").as_bytes()).await.unwrap();
    let mut asked = [0; 25];
    client.read_exact(&mut asked).await.unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"body").await.unwrap();
    let mut answer = vec![0; 4096];
    let count = client.read(&mut answer).await.unwrap();
    assert!(String::from_utf8_lossy(&answer[..count]).ends_with("body"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_connection_moves_to_another_instance_whatever_the_method() {
    let backend = Backend::always(200, "").await;
    let stack = stack(&backend).await;
    let gone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    stack.add("stable", address);
    let mut client = stack.client().await;
    for _ in 0..20 {
        assert_eq!(
            client
                .send(Method::POST, HOST, "/", "x")
                .await
                .unwrap()
                .status,
            200
        );
    }
    assert_eq!(stack.observe().revisions["stable"].errors, 0);
}

/// Answers one request on each connection, says that it keeps it, and closes it.
#[tokio::test(flavor = "multi_thread")]
async fn a_kept_connection_that_was_closed_is_replaced() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut bytes = [0; 4096];
                let _count = stream.read(&mut bytes).await.unwrap();
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                    .await
                    .unwrap();
                // Until the next request begins to arrive: then it is too late to be known as closed.
                stream.readable().await.unwrap();
            });
        }
    });
    let stack = Stack::start(ProxyLimits::default());
    stack.add("stable", address);
    stack.accept(configuration(1)).await;
    let mut client = stack.client().await;
    for _ in 0..20 {
        assert_eq!(
            client
                .send(Method::GET, HOST, "/", "")
                .await
                .unwrap()
                .status,
            200
        );
    }
    let seen = stack
        .until("all counted", |seen| {
            seen.revisions["stable"].requests == 20
        })
        .await;
    assert_eq!(seen.revisions["stable"].errors, 0);
    server.abort();
}
