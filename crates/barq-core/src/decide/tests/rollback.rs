//! Where a rollback goes, when nobody says where.

use super::world::*;
use crate::command::Command;
use crate::configuration::PRODUCTION;

/// Revision 1, then revision 2, then its release once more as revision 3.
fn twice() -> World {
    let mut world = World::new();
    world.deliver(1, small());
    world.deliver(2, small());
    let (of, force) = (delivery(2), false);
    world.must(
        &lead(),
        Command::Retry {
            delivery: of,
            force,
        },
    );
    world.reach_gate(&delivery(3));
    world.must(&lead(), approve(3));
    world.until(|state| state.delivery(&delivery(3)).unwrap().ended());
    world
}

#[test]
fn the_same_release_is_passed_over() {
    let mut world = twice();
    assert_eq!(world.service(PRODUCTION).stable, Some(revision(3)));
    world.must(&lead(), roll_back(None));
    world.until(|state| {
        state
            .service(&service(PRODUCTION))
            .unwrap()
            .rollout
            .is_none()
    });
    assert_eq!(world.service(PRODUCTION).stable, Some(revision(1)));
}

#[test]
fn that_there_is_nothing_to_go_back_to_has_its_reason() {
    let reason = |world: &World| {
        let refused = world.decide(&lead(), roll_back(None)).unwrap_err();
        refused.to_string().rsplit(": ").next().map(str::to_owned)
    };
    let mut world = World::new();
    world.deliver(1, small());
    let first = "no other release was stable before this one";
    assert_eq!(reason(&world).as_deref(), Some(first));
    // The same again: there is one before it, which is no other.
    let again = Command::Retry {
        delivery: delivery(1),
        force: false,
    };
    world.must(&lead(), again);
    world.reach_gate(&delivery(2));
    world.must(&lead(), approve(2));
    world.until(|state| state.delivery(&delivery(2)).unwrap().ended());
    let same = "fleet-production-00001 is the same release as the one that serves, image and configuration alike";
    assert_eq!(reason(&world).as_deref(), Some(same));
}

#[test]
fn going_back_to_the_same_release_is_refused() {
    let world = twice();
    let refused = world
        .decide(&lead(), roll_back(Some(revision(2))))
        .unwrap_err()
        .to_string();
    assert!(
        refused.ends_with("the one that serves, image and configuration alike"),
        "{refused}"
    );
}
