//! Every state that a small service can reach, by every operation in every state, against a checker that shares no code
//! with `Control`: it keeps its own books from what went in and what came out. Then long random walks of the same.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::Duration;

use proptest::prelude::*;

use super::{LEASE_MS, plan};
use crate::control::{Accepted, Control, Durable, Recalled};
use crate::lease::Run;
use crate::plan::Plan;

/// One tick of the walk's clock; the lease lasts two.
const TICK_MS: u64 = LEASE_MS / 2;

#[derive(Debug, Clone, Copy)]
enum Operation {
    /// Offers shape `.0` as the next generation but `.1`, planned with trips but `.2` known, acknowledging the last or none.
    Offer(usize, u64, u64, bool),
    Trip(&'static str),
    /// From, to.
    Recall(&'static str, &'static str),
    Advance,
    /// Renews with the generation but `.0`, the run but `.1`.
    Renew(u64, u128),
    /// From the last durable state.
    Restart,
}

type Shape = (
    &'static [(&'static str, u8)],
    Option<(&'static str, &'static str)>,
);

const SHAPES: [Shape; 8] = [
    (&[], None),
    (&[("a", 100)], None),
    (&[("b", 100)], None),
    (&[("a", 100), ("b", 0)], Some(("b", "a"))),
    (&[("a", 90), ("b", 10)], Some(("b", "a"))),
    (&[("b", 100)], Some(("b", "a"))),
    (&[("a", 50), ("b", 50)], Some(("a", "b"))),
    (&[("b", 50), ("c", 50)], Some(("c", "b"))),
];

/// The checker's own books.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Books {
    plan: Option<Plan>,
    trips: u64,
    latched: BTreeMap<String, u64>,
    /// Until when the canary may have traffic, if at all.
    entitled_until_ms: Option<u64>,
    /// Who took over from the revision that the plan gives all traffic to.
    recalled: Option<(String, String)>,
    /// The canary of the plan in force has tripped.
    tripped: bool,
    run: u128,
    now_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    control: Control,
    books: Books,
}

impl World {
    fn new() -> Self {
        let books = Books {
            run: 1,
            ..Books::default()
        };
        Self {
            control: Control::new(Run(1)),
            books,
        }
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.books.now_ms)
    }

    fn step(&mut self, operation: Operation) {
        match operation {
            Operation::Offer(shape, behind, unheard, acknowledges) => {
                self.offer(shape, behind, unheard, acknowledges);
            }
            Operation::Trip(revision) => self.trip(revision),
            Operation::Recall(revision, to) => self.recall(revision, to),
            Operation::Advance => self.books.now_ms += TICK_MS,
            Operation::Renew(behind, other_run) => self.renew(behind, other_run),
            Operation::Restart => {
                let written = serde_json::to_string(self.control.durable()).unwrap();
                let read: Durable = serde_json::from_str(&written).unwrap();
                self.books.run += 1;
                self.books.now_ms = 0;
                self.books.entitled_until_ms = None;
                self.control = Control::restart(read, Run(self.books.run));
            }
        }
        self.check();
    }

    fn offer(&mut self, shape: usize, behind: u64, unheard: u64, acknowledges: bool) {
        let held = self.books.plan.as_ref().map_or(0, |plan| plan.generation);
        let (traffic, canary) = SHAPES[shape];
        let offered = Plan {
            last_trip: self.books.trips.saturating_sub(unheard),
            acknowledges: acknowledges.then_some(self.books.trips),
            ..plan((held + 1).saturating_sub(behind), traffic, canary)
        };
        let before = self.control.clone();
        let accepted = self.control.accept(offered.clone(), self.now());
        let same = self.books.plan.as_ref().is_some_and(|held| {
            held.generation == offered.generation && held.content == offered.content
        });
        let gets_traffic: Vec<&String> = self
            .books
            .latched
            .keys()
            .filter(|revision| {
                offered.percent(revision) > 0
                    || offered
                        .canary
                        .as_ref()
                        .is_some_and(|canary| canary.stable == **revision)
            })
            .collect();
        let acceptable = offered.generation > held
            && offered.last_trip == self.books.trips
            && gets_traffic
                .iter()
                .all(|revision| offered.acknowledges == Some(self.books.latched[*revision]));
        match accepted {
            Ok(Accepted::Duplicate) => assert!(same && before == self.control),
            Ok(Accepted::InForce { .. }) => {
                assert!(acceptable && !same, "{offered:?}");
                let released: Vec<String> = gets_traffic.into_iter().cloned().collect();
                self.books
                    .latched
                    .retain(|revision, _| !released.contains(revision));
                self.books.entitled_until_ms = offered
                    .canary
                    .as_ref()
                    .map(|_| self.books.now_ms + LEASE_MS);
                self.books.recalled = None;
                self.books.tripped = false;
                self.books.plan = Some(offered);
            }
            Err(refusal) => assert!(
                !acceptable && !same && before == self.control,
                "{refusal} for {offered:?}"
            ),
        }
    }

    fn trip(&mut self, revision: &str) {
        if let Some(trip) = self.control.trip(revision, 1, 0) {
            assert_eq!(trip.number, self.books.trips + 1, "numbered without a gap");
            let plan = self.books.plan.as_ref().unwrap();
            assert_eq!(
                (trip.generation, &trip.revision),
                (plan.generation, &plan.canary.as_ref().unwrap().revision)
            );
            self.books.trips = trip.number;
            self.books.latched.insert(trip.revision, trip.number);
            self.books.entitled_until_ms = None;
            self.books.tripped = true;
        }
    }

    /// One way back from a canary; at rest to whatever is kept, never to one that tripped, and once.
    fn recall(&mut self, revision: &str, to: &str) {
        let before = self.control.clone();
        let outcome = self.control.recall(revision, to, 1, 0);
        let Some(plan) = self.books.plan.clone() else {
            return assert!(outcome.is_err());
        };
        let pair = (revision.to_owned(), to.to_owned());
        let (back, taken) = match &plan.canary {
            Some(canary) => {
                let back = pair == (canary.revision.clone(), canary.stable.clone());
                (back, back && self.books.tripped)
            }
            None => {
                let first = self.books.recalled.is_none() && plan.percent(revision) == 100;
                let back = first && to != revision && !self.books.latched.contains_key(to);
                (back, self.books.recalled.as_ref() == Some(&pair))
            }
        };
        match outcome {
            Ok(Recalled::Now(trip)) => {
                assert!(back && !taken, "{revision} to {to}");
                assert_eq!(trip.number, self.books.trips + 1, "numbered without a gap");
                self.books.trips = trip.number;
                self.books.latched.insert(trip.revision, trip.number);
                self.books.entitled_until_ms = None;
                self.books.recalled = plan.canary.is_none().then_some(pair);
                self.books.tripped = plan.canary.is_some();
            }
            Ok(Recalled::Before) => assert!(taken && before == self.control, "{revision} to {to}"),
            Err(refusal) => {
                assert!(!back && !taken && before == self.control, "{refusal}");
            }
        }
    }

    fn renew(&mut self, behind: u64, other_run: u128) {
        let generation = self
            .books
            .plan
            .as_ref()
            .map_or(0, |plan| plan.generation)
            .saturating_sub(behind);
        let renewed = self
            .control
            .renew(Run(self.books.run - other_run), generation, self.now());
        let alive = self
            .books
            .entitled_until_ms
            .is_some_and(|until| self.books.now_ms < until);
        let may = alive && behind == 0 && other_run == 0;
        assert_eq!(renewed.is_ok(), may, "{renewed:?}");
        if may {
            self.books.entitled_until_ms = Some(self.books.now_ms + LEASE_MS);
        }
    }

    /// The invariants, from the books alone.
    fn check(&self) {
        let mut seen = self.control.clone();
        seen.tick(self.now());
        let shares: BTreeMap<String, u8> = seen
            .shares()
            .into_iter()
            .map(|share| (share.revision, share.percent))
            .collect();
        let sum: u32 = shares.values().map(|percent| u32::from(*percent)).sum();
        assert!(sum == 100 || shares.is_empty(), "{shares:?}");
        for revision in self.books.latched.keys() {
            assert_eq!(
                shares.get(revision).copied().unwrap_or(0),
                0,
                "{revision} is latched"
            );
        }
        let Some(plan) = &self.books.plan else {
            assert!(shares.is_empty());
            return;
        };
        let entitled = self
            .books
            .entitled_until_ms
            .is_some_and(|until| self.books.now_ms < until);
        match &plan.canary {
            Some(canary) if !entitled => {
                assert_eq!(
                    shares,
                    BTreeMap::from([(canary.stable.clone(), 100)]),
                    "everything is at stable"
                );
            }
            _ if self.books.recalled.is_some() => {
                let to = self.books.recalled.iter().map(|(_, to)| (to.clone(), 100));
                assert_eq!(
                    shares,
                    to.collect(),
                    "everything is where it was recalled to"
                );
            }
            _ => assert!(
                shares
                    .iter()
                    .all(|(revision, percent)| plan.percent(revision) == *percent),
                "as planned"
            ),
        }
    }
}

