//! The single writer: one task that takes commands, outcomes and observations one at a time, decides, appends, applies,
//! and only then acts.
//!
//! **Invariant**: nothing is done outside, shown, or answered that is not in the journal. A crash between any two lines is
//! the normal path: the next start replays, derives what is pending, and goes on. A lease is renewed here, after an
//! observation was judged and what follows from it is durable; never by a timer.

mod look;
mod run;
mod start;
mod storage;

use std::sync::Arc;

use barq_core::command::{Command, Rejection};
use barq_core::event::{Actor, Recorded};
use barq_core::observation::Observed;
use barq_core::state::State;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};

use crate::journal::{AppendError, IdempotencyRecord, Journal};
use crate::ports::Seen;

pub use run::EngineError;
pub use start::{StartError, start};

/// Commands that wait for their turn; more are refused for the moment by making the caller wait.
const REQUESTS_MAX: usize = 256;

/// What the engine knows at one moment.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// What the journal adds up to.
    pub state: Arc<State>,
    /// The latest observations, as decisions use them.
    pub observed: Arc<Observed>,
    /// The latest observations, as people want them.
    pub seen: Arc<Seen>,
    /// When the latest observations were made; none before the first.
    pub seen_at: Option<Timestamp>,
    /// Why the data plane can't be seen, if it can't: then they are no longer what is so now.
    pub data_plane_error: Option<String>,
    /// Why the journal can't be written, if it can't.
    pub storage_error: Option<String>,
}

/// Why a command had no effect.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The rules refuse it.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// It was given before, under the same idempotency key.
    #[error("this request was answered before")]
    Repeated(Box<IdempotencyRecord>),
    /// It could not be recorded, so it did not happen.
    #[error("the command could not be recorded, so nothing was done")]
    NotRecorded(#[source] Box<AppendError>),
    /// The engine has stopped.
    #[error("the server is stopping")]
    Stopped,
}

struct Request {
    actor: Actor,
    command: Command,
    idempotency: Option<IdempotencyRecord>,
    reply: oneshot::Sender<Result<Vec<Recorded>, CommandError>>,
}

/// The handle by which everybody else reaches the engine.
#[derive(Clone)]
pub struct Engine {
    requests: mpsc::Sender<Request>,
    view: watch::Receiver<View>,
    journal: Journal,
}

impl Engine {
    /// Gives a command and waits until what it causes is recorded.
    ///
    /// # Errors
    /// `CommandError`: nothing was done.
    pub async fn command(
        &self,
        actor: Actor,
        command: Command,
        idempotency: Option<IdempotencyRecord>,
    ) -> Result<Vec<Recorded>, CommandError> {
        let (reply, answer) = oneshot::channel();
        let request = Request {
            actor,
            command,
            idempotency,
            reply,
        };
        self.requests
            .send(request)
            .await
            .map_err(|_closed| CommandError::Stopped)?;
        answer.await.map_err(|_closed| CommandError::Stopped)?
    }

    /// What is known now.
    pub fn view(&self) -> View {
        self.view.borrow().clone()
    }

    /// Changes whenever something was recorded or seen.
    pub fn watch(&self) -> watch::Receiver<View> {
        self.view.clone()
    }

    /// The journal, for reading.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }
}
