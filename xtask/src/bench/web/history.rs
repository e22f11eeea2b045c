//! A long, quiet history of an app: the real rules decide every event; what would happen outside (checks, images, the data
//! plane, people) is a simple answer and a clock that is a number. Nothing is left to do at its end.
//!
//! Apps have nothing to do with each other, so each has a history of its own; they are put together by time.

use std::collections::BTreeMap;

use barq_core::command::{Command, PushedRef, Tip};
use barq_core::configuration::Role;
use barq_core::delivery::{Delivery, Phase};
use barq_core::effect::{Effect, Outcome};
use barq_core::event::{
    Actor, CheckOutcome, Counts, EndpointCount, Evidence, FailedRequest, ProbeLine, Recorded, Trip,
};
use barq_core::identity::{AppName, DeliveryId, ImageDigest, ServiceId};
use barq_core::observation::{CanaryObservation, CanaryState, Observation, RevisionObservation};
use barq_core::rollout::{self, Rollout};
use barq_core::service::Service;
use barq_core::{invariant, unfinished};
use barq_engine::machine::Machine;
use jiff::{SignedDuration, Timestamp};

use super::super::Failure;
use super::releases::{self, Fate, mixed};

/// Moments of one delivery; more would be a defect of the rules, or of this.
const MOMENTS_MAX: u32 = 5_000;
/// The last deliveries of an app were looked at as often as in life: they are the ones with long pages.
const CLOSELY_SEEN: u64 = 130;
/// Between two looks at a canary, in milliseconds: as often as progress is recorded, and seldom.
const LOOK_CLOSE_MS: i64 = 10_000;
const LOOK_SELDOM_MS: i64 = 75_000;
/// While something else is waited for.
const LOOK_MS: i64 = 900;
/// At least between the end of a delivery and the next push, in milliseconds.
const PAUSE_MS_MIN: i64 = 60_000;
/// What a delivery that comes to production takes, about.
const DELIVERY_MS: i64 = 20 * 60_000;
/// Requests of a service in a second.
const REQUESTS_PER_SECOND: u64 = 40;
/// Failed requests that an incident keeps.
const FAILURES: u64 = 20;

/// What an app's history is made of.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) app: String,
    /// Tells apps apart.
    pub(super) index: u64,
    pub(super) deliveries: u64,
    /// Revisions that production keeps.
    pub(super) kept: u32,
    pub(super) begin: Timestamp,
    pub(super) end: Timestamp,
    /// What every release is built into, so that a data plane finds it.
    pub(super) image: ImageDigest,
}

/// Lives the history; `tell` gets each event once, in order.
pub(super) fn live(
    plan: Plan,
    tell: impl FnMut(Recorded) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut history = History {
        app: plan.app.parse()?,
        now: plan.begin,
        looked_at: plan.begin,
        machine: Machine::default(),
        in_force_since: BTreeMap::new(),
        fate: Fate::Succeeds,
        closely: false,
        tell,
        plan,
    };
    for number in 1..=history.plan.deliveries {
        history.deliver(number)?;
    }
    let end = history.plan.end;
    history.rest_until(end)?;
    history.check_end()
}

struct History<T> {
    plan: Plan,
    app: AppName,
    now: Timestamp,
    /// Until when deadlines have been looked at.
    looked_at: Timestamp,
    machine: Machine,
    /// When the plan in force came into force.
    in_force_since: BTreeMap<ServiceId, Timestamp>,
    fate: Fate,
    closely: bool,
    tell: T,
}

