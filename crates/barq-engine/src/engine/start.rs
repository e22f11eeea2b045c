//! Starting: take the journal over, replay it, bring the read models up to date.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::run::{EngineError, Loop};
use super::{Engine, REQUESTS_MAX, View};
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

/// Starts the engine: a handle, and the loop's future, which ends after `shutdown` or when it can't go on.
///
/// # Errors
/// `StartError`: nothing was done but taking over the journal.
pub async fn start(
    journal: Journal,
    ports: Ports,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(Engine, impl Future<Output = Result<(), EngineError>> + Send), StartError> {
    let writer = journal.take_ownership().await?;
    let (machine, head) = replay(&journal, &writer).await?;
    let (requests, incoming) = mpsc::channel(REQUESTS_MAX);
    let view = View {
        state: Arc::clone(machine.state()),
        ..View::default()
    };
    let (publish, view) = watch::channel(view);
    let engine = Engine {
        requests,
        view,
        journal,
    };
    let running = Loop::new(machine, writer, head, ports, publish);
    Ok((engine, running.run(incoming, shutdown)))
}

async fn replay(journal: &Journal, writer: &JournalWriter) -> Result<(Machine, Head), StartError> {
    let rebuild = journal.projection_version().await? != projection::VERSION;
    if rebuild {
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
            if rebuild {
                let rows = projection::changes(machine.state(), &[recorded]);
                changes.extend(rows.into_iter().map(|row| (stored.sequence, row)));
            }
        }
        if !changes.is_empty() {
            writer.refill(&changes).await?;
        }
    }
    if rebuild {
        writer.finish_rebuild(projection::VERSION).await?;
    }
    Ok((machine, replay.head()))
}
