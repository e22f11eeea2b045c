//! HTTP/2 on either side: many requests on a connection, trailers, streams that are reset, a polite end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::harness::{Backend, HOST, Reply, Stack, raw, reply};
use crate::api::{Protocol, ServiceConfiguration};
use crate::control::tests::configuration;

type Sender = SendRequest<Full<Bytes>>;

async fn connect(stack: &Stack) -> Sender {
    let stream = TcpStream::connect(stack.ingress).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(async move { drop(connection.await) });
    sender
}

fn request(method: Method, path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri(format!("http://{HOST}{path}"))
        .body(Full::new(body.into()))
        .unwrap()
}

/// A configuration whose instances all speak HTTP/2.
fn multiplexed() -> ServiceConfiguration {
    let mut configuration = configuration(1);
    for revision in &mut configuration.revisions {
        revision.protocol = Protocol::H2c;
    }
    configuration
}

/// Says what arrived.
async fn echo(request: Request<Incoming>) -> Reply {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let host = head.uri.host().map(str::to_owned);
    let host = host.unwrap_or_else(|| head.headers["host"].to_str().unwrap().to_owned());
    let cookie = head.headers.get_all("cookie").iter();
    let cookies: Vec<&str> = cookie.map(|cookie| cookie.to_str().unwrap()).collect();
    reply(
        200,
        format!(
            "{} {} {host} {cookies:?} {}",
            head.method,
            head.uri.path(),
            body.len()
        ),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn every_pair_of_protocols_carries_requests() {
    for (protocol, configuration) in [
        (Protocol::Http1, configuration(1)),
        (Protocol::H2c, multiplexed()),
    ] {
        let backend = Backend::speaking(protocol, echo).await;
        let stack = Stack::with(&backend, &backend, configuration).await;
        let sender = connect(&stack).await;
        let answers = join_all((0..40).map(|index| {
            let mut sender = sender.clone();
            async move {
                let mut request =
                    request(Method::POST, &format!("/{index}"), vec![1; index * 5000]);
                for crumb in ["a=1", "b=2"] {
                    let crumb = HeaderValue::from_static(crumb);
                    request.headers_mut().append("cookie", crumb);
                }
                let response = sender.send_request(request).await.unwrap();
                assert_eq!(response.headers()["x-barq-revision"], "stable");
                response.into_body().collect().await.unwrap().to_bytes()
            }
        }))
        .await;
        for (index, answer) in answers.iter().enumerate() {
            let expected = format!("POST /{index} {HOST} [\"a=1; b=2\"] {}", index * 5000);
            assert_eq!(answer, expected.as_bytes(), "{protocol:?}");
        }
        let mut client = stack.client().await;
        let read = client
            .send(Method::POST, HOST, "/one", "body")
            .await
            .unwrap();
        let expected = format!("POST /one {HOST} [] 4");
        assert_eq!(read.body, expected.as_bytes(), "HTTP/1.1 to {protocol:?}");
        let head = sender
            .clone()
            .send_request(request(Method::HEAD, "/", ""))
            .await
            .unwrap();
        assert_eq!(head.status(), 200);
        let seen = stack.observe();
        assert_eq!(seen.revisions["stable"].errors, 0, "{protocol:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_come_through_in_both_directions() {
    let backend = Backend::speaking(Protocol::H2c, |request: Request<Incoming>| async move {
        assert_eq!(request.headers()["te"], "trailers");
        let collected = request.into_body().collect().await.unwrap();
        let sum = collected
            .trailers()
            .map(|trailers| trailers["x-sum"].clone());
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        trailers.insert("x-sum", sum.unwrap());
        let frames = [Frame::data(collected.to_bytes()), Frame::trailers(trailers)];
        let frames = futures::stream::iter(frames.map(Ok));
        Response::new(StreamBody::new(frames).boxed())
    })
    .await;
    let stack = Stack::with(&backend, &backend, multiplexed()).await;
    let stream = TcpStream::connect(stack.ingress).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(async move { drop(connection.await) });
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "7".parse().unwrap());
    let frames = [
        Frame::data(Bytes::from_static(b"message")),
        Frame::trailers(trailers),
    ];
    let frames = frames.map(Ok::<_, std::io::Error>);
    let request = Request::post(format!("http://{HOST}/pkg.Service/Call"))
        .header("content-type", "application/grpc")
        .body(StreamBody::new(futures::stream::iter(frames)))
        .unwrap();
    let collected = sender
        .send_request(request)
        .await
        .unwrap()
        .into_body()
        .collect()
        .await
        .unwrap();
    let trailers = collected.trailers().unwrap();
    assert_eq!(
        (&trailers["grpc-status"], &trailers["x-sum"]),
        (&"0".parse().unwrap(), &"7".parse().unwrap())
    );
    assert_eq!(collected.to_bytes(), "message");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_reset_is_a_client_that_goes_away() {
    let arrived = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&arrived);
    let slow = Backend::start(move |_| {
        counter.fetch_add(1, SeqCst);
        async {
            std::future::pending::<()>().await;
            reply(200, "")
        }
    })
    .await;
    let stack = Stack::with(&slow, &slow, configuration(1)).await;
    let mut sender = connect(&stack).await;
    let waiting = tokio::spawn(sender.send_request(request(Method::GET, "/", "")));
    while arrived.load(SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    waiting.abort();
    let seen = stack
        .until("it is counted", |seen| {
            seen.revisions["stable"].requests == 1
        })
        .await;
    let stable = &seen.revisions["stable"];
    assert_eq!((stable.errors, stable.in_flight), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_lets_streams_end_and_says_goodbye() {
    let go = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&go);
    let backend = Backend::start(move |_| {
        let gate = Arc::clone(&gate);
        async move {
            while !gate.load(SeqCst) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            reply(200, "late")
        }
    })
    .await;
    let mut stack = Stack::with(&backend, &backend, configuration(1)).await;
    let sender = connect(&stack).await;
    let waiting: Vec<_> = (0..5)
        .map(|_| tokio::spawn(sender.clone().send_request(request(Method::GET, "/", ""))))
        .collect();
    while backend.count() < 5 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let stopping = stack.stop();
    go.store(true, SeqCst);
    for answer in waiting {
        let response = answer.await.unwrap().unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, "late");
    }
    stopping.await.unwrap();
    // The client's side of the connection hears of its end a moment later.
    while !sender.is_closed() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_the_whole_preface_is_http2() {
    let backend = Backend::always(200, "").await;
    let stack = Stack::with(&backend, &backend, configuration(1)).await;
    for bytes in [
        "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
        "PRI * HTTP/2.0\r\nhost: a\r\n\r\nSM\r\n\r\n",
        "GET / HTTP/2.0\r\nhost: a\r\n\r\n",
    ] {
        let answer = raw(stack.ingress, bytes.as_bytes(), "").await;
        assert!(!answer.contains(" 200 "), "{bytes:?}: {answer:?}");
    }
    assert_eq!(backend.count(), 0);
}
