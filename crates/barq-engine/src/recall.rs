//! What can be done at once of a rollback that the journal does not take: the data plane has a veto towards stable, and
//! tells of it later. So the traffic goes back first, and is recorded as soon as that is possible.
//!
//! The rules decide as always where it goes; here is only what of their decision the data plane can do alone. It moves
//! nothing itself.

use barq_core::event::{Actor, Event, Recall, Recorded, RolloutEvent, ServiceEvent};
use barq_core::identity::{RevisionName, RolloutId, ServiceId};
use barq_core::observation::Observed;
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
    observed: &Observed,
    service: &ServiceId,
    by: &Actor,
    decided: &[Recorded],
    request: Option<&IdempotencyRecord>,
) -> Result<RecallOrder, String> {
    let begun = begun(decided).and_then(|(id, to, size)| Some((state.rollout(id)?, to, size)));
    let (rollout, to, size) = begun.ok_or_else(|| "there is nothing to take back".to_owned())?;
    let revision = rollout.start.revision.clone();
    let to = to
        .cloned()
        .ok_or_else(|| format!("nothing served before {revision}"))?;
    if !rollout.moved {
        return Err(format!(
            "{revision} has no traffic yet, {to} serves all of it"
        ));
    }
    let (ready, least) = (ready(observed, service, &to), least(state, service, &to));
    if size > 0 && ready < least {
        return Err(format!(
            "{ready} of the {least} instances that {to} has at least are ready, and a start must be recorded"
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

/// In words what is missing to the size that the load asks for, where the traffic moves all the same. What a load asks for
/// of a revision that is to be taken back may be its own fault: where requests hang, more and more instances are wanted.
/// What has its least size is up, and no instance gets more requests at a time than it may.
pub fn shortage(observed: &Observed, service: &ServiceId, decided: &[Recorded]) -> Option<String> {
    let (_, to, size) = begun(decided)?;
    let ready = ready(observed, service, to?);
    (ready < size).then(|| {
        format!("{ready} of the {size} instances that the load asks for are ready, the others follow when there is room")
    })
}

/// The rollback in what was decided: of which rollout, to what, and the size that this must first have; 0 where it has it.
fn begun(decided: &[Recorded]) -> Option<(&RolloutId, Option<&RevisionName>, u32)> {
    decided.iter().find_map(|recorded| match &recorded.event {
        Event::Rollout(id, RolloutEvent::RollbackStarted { to, size, .. }) => {
            Some((id, to.as_ref(), *size))
        }
        _ => None,
    })
}

fn ready(observed: &Observed, service: &ServiceId, revision: &RevisionName) -> u32 {
    let seen = observed.get(service);
    let seen = seen.and_then(|seen| seen.revisions.get(revision));
    seen.map_or(0, |seen| seen.ready)
}

/// What a revision has without any load; one at least.
fn least(state: &State, service: &ServiceId, revision: &RevisionName) -> u32 {
    let service = state.service(service);
    let revision = service.and_then(|service| service.revision(revision));
    revision.map_or(1, |revision| revision.settings.instances.min.max(1))
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
