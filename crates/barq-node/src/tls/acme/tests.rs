//! Against a real authority: from an order to a handshake, with a host that fails beside one that does not.

mod pebble;

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::api::{CertificateSource, TlsConfiguration};
use crate::tls::testing::connect;
use crate::tls::{AcmeSettings, CHALLENGE_PATH, Policies, Ports, Sources, Tls, Wanted};
use pebble::Pebble;

const GOOD: &str = "shop.example.com";
const BAD: &str = "bad.example.com";
const PATIENCE: Duration = Duration::from_secs(60);
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// The plain ingress as the authority sees it: proofs, but for the host that leads elsewhere.
struct Ingress {
    address: SocketAddr,
    listener: Option<TcpListener>,
    task: Option<JoinHandle<()>>,
}

impl Ingress {
    async fn open() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        Self {
            address: listener.local_addr().unwrap(),
            listener: Some(listener),
            task: None,
        }
    }

    fn serve(&mut self, policies: Policies) {
        let listener = self.listener.take().unwrap();
        self.task = Some(tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(answer(stream, policies.clone()));
            }
        }));
    }
}

impl Drop for Ingress {
    fn drop(&mut self) {
        self.task.iter().for_each(JoinHandle::abort);
    }
}

async fn answer(stream: TcpStream, policies: Policies) {
    let mut stream = BufReader::new(stream);
    let (mut head, mut line) = (Vec::new(), String::new());
    while stream.read_line(&mut line).await.unwrap() > 2 {
        head.push(std::mem::take(&mut line));
    }
    let path = head[0].split(' ').nth(1).unwrap();
    let is_bad = head.iter().any(|line| line.contains(BAD));
    let answer = path
        .strip_prefix(CHALLENGE_PATH)
        .and_then(|token| policies.challenge(token))
        .filter(|_| !is_bad);
    let (status, body) = match &answer {
        Some(answer) => ("200 OK", answer.as_ref()),
        None => ("404 Not Found", ""),
    };
    let length = body.len();
    let answer =
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    stream.write_all(answer.as_bytes()).await.unwrap();
}

async fn start(directory: &Path, acme: Option<AcmeSettings>, hosts: &[&str]) -> Tls {
    let sources = Sources {
        directory: directory.to_owned(),
        default: None,
        acme,
        look_interval: Duration::from_millis(20),
    };
    let wanted = |host: &&str| Wanted {
        service: (*host).to_owned(),
        domains: vec![(*host).to_owned()],
        tls: TlsConfiguration {
            source: CertificateSource::Acme,
            redirect: true,
            hsts_seconds: 0,
        },
    };
    let ports = Ports {
        plain: 80,
        tls: 443,
    };
    let wanted = hosts.iter().map(wanted).collect();
    Tls::start(sources, ports, wanted).await.unwrap()
}

/// The certificate that a client which trusts the authority is shown, if the handshake succeeds.
async fn shown(
    tls: &Tls,
    client: &Arc<ClientConfig>,
    host: &str,
) -> Option<CertificateDer<'static>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let accept = async {
        let (stream, _) = listener.accept().await.unwrap();
        tls.acceptor().accept(stream).await.is_ok()
    };
    let (is_accepted, stream) = tokio::join!(accept, connect(client, address, host));
    let stream = stream.ok().filter(|_| is_accepted)?;
    let certificates = stream.get_ref().1.peer_certificates()?;
    Some(certificates[0].clone().into_owned())
}

