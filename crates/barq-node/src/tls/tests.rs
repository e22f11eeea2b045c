//! The whole module over loopback: real handshakes by a rustls client, with files that come, change and are wrong.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls::HandshakeKind;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::testing::{Authority, Issued, connect, paths, replace};
use super::{AcceptError, Acceptor, FilePair, Negotiated, Ports, Sources, Tls, Wanted};
use crate::api::{CertificateSource, TlsConfiguration};

const PORTS: Ports = Ports {
    plain: 80,
    tls: 443,
};
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(20);
const BOTH: &[&[u8]] = &[b"h2", b"http/1.1"];

/// A server that tells each client what was negotiated.
struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(acceptor: Acceptor) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    if let Ok((mut stream, negotiated)) = acceptor.accept(stream).await {
                        let told = format!("{:?} {:?}", negotiated.alpn, negotiated.sni);
                        stream.write_all(told.as_bytes()).await.unwrap();
                        stream.shutdown().await.unwrap();
                    }
                });
            }
        });
        Self { address, task }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn wanted(service: &str, domain: &str, files: &FilePair) -> Wanted {
    Wanted {
        service: service.to_owned(),
        domains: vec![domain.to_owned()],
        tls: TlsConfiguration {
            source: CertificateSource::Files {
                certificate: files.certificate.display().to_string(),
                key: files.key.display().to_string(),
            },
            redirect: true,
            hsts_seconds: 60,
        },
    }
}

fn sources(default: Option<FilePair>) -> Sources {
    Sources {
        directory: "/nonexistent".into(),
        default,
        acme: None,
        look_interval: LOOK_INTERVAL,
    }
}

async fn start(wanted: Vec<Wanted>) -> Tls {
    Tls::start(sources(None), PORTS, wanted).await.unwrap()
}

/// What the server tells a client that asks for `host`, or why there is no connection.
async fn ask(client: &Arc<ClientConfig>, server: &Server, host: &str) -> Result<String, String> {
    let mut stream = connect(client, server.address, host)
        .await
        .map_err(|error| error.to_string())?;
    let mut told = String::new();
    stream
        .read_to_string(&mut told)
        .await
        .map_err(|error| error.to_string())?;
    Ok(told)
}

/// The certificate that a host is served with.
async fn leaf(client: &Arc<ClientConfig>, server: &Server, host: &str) -> CertificateDer<'static> {
    let stream = connect(client, server.address, host).await.unwrap();
    let certificates = stream.get_ref().1.peer_certificates().unwrap();
    certificates[0].clone().into_owned()
}

fn first(issued: &Issued) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap()
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn pair(directory: &Path, authority: &Authority, host: &str) -> FilePair {
    authority.issue(&[host]).write(directory, host)
}

