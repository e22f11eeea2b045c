//! Loopback ports for instances, so that two never get the same.
//!
//! The kernel picks a free one; it is remembered, since it is free again until the process listens on it. A released port
//! rests for a while: a proxy thread may hold the address of a process that has just ended, and must not reach another's.
//! Someone outside may still take a port in between; the process then fails, and is started on another.
//! It must not know processes.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a released port is given to nobody.
pub const PORT_REST: Duration = Duration::from_secs(60);

/// Attempts to find a port that is not remembered.
const ATTEMPTS_MAX: u32 = 256;

/// The ports that were given out.
#[derive(Debug, Default)]
pub(super) struct Ports {
    /// With the time since when it rests, if it does.
    taken: Mutex<HashMap<u16, Option<Instant>>>,
}

impl Ports {
    /// Takes a free port.
    pub(super) fn take(&self, now: Instant) -> io::Result<u16> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.retain(|_, resting| {
            resting.is_none_or(|since| now.saturating_duration_since(since) < PORT_REST)
        });
        for _ in 0..ATTEMPTS_MAX {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
                .local_addr()?
                .port();
            if let std::collections::hash_map::Entry::Vacant(entry) = taken.entry(port) {
                entry.insert(None);
                return Ok(port);
            }
        }
        Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "no free loopback port was found",
        ))
    }

    /// Remembers the port of an adopted instance.
    pub(super) fn reserve(&self, port: u16) {
        self.taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(port, None);
    }

    /// Gives a port back; it rests first.
    pub(super) fn release(&self, port: u16, now: Instant) {
        self.taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(port, Some(now));
    }
}

#[cfg(test)]
mod tests;
