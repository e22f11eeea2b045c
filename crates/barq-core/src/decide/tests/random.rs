//! Long random walks through the same world, and through one with staging: what the exhaustive walk is too short for.

use proptest::prelude::*;

use super::walk::{Bounds, possible, take};
use super::world::*;

/// Steps of one walk.
const STEPS: usize = 120;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn all_holds_on_any_way(ways in prop::collection::vec(any::<prop::sample::Index>(), STEPS), staging: bool) {
        let configuration = if staging { whole() } else { small() };
        let mut world = World::new();
        world.must(&lead(), push(1, configuration.clone()));
        let bounds = Bounds { deliveries_max: 6,
            again: true, told_at_once: false, configuration };
        for way in ways {
            let steps = possible(&world, &bounds);
            if let Some(next) = take(&world, way.get(&steps)) {
                world = next;
            }
        }
    }

    /// Wherever it was led, it ends once people steer no more and everything works again.
    #[test]
    fn all_ends_when_trouble_does(ways in prop::collection::vec(any::<prop::sample::Index>(), STEPS)) {
        let configuration = small();
        let mut world = World::holding(&configuration);
        let bounds = Bounds { deliveries_max: 6,
            again: true, told_at_once: false, configuration };
        for way in ways {
            let steps = possible(&world, &bounds);
            if let Some(next) = take(&world, way.get(&steps)) {
                world = next;
            }
        }
        world.let_go();
        world.until(|state| {
            crate::unfinished(state).is_empty() && state.deliveries.values().all(|it| it.ended())
                && state.services.values().all(|it| it.rollout.is_none())
        });
    }
}
