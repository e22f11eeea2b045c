//! The journal's owner: the only one who writes.
//!
//! Taking ownership raises the epoch in the head row; every write names its epoch in the same transaction, so a control plane that was
//! replaced (paused, cut off, started twice) is refused at its next write, whatever it believes.

use std::sync::Arc;

use super::append::{self, AppendError, Appended, Batch};
use super::database::WriteTransaction;
use super::error::{During as _, StorageError};
use super::event::{self, BatchId, Head, Recorded, Sequence};
use super::idempotency::IdempotencyRecord;
use super::models::{self, ReadModel, ReadModelChange};
use super::{HeadRow, Journal, READ_HEAD, Shared, head_row, read};

/// The right to write, until somebody else takes it.
#[derive(Clone, Debug)]
pub struct JournalWriter {
    pub(super) shared: Arc<Shared>,
    pub(super) epoch: i64,
}

/// Why the journal could not be taken over.
#[derive(Debug, thiserror::Error)]
pub enum OwnershipError {
    /// The head row or the newest event does not verify. Either the key is not the one that the journal was begun with, or somebody
    /// changed the database.
    #[error(
        "the end of the journal, event {sequence}, does not verify: the key is another, or the database was altered"
    )]
    HeadDoesNotVerify {
        /// Where the head row says that the journal ends.
        sequence: Sequence,
    },
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why the read models could not be filled anew.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// Another process has taken the journal over.
    #[error("another process has taken over the journal (its epoch is no longer {ours})")]
    Superseded {
        /// The epoch of this writer.
        ours: i64,
    },
    /// The database failed. Nothing of this call was written.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Journal {
    /// Becomes the owner; the previous one is refused from now on. Checks the end of the journal first, so that nothing is ever
    /// appended to a chain that is already broken there.
    pub async fn take_ownership(&self) -> Result<JournalWriter, OwnershipError> {
        const OPERATION: &str = "take over the journal";
        let mut transaction = self.shared.database.write().await.during(OPERATION)?;
        transaction
            .execute(
                "UPDATE journal_head SET epoch = epoch + 1 WHERE singleton = 1",
                &[],
            )
            .await
            .during(OPERATION)?;
        let row = head_row(
            transaction
                .fetch_optional(READ_HEAD, &[])
                .await
                .during(OPERATION)?,
            OPERATION,
        )?;
        let newest = read::newest_two(&mut transaction).await?;
        if !end_verifies(&self.shared, &row, &newest) {
            transaction.rollback().await.during(OPERATION)?;
            return Err(OwnershipError::HeadDoesNotVerify {
                sequence: row.head.sequence,
            });
        }
        transaction
            .commit()
            .await
            .map_err(|error| StorageError::new(OPERATION, error.0))?;
        self.shared.announce(row.head);
        Ok(JournalWriter {
            shared: Arc::clone(&self.shared),
            epoch: row.epoch,
        })
    }
}

impl JournalWriter {
    /// Counts owners; each is higher than the one before.
    #[must_use]
    pub const fn epoch(&self) -> i64 {
        self.epoch
    }

    /// The journal that this writes to.
    #[must_use]
    pub fn journal(&self) -> Journal {
        Journal {
            shared: Arc::clone(&self.shared),
        }
    }

    /// Appends the batch right after `expected`, or nothing. Once begun it comes to its end even where the caller goes away.
    pub async fn append(&self, expected: Head, batch: Batch) -> Result<Appended, AppendError> {
        event::check_events(&batch.events)?;
        batch
            .idempotency
            .as_ref()
            .map_or(Ok(()), IdempotencyRecord::check)?;
        let id = BatchId::random().map_err(AppendError::Random)?;
        let batch = to_microseconds(batch);
        let writer = self.clone();
        let task = tokio::spawn(async move {
            append::append(&writer.shared, writer.epoch, expected, id, batch).await
        });
        task.await
            .unwrap_or_else(|error| match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_cancelled) => Err(AppendError::Stopped),
            })
    }

    /// Whether the journal takes writes now, without a change of what it says.
    pub async fn probe(&self) -> Result<(), RebuildError> {
        const OPERATION: &str = "write to the journal";
        committed(self.fenced(OPERATION).await?, OPERATION).await
    }

    /// After [`AppendError::OutcomeUnknown`]: whether the batch took effect. The answer is final; where it is yes, the events are read
    /// after `after`.
    pub async fn resolve(&self, after: Sequence, batch: BatchId) -> Result<bool, StorageError> {
        let landed = append::landed(&self.shared, after, batch).await?;
        if landed {
            self.shared
                .announce(super::read_head(&self.shared.database).await?.head);
        }
        Ok(landed)
    }

    /// Empties these read models and marks the projection as unfinished (version 0) until [`Self::finish_rebuild`]: a crash between
    /// the two is seen at the next start.
    pub async fn start_rebuild(&self, clear: &[ReadModel]) -> Result<(), RebuildError> {
        let mut transaction = self.fenced("empty the read models").await?;
        models::set_version(&mut transaction, 0).await?;
        for model in clear {
            models::clear(&mut transaction, *model).await?;
        }
        committed(transaction, "empty the read models").await
    }

    /// Applies changes that follow from events already in the journal; each comes with its event's sequence.
    pub async fn refill(
        &self,
        changes: &[(Sequence, ReadModelChange)],
    ) -> Result<(), RebuildError> {
        let mut transaction = self.fenced("refill the read models").await?;
        for (sequence, change) in changes {
            models::apply(&mut transaction, change, *sequence).await?;
        }
        committed(transaction, "refill the read models").await
    }

    /// Marks the read models as filled by this version (from 1) of the projecting code.
    pub async fn finish_rebuild(&self, version: u32) -> Result<(), RebuildError> {
        let mut transaction = self.fenced("finish the read models").await?;
        models::set_version(&mut transaction, version).await?;
        committed(transaction, "finish the read models").await
    }

    /// A transaction that holds the head row, refused where another has taken over.
    async fn fenced(&self, operation: &'static str) -> Result<WriteTransaction, RebuildError> {
        let mut transaction = self.shared.database.write().await.during(operation)?;
        let rows = transaction
            .execute(
                "UPDATE journal_head SET epoch = epoch WHERE singleton = 1 AND epoch = $1",
                &[self.epoch.into()],
            )
            .await
            .during(operation)?;
        if rows == 1 {
            return Ok(transaction);
        }
        transaction.rollback().await.during(operation)?;
        Err(RebuildError::Superseded { ours: self.epoch })
    }
}

async fn committed(
    transaction: WriteTransaction,
    operation: &'static str,
) -> Result<(), RebuildError> {
    let outcome = transaction.commit().await;
    outcome.map_err(|error| StorageError::new(operation, error.0).into())
}

/// The seal, the newest event and the head agree; `newest` holds the last two events, the newest first.
fn end_verifies(shared: &Shared, row: &HeadRow, newest: &[Recorded]) -> bool {
    if shared.key.seal(row.head) != row.seal {
        return false;
    }
    let Some(last) = newest.first() else {
        return row.head == Head::EMPTY;
    };
    let previous = newest.get(1).map_or(Head::EMPTY, Head::from);
    Head::from(last) == row.head
        && previous.sequence + 1 == last.sequence
        && shared.key.holds(previous.mac, last)
}

/// What is returned now must equal what is read later.
fn to_microseconds(mut batch: Batch) -> Batch {
    for event in &mut batch.events {
        event.at = read::to_microseconds(event.at);
    }
    batch
}
