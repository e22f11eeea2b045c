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

pub(super) use delivery::{delivery, in_milliseconds, live_counts, reason, rollout, rollouts_of};
pub(super) use evidence::review;
pub(super) use service::{app_of, health, service};
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
        since,
        until,
    } = waiting;
    if let Some(moved) = moved(view, delivery) {
        message = moved;
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
        since,
        until,
    })
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
