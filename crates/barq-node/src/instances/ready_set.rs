//! The instances of a revision that get requests: written by their drivers, read by the proxy.
//!
//! An instance leaves in two moves: it is closed (no request is admitted from that instant on, whatever table a proxy
//! thread still holds) and taken out of the set. So "nothing is in flight" is final when it is seen on a closed endpoint,
//! and a process is never stopped under a request. It must not know probes, processes or weights.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Notify;

/// The bit that closes an endpoint; the bits below count what is in flight.
const CLOSED: u32 = 1 << 31;

/// One instance, as the proxy sees it. Lives as long as one process: a restarted instance is another endpoint.
#[derive(Debug)]
pub struct Endpoint {
    id: String,
    address: SocketAddr,
    load: AtomicU32,
    drained: Notify,
}

impl Endpoint {
    /// A closed endpoint with nothing in flight.
    #[must_use]
    pub fn new(id: String, address: SocketAddr) -> Arc<Self> {
        Arc::new(Self {
            id,
            address,
            load: AtomicU32::new(CLOSED),
            drained: Notify::new(),
        })
    }

    /// The instance's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Requests admitted and not yet completed.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.load.load(Ordering::SeqCst) & !CLOSED
    }

    /// Counts a request in flight until the admission is dropped. `None` if the endpoint is closed: pick another.
    #[must_use]
    pub fn admit(self: &Arc<Self>) -> Option<Admission> {
        // Counted first and checked after: whoever closes afterwards sees the count, whoever closed before is seen.
        let admission = Admission {
            endpoint: Arc::clone(self),
        };
        let before = self.load.fetch_add(1, Ordering::SeqCst);
        (before & CLOSED == 0).then_some(admission)
    }

    /// Admits requests from here on.
    pub(super) fn open(&self) {
        self.load.fetch_and(!CLOSED, Ordering::SeqCst);
    }

    /// Admits none from here on.
    pub(super) fn close(&self) {
        self.load.fetch_or(CLOSED, Ordering::SeqCst);
    }

    /// Waits until it is closed and nothing is in flight.
    pub(super) async fn drained(&self) {
        loop {
            let notified = self.drained.notified();
            if self.load.load(Ordering::SeqCst) == CLOSED {
                return;
            }
            notified.await;
        }
    }
}

/// One request in flight on an endpoint; dropped when it is completed.
#[derive(Debug)]
pub struct Admission {
    endpoint: Arc<Endpoint>,
}

impl Admission {
    /// The endpoint.
    #[must_use]
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if self.endpoint.load.fetch_sub(1, Ordering::SeqCst) == CLOSED + 1 {
            self.endpoint.drained.notify_one();
        }
    }
}

/// The ready instances of one revision. Shared; the same object for as long as the revision is known.
#[derive(Debug, Default)]
pub struct ReadySet {
    endpoints: RwLock<Arc<[Arc<Endpoint>]>>,
    waiting: AtomicU32,
    woken: Notify,
}

impl ReadySet {
    /// The ready instances now. A short lock and a reference count: for building tables, not for each request.
    #[must_use]
    pub fn endpoints(&self) -> Arc<[Arc<Endpoint>]> {
        Arc::clone(
            &self
                .endpoints
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// Tells the autoscaler of a request that waits for an instance, until the guard is dropped. A revision that was
    /// scaled to zero is started by it.
    #[must_use]
    pub fn wait(self: &Arc<Self>) -> Waiting {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.woken.notify_one();
        Waiting {
            set: Arc::clone(self),
        }
    }

    /// What the autoscaler samples: in flight, or waiting for an instance.
    pub(super) fn load(&self) -> u32 {
        let in_flight = self
            .endpoints()
            .iter()
            .map(|endpoint| endpoint.in_flight())
            .fold(0, u32::saturating_add);
        in_flight.saturating_add(self.waiting.load(Ordering::Relaxed))
    }

    /// Resolves when a request began to wait.
    pub(super) async fn woken(&self) {
        self.woken.notified().await;
    }

    /// Opens an endpoint and adds it.
    pub(crate) fn insert(&self, endpoint: &Arc<Endpoint>) {
        endpoint.open();
        self.replace(|endpoints| {
            if !endpoints.iter().any(|other| Arc::ptr_eq(other, endpoint)) {
                endpoints.push(Arc::clone(endpoint));
            }
        });
    }

    /// Closes an endpoint and removes it.
    pub(crate) fn remove(&self, endpoint: &Arc<Endpoint>) {
        endpoint.close();
        self.replace(|endpoints| endpoints.retain(|other| !Arc::ptr_eq(other, endpoint)));
    }

    fn replace(&self, change: impl FnOnce(&mut Vec<Arc<Endpoint>>)) {
        let mut current = self
            .endpoints
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let mut endpoints = current.to_vec();
        change(&mut endpoints);
        *current = endpoints.into();
    }
}

/// A request that waits for an instance of a revision.
#[derive(Debug)]
pub struct Waiting {
    set: Arc<ReadySet>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.set.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
