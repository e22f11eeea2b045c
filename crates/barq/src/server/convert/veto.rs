//! Traffic that the node has taken back by its veto, while nothing could record that: shown as it is, not as it was planned.

use barq_core::event::{Share, Trip};
use barq_core::identity::RevisionName;
use barq_core::service::Service;
use barq_engine::engine::View;

/// What the node did that is not recorded yet: the trip, and where all traffic is since.
pub(in super::super) fn unrecorded<'a>(
    view: &'a View,
    service: &Service,
) -> Option<(&'a Trip, RevisionName)> {
    let seen = view.observed.get(&service.id)?;
    let trip = seen.trip.as_ref()?;
    if trip.number <= service.last_trip {
        return None;
    }
    if let Some(recall) = &trip.recall {
        return Some((trip, recall.to.clone()));
    }
    let stable = service.stable.iter().chain(service.history.iter().rev());
    let to = stable.into_iter().find(|name| **name != trip.revision)?;
    Some((trip, to.clone()))
}

/// The service with the traffic where the node has it, and what serves as its stable revision.
pub(in super::super) fn as_served(view: &View, service: &Service) -> Service {
    let mut service = service.clone();
    if let Some((_, to)) = unrecorded(view, &service) {
        service.plan.traffic = vec![Share {
            revision: to.clone(),
            percent: 100,
        }];
        service.stable = Some(to);
    }
    service
}