#[tokio::test]
async fn each_host_has_its_certificate_and_the_best_protocol() {
    let (directory, authority) = (TempDir::new().unwrap(), Authority::new());
    let hosts = ["one.example", "two.example"];
    let files = hosts.map(|host| pair(directory.path(), &authority, host));
    let tls = start(vec![
        wanted("one", hosts[0], &files[0]),
        wanted("two", hosts[1], &files[1]),
    ])
    .await;
    let server = Server::start(tls.acceptor()).await;
    for (protocols, host, expected) in [
        (BOTH, "one.example", r#"Http2 Some("one.example")"#),
        (BOTH, "TWO.example", r#"Http2 Some("two.example")"#),
        (
            &[b"http/1.1".as_slice()],
            "two.example",
            r#"Http1 Some("two.example")"#,
        ),
        (&[], "one.example", r#"Http1 Some("one.example")"#),
    ] {
        let client = authority.client(protocols);
        assert_eq!(ask(&client, &server, host).await.as_deref(), Ok(expected));
    }
    assert_eq!(tls.problems(), Vec::<String>::new());
}

#[tokio::test]
async fn a_host_without_a_certificate_is_refused_by_name() {
    let (directory, authority) = (TempDir::new().unwrap(), Authority::new());
    let files = pair(directory.path(), &authority, "one.example");
    let tls = start(vec![wanted("one", "one.example", &files)]).await;
    let server = Server::start(tls.acceptor()).await;
    let client = authority.client(BOTH);
    let refused = ask(&client, &server, "other.example").await.unwrap_err();
    assert!(refused.contains("UnrecognisedName"), "{refused}");
    // No name at all: the only certificate there is.
    let mut nameless = (*client).clone();
    nameless.enable_sni = false;
    let told = ask(&Arc::new(nameless), &server, "one.example").await;
    assert_eq!(told.as_deref(), Ok("Http2 None"));
}

#[tokio::test]
async fn a_session_goes_on_by_its_ticket() {
    let (directory, authority) = (TempDir::new().unwrap(), Authority::new());
    let files = pair(directory.path(), &authority, "one.example");
    let tls = start(vec![wanted("one", "one.example", &files)]).await;
    for versions in [[&rustls::version::TLS13], [&rustls::version::TLS12]] {
        let mut client = (*authority.client(BOTH)).clone();
        client = {
            let mut limited = ClientConfig::builder_with_protocol_versions(&versions)
                .with_root_certificates(authority.roots())
                .with_no_client_auth();
            limited.alpn_protocols = client.alpn_protocols;
            limited
        };
        let client = Arc::new(client);
        let mut kinds = Vec::new();
        for _ in 0..2 {
            // Another handle each time, as another thread would have it.
            let server = Server::start(tls.acceptor()).await;
            let mut stream = connect(&client, server.address, "one.example")
                .await
                .unwrap();
            stream.read_to_end(&mut Vec::new()).await.unwrap();
            kinds.push(stream.get_ref().1.handshake_kind().unwrap());
        }
        let resumed = matches!(kinds[1], HandshakeKind::Resumed);
        assert!(resumed, "{versions:?} {kinds:?}");
    }
}

#[tokio::test]
async fn a_renewed_pair_is_served_and_a_wrong_one_is_not() {
    let (directory, authority) = (TempDir::new().unwrap(), Authority::new());
    let hosts = ["one.example", "two.example"];
    let issued = hosts.map(|host| authority.issue(&[host]));
    let files = [0, 1].map(|index| issued[index].write(directory.path(), hosts[index]));
    let tls = start(vec![
        wanted("one", hosts[0], &files[0]),
        wanted("two", hosts[1], &files[1]),
    ])
    .await;
    let server = Server::start(tls.acceptor()).await;
    let client = authority.client(BOTH);
    assert_eq!(leaf(&client, &server, hosts[0]).await, first(&issued[0]));

    let renewed = authority.issue(&[hosts[0]]);
    renewed.write(directory.path(), hosts[0]);
    until("the renewed certificate is served", async || {
        leaf(&client, &server, hosts[0]).await == first(&renewed)
    })
    .await;

    replace(&files[0].key, &issued[0].key);
    until("the wrong key is told of", async || {
        !tls.problems().is_empty()
    })
    .await;
    let problems = tls.problems();
    assert!(
        problems.len() == 1
            && problems[0]
                .starts_with("TLS for one.example: certificate and key do not belong together"),
        "{problems:?}"
    );
    assert_eq!(leaf(&client, &server, hosts[0]).await, first(&renewed));
    assert_eq!(leaf(&client, &server, hosts[1]).await, first(&issued[1]));

    replace(&files[0].key, &renewed.key);
    until("nothing is wrong any more", async || {
        tls.problems().is_empty()
    })
    .await;
}

#[tokio::test]
async fn a_bad_certificate_leaves_its_host_on_plain_http_and_others_alone() {
    let (directory, authority) = (TempDir::new().unwrap(), Authority::new());
    let good = pair(directory.path(), &authority, "good.example");
    let bad = paths(directory.path(), "bad.example");
    let tls = start(vec![
        wanted("bad", "bad.example", &bad),
        wanted("good", "good.example", &good),
    ])
    .await;
    let server = Server::start(tls.acceptor()).await;
    let client = authority.client(BOTH);
    assert!(ask(&client, &server, "good.example").await.is_ok());
    assert!(ask(&client, &server, "bad.example").await.is_err());
    assert_eq!(tls.problems().len(), 1);

    let policies = tls.policies();
    assert_eq!(policies.redirect("bad.example", "/"), None);
    assert_eq!(policies.hsts("bad.example"), None);
    let location = policies.redirect("Good.example:80", "/x").unwrap();
    assert_eq!(location, "https://good.example/x");
    assert_eq!(policies.hsts("good.example").unwrap(), "max-age=60");

    // It comes later.
    authority
        .issue(&["bad.example"])
        .write(directory.path(), "bad.example");
    until("the late certificate is served", async || {
        ask(&client, &server, "bad.example").await.is_ok()
    })
    .await;
    assert!(policies.redirect("bad.example", "/").is_some());
}

#[tokio::test]
async fn hosts_come_and_go_with_what_is_wanted() {
    let (directory, authority) = (TempDir::new().unwrap(), Authority::new());
    let files = pair(directory.path(), &authority, "one.example");
    let tls = start(vec![]).await;
    let server = Server::start(tls.acceptor()).await;
    let client = authority.client(BOTH);
    assert!(ask(&client, &server, "one.example").await.is_err());
    tls.want(vec![wanted("one", "one.example", &files)]);
    until("it is served", async || {
        ask(&client, &server, "one.example").await.is_ok()
    })
    .await;
    // Another source that has nothing yet: what serves goes on.
    let later = paths(directory.path(), "later");
    tls.want(vec![wanted("one", "one.example", &later)]);
    until("the new source is told of", async || {
        !tls.problems().is_empty()
    })
    .await;
    assert!(ask(&client, &server, "one.example").await.is_ok());
    tls.want(vec![]);
    until("it is served no more", async || {
        ask(&client, &server, "one.example").await.is_err()
    })
    .await;
    assert_eq!(tls.certificates(), vec![]);
}

#[tokio::test]
async fn the_default_certificate_answers_for_others() {
    let (directory, authority) = (TempDir::new().unwrap(), Authority::new());
    let default = authority.issue(&["*.shop.example", "anything.localhost"]);
    let default = default.write(directory.path(), "default");
    let tls = Tls::start(sources(Some(default)), PORTS, vec![])
        .await
        .unwrap();
    let server = Server::start(tls.acceptor()).await;
    let client = authority.client(BOTH);
    assert!(ask(&client, &server, "any.shop.example").await.is_ok());
    assert!(ask(&client, &server, "anything.localhost").await.is_ok());
    assert_eq!(tls.policies().redirect("any.shop.example", "/"), None);
}

/// One connection, taken by an acceptor of this time limit.
async fn accept_one(
    tls: &Tls,
    limit: Duration,
    client: impl AsyncFnOnce(TcpStream),
) -> Result<Negotiated, AcceptError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = Acceptor::new(Arc::clone(&tls.published.table), limit);
    let accept = async {
        let (stream, _) = listener.accept().await.unwrap();
        acceptor
            .accept(stream)
            .await
            .map(|(_, negotiated)| negotiated)
    };
    let client = async { client(TcpStream::connect(address).await.unwrap()).await };
    tokio::join!(accept, client).0
}

#[tokio::test]
async fn a_client_that_does_not_speak_is_let_go() {
    let tls = start(vec![]).await;
    let silent = accept_one(&tls, Duration::from_millis(50), async |mut stream| {
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
    });
    assert!(matches!(silent.await, Err(AcceptError::TimedOut)));
    // A hello that is begun and never ended.
    let slow = accept_one(&tls, Duration::from_millis(50), async |mut stream| {
        stream.write_all(&[22, 3, 1, 2, 0, 1, 0]).await.unwrap();
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
    });
    assert!(matches!(slow.await, Err(AcceptError::TimedOut)));
}

#[tokio::test]
async fn what_is_no_tls_is_refused() {
    let tls = start(vec![]).await;
    let plain = accept_one(&tls, PATIENCE, async |mut stream| {
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            .await
            .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer.first(), Some(&21), "an alert");
    });
    assert!(matches!(plain.await, Err(AcceptError::Handshake(_))));
}
