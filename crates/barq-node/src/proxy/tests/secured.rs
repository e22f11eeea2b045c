//! Requests over TLS, and what plain HTTP answers beside it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tempfile::TempDir;

use super::harness::{Backend, HOST, Reply, Stack, reply};
use crate::api::{CertificateSource, TlsConfiguration};
use crate::control::tests::configuration;
use crate::proxy::{ProxyLimits, ProxyTls};
use crate::tls::testing::{Authority, connect};
use crate::tls::{LOOK_INTERVAL, Ports, Sources, Tls, Wanted};

const DOMAIN: &str = "shop.example.com";
/// More than one record of TLS, and more than a socket takes at once.
const BODY_BYTES: usize = 3 * 1024 * 1024;

struct Secured {
    stack: Stack,
    authority: Authority,
    address: SocketAddr,
    _tls: Tls,
    _backend: Backend,
    _directory: TempDir,
}

/// Tells the protocol that it was told, and gives the body back.
async fn echo(request: Request<Incoming>) -> Reply {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let mut reply = reply(200, body);
    let protocol = head.headers["x-forwarded-proto"].clone();
    reply.headers_mut().insert("x-protocol", protocol);
    reply
}

impl Secured {
    async fn start() -> Self {
        let (directory, authority) = (TempDir::new().unwrap(), Authority::new());
        let files = authority.issue(&[DOMAIN]).write(directory.path(), "shop");
        let wanted = Wanted {
            service: "shop".to_owned(),
            domains: vec![DOMAIN.to_owned()],
            tls: TlsConfiguration {
                source: CertificateSource::Files {
                    certificate: files.certificate.display().to_string(),
                    key: files.key.display().to_string(),
                },
                redirect: true,
                hsts_seconds: 60,
            },
        };
        let sources = Sources {
            directory: directory.path().to_owned(),
            default: None,
            acme: None,
            look_interval: LOOK_INTERVAL,
        };
        let ports = Ports {
            plain: 80,
            tls: 443,
        };
        let tls = Tls::start(sources, ports, vec![wanted]).await.unwrap();
        let ingress = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = ingress.local_addr().unwrap();
        let proxy_tls = ProxyTls {
            ingress,
            acceptor: tls.acceptor(),
            policies: tls.policies(),
        };
        let backend = Backend::start(echo).await;
        let stack = Stack::start_with(ProxyLimits::default(), Some(proxy_tls));
        stack.add("stable", backend.address);
        let mut configured = configuration(1);
        configured.domains = vec![DOMAIN.to_owned()];
        stack.accept(configured).await;
        Self {
            stack,
            authority,
            address,
            _tls: tls,
            _backend: backend,
            _directory: directory,
        }
    }

    async fn ask(&self, is_http2: bool, body: Bytes) -> http::Response<Bytes> {
        let protocol: &[u8] = if is_http2 { b"h2" } else { b"http/1.1" };
        let client = self.authority.client(&[protocol]);
        let stream = connect(&client, self.address, DOMAIN).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol));
        let stream = TokioIo::new(stream);
        let request = Request::builder().method(Method::POST);
        let answer = if is_http2 {
            let made = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await;
            let (mut sender, connection) = made.unwrap();
            tokio::spawn(async move { drop(connection.await) });
            let request = request.uri(format!("https://{DOMAIN}/"));
            let request = request.body(Full::new(body)).unwrap();
            sender.send_request(request).await.unwrap()
        } else {
            let made = hyper::client::conn::http1::handshake(stream).await;
            let (mut sender, connection) = made.unwrap();
            tokio::spawn(async move { drop(connection.await) });
            let request = request.uri("/").header("host", DOMAIN);
            let request = request.body(Full::new(body)).unwrap();
            sender.send_request(request).await.unwrap()
        };
        let (head, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        http::Response::from_parts(head, body)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_protocols_go_over_tls() {
    let secured = Arc::new(Secured::start().await);
    for is_http2 in [false, true] {
        let body = Bytes::from(vec![7; BODY_BYTES]);
        let answer = secured.ask(is_http2, body.clone()).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["x-protocol"], "https");
        assert_eq!(answer.headers()["strict-transport-security"], "max-age=60");
        assert!(*answer.body() == body, "the body came back as it was");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_is_sent_to_https() {
    let secured = Secured::start().await;
    let read = secured.stack.get(DOMAIN, "/a?b=c").await;
    assert_eq!((read.status, read.body.len()), (308, 0));
    assert_eq!(read.headers["location"], "https://shop.example.com/a?b=c");
    // What is not: names of this machine, and a path where an authority looks for a proof.
    for (host, path) in [(HOST, "/"), (DOMAIN, "/.well-known/acme-challenge/x")] {
        let read = secured.stack.get(host, path).await;
        assert_eq!(read.status, 200, "{host}");
        assert_eq!(read.headers["x-protocol"], "http");
        assert!(!read.headers.contains_key("strict-transport-security"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_a_certificate_is_not_answered_over_tls() {
    let secured = Secured::start().await;
    let client = secured.authority.client(&[b"h2"]);
    let refused = connect(&client, secured.address, HOST).await;
    assert!(refused.is_err());
}
