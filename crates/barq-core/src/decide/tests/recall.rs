//! A rollback that could not be recorded when it was given: the data plane has moved the traffic, and tells of it as of a trip.

use super::world::*;
use crate::configuration::{PRODUCTION, Role};
use crate::event::{
    Event, IncidentEvent, Recall, Recorded, RollbackCause, RolloutEvent, ServiceEvent, Trip,
};

/// What the data plane tells after ada's word.
fn recalled(world: &World, from: u32, to: u32, step: u32) -> Trip {
    let held = world.service(PRODUCTION);
    let recall = Recall {
        by: actor("ada", Role::Operator),
        to: revision(to),
        message: Some("it smells".to_owned()),
        request: None,
    };
    Trip {
        number: held.last_trip + 1,
        revision: revision(from),
        generation: held.accepted,
        step,
        errors: 0,
        at: world.now,
        shifted_us: 7,
        in_flight: 0,
        recall: Some(Box::new(recall)),
    }
}

fn told(world: &mut World, trip: &Trip) -> Vec<Recorded> {
    let mut seen = healthy(world.service(PRODUCTION), 0, 1, 0);
    seen.trip = Some(trip.clone());
    world.see(PRODUCTION, seen)
}

/// Exactly one rollback by ada, one incident, and all traffic at the revision to which it went; told again, nothing.
fn check(mut world: World, trip: &Trip, to: u32) {
    let events = told(&mut world, trip);
    let begun: Vec<_> = events
        .iter()
        .filter_map(|it| match &it.event {
            Event::Rollout(_, RolloutEvent::RollbackStarted { cause, .. }) => {
                Some((it.actor.name.clone(), cause.clone()))
            }
            _ => None,
        })
        .collect();
    let cause = RollbackCause::Manual {
        message: Some("it smells".to_owned()),
        moved: Some(Box::new(trip.clone())),
    };
    assert_eq!(begun, [("ada".to_owned(), cause)]);
    let incidents = |events: &[Recorded]| {
        let opened = events
            .iter()
            .filter(|it| matches!(it.event, Event::Incident(_, IncidentEvent::Opened { .. })));
        opened.count()
    };
    assert_eq!(incidents(&events), 1);
    let shares = &world.service(PRODUCTION).plan.traffic;
    let shares: Vec<_> = shares
        .iter()
        .map(|it| (it.revision.number, it.percent))
        .collect();
    assert_eq!(shares, [(to, 100)]);
    let again = told(&mut world, trip);
    let heard_again = again
        .iter()
        .any(|it| matches!(it.event, Event::Service(_, ServiceEvent::Tripped(_))));
    assert!(!heard_again && incidents(&again) == 0, "{again:#?}");
    world.until(|state| {
        state
            .service(&service(PRODUCTION))
            .is_some_and(|it| it.rollout.is_none())
    });
    let held = world.service(PRODUCTION);
    assert_eq!(held.stable, Some(revision(to)));
    assert_eq!(held.quarantine.len(), 1, "it must not come back by itself");
    assert_eq!(
        world.state.delivery(&delivery(2)).unwrap().state_name(),
        "rolled_back"
    );
    let record = world.state.rollout(&rollout(2, PRODUCTION)).unwrap();
    let shifted_us = record.rollback.as_ref().and_then(|it| it.shifted_us);
    assert_eq!(shifted_us, Some(7), "as the data plane measured it");
}

#[test]
fn of_a_canary() {
    let world = World::holding(&small());
    let trip = recalled(&world, 2, 1, 1);
    check(world, &trip, 1);
}

#[test]
fn of_what_serves() {
    let mut world = World::new();
    world.deliver(1, small());
    world.deliver(2, small());
    let trip = recalled(&world, 2, 1, 0);
    check(world, &trip, 1);
}

#[test]
fn of_what_serves_while_the_next_one_begins() {
    let mut world = World::new();
    world.deliver(1, small());
    world.deliver(2, small());
    let trip = recalled(&world, 2, 1, 0);
    world.enter(3, small());
    check(world, &trip, 1);
}
