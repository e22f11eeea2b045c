//! One immutable value for all threads, swapped at once.
//!
//! A reader keeps the value that it last saw and compares a version; while nothing changes, readers share only that one
//! word, which is read and never written. **Invariant:** once `publish` has returned, every later `read` gives the new
//! value or a newer one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The value in force.
#[derive(Debug)]
pub(crate) struct Swap<T> {
    version: AtomicU64,
    current: Mutex<Arc<T>>,
}

/// One thread's view of it.
#[derive(Debug)]
pub(crate) struct Reader<T> {
    swap: Arc<Swap<T>>,
    seen: u64,
    value: Arc<T>,
}

impl<T> Swap<T> {
    /// Begins with a value.
    pub(crate) fn new(value: T) -> Arc<Self> {
        Arc::new(Self {
            version: AtomicU64::new(1),
            current: Mutex::new(Arc::new(value)),
        })
    }

    /// Puts another value in force.
    pub(crate) fn publish(&self, value: T) {
        let mut current = self.lock();
        *current = Arc::new(value);
        self.version.fetch_add(1, Ordering::SeqCst);
    }

    /// A view for a thread that asks often.
    pub(crate) fn reader(self: &Arc<Self>) -> Reader<T> {
        let current = self.lock();
        Reader {
            swap: Arc::clone(self),
            seen: self.version.load(Ordering::SeqCst),
            value: Arc::clone(&current),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Arc<T>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Reader<T> {
    /// The value in force.
    pub(crate) fn read(&mut self) -> &Arc<T> {
        if self.swap.version.load(Ordering::SeqCst) != self.seen {
            let current = self.swap.lock();
            self.seen = self.swap.version.load(Ordering::SeqCst);
            self.value = Arc::clone(&current);
        }
        &self.value
    }
}

#[cfg(test)]
mod tests;