impl<T: FnMut(Recorded) -> Result<(), Failure>> History<T> {
    fn deliver(&mut self, number: u64) -> Result<(), Failure> {
        let left = self.plan.deliveries - number + 1;
        let room_ms = self.plan.end.duration_since(self.now).as_millis() / i128::from(left);
        let pause_ms = i64::try_from(room_ms)? - DELIVERY_MS;
        self.rest_until(after(self.now, pause_ms.max(PAUSE_MS_MIN)))?;
        // Every app begins and ends well.
        let ends_well = number == 1 || left == 1;
        self.fate = if ends_well {
            Fate::Succeeds
        } else {
            releases::fate(number)
        };
        self.closely = left <= CLOSELY_SEEN;
        self.push(number)?;
        let id = DeliveryId {
            app: self.app.clone(),
            number,
        };
        for _ in 0..MOMENTS_MAX {
            if self.carry_out()? {
                continue;
            }
            let state = self.machine.state();
            let delivery = state.delivery(&id).ok_or("a delivery was not begun")?;
            match &delivery.phase {
                Phase::AwaitingApproval(_) => self.decide_at_the_gate(&id)?,
                Phase::Ended(_) if self.running().is_none() => return Ok(()),
                _ => self.look()?,
            }
        }
        Err(format!("{id} does not come to its end: {}", self.describe(&id)).into())
    }

    fn push(&mut self, number: u64) -> Result<(), Failure> {
        let plan = &self.plan;
        let commits = releases::commits(plan.index, number, after(self.now, -90_000))?;
        let configuration = releases::configuration(&plan.app, plan.kept, number)?;
        let branch = match self.fate {
            Fate::OtherBranch => "refs/heads/try-another-way",
            _ => "refs/heads/main",
        };
        let before = self.machine.state().apps.get(&self.app);
        let before = before.and_then(|app| app.refs.get(branch)).cloned();
        let tip = Tip {
            commit: commits.first().cloned().ok_or("a push has a commit")?,
            commits,
            configuration: Ok(Box::new(configuration)),
        };
        let person = person(&format!("developer-{}", number % 5), Role::Developer);
        let pushed = PushedRef {
            app: self.app.clone(),
            name: branch.to_owned(),
            before,
            tip: Some(tip),
        };
        self.command(&person, Command::Push(pushed))
    }

    fn decide_at_the_gate(&mut self, delivery: &DeliveryId) -> Result<(), Failure> {
        self.pass(7 * 60_000);
        let (delivery, message) = (delivery.clone(), Some("looked at staging".to_owned()));
        let command = match self.fate {
            Fate::Rejected => Command::Reject { delivery, message },
            _ => Command::Approve { delivery, message },
        };
        self.command(&person("lead-1", Role::TechLead), command)
    }

    /// Does what is due; whether there was something.
    fn carry_out(&mut self) -> Result<bool, Failure> {
        let due = self.machine.begin_due(self.now);
        for key in due.keys() {
            if matches!(due[key], Effect::RunCheck { .. }) {
                let started = Command::Outcome(key.clone(), Outcome::CheckStarted);
                self.command(&Actor::barq(), started)?;
            }
        }
        let some = !due.is_empty();
        for (key, effect) in due {
            let outcome = self.happen(&effect)?;
            self.machine.end(&key);
            self.command(&Actor::barq(), Command::Outcome(key, outcome))?;
        }
        Ok(some)
    }

