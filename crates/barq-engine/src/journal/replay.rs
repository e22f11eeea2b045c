//! Replaying the journal in bounded memory, trusting nothing.
//!
//! The state of the whole product is what a replay gives, so each event is checked against the chain as it is read: a gap or an altered event
//! stops the replay instead of becoming state.

use futures::stream::{self, Stream, StreamExt as _, TryStreamExt as _};

use super::Journal;
use super::error::StorageError;
use super::event::{Head, Recorded, Sequence};

/// Events held in memory at once.
const REPLAY_PAGE_EVENTS: usize = 1_000;

/// Why a replay stopped.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The chain is broken here; [`verify`](Journal::verify) says more.
    #[error("the journal is broken at event {sequence}")]
    Broken {
        /// The first event that does not follow from the one before.
        sequence: Sequence,
    },
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A replay under way: pages of checked events up to the newest.
#[derive(Debug)]
pub struct Replay {
    journal: Journal,
    at: Head,
}

impl Journal {
    /// Begins to replay after `after`: [`Head::EMPTY`] for all events, or a head that the caller has kept.
    #[must_use]
    pub fn replay(&self, after: Head) -> Replay {
        Replay {
            journal: self.clone(),
            at: after,
        }
    }
}

impl Replay {
    /// The next events, at most a thousand; empty at the end of the journal. Going on later finds what was appended meanwhile.
    pub async fn next_page(&mut self) -> Result<Vec<Recorded>, ReplayError> {
        let page = self
            .journal
            .read(self.at.sequence, REPLAY_PAGE_EVENTS)
            .await?;
        let mut at = self.at;
        for recorded in &page {
            let follows = recorded.sequence == at.sequence + 1
                && self.journal.shared.key.holds(at.mac, recorded);
            if !follows {
                return Err(ReplayError::Broken {
                    sequence: at.sequence + 1,
                });
            }
            at = Head::from(recorded);
        }
        self.at = at;
        Ok(page)
    }

    /// Where the replay stands: after the last page, the head that all events up to it lead to.
    #[must_use]
    pub const fn head(&self) -> Head {
        self.at
    }

    /// The events one by one, up to the newest.
    pub fn into_stream(self) -> impl Stream<Item = Result<Recorded, ReplayError>> + Send {
        stream::try_unfold(self, |mut replay| async move {
            let page = replay.next_page().await?;
            Ok::<_, ReplayError>((!page.is_empty()).then_some((page, replay)))
        })
        .map_ok(|page| stream::iter(page).map(Ok))
        .try_flatten()
    }
}
