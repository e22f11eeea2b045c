//! From what the engine knows to the API's documents, by hand: the domain does not know how it is shown.
//!
//! What is shown was observed: live counts and instances are the node's, what is not known is null.

mod delivery;
mod evidence;
mod service;
mod veto;

use barq_core::explain;
use barq_engine::engine::View;
use jiff::Timestamp;

use super::shapes::Waiting;

pub(super) use delivery::{
    delivery, in_milliseconds, live_counts, live_recent_errors, reason, rollout, rollouts_of,
};
pub(super) use evidence::{approval_at_risk, review};
pub(super) use service::{app_named, app_of, health, service};
pub(super) use veto::{as_served, unrecorded};

/// What a delivery waits for, with what keeps the server from seeing or recording anything.
pub(super) fn waiting(
    view: &View,
    delivery: &barq_core::delivery::Delivery,
    now: Timestamp,
) -> Option<Waiting> {
    let waiting = explain(&view.state, &view.observed, delivery, now)?;
    let explain::Waiting {
        kind,
        mut message,
        command,
        since,
        until,
    } = waiting;
    if let Some(moved) = moved(view, delivery) {
        message = moved;
    }
    if let Some(at_risk) = approved_at_risk(view, delivery).filter(|_| kind == "queue") {
        message = format!("{message}; {at_risk}");
    }
    if let Some(error) = &view.storage_error {
        message = format!("{message}; nothing can be recorded: {error}");
    }
    let on_node = !matches!(kind, "checks" | "build" | "approval" | "queue" | "lock");
    if let Some(error) = view.data_plane_error.as_ref().filter(|_| on_node) {
        message = format!("{message}; the node can't be seen: {error}");
    }
    Some(Waiting {
        kind: kind.to_owned(),
        message,
        command,
        since,
        until,
    })
}

/// What may make the approval void that a delivery has been given and not used yet.
fn approved_at_risk(view: &View, delivery: &barq_core::delivery::Delivery) -> Option<String> {
    let approval = delivery.approval.as_ref()?;
    let barq_core::delivery::Phase::Entering { environment } = &delivery.phase else {
        return None;
    };
    let is_for_it = approval.environment == *environment;
    is_for_it
        .then(|| approval_at_risk(view, delivery, environment))
        .flatten()
}

/// Where the node has taken the traffic of the delivery's rollout, as long as that is not recorded.
fn moved(view: &View, delivery: &barq_core::delivery::Delivery) -> Option<String> {
    let of_it = |service: &&barq_core::service::Service| {
        let rollout = service.rollout.as_ref();
        rollout.is_some_and(|rollout| rollout.delivery == delivery.id)
    };
    let services = view.state.services.values();
    let service = services.map(AsRef::as_ref).find(of_it)?;
    let (trip, to) = unrecorded(view, service)?;
    let why = match &trip.recall {
        Some(recall) => format!("{} asked for it", recall.by),
        None => format!("the tripwire tripped at error {}", trip.errors),
    };
    Some(format!("all traffic is back on {to}: {why}"))
}