fn operations() -> Vec<Operation> {
    let mut all = vec![
        Operation::Trip("a"),
        Operation::Trip("b"),
        Operation::Trip("c"),
        Operation::Recall("a", "b"),
        Operation::Recall("a", "c"),
        Operation::Recall("b", "a"),
        Operation::Recall("b", "c"),
        Operation::Recall("c", "b"),
        Operation::Recall("c", "c"),
        Operation::Advance,
        Operation::Renew(0, 0),
        Operation::Renew(1, 0),
        Operation::Renew(0, 1),
        Operation::Restart,
    ];
    for shape in 0..SHAPES.len() {
        for acknowledges in [false, true] {
            all.extend(
                [(0, 0), (0, 1), (1, 0), (2, 0)].map(|(behind, unheard)| {
                    Operation::Offer(shape, behind, unheard, acknowledges)
                }),
            );
        }
    }
    all
}

fn is_small(world: &World) -> bool {
    let generation = world.books.plan.as_ref().map_or(0, |plan| plan.generation);
    generation <= 3
        && world.books.now_ms <= 2 * TICK_MS
        && world.books.run <= 2
        && world.books.trips <= 2
}

#[test]
fn every_reachable_state_of_a_small_service_keeps_the_invariants() {
    let operations = operations();
    let mut seen = HashSet::from([World::new()]);
    let mut queue = VecDeque::from([World::new()]);
    while let Some(world) = queue.pop_front() {
        for operation in &operations {
            let mut next = world.clone();
            next.step(*operation);
            if is_small(&next) && seen.insert(next.clone()) {
                queue.push_back(next);
            }
        }
    }
    assert!(
        seen.len() > 1000,
        "the walk went somewhere: {} states",
        seen.len()
    );
    println!("{} states", seen.len());
}

proptest! {
    #[test]
    fn long_random_lives_keep_the_invariants(choices in prop::collection::vec(any::<prop::sample::Index>(), 0..200)) {
        let operations = operations();
        let mut world = World::new();
        for choice in choices {
            world.step(*choice.get(&operations));
        }
    }
}
