//! Appending: the one transaction by which anything becomes true.
//!
//! The head row is advanced first, by compare-and-set on position, code and epoch. It is the lock (PostgreSQL) and the proof that nobody came
//! between; only then are events, read models and the kept answer written. An error before the commit leaves nothing. An error *of* the
//! commit leaves it open whether the batch landed, so it is looked for by its id, behind a write to the head row: that write waits for a
//! transaction that still lingers on a lost connection, and makes SQLite overwrite what a failed sync may have left in its log. After
//! it, found is landed and not found can never land.

use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};

use super::database::{CommitError, Value, WriteTransaction};
use super::error::{During as _, StorageError};
use super::event::{BatchId, Head, InvalidBatch, NewEvent, Recorded, Sequence};
use super::idempotency::{self, IdempotencyRecord};
use super::models::{self, ReadModelChange};
use super::{READ_HEAD, Shared, head_row};

/// What one append makes durable, all or nothing.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The events, in order; at least one.
    pub events: Vec<NewEvent>,
    /// What they change in the read models.
    pub changes: Vec<ReadModelChange>,
    /// The answer to keep for a request that may be repeated.
    pub idempotency: Option<IdempotencyRecord>,
}

/// What an append made durable.
#[derive(Clone, Debug)]
pub struct Appended {
    /// The new end of the journal: the next append's `expected`.
    pub head: Head,
    /// The events in their places.
    pub events: Vec<Recorded>,
}