async fn until(what: &str, tls: &Tls, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(
            Instant::now() < deadline,
            "{what}: {:?}",
            tls.certificates()
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = |directory: &Path| {
        let entries = std::fs::read_dir(directory).unwrap();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    };
    let authorities = entries(&directory.join("acme"));
    assert_eq!(authorities.len(), 1);
    entries(&authorities[0])
}

#[tokio::test]
async fn a_host_gets_its_certificate_and_one_that_fails_says_why() {
    let directory = TempDir::new().unwrap();
    let mut ingress = Ingress::open().await;
    let mut pebble = Pebble::start(ingress.address.port(), YEAR);
    let tls = start(directory.path(), Some(pebble.settings()), &[BAD, GOOD]).await;
    assert_eq!(
        tls.policies().redirect(GOOD, "/"),
        None,
        "there is no certificate yet"
    );
    ingress.serve(tls.policies());
    let client = pebble.client().await;

    until("the certificate is served", &tls, async || {
        shown(&tls, &client, GOOD).await.is_some()
    })
    .await;
    assert_eq!(
        tls.policies().redirect(GOOD, "/").unwrap(),
        "https://shop.example.com/"
    );
    until("the failure is told of", &tls, async || {
        !tls.problems().is_empty()
    })
    .await;
    let problems = tls.problems();
    assert!(
        problems.len() == 1
            && problems[0]
                .starts_with("TLS for bad.example.com: no certificate from https://127.0.0.1")
            && problems[0].contains("it could not fetch the proof")
            && problems[0].contains("Tried once, again at"),
        "{problems:?}"
    );
    until("no proof is posted any more", &tls, async || {
        tls.challenges.is_empty()
    })
    .await;

    let kept = files(directory.path());
    let names: Vec<_> = kept.iter().map(|path| path.file_name().unwrap()).collect();
    assert_eq!(
        names,
        [
            "account.json",
            "bad.example.com.retry",
            "shop.example.com.pem"
        ]
    );
    for path in &kept {
        let mode = std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }

    let left = Left {
        problems,
        served: shown(&tls, &client, GOOD).await,
        retry: std::fs::read(&kept[1]).unwrap(),
    };
    drop(tls);
    let settings = pebble.settings();
    pebble.stop();
    let tls = start(directory.path(), Some(settings), &[BAD, GOOD]).await;
    check_restarted(&tls, &client, &left).await;
    let retry = std::fs::read(&kept[1]).unwrap();
    assert_eq!(retry, left.retry, "it was not tried again");
}

/// What a run left behind.
struct Left {
    problems: Vec<String>,
    served: Option<CertificateDer<'static>>,
    retry: Vec<u8>,
}

/// With nobody to ask the certificate is there at once, and the failure is remembered.
async fn check_restarted(tls: &Tls, client: &Arc<ClientConfig>, left: &Left) {
    assert_eq!(shown(tls, client, GOOD).await, left.served);
    let what = "the failure is told of again";
    until(what, tls, async || tls.problems() == left.problems).await;
}

#[tokio::test]
async fn a_certificate_is_renewed_before_it_expires() {
    let directory = TempDir::new().unwrap();
    let mut ingress = Ingress::open().await;
    let pebble = Pebble::start(ingress.address.port(), Duration::from_secs(6));
    let tls = start(directory.path(), Some(pebble.settings()), &[GOOD]).await;
    ingress.serve(tls.policies());
    let client = pebble.client().await;
    let mut first = None;
    until("the certificate is served", &tls, async || {
        first = shown(&tls, &client, GOOD).await;
        first.is_some()
    })
    .await;
    until("another is served", &tls, async || {
        let now = shown(&tls, &client, GOOD).await;
        now.is_some() && now != first
    })
    .await;
}

#[tokio::test]
async fn an_authority_that_is_not_there_is_a_problem_in_words() {
    let directory = TempDir::new().unwrap();
    let nobody = AcmeSettings {
        directory_url: "https://127.0.0.1:1/dir".to_owned(),
        email: "operator@example.com".to_owned(),
        root: None,
    };
    for (acme, expected) in [
        (
            Some(nobody),
            "no certificate from https://127.0.0.1:1/dir: no account can be made",
        ),
        (
            None,
            "this node has none to ask: start it with --acme-email",
        ),
    ] {
        let tls = start(directory.path(), acme, &[GOOD]).await;
        until("it is told of", &tls, async || !tls.problems().is_empty()).await;
        let problem = tls.problems().remove(0);
        assert!(problem.contains(expected), "{problem}");
        assert!(problem.ends_with("served by plain HTTP alone"), "{problem}");
    }
}
