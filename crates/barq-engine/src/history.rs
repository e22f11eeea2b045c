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
    /// Its events and its rollouts' events, each with its place in the journal. What it is now does not depend on them:
    /// whoever keeps a journey may drop those that are not shown.
    pub events: Vec<(u64, Recorded)>,
    /// What its events alone add up to.
    state: State,
    /// The place of the last event that was read.
    read_until: u64,
}

impl Journey {
    /// The journey that events tell of; none where they do not begin with the delivery's push.
    pub fn of(id: &DeliveryId, events: Vec<(u64, Recorded)>) -> Option<Self> {
        let mut state = State::default();
        for (_, event) in &events {
            barq_core::state::apply(&mut state, event);
        }
        Some(Self {
            delivery: state.delivery(id)?.clone(),
            rollouts: rollouts(&state),
            read_until: events.last().map_or(0, |(sequence, _)| *sequence),
            events,
            state,
        })
    }

    /// What has come since it was read.
    ///
    /// # Errors
    /// `HistoryError`.
    pub async fn since(&self, journal: &Journal) -> Result<Vec<(u64, Recorded)>, HistoryError> {
        read(journal, &subject(&self.delivery.id), self.read_until).await
    }

    /// Goes on with what has come since it was read.
    pub fn go_on(&mut self, events: Vec<(u64, Recorded)>) {
        for (sequence, event) in events {
            barq_core::state::apply(&mut self.state, &event);
            self.read_until = sequence;
            self.events.push((sequence, event));
        }
        if let Some(delivery) = self.state.delivery(&self.delivery.id) {
            self.delivery.clone_from(delivery);
        }
        self.rollouts = rollouts(&self.state);
    }
}

/// Reads a delivery's journey; none where there never was one.
///
/// # Errors
/// `HistoryError`.
pub async fn journey(journal: &Journal, id: &DeliveryId) -> Result<Option<Journey>, HistoryError> {
    let events = read(journal, &subject(id), 0).await?;
    Ok(Journey::of(id, events))
}

/// Reads an incident and its events; none where there never was one.
///
/// # Errors
/// `HistoryError`.
pub async fn incident(
    journal: &Journal,
    id: &IncidentId,
) -> Result<Option<(Incident, Vec<Recorded>)>, HistoryError> {
    let events = read(journal, &format!("incident/{id}"), 0).await?;
    let mut state = State::default();
    for (_, event) in &events {
        barq_core::state::apply(&mut state, event);
    }
    let events = events.into_iter().map(|(_, event)| event).collect();
    Ok(state.incident(id).cloned().zip(Some(events)))
}

fn subject(id: &DeliveryId) -> String {
    format!("delivery/{id}")
}

fn rollouts(state: &State) -> Vec<Rollout> {
    let rollouts = state.rollouts.values().map(AsRef::as_ref);
    let mut rollouts: Vec<Rollout> = rollouts.cloned().collect();
    rollouts.sort_by_key(|rollout| rollout.started_at);
    rollouts
}

async fn read(
    journal: &Journal,
    subject: &str,
    mut after: u64,
) -> Result<Vec<(u64, Recorded)>, HistoryError> {
    let mut events = Vec::new();
    loop {
        let page = journal.read_subject(subject, after, PAGE_ITEMS_MAX).await?;
        for stored in &page {
            events.push((stored.sequence, codec::decode(stored)?));
            after = stored.sequence;
        }
        if page.len() < PAGE_ITEMS_MAX {
            return Ok(events);
        }
    }
}
