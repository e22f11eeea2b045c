//! What events change in the read models: the rows by which lists are paged.
//!
//! A row holds what a list is filtered and ordered by; what is shown of a delivery is read from its own events. So a new
//! column is a rebuild, never a migration of meaning.

use std::collections::BTreeSet;

use barq_core::event::{Event, IncidentEvent, Recorded};
use barq_core::identity::{DeliveryId, IncidentId};
use barq_core::state::State;

use crate::journal::{DeliveryRow, Document, IncidentRow, ReadModelChange};

/// The version of this code: another one rebuilds the read models at start.
pub(crate) const VERSION: u32 = 1;

/// The rows that changed with `events`, given the state after them.
pub(crate) fn changes(state: &State, events: &[Recorded]) -> Vec<ReadModelChange> {
    let mut deliveries: BTreeSet<&DeliveryId> = BTreeSet::new();
    let mut incidents: BTreeSet<&IncidentId> = BTreeSet::new();
    for recorded in events {
        match &recorded.event {
            Event::Delivery(id, _) => {
                deliveries.insert(id);
            }
            Event::Rollout(id, _) => {
                deliveries.insert(&id.delivery);
            }
            Event::Incident(
                id,
                IncidentEvent::Opened { .. }
                | IncidentEvent::EvidenceGathered(_)
                | IncidentEvent::EvidenceMissing { .. }
                | IncidentEvent::RolledBack
                | IncidentEvent::Resolved { .. },
            ) => {
                incidents.insert(id);
            }
            Event::App(..) | Event::Service(..) | Event::Effect(_) | Event::Access(_) => {}
        }
    }
    let deliveries = deliveries.into_iter().filter_map(|id| delivery(state, id));
    let incidents = incidents.into_iter().filter_map(|id| incident(state, id));
    deliveries.chain(incidents).collect()
}

fn delivery(state: &State, id: &DeliveryId) -> Option<ReadModelChange> {
    let delivery = state.delivery(id)?;
    Some(ReadModelChange::PutDelivery(DeliveryRow {
        id: id.to_string(),
        app: id.app.to_string(),
        number: u32::try_from(id.number).ok()?,
        state: delivery.state_name().to_owned(),
        commit_hash: delivery.push.commit.hash.to_string(),
        created_at: delivery.created_at,
        finished_at: delivery.finished_at,
        document: Document::encode(&delivery.push.commit.subject).ok()?,
    }))
}

fn incident(state: &State, id: &IncidentId) -> Option<ReadModelChange> {
    let incident = state.incident(id)?;
    let open = if incident.resolved.is_some() {
        "resolved"
    } else {
        "open"
    };
    Some(ReadModelChange::PutIncident(IncidentRow {
        id: id.to_string(),
        app: id.app.to_string(),
        environment: incident.rollout.environment.clone(),
        opened_at: incident.opened_at,
        state: open.to_owned(),
        document: Document::encode(&incident.service.to_string()).ok()?,
    }))
}
