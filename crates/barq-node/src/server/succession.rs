//! How one node follows another on the same directory, with no request lost.
//!
//! 1. The old node is asked to hand over. It takes in nothing more, gives all canaries' traffic to stable, writes
//!    everything, leaves its instances as they are, says on its directory that it still serves, and lets go of the lock.
//!    It goes on accepting and serving.
//! 2. The new node, which has waited for the lock, adopts the instances and starts from the disk, on the same listening
//!    socket; it ends no instance on which a request of the old one may be in flight.
//! 3. Once the new one serves, the old one is told to end: it accepts no more, lets what it has end, and is gone.
//!
//! `kill -9` of the old one at any line: the kernel drops its locks, and the new one starts as after any death. `kill -9` of
//! the new one: the old one goes on serving as it was, and whoever supervises starts another one. It must not know who
//! asks, or how.

use tokio::sync::{mpsc, oneshot};

/// Why a node does not hand over. It goes on as before, but that its canaries are at 0 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HandOverError {
    /// The next node would start from something older.
    #[error("what is in force can't be written to disk")]
    NotKept,
    /// It could not say that it still serves, so the next one would end instances under its requests.
    #[error("its directory can't be locked")]
    Lock,
    /// Nobody is there any more.
    #[error("the node has ended")]
    Ended,
}

/// The node's side: what it is asked, and where it says that it serves.
#[derive(Debug)]
pub struct Succession {
    serves: Option<oneshot::Sender<()>>,
    asks: mpsc::Receiver<Ask>,
}

/// Whoever steers the node.
#[derive(Debug)]
pub struct Steering {
    serves: oneshot::Receiver<()>,
    asks: mpsc::Sender<Ask>,
}

/// Where the answer to the question for a hand-over goes.
pub(super) type Ask = oneshot::Sender<Result<(), HandOverError>>;

/// Both sides.
#[must_use]
pub fn succession() -> (Succession, Steering) {
    let (serves, said) = oneshot::channel();
    let (asks, asked) = mpsc::channel(1);
    let node = Succession {
        serves: Some(serves),
        asks: asked,
    };
    let steering = Steering { serves: said, asks };
    (node, steering)
}

impl Succession {
    /// Says that requests are served and the API answers.
    pub(super) fn say_serving(&mut self) {
        let told = self.serves.take().map(|serves| serves.send(()));
        if told.is_some_and(|told| told.is_err()) {
            tracing::trace!("nobody waits for this node");
        }
    }

    /// The next question for a hand-over; none will come if nobody steers.
    pub(super) async fn asked(&mut self) -> Ask {
        match self.asks.recv().await {
            Some(ask) => ask,
            None => std::future::pending().await,
        }
    }
}

impl Steering {
    /// Resolves once requests are served and the API answers. False: it never will.
    pub async fn serves(&mut self) -> bool {
        (&mut self.serves).await.is_ok()
    }

    /// Has the node hand over. When this returns, the next one can take its directory.
    ///
    /// # Errors
    /// Why it goes on instead.
    pub async fn hand_over(&self) -> Result<(), HandOverError> {
        let (ask, answer) = oneshot::channel();
        let asked = self.asks.send(ask).await;
        asked.map_err(|_| HandOverError::Ended)?;
        answer.await.map_err(|_| HandOverError::Ended)?
    }
}
