//! What can be done at once of a rollback that the journal does not take: the data plane has a veto towards stable, and
//! tells of it later. So the traffic goes back first, and is recorded as soon as that is possible.
//!
//! The rules decide as always where it goes; here is only what of their decision the data plane can do alone. It moves
//! nothing itself.

use barq_core::event::{Actor, Event, Recall, Recorded, RolloutEvent, ServiceEvent};
use barq_core::identity::ServiceId;
use barq_core::state::State;

use crate::journal::IdempotencyRecord;
use crate::ports::RecallOrder;

/// The order to the data plane for a rollback that was `decided` and can't be recorded; `request` is kept with it, so that
/// the same request, sent again after it was recorded, is known.
///
/// # Errors
/// In words why the traffic can't move before it is recorded.
pub fn order(
    state: &State,
    service: &ServiceId,
    by: &Actor,
    decided: &[Recorded],
    request: Option<&IdempotencyRecord>,
) -> Result<RecallOrder, String> {
    let begun = decided.iter().find_map(|recorded| match &recorded.event {
        Event::Rollout(id, RolloutEvent::RollbackStarted { to, size, .. }) => {
            Some((state.rollout(id)?, to.clone(), *size))
        }
        _ => None,
    });
    let (rollout, to, size) = begun.ok_or_else(|| "there is nothing to take back".to_owned())?;
    let revision = rollout.start.revision.clone();
    let to = to.ok_or_else(|| format!("nothing served before {revision}"))?;
    if !rollout.moved {
        return Err(format!(
            "{revision} has no traffic yet, {to} serves all of it"
        ));
    }
    if size > 0 {
        return Err(format!(
            "{to} must first be started, and a start must be recorded"
        ));
    }
    let message = decided.iter().find_map(message_of);
    let request = request.and_then(|record| serde_json::to_string(record).ok());
    Ok(RecallOrder {
        service: service.clone(),
        revision,
        recall: Recall {
            by: by.clone(),
            to,
            message,
            request,
        },
    })
}

/// What the journal keeps of the request that was answered by a recall, once that is heard of.
pub(crate) fn request(decided: &[Recorded]) -> Option<IdempotencyRecord> {
    let answered = decided.iter().find_map(|recorded| match &recorded.event {
        Event::Service(_, ServiceEvent::Tripped(trip)) => trip.recall.as_ref()?.request.as_ref(),
        _ => None,
    })?;
    match serde_json::from_str(answered) {
        Ok(record) => Some(record),
        Err(error) => {
            tracing::error!(%error, "the request that a recall answered can't be read");
            None
        }
    }
}

fn message_of(recorded: &Recorded) -> Option<String> {
    match &recorded.event {
        Event::Rollout(
            _,
            RolloutEvent::RollbackStarted {
                cause: barq_core::event::RollbackCause::Manual { message, .. },
                ..
            },
        ) => message.clone(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
