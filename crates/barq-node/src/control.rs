//! Which configuration is in force, and what follows from it: the route table, the tripwires, the leases, the disk.
//!
//! The rules are [`barq_judge::Control`]'s; this holds one for each service under a lock that is held for microseconds,
//! never while something is written. What moves traffic towards stable (a trip, an expired lease, a configuration) is in
//! force first and written after; what moves it away is written first. So whatever `kill -9` hits, the disk never gives a
//! revision more than was given before, and a node that starts from it has every canary at 0 %. It must not know how a
//! request is served or how an instance is started.

mod accept;
mod configuration;
mod counters;
mod disk;
mod keep;
mod leave;
mod observe;
mod recall;
mod service;
mod step;
mod tally;
mod trip;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use barq_judge::Run;
use jiff::Timestamp;
use tokio::sync::{Notify, watch};
use uuid::Uuid;

use crate::api::{
    Evidence, LeaseObservation, LeaseRenewal, Refusal, RevisionConfiguration, RevisionObservation,
};
use crate::instances::ReadySet;
use crate::proxy::{RevisionSockets, ServiceRoute, Swap, Table};
use crate::statistics::Failure;
use crate::tls::Wanted;

use disk::Disk;
use service::{OwnAddress, Service, State};

/// What the control needs of the instances.
pub(crate) trait Fleet: Send + Sync {
    /// Says what is wanted of a service's revisions, whole.
    fn apply(&self, service: &str, revisions: &[RevisionConfiguration]) -> Result<(), String>;
    /// A revision's ready instances.
    fn ready_set(&self, service: &str, revision: &str) -> Option<Arc<ReadySet>>;
    /// What is seen of a revision's instances.
    fn observe(&self, service: &str, revision: &str) -> Option<RevisionObservation>;
}

/// All services of the node.
pub(crate) struct Services {
    run: Uuid,
    started: Instant,
    started_at: Timestamp,
    threads: usize,
    disk: Disk,
    fleet: Box<dyn Fleet>,
    table: Arc<Swap<Table>>,
    routes: Mutex<BTreeMap<String, Arc<ServiceRoute>>>,
    services: Mutex<BTreeMap<String, Arc<Service>>>,
    sockets: OnceLock<RevisionSockets>,
    changes: watch::Sender<u64>,
    /// Wakes the keeper: a deadline may have changed.
    wake: Notify,
    /// Wakes the writer.
    write: Notify,
    dirty: Mutex<BTreeSet<(String, Dirty)>>,
    degraded: Mutex<BTreeMap<String, String>>,
    /// Nothing is taken in any more: the next node is about to take over.
    frozen: AtomicBool,
}

/// What of a service is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Dirty {
    Configuration,
    Counters,
}

impl Services {
    /// Starts from the disk alone: every canary at 0 %. A file that can't be read degrades its own service only, which
    /// answers 503 until it is configured anew.
    ///
    /// # Errors
    /// When the directory can't be used at all.
    pub(crate) fn load(
        directory: &Path,
        threads: usize,
        fleet: Box<dyn Fleet>,
    ) -> std::io::Result<Arc<Self>> {
        let (disk, found) = Disk::open(directory)?;
        let services = Arc::new(Self {
            run: Uuid::new_v4(),
            started: Instant::now(),
            started_at: Timestamp::now(),
            threads,
            disk,
            fleet,
            table: Swap::new(Table::default()),
            routes: Mutex::default(),
            services: Mutex::default(),
            sockets: OnceLock::new(),
            changes: watch::Sender::new(first_change()),
            wake: Notify::new(),
            write: Notify::new(),
            dirty: Mutex::default(),
            degraded: Mutex::default(),
            frozen: AtomicBool::new(false),
        });
        for (name, stored) in found {
            match stored {
                Ok(stored) => services.restore(&name, stored),
                Err(error) => {
                    tracing::error!(service = name, error = %error, "a configuration can't be read");
                    let words = format!(
                        "the configuration of {name} can't be read ({error}): it answers 503 until it is configured anew"
                    );
                    services.degrade(&format!("configuration {name}"), Some(words));
                    services.publish_damaged(&name);
                }
            }
        }
        Ok(services)
    }

    /// The table that the proxy routes by.
    pub(crate) fn table(&self) -> &Arc<Swap<Table>> {
        &self.table
    }

    /// This run.
    pub(crate) fn run(&self) -> Uuid {
        self.run
    }

    /// When the node started.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// The same by the clock.
    pub(crate) fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// The number of the last change.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The domains that are to be served over TLS, and how.
    pub(crate) fn wanted_over_tls(&self) -> Vec<Wanted> {
        let wanted = |service: Arc<Service>| {
            let state = service.lock();
            let configuration = state.configuration.as_ref()?;
            Some(Wanted {
                service: service.name.clone(),
                domains: configuration.domains.clone(),
                tls: configuration.tls.clone()?,
            })
        };
        self.all().into_iter().filter_map(wanted).collect()
    }

