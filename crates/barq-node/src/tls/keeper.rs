//! Keeps what is served over TLS equal to what is wanted and to what is there: one task that looks, and puts a new table
//! in force when something has changed.
//!
//! Each host is kept for itself, so that nothing which is wrong with one reaches another. What serves a host goes on until
//! something better is there, even when its configuration names another source. It must not know how a handshake is made.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::Wanted;
use super::accept::normal;
use super::files::{FilePair, Watched};
use super::redirect::hsts;
use super::table::{Crypto, Domain, Policy, Served, Table};
use super::words::{Source, Words};
use crate::api::{CertificateObservation, CertificateSource, TlsConfiguration};

/// What the node's default certificate is for.
const DEFAULT_HOST: &str = "hosts without a certificate of their own";

/// What is told of all hosts, and what is in force for them.
#[derive(Debug, Clone, Default)]
pub(super) struct Published {
    pub(super) table: Arc<ArcSwap<Table>>,
    pub(super) status: Arc<Mutex<Status>>,
}

/// What people are told.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Status {
    pub(super) problems: Vec<String>,
    pub(super) certificates: Vec<CertificateObservation>,
}

/// The state of all hosts.
pub(super) struct Keeper {
    published: Published,
    crypto: Crypto,
    default: Option<Watched>,
    hosts: BTreeMap<String, Host>,
    is_changed: bool,
}

/// One host.
struct Host {
    service: String,
    policy: Policy,
    files: Watched,
}

impl Keeper {
    pub(super) fn new(published: Published, crypto: Crypto, default: Option<FilePair>) -> Self {
        Self {
            published,
            crypto,
            default: default.map(|paths| Watched::new(paths, None, None)),
            hosts: BTreeMap::new(),
            is_changed: true,
        }
    }

    /// Looks when something else is wanted, and from time to time at what is there.
    pub(super) async fn keep(
        mut self,
        mut wanted: watch::Receiver<Vec<Wanted>>,
        look_interval: Duration,
    ) {
        let mut tick = tokio::time::interval(look_interval);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                changed = wanted.changed() => match changed {
                    Ok(()) => self.want(&wanted.borrow_and_update()),
                    Err(_) => return,
                },
            }
            let looked = tokio::task::spawn_blocking(move || {
                self.look(Timestamp::now());
                self
            });
            match looked.await {
                Ok(keeper) => self = keeper,
                Err(error) => {
                    tracing::error!(%error, "certificates are not looked after any more");
                    return;
                }
            }
        }
    }

    /// Takes over what is wanted.
    pub(super) fn want(&mut self, wanted: &[Wanted]) {
        let mut before = std::mem::take(&mut self.hosts);
        for wanted in wanted {
            for domain in &wanted.domains {
                let name = normal(domain);
                let host = Host::new(wanted, &name, before.remove(&name));
                self.hosts.insert(name, host);
            }
        }
        self.is_changed = true;
    }

    /// Looks at all files and puts what is there in force. Blocks.
    pub(super) fn look(&mut self, now: Timestamp) {
        let hosts = self.hosts.values_mut().map(|host| &mut host.files);
        for files in hosts.chain(&mut self.default) {
            self.is_changed |= files.look(&self.crypto, now);
        }
        if std::mem::take(&mut self.is_changed) {
            self.publish();
        }
        self.tell(now);
    }

    fn publish(&self) {
        let domain = |(name, host): (&String, &Host)| {
            let served = Arc::clone(host.files.served()?);
            let policy = host.policy.clone();
            Some((name.clone(), Domain { served, policy }))
        };
        let domains: HashMap<String, Domain> = self.hosts.iter().filter_map(domain).collect();
        let default = self.default.as_ref().and_then(Watched::served);
        let table = Table::new(domains, default);
        self.published.table.store(Arc::new(table));
    }

    fn tell(&self, now: Timestamp) {
        let default = self.default.iter().map(|files| (DEFAULT_HOST, "", files));
        let hosts = self.hosts.iter();
        let hosts = hosts.map(|(name, host)| (name.as_str(), host.service.as_str(), &host.files));
        let certificates = default.chain(hosts).map(|(name, service, files)| {
            let words = words(name, files).problem(now);
            observation(name, service, files, words)
        });
        let certificates: Vec<CertificateObservation> = certificates.collect();
        let problems = certificates.iter().filter_map(|one| one.problem.clone());
        let status = Status {
            problems: problems.collect(),
            certificates,
        };
        let mut told = lock(&self.published.status);
        for problem in &status.problems {
            if !told.problems.contains(problem) {
                tracing::warn!("{problem}");
            }
        }
        *told = status;
    }
}

impl Host {
    fn new(wanted: &Wanted, name: &str, before: Option<Self>) -> Self {
        let TlsConfiguration {
            source: CertificateSource::Files { certificate, key },
            redirect,
            hsts_seconds,
        } = &wanted.tls;
        let paths = FilePair {
            certificate: PathBuf::from(certificate),
            key: PathBuf::from(key),
        };
        let files = match before {
            Some(before) if *before.files.paths() == paths => before.files,
            before => {
                let served = before.and_then(|before| before.files.served().cloned());
                Watched::new(paths, Some(name.to_owned()), served)
            }
        };
        Self {
            service: wanted.service.clone(),
            policy: Policy {
                redirect: *redirect,
                hsts: hsts(*hsts_seconds),
            },
            files,
        }
    }
}

/// What was last told.
pub(super) fn lock(status: &Mutex<Status>) -> std::sync::MutexGuard<'_, Status> {
    // The value is put there whole: a thread that panicked leaves nothing half-done.
    status.lock().unwrap_or_else(PoisonError::into_inner)
}

fn words<'a>(host: &'a str, files: &'a Watched) -> Words<'a> {
    Words {
        host,
        pair: files.served().map(|served| &served.pair),
        source: Source::Files {
            certificate: files.paths().certificate.display().to_string(),
            problem: files.problem(),
        },
    }
}

fn observation(
    host: &str,
    service: &str,
    files: &Watched,
    problem: Option<String>,
) -> CertificateObservation {
    let served: Option<&Served> = files.served().map(AsRef::as_ref);
    CertificateObservation {
        host: host.to_owned(),
        service: service.to_owned(),
        expires_at: served.map(|served| served.pair.not_after()),
        problem,
    }
}
