//! The states that a walk has met. Two are the same if they are equal, in every field; what they are made of is kept once,
//! so that a part is known by its address.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::super::world::World;

/// What was met so far.
#[derive(Default)]
pub(super) struct Known {
    pub(super) deliveries: Parts<crate::delivery::Delivery>,
    pub(super) rollouts: Parts<crate::rollout::Rollout>,
    pub(super) services: Parts<crate::service::Service>,
    pub(super) incidents: Parts<crate::incident::Incident>,
    states: HashMap<(Vec<usize>, String), usize>,
}

/// Values of one kind, by a hash of what mostly differs.
pub(super) struct Parts<T> {
    alike: HashMap<u64, Vec<Arc<T>>>,
    numbers: HashMap<*const T, usize>,
}

impl<T> Default for Parts<T> {
    fn default() -> Self {
        let (alike, numbers) = (HashMap::new(), HashMap::new());
        Self { alike, numbers }
    }
}

impl Known {
    /// Which state it is, from 0 in the order in which they were met; and the world, where it is a new one.
    pub(super) fn meet(&mut self, mut world: World) -> (usize, Option<World>) {
        let state = &mut world.state;
        let mut key = Vec::new();
        for it in state.deliveries.values_mut() {
            key.push(self.deliveries.one(it, |it| {
                format!("{:?}", (&it.id, &it.phase, &it.checks, &it.image))
            }));
        }
        for it in state.rollouts.values_mut() {
            key.push(self.rollouts.one(it, |it| {
                format!(
                    "{:?}",
                    (&it.id, &it.phase, it.step, &it.progress, it.paused)
                )
            }));
        }
        for it in state.services.values_mut() {
            key.push(self.services.one(it, |it| {
                format!("{:?}", (&it.plan, &it.lock, it.accepted, it.last_trip))
            }));
        }
        for it in state.incidents.values_mut() {
            key.push(
                self.incidents
                    .one(it, |it| format!("{:?}", (&it.id, &it.resolved))),
            );
        }
        let rest = format!("{:?} {:?} {:?}", state.apps, state.retries, state.tokens);
        let next = self.states.len();
        let index = *self.states.entry((key, rest)).or_insert(next);
        (index, (index == next).then_some(world))
    }

    /// How many there are of each part: where a walk is long, this says why.
    pub(super) fn describe(&self) -> String {
        format!(
            "made of {} deliveries, {} rollouts, {} services, {} incidents",
            self.deliveries.numbers.len(),
            self.rollouts.numbers.len(),
            self.services.numbers.len(),
            self.incidents.numbers.len(),
        )
    }
}

impl<T: PartialEq> Parts<T> {
    /// Whether it is one of those that were met: not only an equal one.
    pub(super) fn has(&self, value: &Arc<T>) -> bool {
        self.numbers.contains_key(&Arc::as_ptr(value))
    }

    /// The number of the value in `place`, which then holds the one that was met first.
    fn one(&mut self, place: &mut Arc<T>, differs: impl Fn(&T) -> String) -> usize {
        if let Some(number) = self.numbers.get(&Arc::as_ptr(place)) {
            return *number;
        }
        let mut hasher = DefaultHasher::new();
        differs(place).hash(&mut hasher);
        let alike = self.alike.entry(hasher.finish()).or_default();
        if let Some(known) = alike.iter().find(|known| **known == *place) {
            *place = Arc::clone(known);
            return self.numbers[&Arc::as_ptr(place)];
        }
        // Kept, so that its address stays its own.
        alike.push(Arc::clone(place));
        let number = self.numbers.len();
        self.numbers.insert(Arc::as_ptr(place), number);
        number
    }
}
