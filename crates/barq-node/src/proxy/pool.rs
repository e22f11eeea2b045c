//! One thread's connections to instances, kept while they are idle.
//!
//! The newest is used first, so that the rest can grow old and go. A kept connection may have been closed by the other
//! side meanwhile: what has arrived of that is seen before it is used, the rest is for whoever uses it. It must not know
//! requests.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::task::{Context, Waker};
use std::time::Instant;

use super::instance::{Instance, Multiplexed};
use super::limits::{POOL_CONNECTIONS_MAX, POOL_IDLE};
use super::wire::Wire;

/// Idle connections by the instance's address.
#[derive(Debug, Default)]
pub(super) struct Pool {
    idle: RefCell<HashMap<SocketAddr, Vec<Idle>>>,
    multiplexed: RefCell<HashMap<SocketAddr, Multiplexed>>,
}

#[derive(Debug)]
struct Idle {
    instance: Instance,
    since: Instant,
}

impl Pool {
    /// A kept connection that looks usable.
    pub(super) fn take(&self, address: SocketAddr, now: Instant) -> Option<Instance> {
        let mut idle = self.idle.borrow_mut();
        let kept = idle.get_mut(&address)?;
        while let Some(mut newest) = kept.pop() {
            let is_young = now.saturating_duration_since(newest.since) < POOL_IDLE;
            if is_young && is_silent(&mut newest.instance) {
                return Some(newest.instance);
            }
        }
        None
    }

    /// Keeps a connection whose response has been read to its end.
    pub(super) fn put(&self, mut instance: Instance, now: Instant) {
        let mut idle = self.idle.borrow_mut();
        let kept = idle.entry(instance.address).or_default();
        if let Wire::Connection(connection) = &mut instance.wire
            && kept.len() < POOL_CONNECTIONS_MAX
        {
            connection.rest();
            let since = now;
            kept.push(Idle { instance, since });
        }
    }

    /// Forgets the connections to an instance: one of them turned out closed, so the others probably are.
    pub(super) fn forget(&self, address: SocketAddr) {
        self.idle.borrow_mut().remove(&address);
        self.multiplexed.borrow_mut().remove(&address);
    }

    /// An HTTP/2 connection that many requests share.
    pub(super) fn multiplexed(&self, address: SocketAddr) -> Option<Multiplexed> {
        let multiplexed = self.multiplexed.borrow();
        let sender = multiplexed.get(&address)?;
        (!sender.is_closed()).then(|| sender.clone())
    }

    /// Shares an HTTP/2 connection.
    pub(super) fn share(&self, address: SocketAddr, sender: Multiplexed) {
        self.multiplexed.borrow_mut().insert(address, sender);
    }

    /// Lets go what is old.
    pub(super) fn prune(&self) {
        self.idle.borrow_mut().retain(|_, kept| {
            kept.retain(|idle| idle.since.elapsed() < POOL_IDLE);
            !kept.is_empty()
        });
        self.multiplexed
            .borrow_mut()
            .retain(|_, sender| !sender.is_closed());
    }
}

/// Whether nothing has come since: neither the end, nor anything that nobody asked for.
fn is_silent(instance: &mut Instance) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    match &mut instance.wire {
        Wire::Connection(connection) => {
            connection.poll_gone(&mut context).is_pending() && connection.data().is_empty()
        }
        Wire::Stream(_) => false,
    }
}
