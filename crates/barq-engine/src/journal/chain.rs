//! The keyed chain: each event's code covers its stored bytes and its predecessor's code, and a seal covers the head.
//!
//! Who can write to the database but has no key can neither alter, insert, remove nor reorder an event unseen. The seal makes the head row
//! part of it: a tail cut off together with a head copied from an older event does not verify. What no chain can show is a whole database
//! put back to an earlier state; for that, heads are recorded outside and compared (`verify`).
//!
//! Every field is preceded by its length (or presence), so that no two different events have the same bytes.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::event::{BatchId, Head, Mac, NewEvent, Recorded, Sequence};

/// What is sealed begins with what it is, so that a seal can never pass for an event's code.
const EVENT_DOMAIN: &[u8] = b"barq journal event 1\0";
const HEAD_DOMAIN: &[u8] = b"barq journal head 1\0";

/// The key, ready to be used. Its `Debug` shows nothing of it.
#[derive(Clone)]
pub(super) struct ChainKey {
    keyed: Hmac<Sha256>,
}

impl ChainKey {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self {
            keyed: Hmac::new_from_slice(key).expect("HMAC takes a key of any length"),
        }
    }

    /// The code of the event at `sequence` after a predecessor with the code `previous`.
    pub(super) fn event(
        &self,
        previous: Mac,
        sequence: Sequence,
        batch: BatchId,
        event: &NewEvent,
    ) -> Mac {
        let mut code = self.keyed.clone();
        code.update(EVENT_DOMAIN);
        code.update(&previous.0);
        code.update(&sequence.to_be_bytes());
        code.update(&batch.0);
        code.update(&event.at.as_microsecond().to_be_bytes());
        code.update(&event.version.to_be_bytes());
        field(&mut code, &event.actor);
        code.update(&[u8::from(event.app.is_some())]);
        field(&mut code, event.app.as_deref().unwrap_or_default());
        field(&mut code, &event.subject);
        field(&mut code, &event.kind);
        field(&mut code, event.payload.as_str());
        Mac(code.finalize().into_bytes().into())
    }

    /// Whether the event is what was appended after a predecessor with the code `previous`.
    pub(super) fn holds(&self, previous: Mac, recorded: &Recorded) -> bool {
        self.event(previous, recorded.sequence, recorded.batch, &recorded.event) == recorded.mac
    }

    /// The seal of the head row.
    pub(super) fn seal(&self, head: Head) -> Mac {
        let mut code = self.keyed.clone();
        code.update(HEAD_DOMAIN);
        code.update(&head.sequence.to_be_bytes());
        code.update(&head.mac.0);
        Mac(code.finalize().into_bytes().into())
    }

    /// Gives a batch its places after `head`.
    pub(super) fn extend(
        &self,
        head: Head,
        batch: BatchId,
        events: Vec<NewEvent>,
    ) -> Vec<Recorded> {
        let mut previous = head.mac;
        (head.sequence + 1..)
            .zip(events)
            .map(|(sequence, event)| {
                let mac = self.event(previous, sequence, batch, &event);
                previous = mac;
                Recorded {
                    sequence,
                    event,
                    batch,
                    mac,
                }
            })
            .collect()
    }
}

impl fmt::Debug for ChainKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ChainKey")
    }
}

fn field(code: &mut Hmac<Sha256>, text: &str) {
    code.update(&(text.len() as u64).to_be_bytes());
    code.update(text.as_bytes());
}

#[cfg(test)]
mod tests;
