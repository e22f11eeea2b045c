//! What one question may cost: so many bytes and so much time, whichever is used up first.
//!
//! Whoever asks looks at a page meanwhile, and what a byte costs depends on the lines, the filter and the machine. A
//! question that ends early says how far it came.

use std::time::{Duration, Instant};

/// What is left of it.
#[derive(Debug)]
pub(super) struct Budget {
    bytes: u64,
    until: Instant,
}

impl Budget {
    pub(super) fn new(bytes: u64, time: Duration) -> Self {
        Self {
            bytes,
            until: Instant::now() + time,
        }
    }

    pub(super) fn spend(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Nothing more may be read than what is needed to come on at all.
    pub(super) fn is_spent(&self) -> bool {
        self.bytes == 0 || Instant::now() >= self.until
    }
}
