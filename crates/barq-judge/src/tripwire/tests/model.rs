//! Any order of everything, against a plain model: a list of times, and one field for each other fact.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::super::{Count, Limit, Past, Tripwire};

const WINDOW_MS: u64 = 100;

#[derive(Debug, Clone)]
enum Step {
    Arm(Option<u64>),
    ArmFor(Option<u64>, Count),
    Close,
    Acknowledge,
    Admit,
    Release,
    Error(Option<u64>),
    Wait(u64),
}

#[derive(Default)]
struct Model {
    now_ms: i64,
    tripped: bool,
    closed: bool,
    limit: Option<u64>,
    window_ms: Option<i64>,
    total: u64,
    errors: Vec<(i64, Option<u64>)>,
}

impl Model {
    fn counted(&self) -> u64 {
        if self.limit.is_none() {
            return self.total;
        }
        let begin = self
            .window_ms
            .map_or(i64::MIN, |window| self.now_ms - window);
        let inside = self.errors.iter().filter(|(at, _)| *at >= begin);
        let mut clients: Vec<u64> = Vec::new();
        let mut errors = 0;
        for (_, client) in inside {
            match client {
                Some(client) if clients.contains(client) => {}
                Some(client) => {
                    clients.push(*client);
                    errors += 1;
                }
                None => errors += 1,
            }
        }
        errors
    }

    fn arm(&mut self, limit: Option<u64>, count: Count) {
        let past = match count {
            Count::On(past) => past,
            Count::From(past) => {
                self.total = 0;
                self.errors.clear();
                past
            }
        };
        let missing = past.errors.saturating_sub(self.total);
        self.total += missing;
        let at = self.now_ms - i64::try_from(past.age.as_millis()).unwrap();
        (self.closed, self.limit) = (false, limit);
        for _ in 0..missing.min(past.recent) {
            self.push(at, None);
        }
        self.tripped = self.is_reached();
    }

    fn is_reached(&self) -> bool {
        self.limit.is_some_and(|limit| self.counted() >= limit)
    }

    fn error(&mut self, client: Option<u64>) -> bool {
        self.total += 1;
        self.push(self.now_ms, client);
        let trips = !self.tripped && self.is_reached();
        self.tripped |= trips;
        trips
    }

    /// Without a limit only their number is of use.
    fn push(&mut self, at: i64, client: Option<u64>) {
        if self.limit.is_some() {
            self.errors.push((at, client));
        }
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.now_ms.try_into().unwrap())
    }

    fn limit(&self, errors: Option<u64>) -> Option<Limit> {
        let window = self
            .window_ms
            .map(|ms| Duration::from_millis(ms.try_into().unwrap()));
        errors.map(|errors| Limit { errors, window })
    }
}

fn counts() -> impl Strategy<Value = Count> {
    let past = (0..6_u64, 0..6_u64, 0..WINDOW_MS * 2).prop_map(|(errors, recent, age)| Past {
        errors,
        recent,
        age: Duration::from_millis(age),
    });
    (any::<bool>(), past).prop_map(|(on, past)| match on {
        true => Count::On(past),
        false => Count::From(past),
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        1 => prop::option::of(1..5_u64).prop_map(Step::Arm),
        1 => (prop::option::weighted(0.8, 1..5_u64), counts())
            .prop_map(|(limit, count)| Step::ArmFor(limit, count)),
        1 => Just(Step::Close),
        1 => Just(Step::Acknowledge),
        1 => Just(Step::Admit),
        1 => Just(Step::Release),
        4 => prop::option::of(0..3_u64).prop_map(Step::Error),
        3 => (0..WINDOW_MS).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 0..80)
}

proptest! {
    #[test]
    fn behaves_as_its_plain_model(windowed in any::<bool>(), steps in steps()) {
        let wire = Arc::new(Tripwire::new());
        // Times before the run began can't be negative here.
        let mut model = Model { now_ms: 1000, window_ms: windowed.then_some(100), ..Model::default() };
        let mut held = Vec::new();
        for step in steps {
            match step {
                Step::Arm(limit) => {
                    prop_assert_eq!(wire.arm(model.limit(limit)).is_err(), model.tripped);
                    if !model.tripped {
                        model.arm(limit, Count::From(Past::default()));
                    }
                }
                Step::ArmFor(limit, count) => {
                    let armed = wire.arm_step(model.limit(limit), count, model.now());
                    prop_assert_eq!(armed.is_err(), model.tripped);
                    if !model.tripped {
                        model.arm(limit, count);
                        prop_assert_eq!(armed.unwrap().is_some(), model.tripped);
                    }
                }
                Step::Close => {
                    wire.close();
                    model.closed = true;
                }
                Step::Acknowledge => {
                    wire.acknowledge();
                    model.errors.clear();
                    (model.tripped, model.closed, model.limit, model.total) = (false, true, None, 0);
                }
                Step::Admit => {
                    let admission = wire.admit();
                    prop_assert_eq!(admission.is_some(), !model.tripped && !model.closed);
                    held.extend(admission);
                }
                Step::Release => drop(held.pop()),
                Step::Error(client) => {
                    let trips = model.error(client);
                    let told = wire.record_error(client, model.now());
                    prop_assert_eq!(told.is_some(), trips);
                    if let Some(told) = told {
                        prop_assert_eq!(told.errors, model.counted());
                    }
                }
                Step::Wait(ms) => model.now_ms += i64::try_from(ms).unwrap(),
            }
            prop_assert_eq!(wire.errors(model.now()), model.counted());
            prop_assert_eq!(wire.total(), model.total);
            prop_assert_eq!(wire.in_flight(), held.len() as u64);
            prop_assert_eq!(wire.has_tripped(), model.tripped);
        }
    }
}
