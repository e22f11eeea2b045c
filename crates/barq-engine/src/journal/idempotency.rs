//! Answers kept for requests that may be repeated (`Idempotency-Key`).
//!
//! The answer becomes durable with the events that the request caused, or not at all: a client that repeats a request after a crash gets
//! the first answer exactly if the first request took effect. Answers are kept per actor, so nobody reads another's by guessing a key, and
//! are dropped when they expire, with the next one that is kept.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Journal;
use super::database::{Row, Value, WriteTransaction};
use super::error::{During as _, StorageError};
use super::event::InvalidBatch;

/// Bytes of one kept response; the API keeps commands' answers, which are short.
pub const RESPONSE_BYTES_MAX: usize = 64 * 1024;

/// A request and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdempotencyRecord {
    /// Hash of the client's key.
    pub key_hash: String,
    /// Whose request it was.
    pub actor: String,
    /// Digest of the request: another request under the same key is the client's mistake.
    pub request_digest: String,
    /// The answer, in the caller's form; at most [`RESPONSE_BYTES_MAX`].
    pub response: String,
    /// When it was answered: what has expired by then is dropped.
    pub recorded_at: Timestamp,
    /// From when on the key counts as new.
    pub expires_at: Timestamp,
}

impl IdempotencyRecord {
    pub(super) const fn check(&self) -> Result<(), InvalidBatch> {
        if self.response.len() > RESPONSE_BYTES_MAX {
            return Err(InvalidBatch::ResponseTooLong {
                bytes: self.response.len(),
            });
        }
        Ok(())
    }
}

const SELECT: &str = "SELECT key_hash, actor, request_digest, response, recorded_at_micros, expires_at_micros FROM idempotency \
     WHERE actor = $1 AND key_hash = $2 AND expires_at_micros > $3";
const INSERT: &str = "INSERT INTO idempotency (key_hash, actor, request_digest, response, recorded_at_micros, expires_at_micros) \
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (actor, key_hash) DO NOTHING";
const DELETE_EXPIRED: &str = "DELETE FROM idempotency WHERE expires_at_micros <= $1";

const READ: &str = "read the answer to an earlier request";
const KEEP: &str = "keep the answer to a request";

impl Journal {
    /// The answer kept for the actor's key, unless it has expired at `now`.
    pub async fn idempotency(
        &self,
        actor: &str,
        key_hash: &str,
        now: Timestamp,
    ) -> Result<Option<IdempotencyRecord>, StorageError> {
        let values = [actor.into(), key_hash.into(), now.as_microsecond().into()];
        let row = self
            .shared
            .database
            .fetch_optional(SELECT, &values)
            .await
            .during(READ)?;
        row.as_ref().map(record).transpose()
    }
}

/// Keeps the record, or answers the one that is already there.
pub(super) async fn put_if_absent(
    transaction: &mut WriteTransaction,
    record_new: &IdempotencyRecord,
) -> Result<Option<IdempotencyRecord>, StorageError> {
    let now: Value = record_new.recorded_at.as_microsecond().into();
    transaction
        .execute(DELETE_EXPIRED, std::slice::from_ref(&now))
        .await
        .during(KEEP)?;
    let values = [
        record_new.key_hash.as_str().into(),
        record_new.actor.as_str().into(),
        record_new.request_digest.as_str().into(),
        record_new.response.as_str().into(),
        now.clone(),
        record_new.expires_at.as_microsecond().into(),
    ];
    if transaction.execute(INSERT, &values).await.during(KEEP)? == 1 {
        return Ok(None);
    }
    let values = [
        record_new.actor.as_str().into(),
        record_new.key_hash.as_str().into(),
        now,
    ];
    let row = transaction
        .fetch_optional(SELECT, &values)
        .await
        .during(READ)?;
    row.as_ref().map(record).transpose()
}

fn record(row: &Row) -> Result<IdempotencyRecord, StorageError> {
    let key_hash: String = row.get(0).during(READ)?;
    let time = |column| -> Result<Timestamp, StorageError> {
        Timestamp::from_microsecond(row.get(column).during(READ)?).map_err(|_| {
            StorageError::ImpossibleRow {
                operation: READ,
                row: format!("idempotency {key_hash}"),
                field: "time",
            }
        })
    };
    Ok(IdempotencyRecord {
        actor: row.get(1).during(READ)?,
        request_digest: row.get(2).during(READ)?,
        response: row.get(3).during(READ)?,
        recorded_at: time(4)?,
        expires_at: time(5)?,
        key_hash: key_hash.clone(),
    })
}
