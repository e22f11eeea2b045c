//! What happened to a delivery or an incident, from the journal: also of those that the state has forgotten.

use barq_core::delivery::Delivery;
use barq_core::event::Recorded;
use barq_core::identity::{DeliveryId, IncidentId};
use barq_core::incident::Incident;
use barq_core::rollout::Rollout;
use barq_core::state::State;

use crate::codec::{self, CodecError};
use crate::journal::{Journal, PAGE_ITEMS_MAX, StorageError};

/// Why a history could not be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// An event is not one that this barq knows.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

/// A delivery's journey: what it is now, and everything that happened to it.
#[derive(Debug, Clone)]
pub struct Journey {
    /// The delivery.
    pub delivery: Delivery,
    /// Its rollouts, in the order of the environments that it entered.
    pub rollouts: Vec<Rollout>,
    /// Its events and its rollouts' events, each with its place in the journal.
    pub events: Vec<(u64, Recorded)>,
}

/// Reads a delivery's journey; none where there never was one.
///
/// # Errors
/// `HistoryError`.
pub async fn journey(journal: &Journal, id: &DeliveryId) -> Result<Option<Journey>, HistoryError> {
    let events = read(journal, &format!("delivery/{id}")).await?;
    let mut state = State::default();
    for (_, event) in &events {
        barq_core::state::apply(&mut state, event);
    }
    let Some(delivery) = state.delivery(id).cloned() else {
        return Ok(None);
    };
    let mut rollouts: Vec<Rollout> = state
        .rollouts
        .values()
        .map(|rollout| rollout.as_ref().clone())
        .collect();
    rollouts.sort_by_key(|rollout| rollout.started_at);
    Ok(Some(Journey {
        delivery,
        rollouts,
        events,
    }))
}

/// Reads an incident; none where there never was one.
///
/// # Errors
/// `HistoryError`.
pub async fn incident(
    journal: &Journal,
    id: &IncidentId,
) -> Result<Option<Incident>, HistoryError> {
    let mut state = State::default();
    for (_, event) in read(journal, &format!("incident/{id}")).await? {
        barq_core::state::apply(&mut state, &event);
    }
    Ok(state.incident(id).cloned())
}

async fn read(journal: &Journal, subject: &str) -> Result<Vec<(u64, Recorded)>, HistoryError> {
    let mut events = Vec::new();
    let mut after = 0;
    loop {
        let page = journal.read_subject(subject, after, PAGE_ITEMS_MAX).await?;
        let Some(last) = page.last() else {
            return Ok(events);
        };
        after = last.sequence;
        for stored in &page {
            events.push((stored.sequence, codec::decode(stored)?));
        }
    }
}
