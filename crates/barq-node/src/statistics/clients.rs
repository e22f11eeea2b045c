//! How many different clients: exact up to a limit, an estimate above it, in bounded memory.
//!
//! Keeps the smallest hashes seen (a k-minimum-values sketch, Bar-Yossef et al., 2002): below the limit that is every one;
//! above it, how close together they lie tells how many there are. Two sketches merge exactly. It knows no request.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;

/// Up to so many clients the count is exact; above it the relative error is about 1.6 %.
pub(crate) const CLIENTS_EXACT_MAX: usize = 4096;

/// A set of clients, by address.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clients {
    smallest: BTreeSet<u64>,
}

impl Clients {
    /// Adds a client.
    pub(crate) fn insert(&mut self, client: IpAddr) {
        let mut hasher = DefaultHasher::new();
        client.hash(&mut hasher);
        self.insert_hash(hasher.finish());
    }

    /// Adds another set's clients.
    pub(crate) fn merge(&mut self, other: &Self) {
        for hash in &other.smallest {
            self.insert_hash(*hash);
        }
    }

    /// How many different clients there are.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate: a hash's low bits do not matter, and the count is positive"
    )]
    pub(crate) fn count(&self) -> u64 {
        let kept = self.smallest.len();
        match self.smallest.last() {
            Some(largest) if kept >= CLIENTS_EXACT_MAX => {
                ((kept - 1) as f64 * (u64::MAX as f64 / *largest as f64)).round() as u64
            }
            _ => kept as u64,
        }
    }

    fn insert_hash(&mut self, hash: u64) {
        if self.smallest.len() < CLIENTS_EXACT_MAX {
            self.smallest.insert(hash);
        } else if self.smallest.last().is_some_and(|largest| hash < *largest)
            && self.smallest.insert(hash)
        {
            self.smallest.pop_last();
        }
    }
}

#[cfg(test)]
mod tests;
