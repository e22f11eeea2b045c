//! That representatives are what they stand for: what can happen to a state can happen to its representative, and leads to
//! the same representative. Tested along random walks that never rewrite anything, so that what was rewritten differs.

use proptest::prelude::*;

use super::super::world::*;
use super::canonical::canonical;
use super::known::Known;
use super::steps::{possible, take};
use super::*;

/// Steps of one walk.
const STEPS: usize = 60;
/// Steps that are compared in each state of it.
const COMPARED: usize = 6;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_representative_does_what_it_stands_for(
        ways in prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), COMPARED), STEPS),
        guarded: bool,
        staging: bool,
        start in 0..3_u8,
    ) {
        let bounds = bounds(guarded, staging);
        let mut world = match start {
            0 => bounds.pushed(),
            1 => bounds.at_gate(),
            _ => {
                let mut world = World::new();
                world.deliver(1, bounds.configuration.clone());
                world.canary(2, &bounds.configuration);
                world
            }
        };
        for ways in ways {
            let own = canonical(&world, &Known::default());
            let (steps, own_steps) = (possible(&world, &bounds), possible(&own, &bounds));
            prop_assert_eq!(steps.len(), own_steps.len(), "{}", world.describe());
            let mut went = None;
            for way in ways {
                let index = way.index(steps.len());
                let next = take(&world, &steps[index]);
                let own_next = take(&own, &own_steps[index]);
                let rewritten = |it: &World| canonical(it, &Known::default()).state;
                prop_assert_eq!(
                    next.as_ref().map(rewritten),
                    own_next.as_ref().map(rewritten),
                    "{:?} or {:?} from\n{}", &steps[index], &own_steps[index], world.describe()
                );
                went = went.or(next);
            }
            world = went.unwrap_or(world);
        }
    }
}

fn bounds(is_guarded: bool, staging: bool) -> Bounds {
    let mut environments = vec![production(&[50])];
    if is_guarded {
        environments = environments.into_iter().map(guarded).collect();
    }
    if staging {
        let mut first = production(&[]);
        (first.name, first.approval) = (STAGING.to_owned(), None);
        environments.insert(0, first);
    }
    Bounds {
        deliveries_max: 4,
        again: true,
        told_at_once: false,
        configuration: unchecked(environments),
    }
}
