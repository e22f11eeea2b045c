//! What the journal stores: an event as the caller gives it, and as it was recorded.
//!
//! The journal does not know what events mean. A kind is a word, a version a number, a payload JSON that nobody here reads; the caller
//! brings old versions up to date when it reads them. The limits keep one event from growing until it hurts everybody who replays.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Position in the journal: dense from 1, and the id in the event stream. 0 is before the first event.
pub type Sequence = u64;

/// Events in one append.
pub const BATCH_EVENTS_MAX: usize = 1_000;
/// Bytes of one payload: an incident's capped samples fit many times over.
pub const PAYLOAD_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of an actor, app, subject or kind.
pub const NAME_BYTES_MAX: usize = 512;

/// An event to be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// When it happened; kept to the microsecond.
    pub at: Timestamp,
    /// Who caused it: the owner of the token, or the part of the system.
    pub actor: String,
    /// The app that it belongs to, if any.
    pub app: Option<String>,
    /// What it is about, e.g. `delivery:fleet-3`.
    pub subject: String,
    /// What happened, in the caller's words.
    pub kind: String,
    /// Version of the payload's shape.
    pub version: u16,
    /// The details.
    pub payload: Document,
}

/// An event as it stands in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its position and id.
    pub sequence: Sequence,
    /// What was appended.
    pub event: NewEvent,
    /// The append that it came with.
    pub batch: BatchId,
    /// Its authentication code, which covers all the above and its predecessor's.
    pub mac: Mac,
}

/// The end of the journal: where the next append must start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The newest event, or 0.
    pub sequence: Sequence,
    /// Its code; [`Mac::GENESIS`] for the empty journal.
    pub mac: Mac,
}

impl Head {
    /// The head of an empty journal.
    pub const EMPTY: Self = Self {
        sequence: 0,
        mac: Mac::GENESIS,
    };
}

impl From<&Recorded> for Head {
    fn from(recorded: &Recorded) -> Self {
        Self {
            sequence: recorded.sequence,
            mac: recorded.mac,
        }
    }
}

/// JSON text, kept byte for byte. Control characters are escaped in JSON, so it holds no NUL, which PostgreSQL could not store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document(String);

impl Document {
    /// The value's JSON.
    pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::to_string(value).map(Self)
    }

    /// Takes text that must already be JSON.
    pub fn parse(text: String) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<serde::de::IgnoredAny>(&text)?;
        Ok(Self(text))
    }

    /// Reads the value back.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0)
    }

    /// The JSON itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Text from the database, where only documents are written; a reader of altered text meets the error in [`Self::decode`].
    pub(super) const fn stored(text: String) -> Self {
        Self(text)
    }
}

/// An HMAC-SHA256 code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Mac(pub(super) [u8; MAC_BYTES]);

/// Bytes of a SHA-256 code.
pub(super) const MAC_BYTES: usize = 32;

impl Mac {
    /// What stands for the predecessor of the first event.
    pub const GENESIS: Self = Self([0; MAC_BYTES]);

    /// The code's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; MAC_BYTES] {
        &self.0
    }
}

/// Names one append, so that it can be found again when its outcome was unknown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BatchId(pub(super) [u8; BATCH_ID_BYTES]);

/// 128 random bits: never the same twice.
pub(super) const BATCH_ID_BYTES: usize = 16;

impl BatchId {
    pub(super) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; BATCH_ID_BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }
}

/// Text that is not the hexadecimal form of as many bytes as are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {} hexadecimal digits", bytes * 2)]
pub struct HexError {
    bytes: usize,
}

impl fmt::Display for Mac {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, formatter)
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, formatter)
    }
}

impl FromStr for Mac {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        read_hex(text).map(Self)
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, formatter)
    }
}

impl fmt::Debug for BatchId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, formatter)
    }
}

impl FromStr for BatchId {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        read_hex(text).map(Self)
    }
}

/// Why events cannot be appended, whatever the state of the journal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBatch {
    /// There is nothing to append.
    #[error("an append needs at least one event")]
    Empty,
    /// Too many events for one transaction.
    #[error("an append takes at most {BATCH_EVENTS_MAX} events, not {events}")]
    TooManyEvents {
        /// How many there are.
        events: usize,
    },
    /// A payload is too long.
    #[error("a payload of kind {kind} has {bytes} bytes; the limit is {PAYLOAD_BYTES_MAX}")]
    PayloadTooLong {
        /// The event's kind.
        kind: String,
        /// The payload's length.
        bytes: usize,
    },
    /// The answer to be kept is too long.
    #[error(
        "the answer to keep has {bytes} bytes; the limit is {}",
        super::RESPONSE_BYTES_MAX
    )]
    ResponseTooLong {
        /// Its length.
        bytes: usize,
    },
    /// An actor, app, subject or kind is too long.
    #[error("the {field} of an event has {bytes} bytes; the limit is {NAME_BYTES_MAX}")]
    NameTooLong {
        /// Which of them.
        field: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// An actor, app, subject or kind holds a NUL character, which no database here can store.
    #[error("the {field} of an event holds a NUL character")]
    NameWithNul {
        /// Which of them.
        field: &'static str,
    },
}

/// Checks what both databases and all readers can bear.
pub(super) fn check_events(events: &[NewEvent]) -> Result<(), InvalidBatch> {
    if events.is_empty() {
        return Err(InvalidBatch::Empty);
    }
    if events.len() > BATCH_EVENTS_MAX {
        return Err(InvalidBatch::TooManyEvents {
            events: events.len(),
        });
    }
    events.iter().try_for_each(check_event)
}

fn check_event(event: &NewEvent) -> Result<(), InvalidBatch> {
    check_name("actor", &event.actor)?;
    check_name("app", event.app.as_deref().unwrap_or_default())?;
    check_name("subject", &event.subject)?;
    check_name("kind", &event.kind)?;
    let bytes = event.payload.as_str().len();
    if bytes > PAYLOAD_BYTES_MAX {
        return Err(InvalidBatch::PayloadTooLong {
            kind: event.kind.clone(),
            bytes,
        });
    }
    Ok(())
}

fn check_name(field: &'static str, text: &str) -> Result<(), InvalidBatch> {
    if text.len() > NAME_BYTES_MAX {
        return Err(InvalidBatch::NameTooLong {
            field,
            bytes: text.len(),
        });
    }
    if text.contains('\0') {
        return Err(InvalidBatch::NameWithNul { field });
    }
    Ok(())
}

fn write_hex(bytes: &[u8], formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes
        .iter()
        .try_for_each(|byte| write!(formatter, "{byte:02x}"))
}

fn read_hex<const BYTES: usize>(text: &str) -> Result<[u8; BYTES], HexError> {
    let error = HexError { bytes: BYTES };
    if text.len() != BYTES * 2 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(error);
    }
    let mut bytes = [0; BYTES];
    for (byte, digits) in bytes.iter_mut().zip(0..BYTES) {
        let digits = &text[digits * 2..digits * 2 + 2];
        *byte = u8::from_str_radix(digits, 16).map_err(|_| error)?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