    /// What an effect does, how long it takes, and what comes of it.
    fn happen(&mut self, effect: &Effect) -> Result<Outcome, Failure> {
        let chance = mixed(self.now.as_millisecond().unsigned_abs());
        let took_ms = 400 + i64::try_from(chance % 4_000)?;
        self.pass(took_ms);
        let duration_ms = took_ms.unsigned_abs();
        Ok(match effect {
            Effect::RunCheck { check, .. } => Outcome::CheckFinished {
                outcome: match self.fate == Fate::CheckFails && check.name == "backend-test" {
                    true => CheckOutcome::Failed { code: 101 },
                    false => CheckOutcome::Passed,
                },
                duration_ms,
            },
            Effect::BuildImage { .. } if self.fate == Fate::BuildFails => Outcome::BuildFailed {
                reason: "the command ended with exit code 2\nerror: could not compile `app`"
                    .to_owned(),
            },
            Effect::BuildImage { .. } => Outcome::ImageBuilt {
                image: self.plan.image.clone(),
                size_bytes: 24_000_000 + chance % 1_000_000,
                duration_ms,
            },
            Effect::StopCheck { .. } | Effect::StopBuild { .. } => Outcome::Stopped,
            Effect::Configure { service, .. } => {
                self.in_force_since.insert(service.clone(), self.now);
                Outcome::Configured {
                    durable: true,
                    switched_us: 300 + chance % 500,
                }
            }
            Effect::SmokeTest(test) => Outcome::SmokeTested {
                lines: probes(
                    self.fate != Fate::SmokeFails || test.service.as_str().ends_with("staging"),
                ),
            },
            Effect::ProveTarget { .. } => Outcome::TargetProbed {
                ready: 1,
                desired: 1,
                failures: Vec::new(),
            },
            Effect::Verify { .. } => Outcome::VersionProbed {
                lines: probes(true),
            },
            Effect::GatherEvidence { .. } => Outcome::EvidenceGathered(Box::new(self.evidence())),
        })
    }

    /// The data plane is looked at, after a while.
    fn look(&mut self) -> Result<(), Failure> {
        let Some((service, rollout)) = self.running() else {
            self.pass(LOOK_MS);
            return self.wake();
        };
        let holds = matches!(rollout.phase, rollout::Phase::Holding);
        let (service, rollout) = (service.id.clone(), rollout.clone());
        self.pass(match (holds, self.closely) {
            (true, true) => LOOK_CLOSE_MS,
            (true, false) => LOOK_SELDOM_MS,
            (false, _) => LOOK_MS,
        });
        let observation = Box::new(self.observe(&service, &rollout)?);
        self.command(&Actor::barq(), Command::Observed(service, observation))
    }

    fn observe(&self, id: &ServiceId, rollout: &Rollout) -> Result<Observation, Failure> {
        let state = self.machine.state();
        let service = state.service(id).ok_or("a rollout has a service")?;
        let revisions = service.plan.revisions.iter();
        let running = revisions.filter(|(_, range)| range.min > 0);
        let seen = running.map(|(name, range)| {
            let seen = RevisionObservation {
                ready: range.min,
                total: range.min,
                desired: range.min,
                ..RevisionObservation::default()
            };
            (name.clone(), seen)
        });
        let trips = matches!(rollout.phase, rollout::Phase::Holding)
            && self.fate == Fate::Trips(rollout.step)
            && id.as_str().ends_with("production");
        let canary = service.plan.canary.as_ref().map(|canary| {
            let share = u64::from(service.planned_percent(&canary.revision));
            self.canary(id, share, if trips { canary.max_errors } else { None })
        });
        Ok(Observation {
            generation: service.accepted,
            trip: canary.as_ref().filter(|_| trips).map(|canary| Trip {
                number: service.last_trip + 1,
                revision: rollout.start.revision.clone(),
                generation: service.accepted,
                step: rollout.step,
                errors: canary.counts.errors,
                at: self.now,
                shifted_us: 140 + mixed(rollout.id.delivery.number) % 200,
                in_flight: 2,
                recall: None,
            }),
            canary,
            revisions: seen.collect(),
            watch_exceeded: None,
        })
    }

    fn canary(&self, id: &ServiceId, share: u64, limit: Option<u64>) -> CanaryObservation {
        let since = self.in_force_since.get(id).copied().unwrap_or(self.now);
        let served_ms = u64::try_from(self.now.duration_since(since).as_millis()).unwrap_or(0);
        let requests = REQUESTS_PER_SECOND * served_ms / 1_000;
        let errors = limit.unwrap_or_else(|| u64::from(served_ms > 100_000));
        CanaryObservation {
            recent_errors: errors,
            state: match limit {
                Some(_) => CanaryState::Tripped,
                None => CanaryState::Serving,
            },
            served_ms,
            counts: Counts {
                requests: requests * share / 100,
                errors,
                shielded: errors,
                stable_requests: requests * (100 - share) / 100,
                stable_errors: 0,
            },
        }
    }