    /// The services that are known.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        // One that is damaged is known, too: what runs for it goes on.
        lock(&self.routes).keys().cloned().collect()
    }

    /// Gives every revision an address of its own, now and from now on.
    pub(crate) fn attach(&self, sockets: RevisionSockets) {
        if self.sockets.set(sockets).is_err() {
            tracing::error!("the proxy was attached twice");
        }
        for service in self.all() {
            self.open_addresses(&service, &mut service.lock());
        }
    }

    /// Renews a canary's lease.
    ///
    /// # Errors
    /// When there is none to renew, or not by this caller.
    pub(crate) fn renew(
        &self,
        service: &str,
        renewal: &LeaseRenewal,
    ) -> Result<LeaseObservation, Refusal> {
        let refuse = |why: String| Refusal::Lease { why };
        let service = self
            .find(service)
            .ok_or_else(|| refuse("the service is not known".to_owned()))?;
        let mut state = service.lock();
        // A trip that this instant is on its way to the lock comes first.
        self.absorb_trip(&service, &mut state);
        let now = self.now();
        let renewed = state
            .control
            .renew(Run(renewal.run.as_u128()), renewal.generation, now);
        // Even a refusal may have found the lease expired, and the keeper must act on it.
        self.wake.notify_one();
        renewed.map_err(|refusal| refuse(refusal.to_string()))?;
        Ok(self.lease(&state))
    }

    /// Everything that an incident report shows of a revision, and the failures whose log lines are to be added.
    pub(crate) fn evidence(
        &self,
        service: &str,
        revision: &str,
    ) -> Option<(Evidence, Vec<Failure>)> {
        let service = self.find(service)?;
        let state = service.lock();
        state
            .revisions
            .get(revision)
            .map(|revision| revision.statistics.evidence())
    }

    /// What does not work as it should, in words.
    pub(crate) fn degraded(&self) -> Vec<String> {
        lock(&self.degraded).values().cloned().collect()
    }

    /// Remembers or forgets that something does not work.
    pub(crate) fn degrade(&self, what: &str, words: Option<String>) {
        let mut degraded = lock(&self.degraded);
        match words {
            Some(words) => degraded.insert(what.to_owned(), words),
            None => degraded.remove(what),
        };
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn find(&self, service: &str) -> Option<Arc<Service>> {
        lock(&self.services).get(service).cloned()
    }

    fn all(&self) -> Vec<Arc<Service>> {
        lock(&self.services).values().cloned().collect()
    }

    fn lease(&self, state: &State) -> LeaseObservation {
        let remaining = state.control.lease_remaining(self.now());
        LeaseObservation {
            run: self.run,
            remaining_ms: u64::try_from(remaining.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// Makes a service's route anew and puts it in force: when this returns, every later request is routed by it.
    fn publish(&self, service: &Service, state: &State) {
        let mut routes = lock(&self.routes);
        routes.insert(service.name.clone(), Arc::new(state.route(&service.name)));
        self.table.publish(Table::new(routes.values()));
    }

    /// A service of which only the name is known: without traffic, so it answers 503.
    fn publish_damaged(&self, name: &str) {
        let mut routes = lock(&self.routes);
        routes.insert(
            name.to_owned(),
            Arc::new(State::new(Run(self.run.as_u128())).route(name)),
        );
        self.table.publish(Table::new(routes.values()));
    }

    fn changed(&self) {
        self.changes.send_modify(|change| *change += 1);
        self.wake.notify_one();
    }

    fn mark_dirty(&self, service: &str, what: Dirty) {
        lock(&self.dirty).insert((service.to_owned(), what));
        self.write.notify_one();
    }

    /// Opens the sockets of new revisions; those of gone ones close with their guard.
    fn open_addresses(&self, service: &Service, state: &mut State) {
        let Some(sockets) = self.sockets.get() else {
            return;
        };
        let names: Vec<String> = state.revisions.keys().cloned().collect();
        state.addresses.retain(|name, _| names.contains(name));
        for name in names {
            if state.addresses.contains_key(&name) {
                continue;
            }
            let opened = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
                .and_then(|listener| Ok((listener.local_addr()?, listener)));
            match opened {
                Ok((address, listener)) => {
                    let (guard, until) = watch::channel(());
                    sockets.serve(listener, &service.name, &name, until);
                    state.addresses.insert(
                        name,
                        OwnAddress {
                            address,
                            _guard: guard,
                        },
                    );
                }
                Err(error) => {
                    tracing::error!(revision = name, %error, "a revision has no address of its own");
                }
            }
        }
    }
}

/// Another run counts changes from elsewhere, so that a caller who waited across a restart sees that something changed.
fn first_change() -> u64 {
    u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(1)
}

/// The clock of what is on disk and of what the server says, in milliseconds since 1970.
fn wall_ms() -> u64 {
    u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0)
}

/// The state behind these locks is whole between any two statements: a thread that panicked leaves nothing half-done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(crate) mod tests;
