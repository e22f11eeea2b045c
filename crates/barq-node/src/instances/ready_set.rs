//! The instances of a revision that get requests: written by their drivers, read by the proxy.
//!
//! An instance leaves in two moves: it is closed (no request is admitted from that instant on, whatever table a proxy
//! thread still holds) and taken out of the set. So "nothing is in flight" is final when it is seen on a closed endpoint,
//! and a process is never stopped under a request. It must not know probes, processes or weights.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::ejection::Ejection;

/// The bit that closes an endpoint; the bits below count what is in flight.
const CLOSED: u32 = 1 << 31;

/// One instance, as the proxy sees it. Lives as long as one process: a restarted instance is another endpoint.
#[derive(Debug)]
pub struct Endpoint {
    id: String,
    address: SocketAddr,
    load: AtomicU32,
    drained: Notify,
    ejection: Ejection,
    /// Requests that wait for room in the set that it belongs to.
    queue: OnceLock<Arc<Queue>>,
}

/// Requests that wait for an instance.
#[derive(Debug, Default)]
struct Queue {
    waiting: AtomicU32,
    freed: Notify,
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
            ejection: Ejection::default(),
            queue: OnceLock::new(),
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

    /// A request was answered: whatever the answer says, the instance works.
    pub fn succeeded(&self) {
        self.ejection.succeeded();
    }

    /// A request got no answer. An instance that keeps failing is passed over for a while, how long it says.
    pub fn failed(&self, now: Instant) -> Option<Duration> {
        self.ejection.failed(now)
    }

    /// Whether it is passed over while another one has room.
    #[must_use]
    pub fn is_ejected(&self, now: Instant) -> bool {
        self.ejection.is_ejected(now)
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
        if let Some(queue) = self.endpoint.queue.get() {
            queue.room();
        }
    }
}

/// The ready instances of one revision. Shared; the same object for as long as the revision is known.
#[derive(Debug, Default)]
pub struct ReadySet {
    endpoints: RwLock<Arc<[Arc<Endpoint>]>>,
    queue: Arc<Queue>,
    woken: Notify,
}

impl Queue {
    /// Somebody has room: the request that has waited longest looks again.
    fn room(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.freed.notify_one();
        }
    }
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
        // Counted before it looks for room: whoever makes room afterwards sees it.
        self.queue.waiting.fetch_add(1, Ordering::SeqCst);
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
        in_flight.saturating_add(self.queue.waiting.load(Ordering::SeqCst))
    }

    /// Resolves when a request began to wait.
    pub(super) async fn woken(&self) {
        self.woken.notified().await;
    }

    /// Opens an endpoint and adds it.
    pub(crate) fn insert(&self, endpoint: &Arc<Endpoint>) {
        // The set is the same for as long as the endpoint lives; set twice, it is the same queue.
        endpoint.queue.get_or_init(|| Arc::clone(&self.queue));
        endpoint.open();
        self.replace(|endpoints| {
            if !endpoints.iter().any(|other| Arc::ptr_eq(other, endpoint)) {
                endpoints.push(Arc::clone(endpoint));
            }
        });
        self.queue.freed.notify_waiters();
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

impl Waiting {
    /// Resolves when there may be room. To be enabled before looking, so that what is freed meanwhile is not missed.
    pub fn room(&self) -> Notified<'_> {
        self.set.queue.freed.notified()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.set.queue.waiting.fetch_sub(1, Ordering::SeqCst);
        // What was said to this one, which needs it no longer, is for the next.
        self.set.queue.room();
    }
}

#[cfg(test)]
mod tests;