    fn evidence(&self) -> Evidence {
        let failures = (0..FAILURES).map(|index| FailedRequest {
            at: after(self.now, -1_000 * i64::try_from(index).unwrap_or(0)),
            method: "GET".to_owned(),
            path: format!("/api/v1/vehicles/{}", mixed(index) % 10_000),
            status: 500,
            failure: None,
            latency_us: 2_000 + 100 * index,
            request_id: format!("{:016x}", mixed(index)),
            shielded: true,
            log_lines: vec!["the pool of connections is empty".to_owned()],
        });
        Evidence {
            endpoints: vec![EndpointCount {
                method: "GET".to_owned(),
                endpoint: "/api/v1/vehicles/{id}".to_owned(),
                status: 500,
                count: FAILURES,
            }],
            failures: failures.collect(),
            requests: 1_000,
            errors: FAILURES,
            shielded: FAILURES,
            clients: 40,
            clients_with_errors: 5,
        }
    }

    /// Time passes and nobody pushes: what is due comes to its end.
    fn rest_until(&mut self, end: Timestamp) -> Result<(), Failure> {
        loop {
            while self.carry_out()? {}
            match self.machine.next_deadline(self.looked_at) {
                Some(due) if due <= end => {
                    self.now = self.now.max(due);
                    self.wake()?;
                }
                _ => {
                    self.now = self.now.max(end);
                    return Ok(());
                }
            }
        }
    }

    fn wake(&mut self) -> Result<(), Failure> {
        self.command(&Actor::barq(), Command::Wake)
    }

    fn command(&mut self, actor: &Actor, command: Command) -> Result<(), Failure> {
        self.looked_at = self.now;
        let decided = self.machine.decide(actor, command, self.now, 0.5)?;
        self.machine.apply(&decided);
        decided.into_iter().try_for_each(&mut self.tell)
    }

    fn running(&self) -> Option<(&Service, &Rollout)> {
        let state = self.machine.state();
        let services = state.services.values();
        services
            .filter_map(|service| Some((service.as_ref(), state.running(service)?)))
            .next()
    }

    fn pass(&mut self, ms: i64) {
        self.now = after(self.now, ms);
    }

    fn check_end(&self) -> Result<(), Failure> {
        let state = self.machine.state();
        if let Some(found) = invariant::check(state).first() {
            return Err(found.to_string().into());
        }
        let left = unfinished(state);
        if let Some(key) = left.keys().next() {
            return Err(format!("{key} is left to do").into());
        }
        match self.running() {
            Some((service, _)) => Err(format!("{} has a rollout left", service.id).into()),
            None => Ok(()),
        }
    }

    fn describe(&self, id: &DeliveryId) -> String {
        let delivery = self.machine.state().delivery(id);
        let phase = delivery.map_or("forgotten", Delivery::state_name);
        let rollout = self
            .running()
            .map(|(_, rollout)| format!("{:?} step {}", rollout.phase, rollout.step));
        format!("{phase}, rollout {rollout:?}")
    }
}

fn probes(well: bool) -> Vec<ProbeLine> {
    ["/health/live", "/health/ready", "/api/v1/things"]
        .into_iter()
        .enumerate()
        .map(|(index, path)| ProbeLine {
            what: format!("GET {path}"),
            passed: well || index != 2,
            detail: if well || index != 2 {
                "200"
            } else {
                "500, expected 200"
            }
            .to_owned(),
            duration_ms: 3 + index as u64,
        })
        .collect()
}

fn person(name: &str, role: Role) -> Actor {
    Actor {
        name: name.to_owned(),
        role,
    }
}

fn after(at: Timestamp, ms: i64) -> Timestamp {
    at.saturating_add(SignedDuration::from_millis(ms))
        .unwrap_or(at)
}