/// Why an append was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The batch itself is not acceptable.
    #[error(transparent)]
    Invalid(#[from] InvalidBatch),
    /// Another append of the same owner came between. Nothing was written; decide again on the new head.
    #[error("the journal is at event {} and not at event {}", actual.sequence, expected.sequence)]
    Conflict {
        /// Where the caller believed the journal to be.
        expected: Head,
        /// Where it is.
        actual: Head,
    },
    /// Another process has taken the journal over. Nothing was written, and this process must stop deciding.
    #[error("another process has taken over the journal (its epoch is {current}, ours was {ours})")]
    Superseded {
        /// The epoch of this writer.
        ours: i64,
        /// The epoch of the owner.
        current: i64,
    },
    /// The request was already answered. Nothing was written.
    #[error("a request with this idempotency key was already answered")]
    Repeated {
        /// What was kept then.
        earlier: Box<IdempotencyRecord>,
    },
    /// The database failed. Nothing was written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The commit failed, and so did finding out whether it took effect: ask [`resolve`](super::JournalWriter::resolve) before going on.
    #[error("it is unknown whether the events after {after} were recorded")]
    OutcomeUnknown {
        /// The head's position before the append.
        after: Sequence,
        /// The append.
        batch: BatchId,
        /// What the commit failed with.
        source: StorageError,
    },
    /// No randomness for the batch's id.
    #[error("could not get random bytes from the operating system")]
    Random(#[source] getrandom::Error),
    /// The runtime is stopping; whether the append took effect is seen at the next start.
    #[error("the runtime stopped during an append")]
    Stopped,
}

/// Rows of one `INSERT`: ten parameters each, far below SQLite's 32,766 and PostgreSQL's 65,535.
const INSERT_ROWS_MAX: usize = 100;

const ADVANCE: &str = "UPDATE journal_head SET sequence = $1, mac = $2, seal = $3 \
     WHERE singleton = 1 AND sequence = $4 AND mac = $5 AND epoch = $6";

/// Changes nothing, but must take the head row's lock and be written to the log to succeed.
const TOUCH_HEAD: &str = "UPDATE journal_head SET epoch = epoch WHERE singleton = 1";

/// Runs an append to its end.
pub(super) async fn append(
    shared: &Shared,
    epoch: i64,
    expected: Head,
    id: BatchId,
    batch: Batch,
) -> Result<Appended, AppendError> {
    let events = shared.key.extend(expected, id, batch.events);
    let head = events.last().map_or(expected, Head::from);
    let mut transaction = shared.database.write().await.during("begin an append")?;
    if !advance(&mut transaction, shared, epoch, expected, head).await? {
        return Err(refusal(transaction, epoch, expected).await?);
    }
    if let Some(record) = &batch.idempotency
        && let Some(earlier) = idempotency::put_if_absent(&mut transaction, record).await?
    {
        transaction.rollback().await.during("give up an append")?;
        return Err(AppendError::Repeated {
            earlier: Box::new(earlier),
        });
    }
    insert_events(&mut transaction, &events).await?;
    for change in &batch.changes {
        models::apply(&mut transaction, change, head.sequence).await?;
    }
    if let Err(error) = transaction.commit().await {
        settle(shared, expected.sequence, id, error).await?;
    }
    shared.announce(head);
    Ok(Appended { head, events })
}

/// Whether the head was where the caller believed, and the caller still the owner.
pub(super) async fn advance(
    transaction: &mut WriteTransaction,
    shared: &Shared,
    epoch: i64,
    expected: Head,
    head: Head,
) -> Result<bool, StorageError> {
    let values = [
        stored_sequence(head.sequence),
        head.mac.0.as_slice().into(),
        shared.key.seal(head).0.as_slice().into(),
        stored_sequence(expected.sequence),
        expected.mac.0.as_slice().into(),
        epoch.into(),
    ];
    let rows = transaction
        .execute(ADVANCE, &values)
        .await
        .during("advance the head of the journal")?;
    Ok(rows == 1)
}

/// Says why the head did not advance.
pub(super) async fn refusal(
    mut transaction: WriteTransaction,
    ours: i64,
    expected: Head,
) -> Result<AppendError, StorageError> {
    const OPERATION: &str = "read the head of the journal";
    let row = head_row(
        transaction
            .fetch_optional(READ_HEAD, &[])
            .await
            .during(OPERATION)?,
        OPERATION,
    )?;
    transaction.rollback().await.during("give up an append")?;
    Ok(if row.epoch == ours {
        AppendError::Conflict {
            expected,
            actual: row.head,
        }
    } else {
        AppendError::Superseded {
            ours,
            current: row.epoch,
        }
    })
}

/// Whether the batch stands right after `after`; see the head of this file.
pub(super) async fn landed(
    shared: &Shared,
    after: Sequence,
    batch: BatchId,
) -> Result<bool, StorageError> {
    const OPERATION: &str = "find out whether an append took effect";
    let mut transaction = shared.database.write().await.during(OPERATION)?;
    transaction
        .execute(TOUCH_HEAD, &[])
        .await
        .during(OPERATION)?;
    transaction
        .commit()
        .await
        .map_err(|error| StorageError::new(OPERATION, error.0))?;
    is_recorded(shared, after, batch).await
}

/// Ends well where the batch landed after all.
async fn settle(
    shared: &Shared,
    after: Sequence,
    batch: BatchId,
    error: CommitError,
) -> Result<(), AppendError> {
    let source = StorageError::new("commit an append", error.0);
    let landed = match &source {
        // No space for the commit record, so there is none, and no space for a write that would make sure of it.
        StorageError::DiskFull { .. } => is_recorded(shared, after, batch).await,
        _ => landed(shared, after, batch).await,
    };
    match landed {
        Ok(true) => Ok(()),
        Ok(false) => Err(source.into()),
        Err(unresolved) => {
            tracing::error!(%unresolved, %batch, "the outcome of an append is unknown");
            Err(AppendError::OutcomeUnknown {
                after,
                batch,
                source,
            })
        }
    }
}

async fn is_recorded(
    shared: &Shared,
    after: Sequence,
    batch: BatchId,
) -> Result<bool, StorageError> {
    let row = shared
        .database
        .fetch_optional(
            "SELECT sequence FROM events WHERE sequence = $1 AND batch = $2",
            &[stored_sequence(after + 1), batch.0.as_slice().into()],
        )
        .await
        .during("find out whether an append took effect")?;
    Ok(row.is_some())
}

pub(super) async fn insert_events(
    transaction: &mut WriteTransaction,
    events: &[Recorded],
) -> Result<(), StorageError> {
    for rows in events.chunks(INSERT_ROWS_MAX) {
        let values: Vec<Value> = rows.iter().flat_map(event_values).collect();
        transaction
            .execute(insert(rows.len()), &values)
            .await
            .during("append events")?;
    }
    Ok(())
}

const EVENT_COLUMNS_COUNT: usize = 10;

fn event_values(recorded: &Recorded) -> [Value; EVENT_COLUMNS_COUNT] {
    let event = &recorded.event;
    [
        stored_sequence(recorded.sequence),
        event.at.as_microsecond().into(),
        event.actor.as_str().into(),
        event.app.as_deref().into(),
        event.subject.as_str().into(),
        event.kind.as_str().into(),
        i64::from(event.version).into(),
        event.payload.as_str().into(),
        recorded.batch.0.as_slice().into(),
        recorded.mac.0.as_slice().into(),
    ]
}

fn insert(rows: usize) -> SqlStr {
    let row = |index: usize| {
        let first = index * EVENT_COLUMNS_COUNT + 1;
        let parameters: Vec<String> = (first..first + EVENT_COLUMNS_COUNT)
            .map(|number| format!("${number}"))
            .collect();
        format!("({})", parameters.join(", "))
    };
    let rows: Vec<String> = (0..rows).map(row).collect();
    AssertSqlSafe(format!(
        "INSERT INTO events ({}) VALUES {}",
        super::read::EVENT_COLUMNS,
        rows.join(", ")
    ))
    .into_sql_str()
}

/// A sequence as both databases store it. They grow by one from zero, so the largest is out of reach.
pub(super) fn stored_sequence(sequence: Sequence) -> Value {
    i64::try_from(sequence).unwrap_or(i64::MAX).into()
}
