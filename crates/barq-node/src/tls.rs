//! TLS for users' requests: certificates by host, reloaded while connections go on, and what plain HTTP gets beside them.
//!
//! [`Tls`] owns the task that looks after certificates. The proxy's threads take handles of it: an [`Acceptor`] makes TLS
//! connections, [`Policies`] says what a request over plain HTTP and an answer over TLS get. Both read one immutable table
//! that is swapped whole. Crypto is aws-lc-rs alone. It must not know how requests are served, nor what a revision is.

mod accept;
mod acme;
mod files;
mod keeper;
mod pair;
mod redirect;
mod source;
mod table;
mod words;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::HeaderValue;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::api::{CertificateObservation, TlsConfiguration};
use acme::Acme;
use keeper::{Keeper, Published};
use table::{Crypto, Table};

pub use accept::{AcceptError, Acceptor, Alpn, HANDSHAKE_TIME_MAX, Negotiated};
pub use acme::{ACME_DIRECTORY_DEFAULT, AcmeSettings, Challenges};
pub use files::FilePair;
pub use redirect::{CHALLENGE_PATH, Ports, REDIRECT_STATUS, redirect};
pub use table::Policy;

/// How often files are looked at: short enough that whoever put a new one there sees it work while still looking.
pub const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// Ends of orders that wait to be put in force; whoever has one more waits with it.
const NEWS_MAX: usize = 64;

/// What the node's TLS runs with.
#[derive(Debug)]
pub struct TlsSettings {
    /// Users' requests over TLS arrive here.
    pub ingress: TcpListener,
    /// For hosts without a certificate of their own, and for clients that name no host.
    pub default: Option<FilePair>,
    /// What certificates are asked of, if of anybody.
    pub acme: Option<AcmeSettings>,
}

/// What [`Tls`] runs with, without the socket.
#[derive(Debug, Clone)]
pub struct Sources {
    /// For what is got from an authority; made when it is needed.
    pub directory: PathBuf,
    /// For hosts without a certificate of their own, and for clients that name no host.
    pub default: Option<FilePair>,
    /// What certificates are asked of, if of anybody.
    pub acme: Option<AcmeSettings>,
    /// How often files are looked at, usually [`LOOK_INTERVAL`].
    pub look_interval: Duration,
}

/// The domains of a service, and how they are served over TLS.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// The service.
    pub service: String,
    /// Its hosts beside those under `.localhost`.
    pub domains: Vec<String>,
    /// How they are served.
    pub tls: TlsConfiguration,
}

/// Why there is no TLS at all.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// No keys for tickets.
    #[error("keys for session tickets can't be made")]
    Tickets(#[source] rustls::Error),
    /// The first look at the certificates ended badly.
    #[error("the certificates can't be looked at")]
    Look(#[source] tokio::task::JoinError),
    /// The listening socket has no address.
    #[error("the address of the listening socket is not known")]
    Address(#[source] std::io::Error),
    /// What is got from an authority has no place.
    #[error("the directory {} can't be used", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// The node's certificates, looked after until this is dropped.
#[derive(Debug)]
pub struct Tls {
    published: Published,
    challenges: Challenges,
    ports: Ports,
    wanted: watch::Sender<Vec<Wanted>>,
    task: JoinHandle<()>,
}

/// What hosts want of requests and answers; cheap to clone, one for each thread.
#[derive(Debug, Clone)]
pub struct Policies {
    table: Arc<ArcSwap<Table>>,
    challenges: Challenges,
    ports: Ports,
}

impl Tls {
    /// Looks at all certificates once and then keeps looking: when this returns, what can be served is.
    ///
    /// # Errors
    /// When nothing can be served at all. A certificate that can't be used is none: it is a problem of its host.
    pub async fn start(
        sources: Sources,
        ports: Ports,
        wanted: Vec<Wanted>,
    ) -> Result<Self, TlsError> {
        let (published, challenges) = (Published::default(), Challenges::default());
        let crypto = Crypto::new().map_err(TlsError::Tickets)?;
        let (sender, news) = mpsc::channel(NEWS_MAX);
        let acme = sources.acme.map(|settings| {
            Acme::new(
                settings,
                &sources.directory,
                crypto.clone(),
                challenges.clone(),
                sender,
            )
        });
        let acme = acme.transpose().map_err(|source| TlsError::Directory {
            path: sources.directory,
            source,
        })?;
        let mut keeper = Keeper::new(published.clone(), crypto, acme, sources.default);
        keeper.want(&wanted);
        let (wanted, receiver) = watch::channel(wanted);
        let looked = tokio::task::spawn_blocking(move || {
            keeper.look(Timestamp::now());
            keeper
        });
        let keeper = looked.await.map_err(TlsError::Look)?;
        let task = tokio::spawn(keeper.keep(receiver, news, sources.look_interval));
        Ok(Self {
            published,
            challenges,
            ports,
            wanted,
            task,
        })
    }

    /// Says what is wanted, whole.
    pub fn want(&self, wanted: Vec<Wanted>) {
        self.wanted.send_if_modified(|before| {
            let is_other = *before != wanted;
            *before = wanted;
            is_other
        });
    }

    /// A handle that makes TLS connections.
    pub fn acceptor(&self) -> Acceptor {
        Acceptor::new(Arc::clone(&self.published.table), HANDSHAKE_TIME_MAX)
    }

    /// A handle that knows what hosts want.
    pub fn policies(&self) -> Policies {
        Policies {
            table: Arc::clone(&self.published.table),
            challenges: self.challenges.clone(),
            ports: self.ports,
        }
    }

    /// What does not work, in words: one for each host that has a problem.
    pub fn problems(&self) -> Vec<String> {
        keeper::lock(&self.published.status).problems.clone()
    }

    /// What is served.
    pub fn certificates(&self) -> Vec<CertificateObservation> {
        keeper::lock(&self.published.status).certificates.clone()
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Policies {
    /// Where a request over plain HTTP is to be sent, with [`REDIRECT_STATUS`]; `None`: it is to be served. `host` is the
    /// value of `Host`, `path_and_query` the target in origin form.
    pub fn redirect(&self, host: &str, path_and_query: &str) -> Option<HeaderValue> {
        let table = self.table.load();
        let policy = table.policy(&accept::normal(redirect::split(host).0));
        redirect(host, path_and_query, policy, self.ports)
    }

    /// What plain HTTP answers to `GET` of [`CHALLENGE_PATH`]`{token}`, before any route, with 200 and
    /// `application/octet-stream`; `None`: it is a request like any other.
    pub fn challenge(&self, token: &str) -> Option<Arc<str>> {
        self.challenges.answer(token)
    }

    /// The `strict-transport-security` of an answer over TLS, unless the instance has set one itself.
    pub fn hsts(&self, host: &str) -> Option<HeaderValue> {
        let table = self.table.load();
        let policy = table.policy(&accept::normal(redirect::split(host).0));
        policy.and_then(|policy| policy.hsts.clone())
    }
}
