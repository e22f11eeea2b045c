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

use super::instance::Instance;
use super::limits::{POOL_CONNECTIONS_MAX, POOL_IDLE};

/// Idle connections by the instance's address.
#[derive(Debug, Default)]
pub(super) struct Pool {
    idle: RefCell<HashMap<SocketAddr, Vec<Idle>>>,
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
        if kept.len() < POOL_CONNECTIONS_MAX {
            instance.wire.rest();
            let since = now;
            kept.push(Idle { instance, since });
        }
    }

    /// Forgets the connections to an instance: one of them turned out closed, so the others probably are.
    pub(super) fn forget(&self, address: SocketAddr) {
        self.idle.borrow_mut().remove(&address);
    }

    /// Lets go what is old.
    pub(super) fn prune(&self) {
        self.idle.borrow_mut().retain(|_, kept| {
            kept.retain(|idle| idle.since.elapsed() < POOL_IDLE);
            !kept.is_empty()
        });
    }
}

/// Whether nothing has come since: neither the end, nor anything that nobody asked for.
fn is_silent(instance: &mut Instance) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    instance.wire.poll_gone(&mut context).is_pending() && instance.wire.data().is_empty()
}
