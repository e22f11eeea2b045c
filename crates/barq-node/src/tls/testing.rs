//! For tests: an authority of their own, certificates by it, and a client that trusts it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::FilePair;

/// Signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// PEM.
#[derive(Debug, Clone)]
pub(crate) struct Issued {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut parameters = CertificateParams::new(vec![]).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(parameters, key).unwrap())
    }

    /// For these hosts, valid from 2026 to 2096.
    pub(crate) fn issue(&self, hosts: &[&str]) -> Issued {
        self.issue_for(hosts, (2026, 1), (2096, 1))
    }

    /// Valid from the first of a month to the first of another.
    pub(crate) fn issue_for(&self, hosts: &[&str], from: (i32, u8), until: (i32, u8)) -> Issued {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut parameters = CertificateParams::new(hosts).unwrap();
        parameters.not_before = date_time_ymd(from.0, from.1, 1);
        parameters.not_after = date_time_ymd(until.0, until.1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.0).unwrap();
        Issued {
            certificate: certificate.pem() + &self.0.pem(),
            key: key.serialize_pem(),
        }
    }

    /// Its own certificate.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// To be trusted by a client.
    pub(crate) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(self.pem().as_bytes());
        roots.add(root.unwrap()).unwrap();
        roots
    }

    /// A client that trusts it.
    pub(crate) fn client(&self, protocols: &[&[u8]]) -> Arc<ClientConfig> {
        let mut config = ClientConfig::builder()
            .with_root_certificates(self.roots())
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Arc::new(config)
    }
}

impl Issued {
    /// Puts both files there, each by renaming.
    pub(crate) fn write(&self, directory: &Path, name: &str) -> FilePair {
        let paths = paths(directory, name);
        replace(&paths.certificate, &self.certificate);
        replace(&paths.key, &self.key);
        paths
    }
}

/// Where `Issued::write` writes.
pub(crate) fn paths(directory: &Path, name: &str) -> FilePair {
    FilePair {
        certificate: directory.join(format!("{name}.crt")),
        key: directory.join(format!("{name}.key")),
    }
}

/// Replaces a file whole, as tools that renew certificates do.
pub(crate) fn replace(path: &Path, content: &str) {
    let temporary = path.with_extension("new");
    std::fs::write(&temporary, content).unwrap();
    std::fs::rename(&temporary, path).unwrap();
}

/// A TLS connection to `address`, asking for `host`.
pub(crate) async fn connect(
    client: &Arc<ClientConfig>,
    address: SocketAddr,
    host: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(host.to_owned()).unwrap();
    TlsConnector::from(Arc::clone(client))
        .connect(name, stream)
        .await
}
