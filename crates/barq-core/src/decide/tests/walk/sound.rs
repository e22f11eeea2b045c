//! That representatives are what they stand for: what can happen to a state can happen to its representative, and leads to
//! the same representative. Tested along random walks that never rewrite anything, so that what was rewritten differs; and
//! at each limit, which such a walk seldom comes to.

use proptest::prelude::*;

use super::super::world::*;
use super::canonical::canonical;
use super::known::Known;
use super::limits;
use super::steps::{Step, possible, take};
use super::*;
use crate::decide::outcome::{ATTEMPTS_MAX, VERIFY_ROUNDS_MAX};
use crate::effect::Outcome;
use crate::identity::RolloutId;
use crate::observation::CanaryState;
use crate::rollout::{STEP_ENTRIES_MAX, UNFIT_ANSWERS_MAX};

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
            let pair = Pair::of(world, &bounds)?;
            let mut went = None;
            for way in ways {
                let next = pair.take(way.index(pair.steps.len()))?;
                went = went.or(next);
            }
            world = went.unwrap_or(pair.world);
        }
    }
}

#[test]
fn a_build_is_tried_for_the_last_time() {
    let mut world = bounds(false, false).pushed();
    no_results(&mut world, |it| matches!(it, EffectTarget::Build(_)));
    check_at_limit(world);
}

#[test]
fn smoke_tests_are_made_for_the_last_time() {
    let mut world = entered(|it| *it == Phase::SmokeTesting);
    no_results(&mut world, |it| matches!(it, EffectTarget::Smoke(_)));
    check_at_limit(world);
}

#[test]
fn stable_is_asked_for_the_last_time() {
    let mut world = entered(|it| *it == Phase::ProvingTarget);
    let unfit = Outcome::TargetProbed {
        ready: 0,
        desired: 1,
        failures: Vec::new(),
    };
    let is_proof = |it: &EffectTarget| matches!(it, EffectTarget::Prove(_));
    come(&mut world, is_proof, UNFIT_ANSWERS_MAX - 1, &unfit);
    check_at_limit(world);
}

#[test]
fn a_step_is_entered_for_the_last_time() {
    check_at_limit(entered_again());
}

#[test]
fn a_step_is_entered_and_a_build_tried_for_the_last_time() {
    let mut world = entered_again();
    world.must(&lead(), push(3, bounds(false, false).configuration));
    no_results(&mut world, |it| matches!(it, EffectTarget::Build(_)));
    check_at_limit(world);
}

#[test]
fn the_version_is_asked_for_in_the_last_round() {
    let mut world = entered(is_verifying);
    let lines = vec![line(false)];
    let failed = Outcome::VersionProbed { lines };
    come(&mut world, is_verification, VERIFY_ROUNDS_MAX - 1, &failed);
    check_at_limit(world);
}

#[test]
fn the_version_is_asked_for_in_the_last_attempt() {
    let mut world = entered(is_verifying);
    no_results(&mut world, is_verification);
    check_at_limit(world);
}

#[test]
fn evidence_is_gathered_for_the_last_time() {
    let mut world = entered(is_verifying);
    come(&mut world, is_verification, ATTEMPTS_MAX, &no_result());
    world.until(|state| state.rollout(&canary()).unwrap().ended());
    no_results(&mut world, |it| matches!(it, EffectTarget::Evidence(_)));
    check_at_limit(world);
}

/// A state and its representative, and what can happen to each, in the same order.
struct Pair {
    world: World,
    own: World,
    steps: Vec<Step>,
    own_steps: Vec<Step>,
}

impl Pair {
    fn of(world: World, bounds: &Bounds) -> Result<Self, TestCaseError> {
        let own = canonical(&world, &Known::default());
        let (steps, own_steps) = (possible(&world, bounds), possible(&own, bounds));
        prop_assert_eq!(steps.len(), own_steps.len(), "{}", world.describe());
        Ok(Self {
            world,
            own,
            steps,
            own_steps,
        })
    }

    /// What the step makes of the state, which must be what it makes of the representative.
    fn take(&self, index: usize) -> Result<Option<World>, TestCaseError> {
        let (step, own_step) = (&self.steps[index], self.own_step(index));
        let next = take(&self.world, step);
        let own_next = take(&self.own, &own_step);
        let rewritten = |it: &World| canonical(it, &Known::default()).state;
        prop_assert_eq!(
            next.as_ref().map(rewritten),
            own_next.as_ref().map(rewritten),
            "{:?} or {:?} from\n{}",
            step,
            own_step,
            self.world.describe()
        );
        Ok(next)
    }

    /// The representative has counted nothing: what comes to a limit by itself is the last one there.
    fn own_step(&self, index: usize) -> Step {
        let own_step = &self.own_steps[index];
        let limits = limits::of(&self.steps[index]).into_iter();
        limits
            .zip(limits::of(own_step))
            .filter(|(limit, _)| limit.is_next(&self.world))
            .fold(own_step.clone(), |step, (_, limit)| {
                Step::Last(limit, Box::new(step))
            })
    }
}

/// Of a world in which something can come to its limit: every step.
fn check_at_limit(world: World) {
    let pair = Pair::of(world, &bounds(false, false)).unwrap();
    let mut limits = pair.steps.iter().flat_map(limits::of);
    assert!(
        limits.any(|it| it.is_next(&pair.world)),
        "nothing stands before its limit:\n{}",
        pair.world.describe()
    );
    for index in 0..pair.steps.len() {
        pair.take(index).unwrap();
    }
}

fn canary() -> RolloutId {
    rollout(2, PRODUCTION)
}

/// The canary has come to a phase, its plan is in force.
fn entered(there: fn(&Phase) -> bool) -> World {
    let mut world = bounds(false, false).at_gate();
    world.must(&lead(), approve(2));
    world.until(|state| {
        let mut services = state.services.values();
        let in_force = services.all(|it| it.accepted == it.generation);
        in_force && state.rollout(&canary()).is_some_and(|it| there(&it.phase))
    });
    world
}

/// The canary holds its step, which it may not enter once more.
fn entered_again() -> World {
    let mut world = entered(|it| *it == Phase::Holding);
    for _ in 1..STEP_ENTRIES_MAX {
        let mut seen = healthy(world.service(PRODUCTION), 0, 0, 0);
        seen.canary.as_mut().unwrap().state = CanaryState::LeaseExpired;
        world.see(PRODUCTION, seen);
        let is_plan = |it: &EffectTarget| matches!(it, EffectTarget::Configure(..));
        let (key, effect) = world.effect(is_plan);
        world.outcome(key, success(&effect));
    }
    world
}

fn is_verifying(phase: &Phase) -> bool {
    matches!(phase, Phase::Verifying { .. })
}

fn is_verification(target: &EffectTarget) -> bool {
    matches!(target, EffectTarget::Verify(..))
}

fn no_result() -> Outcome {
    let error = "why".to_owned();
    Outcome::NoResult { error }
}

/// So often that the next attempt is the last.
fn no_results(world: &mut World, fits: fn(&EffectTarget) -> bool) {
    come(world, fits, ATTEMPTS_MAX - 1, &no_result());
}

fn come(world: &mut World, fits: fn(&EffectTarget) -> bool, times: u32, outcome: &Outcome) {
    for _ in 0..times {
        let mut keys = crate::unfinished(&world.state).into_keys();
        let key = keys.find(|it| fits(&it.target)).unwrap();
        world.outcome(key, outcome.clone());
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
