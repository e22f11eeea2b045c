//! The last values that somebody asked for, by key: what an open page is rendered of again and again, and would be dear
//! to get anew each time.
//!
//! So few are kept that a walk through them is quicker than a map. The one that nobody asked for the longest goes. Values
//! are handles: nothing is made of them, or waited for, under the lock.

#[cfg(test)]
mod tests;

use std::borrow::Borrow;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// At most so many values.
#[derive(Debug)]
pub(super) struct Recent<Key, Value, const MAX: usize> {
    /// The one that was asked for last is the last.
    kept: Mutex<VecDeque<(Key, Value)>>,
}

impl<Key, Value, const MAX: usize> Default for Recent<Key, Value, MAX> {
    fn default() -> Self {
        Self {
            kept: Mutex::default(),
        }
    }
}

impl<Key: PartialEq, Value: Clone, const MAX: usize> Recent<Key, Value, MAX> {
    /// The value of a key, if it is still kept.
    pub(super) fn get<Asked>(&self, key: &Asked) -> Option<Value>
    where
        Key: Borrow<Asked>,
        Asked: PartialEq + ?Sized,
    {
        let mut kept = self.lock();
        let entry = take(&mut kept, key)?;
        let value = entry.1.clone();
        kept.push_back(entry);
        Some(value)
    }

    /// The value of a key; a new one where none is kept.
    pub(super) fn get_or_default(&self, key: Key) -> Value
    where
        Value: Default,
    {
        let mut kept = self.lock();
        let entry = take(&mut kept, &key).unwrap_or_else(|| (key, Value::default()));
        let value = entry.1.clone();
        push(&mut kept, entry, MAX);
        value
    }

    /// Keeps a value instead of what was kept of its key.
    pub(super) fn keep(&self, key: Key, value: Value) {
        let mut kept = self.lock();
        take(&mut kept, &key);
        push(&mut kept, (key, value), MAX);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Key, Value)>> {
        // Nothing is done under the lock that could leave it half changed.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn take<Key, Asked, Value>(kept: &mut VecDeque<(Key, Value)>, key: &Asked) -> Option<(Key, Value)>
where
    Key: Borrow<Asked>,
    Asked: PartialEq + ?Sized,
{
    let position = kept.iter().rposition(|(known, _)| known.borrow() == key)?;
    kept.remove(position)
}

fn push<Entry>(kept: &mut VecDeque<Entry>, entry: Entry, max: usize) {
    kept.push_back(entry);
    if kept.len() > max {
        kept.pop_front();
    }
}
