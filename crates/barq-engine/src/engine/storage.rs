//! The loop's way to the journal: whose it is, where it ends, and whether it takes writes now.
//!
//! A journal that can't be written (a full disk, a lost database) is no end: what was decided did not happen, the loop pauses
//! and asks again, and whoever wants to know is told why. It is taken over late where it could not be at the start; then
//! nobody may have written since it was read. It knows nothing of what the events mean.

use std::time::Duration;

use tokio::time::Instant;

use super::CommandError;
use super::run::{EngineError, StepError};
use crate::chain;
use crate::journal::{
    AppendError, Batch, BatchId, Head, Journal, JournalWriter, OwnershipError, RebuildError,
    Sequence,
};

/// After the journal could not be written, until it is tried again.
const STORAGE_PAUSE: Duration = Duration::from_secs(1);

/// The journal as the loop holds it.
pub(super) struct Storage {
    journal: Journal,
    /// None until it could be taken over.
    writer: Option<JournalWriter>,
    head: Head,
    error: Option<String>,
    /// Not tried again before this.
    paused_until: Option<Instant>,
}

impl Storage {
    pub(super) fn new(
        journal: Journal,
        writer: Option<JournalWriter>,
        head: Head,
        error: Option<String>,
    ) -> Self {
        Self {
            journal,
            writer,
            head,
            error,
            paused_until: None,
        }
    }

    /// Where the journal ends.
    pub(super) fn head(&self) -> Head {
        self.head
    }

    /// Why it can't be written, as far as is known.
    pub(super) fn error(&self) -> Option<&String> {
        self.error.as_ref()
    }

    /// When to look after it again, where it can't be written.
    pub(super) fn try_again_at(&self) -> Option<Instant> {
        let now = Instant::now();
        self.error
            .as_ref()
            .map(|_| self.paused_until.unwrap_or(now))
    }

    /// Where it could not be written: tries again, if it is time to. True when it takes writes again.
    pub(super) async fn look_after(&mut self) -> Result<bool, EngineError> {
        if self.try_again_at().is_none_or(|at| at > Instant::now()) {
            return Ok(false);
        }
        match self.probe().await {
            Ok(()) => {
                tracing::warn!("the journal can be written again");
                self.error = None;
                self.paused_until = None;
                Ok(true)
            }
            Err(StepError::Command(_)) => Ok(false),
            Err(StepError::Engine(error)) => Err(error),
        }
    }

    pub(super) async fn append(&mut self, batch: Batch) -> Result<(), StepError> {
        let writer = self.writer().await?;
        match writer.append(self.head, batch).await {
            Ok(appended) => {
                self.head = appended.head;
                self.error = None;
                Ok(())
            }
            Err(AppendError::OutcomeUnknown {
                after,
                batch,
                source,
            }) => {
                tracing::error!(%source, "it is unknown whether an append landed");
                self.error = Some(chain(&source));
                self.resolve(&writer, after, batch).await
            }
            Err(
                error @ (AppendError::Conflict { .. }
                | AppendError::Superseded { .. }
                | AppendError::Stopped),
            ) => Err(EngineError::NotOwner(Box::new(error)).into()),
            Err(AppendError::Repeated { earlier }) => {
                Err(StepError::Command(CommandError::Repeated(earlier)))
            }
            Err(
                error
                @ (AppendError::Invalid(_) | AppendError::Storage(_) | AppendError::Random(_)),
            ) => Err(self.failed(error)),
        }
    }

    /// Nothing else may be decided before it is known whether the batch is in the journal.
    async fn resolve(
        &mut self,
        writer: &JournalWriter,
        after: Sequence,
        batch: BatchId,
    ) -> Result<(), StepError> {
        loop {
            match writer.resolve(after, batch).await {
                Ok(true) => {
                    let head = self.journal.head().await;
                    if let Ok(head) = head {
                        self.head = head;
                        self.error = None;
                        return Ok(());
                    }
                }
                Ok(false) => {
                    let error = AppendError::Stopped;
                    return Err(StepError::Command(CommandError::NotRecorded(Box::new(
                        error,
                    ))));
                }
                Err(error) => tracing::error!(%error, "the journal can't be asked"),
            }
            tokio::time::sleep(STORAGE_PAUSE).await;
        }
    }

    async fn probe(&mut self) -> Result<(), StepError> {
        let writer = self.writer().await?;
        match writer.probe().await {
            Ok(()) => Ok(()),
            Err(RebuildError::Storage(error)) => Err(self.failed(error.into())),
            Err(error @ RebuildError::Superseded { .. }) => {
                Err(EngineError::TakenOver(Box::new(error)).into())
            }
        }
    }

    async fn writer(&mut self) -> Result<JournalWriter, StepError> {
        if let Some(writer) = &self.writer {
            return Ok(writer.clone());
        }
        let taken = match self.journal.take_ownership().await {
            Ok(writer) => self.journal.head().await.map(|head| (writer, head)),
            Err(OwnershipError::Storage(error)) => Err(error),
            Err(error @ OwnershipError::HeadDoesNotVerify { .. }) => {
                return Err(EngineError::Ownership(Box::new(error)).into());
            }
        };
        let (writer, actual) = taken.map_err(|error| self.failed(error.into()))?;
        if actual != self.head {
            let expected = self.head;
            let error = AppendError::Conflict { expected, actual };
            return Err(EngineError::NotOwner(Box::new(error)).into());
        }
        self.writer = Some(writer.clone());
        Ok(writer)
    }

    /// Says it once: it is tried again and again.
    fn failed(&mut self, error: AppendError) -> StepError {
        let text = chain(&error);
        if self.error.is_none() {
            tracing::error!(
                error = text,
                "the journal can't be written: nothing more is begun until it can"
            );
        }
        self.paused_until = Some(Instant::now() + STORAGE_PAUSE);
        self.error = Some(text);
        StepError::Command(CommandError::NotRecorded(Box::new(error)))
    }
}
