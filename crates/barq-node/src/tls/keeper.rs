//! Keeps what is served over TLS equal to what is wanted and to what is there: one task that looks, and puts a new table
//! in force when something has changed.
//!
//! Each host is kept for itself, so that nothing which is wrong with one reaches another. What serves a host goes on until
//! something better is there, even when its configuration names another source. It must not know how a handshake is made.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

use super::Wanted;
use super::accept::normal;
use super::acme::{Acme, News};
use super::files::{FilePair, Watched};
use super::redirect::hsts;
use super::source::HostSource;
use super::table::{Crypto, Domain, Policy, Table};
use crate::api::CertificateObservation;

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
    acme: Option<Arc<Acme>>,
    default: Option<HostSource>,
    hosts: BTreeMap<String, Host>,
    is_changed: bool,
}

/// One host.
struct Host {
    service: String,
    policy: Policy,
    source: HostSource,
}

impl Keeper {
    pub(super) fn new(
        published: Published,
        crypto: Crypto,
        acme: Option<Arc<Acme>>,
        default: Option<FilePair>,
    ) -> Self {
        let default = default.map(|paths| Box::new(Watched::new(paths, None, None)));
        Self {
            published,
            crypto,
            acme,
            default: default.map(HostSource::Files),
            hosts: BTreeMap::new(),
            is_changed: true,
        }
    }

    /// Looks when something else is wanted, when an order has ended, and from time to time at what is there.
    pub(super) async fn keep(
        mut self,
        mut wanted: watch::Receiver<Vec<Wanted>>,
        mut news: mpsc::Receiver<News>,
        look_interval: Duration,
    ) {
        let mut tick = tokio::time::interval(look_interval);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                Some(news) = news.recv() => self.hear(news),
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

    fn hear(&mut self, news: News) {
        if let Some(host) = self.hosts.get_mut(&news.host) {
            self.is_changed |= host.source.hear(news);
        }
    }

    /// Looks at all sources and puts what is there in force. Blocks.
    pub(super) fn look(&mut self, now: Timestamp) {
        let acme = self.acme.as_ref();
        for (name, host) in &mut self.hosts {
            self.is_changed |= host.source.look(name, &self.crypto, acme, now);
        }
        if let Some(default) = &mut self.default {
            self.is_changed |= default.look(DEFAULT_HOST, &self.crypto, acme, now);
        }
        if std::mem::take(&mut self.is_changed) {
            self.publish();
        }
        self.tell(now);
    }

    fn publish(&self) {
        let domain = |(name, host): (&String, &Host)| {
            let served = Arc::clone(host.source.served()?);
            let policy = host.policy.clone();
            Some((name.clone(), Domain { served, policy }))
        };
        let domains: HashMap<String, Domain> = self.hosts.iter().filter_map(domain).collect();
        let default = self.default.as_ref().and_then(HostSource::served);
        let table = Table::new(domains, default);
        self.published.table.store(Arc::new(table));
    }

    fn tell(&self, now: Timestamp) {
        let default = self.default.iter().map(|source| (DEFAULT_HOST, "", source));
        let hosts = self.hosts.iter();
        let hosts = hosts.map(|(name, host)| (name.as_str(), host.service.as_str(), &host.source));
        let certificates = default.chain(hosts);
        let certificates =
            certificates.map(|(host, service, source)| observation(host, service, source, now));
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
        let before = before.map(|before| before.source);
        Self {
            service: wanted.service.clone(),
            policy: Policy {
                redirect: wanted.tls.redirect,
                hsts: hsts(wanted.tls.hsts_seconds),
            },
            source: HostSource::new(name, &wanted.tls.source, before),
        }
    }
}

/// What was last told.
pub(super) fn lock(status: &Mutex<Status>) -> std::sync::MutexGuard<'_, Status> {
    // The value is put there whole: a thread that panicked leaves nothing half-done.
    status.lock().unwrap_or_else(PoisonError::into_inner)
}

fn observation(
    host: &str,
    service: &str,
    source: &HostSource,
    now: Timestamp,
) -> CertificateObservation {
    CertificateObservation {
        host: host.to_owned(),
        service: service.to_owned(),
        expires_at: source.served().map(|served| served.pair.not_after()),
        next_at: source.next_at(),
        problem: source.words(host).problem(now),
    }
}
