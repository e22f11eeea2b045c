//! What the data plane may show of a service: under the plan in force, under another one, before and after it lost a
//! canary's traffic.

use super::super::world::*;
use super::LIMIT;
use super::steps::Sight;
use crate::event::{Counts, Recall, Trip};
use crate::identity::RevisionName;
use crate::observation::{CanaryState, Observation};
use crate::rollout::Phase;
use crate::service::Service;

/// Served between two looks, where anything was: more than every hold of the walk, and enough to be recorded by itself.
const SERVED_MS: u64 = 10_000;

/// One look.
#[derive(Debug, Clone)]
pub(in super::super) struct Seen {
    pub(super) observation: Observation,
    /// Long after the plan was accepted.
    pub(super) settled: bool,
}

/// Everything that a look at a service can show.
pub(super) fn observations(world: &World, service: &Service) -> Vec<Seen> {
    let mut all = canaries(world, service);
    let fine = fine(world, service);
    for (ready, failed_starts) in [(0, 0), (0, 3)] {
        let mut short = fine.clone();
        for seen in short.revisions.values_mut() {
            (seen.ready, seen.failed_starts) = (ready, failed_starts);
        }
        all.push(short);
    }
    let mut exceeded = fine.clone();
    exceeded.watch_exceeded = Some(4);
    all.push(exceeded.clone());
    for trip in unheard_trips(world, service) {
        all.push(tripped(world, service, trip.clone()));
        // Of another plan, or while the limit of the guard is reached.
        for other in [&Observation::default(), &exceeded] {
            let mut other = other.clone();
            other.trip = Some(trip.clone());
            all.push(other);
        }
    }
    all.push(fine.clone());
    let mut seen: Vec<Seen> = all
        .into_iter()
        .map(|observation| Seen {
            observation,
            settled: false,
        })
        .collect();
    // The plan is applied, and nobody has heard of that; or it is lost.
    for generation in [service.generation, service.generation.saturating_sub(1), 0] {
        for settled in [false, true] {
            let observation = Observation {
                generation,
                ..fine.clone()
            };
            seen.push(Seen {
                observation,
                settled,
            });
        }
    }
    seen
}

/// One of each kind that a decision may come upon.
pub(super) fn sights(world: &World) -> Vec<Sight> {
    let mut all = Vec::new();
    for service in world.state.services.values() {
        let fine = fine(world, service);
        let mut looks = vec![fine.clone()];
        let mut short = fine.clone();
        short.revisions.values_mut().for_each(|it| it.ready = 0);
        looks.push(short);
        if service.guard.is_some() {
            let watch_exceeded = Some(4);
            looks.push(Observation {
                watch_exceeded,
                ..fine.clone()
            });
        }
        if service.plan.canary.is_some() {
            looks.push(canary(
                world,
                service,
                CanaryState::Serving,
                1,
                LIMIT.into(),
                SERVED_MS,
            ));
            looks.push(canary(world, service, CanaryState::LeaseExpired, 1, 0, 0));
        }
        let trips = unheard_trips(world, service).into_iter();
        looks.extend(trips.map(|trip| tripped(world, service, trip)));
        for mut look in looks {
            // What is decided may be that this plan is accepted.
            look.generation = service.generation;
            all.push(Some((service.id.clone(), Box::new(look))));
        }
    }
    all
}

fn canaries(world: &World, service: &Service) -> Vec<Observation> {
    if service.plan.canary.is_none() {
        return Vec::new();
    }
    let known = recorded(world, service).errors;
    let more = (known + 1).min(LIMIT.into());
    let mut all = Vec::new();
    for served_ms in [0, SERVED_MS] {
        for (requests, errors) in [(0, 0), (1, known), (1, more), (1, LIMIT.into())] {
            for state in [
                CanaryState::Serving,
                CanaryState::LeaseExpired,
                CanaryState::Suspended,
            ] {
                all.push(canary(world, service, state, requests, errors, served_ms));
            }
        }
    }
    all
}

/// All at size, the canary serving.
fn fine(world: &World, service: &Service) -> Observation {
    let errors = recorded(world, service).errors;
    canary(world, service, CanaryState::Serving, 1, errors, SERVED_MS)
}

fn recorded(world: &World, service: &Service) -> Counts {
    let running = world.state.running(service);
    running.map_or_else(Counts::default, |it| it.progress.counts)
}

fn canary(
    world: &World,
    service: &Service,
    state: CanaryState,
    requests: u64,
    errors: u64,
    served_ms: u64,
) -> Observation {
    let running = world.state.running(service);
    let before = running.map_or(0, |it| it.progress.served_ms);
    let mut seen = healthy(service, before + served_ms, requests, errors);
    seen.canary.iter_mut().for_each(|it| it.state = state);
    seen
}

fn tripped(world: &World, service: &Service, trip: Trip) -> Observation {
    let limit = LIMIT.into();
    let mut seen = canary(world, service, CanaryState::Tripped, 1, limit, SERVED_MS);
    seen.trip = Some(trip);
    seen
}

pub(super) fn trip(service: &Service, number: u64, revision: &RevisionName) -> Trip {
    Trip {
        number,
        revision: revision.clone(),
        generation: service.accepted,
        step: 1,
        errors: LIMIT.into(),
        at: jiff::Timestamp::UNIX_EPOCH,
        shifted_us: 1,
        in_flight: 0,
        recall: None,
    }
}

/// Somebody's word in place of a verdict: from a canary to its stable; where nothing is on trial, from what serves to where
/// a rollback would go.
fn recalls(world: &World, service: &Service, trips: &[Trip]) -> Vec<Trip> {
    let running = world.state.running(service);
    let at_rest = (service.stable.as_ref())
        .filter(|_| running.is_none() && service.plan.canary.is_none())
        .map(|name| trip(service, service.last_trip + 1, name));
    let to = |revision: &RevisionName| {
        let canary = running.filter(|it| it.start.revision == *revision);
        let before = || Some(service.rollback_target()?.name.clone());
        canary.map_or_else(before, |it| it.start.stable.clone())
    };
    let recalled = |trip: &Trip| {
        let recall = Recall {
            by: lead(),
            to: to(&trip.revision)?,
            message: None,
            request: None,
        };
        let recall = Some(Box::new(recall));
        Some(Trip {
            recall,
            ..trip.clone()
        })
    };
    trips.iter().chain(&at_rest).filter_map(recalled).collect()
}

/// A trip that was not heard of yet: of the canary of the plan in force. Which that is nobody knows while the last plan is
/// not accepted: it may be one from before the rollback, or from before the success, even where the next rollout has begun.
pub(super) fn unheard_trips(world: &World, service: &Service) -> Vec<Trip> {
    let running = world.state.running(service);
    let mut names: Vec<RevisionName> = Vec::new();
    if service.accepted == service.generation {
        names.extend(service.plan.canary.iter().map(|it| it.revision.clone()));
    } else {
        let on_trial = running.filter(|it| it.moved && it.direct.is_none());
        names.extend(on_trial.map(|it| it.start.revision.clone()));
        let proved = service.stable_revision().and_then(|it| {
            let made = world.state.rollout(&it.rollout)?;
            let with_canary = made.phase == Phase::Succeeded && made.direct.is_none();
            with_canary.then(|| it.name.clone())
        });
        let untouched = running.is_none_or(|it| it.phase == Phase::Deploying);
        names.extend(proved.filter(|_| untouched));
    }
    let number = service.last_trip + 1;
    let mut trips: Vec<Trip> = names
        .iter()
        .map(|name| trip(service, number, name))
        .collect();
    trips.extend(recalls(world, service, &trips));
    trips
}
