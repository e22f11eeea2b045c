//! Starting: take the journal over, replay it, bring the read models up to date.
//!
//! A journal that can be read but not written (the disk is full) is no reason to know nothing: the engine starts from it,
//! answers, begins nothing, and takes it over when it can be written again.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::run::{EngineError, Loop};
use super::storage::Storage;
use super::{Engine, REQUESTS_MAX, View};
use crate::chain;
use crate::codec::{self, CodecError};
use crate::journal::{
    Head, Journal, JournalWriter, OwnershipError, ReadModel, RebuildError, ReplayError,
    StorageError,
};
use crate::machine::Machine;
use crate::ports::Ports;
use crate::projection;

/// Why the engine can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The journal could not be taken over.
    #[error("the journal could not be taken over")]
    Ownership(#[from] OwnershipError),
    /// The journal could not be read, or is not what was written.
    #[error("the journal could not be replayed")]
    Replay(#[from] ReplayError),
    /// An event is not one that this barq knows.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The read models could not be brought up to date.
    #[error("the read models could not be rebuilt")]
    Rebuild(#[from] RebuildError),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Starts the engine: a handle, and the loop's future, which ends after `shutdown` or when it can't go on. A journal that
/// can only be read is taken over later, by the loop.
///
/// # Errors
/// `StartError`: nothing was done but taking over the journal.
pub async fn start(
    journal: Journal,
    ports: Ports,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(Engine, impl Future<Output = Result<(), EngineError>> + Send), StartError> {
    let (writer, trouble) = match journal.take_ownership().await {
        Ok(writer) => (Some(writer), None),
        Err(OwnershipError::Storage(trouble)) => (None, Some(trouble)),
        Err(error @ OwnershipError::HeadDoesNotVerify { .. }) => return Err(error.into()),
    };
    let storage_error = trouble.as_ref().map(|it| chain(it));
    let (machine, head) = replay(&journal, writer.as_ref(), trouble).await?;
    let (requests, incoming) = mpsc::channel(REQUESTS_MAX);
    let view = View {
        state: Arc::clone(machine.state()),
        storage_error: storage_error.clone(),
        ..View::default()
    };
    let (publish, view) = watch::channel(view);
    let engine = Engine {
        requests,
        view,
        journal: journal.clone(),
    };
    let storage = Storage::new(journal, writer, head, storage_error);
    let running = Loop::new(machine, storage, ports, publish);
    Ok((engine, running.run(incoming, shutdown)))
}

/// Read models that must be filled anew need a journal that can be written.
async fn replay(
    journal: &Journal,
    writer: Option<&JournalWriter>,
    trouble: Option<StorageError>,
) -> Result<(Machine, Head), StartError> {
    let is_current = journal.projection_version().await? == projection::VERSION;
    let rebuild = match (writer, trouble) {
        _ if is_current => None,
        (None, Some(trouble)) => return Err(OwnershipError::from(trouble).into()),
        (writer, _) => writer,
    };
    if let Some(writer) = rebuild {
        writer
            .start_rebuild(&[ReadModel::Deliveries, ReadModel::Incidents])
            .await?;
    }
    let mut machine = Machine::default();
    let mut replay = journal.replay(Head::EMPTY);
    loop {
        let page = replay.next_page().await?;
        if page.is_empty() {
            break;
        }
        let mut changes = Vec::new();
        for stored in &page {
            let recorded = codec::decode(stored)?;
            machine.apply([&recorded]);
            if rebuild.is_some() {
                let rows = projection::changes(machine.state(), &[recorded]);
                changes.extend(rows.into_iter().map(|row| (stored.sequence, row)));
            }
        }
        if let Some(writer) = rebuild.filter(|_| !changes.is_empty()) {
            writer.refill(&changes).await?;
        }
    }
    if let Some(writer) = rebuild {
        writer.finish_rebuild(projection::VERSION).await?;
    }
    Ok((machine, replay.head()))
}
