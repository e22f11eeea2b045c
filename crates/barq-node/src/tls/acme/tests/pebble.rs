//! Debian's `pebble`, an authority for tests, with a DNS server that leads every host to this machine.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use instant_acme::{BodyWrapper, HttpClient};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;

use super::super::AcmeSettings;
use super::super::client::Client;
use crate::tls::testing::Authority;

const PATIENCE: Duration = Duration::from_secs(30);

/// Both processes; killed when dropped.
pub(super) struct Pebble {
    directory: TempDir,
    port: u16,
    management_port: u16,
    processes: Vec<Child>,
}

impl Pebble {
    /// An authority that looks for proofs at `http_port`, and whose certificates are valid for so long.
    pub(super) fn start(http_port: u16, validity: Duration) -> Self {
        let directory = TempDir::new().unwrap();
        let authority = Authority::new();
        std::fs::write(directory.path().join("root.pem"), authority.pem()).unwrap();
        let own = authority
            .issue(&["127.0.0.1"])
            .write(directory.path(), "own");
        let [port, management_port, dns_port] = [(); 3].map(|()| free_port());
        let configuration = serde_json::json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{management_port}"),
            "certificate": own.certificate,
            "privateKey": own.key,
            "httpPort": http_port,
            "tlsPort": 1,
            "ocspResponderURL": "",
            "certificateValidityPeriod": validity.as_secs(),
        }});
        let path = directory.path().join("pebble.json");
        std::fs::write(&path, configuration.to_string()).unwrap();
        let dns = Command::new("pebble-challtestsrv")
            .args(["-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""])
            .args(["-dns01", &format!("127.0.0.1:{dns_port}")])
            .args(["-http01", "", "-https01", "", "-tlsalpn01", ""])
            .args(["-management", &format!("127.0.0.1:{}", free_port())])
            .spawn_quietly();
        let pebble = Command::new("pebble")
            .arg("-config")
            .arg(&path)
            .args(["-dnsserver", &format!("127.0.0.1:{dns_port}")])
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env("PEBBLE_VA_ALWAYS_VALID", "0")
            .env("PEBBLE_AUTHZREUSE", "0")
            .spawn_quietly();
        let started = Self {
            directory,
            port,
            management_port,
            processes: vec![dns, pebble],
        };
        for port in [port, management_port, dns_port] {
            wait_for(port);
        }
        started
    }

    /// For a node that shall ask it.
    pub(super) fn settings(&self) -> AcmeSettings {
        AcmeSettings {
            directory_url: format!("https://127.0.0.1:{}/dir", self.port),
            email: "operator@example.com".to_owned(),
            root: Some(self.root()),
        }
    }

    /// A client that trusts its certificates.
    pub(super) async fn client(&self) -> std::sync::Arc<ClientConfig> {
        let client = Client::new(Some(&self.root())).unwrap();
        let url = format!("https://127.0.0.1:{}/roots/0", self.management_port);
        let request = Request::get(url).body(BodyWrapper::<Bytes>::default());
        let mut answer = client.request(request.unwrap()).await.unwrap();
        let pem = answer.body.into_bytes().await.unwrap();
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(&pem).unwrap())
            .unwrap();
        let config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        std::sync::Arc::new(config)
    }

    /// Ends it.
    pub(super) fn stop(&mut self) {
        for mut process in self.processes.drain(..) {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("root.pem")
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        self.stop();
    }
}

trait SpawnQuietly {
    fn spawn_quietly(&mut self) -> Child;
}

impl SpawnQuietly for Command {
    fn spawn_quietly(&mut self) -> Child {
        self.stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Debian's package pebble is installed: run scripts/setup")
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

fn wait_for(port: u16) {
    let deadline = Instant::now() + PATIENCE;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    while TcpStream::connect_timeout(&address, Duration::from_millis(100)).is_err() {
        assert!(Instant::now() < deadline, "nobody listens on {port}");
        std::thread::yield_now();
    }
}
