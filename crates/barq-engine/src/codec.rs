//! Between the domain's events and the journal's: the payload's form and its versions.
//!
//! The journal stores bytes and knows nothing of the domain; the domain knows nothing of storage. Older versions of an
//! event are upcast here, when they are read.

use barq_core::configuration::Role;
use barq_core::event::{Actor, Event, Recorded};
use serde::{Deserialize, Serialize};

use crate::journal;

/// An event that could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// It has no JSON form.
    #[error("an event of kind {kind} can't be written")]
    Encode {
        /// Which.
        kind: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// A newer barq wrote it.
    #[error(
        "event {sequence} ({kind}) has version {version}, and this barq knows versions up to {}",
        Event::VERSION
    )]
    Newer {
        /// Where.
        sequence: u64,
        /// Of what kind.
        kind: String,
        /// Its version.
        version: u16,
    },
    /// It is not what its kind says.
    #[error("event {sequence} ({kind}) can't be read")]
    Decode {
        /// Where.
        sequence: u64,
        /// Of what kind.
        kind: String,
        /// Why.
        source: serde_json::Error,
    },
}

#[derive(Serialize, Deserialize)]
struct Payload {
    role: Role,
    event: Event,
}

/// The journal's form of an event.
///
/// # Errors
/// `CodecError::Encode`.
pub fn encode(recorded: &Recorded) -> Result<journal::NewEvent, CodecError> {
    let event = &recorded.event;
    let payload = journal::Document::encode(&Payload {
        role: recorded.actor.role,
        event: event.clone(),
    })
    .map_err(|source| CodecError::Encode {
        kind: event.kind(),
        source,
    })?;
    Ok(journal::NewEvent {
        at: recorded.at,
        actor: recorded.actor.name.clone(),
        app: event.app().map(ToString::to_string),
        subject: event.subject(),
        kind: event.kind().to_owned(),
        version: Event::VERSION,
        payload,
    })
}

/// The domain's form of an event that the journal holds.
///
/// # Errors
/// `CodecError::Newer`, `CodecError::Decode`.
pub fn decode(stored: &journal::Recorded) -> Result<Recorded, CodecError> {
    let event = &stored.event;
    if event.version > Event::VERSION {
        return Err(CodecError::Newer {
            sequence: stored.sequence,
            kind: event.kind.clone(),
            version: event.version,
        });
    }
    let payload: Payload = event
        .payload
        .decode()
        .map_err(|source| CodecError::Decode {
            sequence: stored.sequence,
            kind: event.kind.clone(),
            source,
        })?;
    Ok(Recorded {
        at: event.at,
        actor: Actor {
            name: event.actor.clone(),
            role: payload.role,
        },
        event: payload.event,
    })
}
