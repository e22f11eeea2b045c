//! A small world that decisions are made in: a configuration, people, a data plane that says what a test wants. Every
//! event that is decided here is checked: invariants, JSON round trip, and the same decision twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::command::{Command, Context, PushedRef, Rejection, Tip};
use crate::configuration::*;
use crate::decide::{Draft, decide};
use crate::effect::{Effect, EffectKey, EffectTarget, Outcome};
use crate::event::*;
use crate::identity::*;
use crate::invariant;
use crate::observation::*;
use crate::service::Service;
use crate::state::{self, State};

pub(super) const HOLD_MS: u64 = 10_000;
pub(super) const MAX_ERRORS: u32 = 2;

/// What the world is, and what the decisions are made with.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) state: State,
    pub(super) now: Timestamp,
    pub(super) observed: Observed,
    /// Whether each event goes through its JSON form, as it does in a journal.
    pub(super) journaled: bool,
}

pub(super) fn probe(path: &str) -> Probe {
    Probe {
        path: path.to_owned(),
        initial_delay: Duration::ZERO,
        period: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        failures: 3,
    }
}

pub(super) fn environment(name: &str, gated: bool, canary: &[u8]) -> Environment {
    let held = canary.iter().map(|traffic| Step {
        traffic: *traffic,
        hold: Duration::from_millis(HOLD_MS),
        max_errors: Some(MAX_ERRORS),
    });
    Environment {
        name: name.to_owned(),
        approval: gated.then(|| Approval {
            role: Role::TechLead,
            expires: Duration::from_secs(3_600),
            separate_approver: false,
        }),
        instances: Instances { min: 1, max: 4 },
        cpu_millis: 1_000,
        memory_bytes: 1 << 20,
        concurrency: 10,
        env: BTreeMap::new(),
        secrets: Vec::new(),
        steps: held.chain([Step::last()]).collect(),
        guard: gated.then_some(Guard {
            duration: Duration::from_secs(600),
            action: GuardAction::Rollback,
        }),
        shield: true,
        lease: Duration::from_secs(60),
        keep: Keep {
            warm: Duration::from_secs(300),
            revisions: 3,
        },
        domains: Vec::new(),
        protocol: Protocol::default(),
        tls: None,
        drain: Duration::from_secs(1),
    }
}

pub(super) fn check(name: &str, needs: &[&str]) -> Check {
    Check {
        name: name.to_owned(),
        run: "true".to_owned(),
        directory: ".".to_owned(),
        timeout: Duration::from_secs(60),
        needs: needs.iter().map(|name| (*name).to_owned()).collect(),
        cache: Vec::new(),
        requires: Vec::new(),
    }
}

/// One check, and the environments given.
pub(super) fn configuration(environments: Vec<Environment>) -> Configuration {
    Configuration {
        service: ServiceName::new("fleet").unwrap(),
        branch: "main".to_owned(),
        checks: vec![check("test", &[])],
        build: Build::Bundle {
            run: None,
            files: BTreeMap::from([("a".to_owned(), "a".to_owned())]),
            command: vec!["./a".to_owned()],
            cache: Vec::new(),
        },
        health: Health {
            startup: probe("/live"),
            liveness: probe("/live"),
            readiness: probe("/ready"),
            detailed: DetailedProbe {
                path: "/detailed".to_owned(),
            },
        },
        smoke: Smoke {
            requests: Vec::new(),
            run: None,
        },
        environments,
    }
}

/// Production alone: gated, 10 % and 50 %.
pub(super) fn small() -> Configuration {
    configuration(vec![environment(PRODUCTION, true, &[10, 50])])
}

/// Staging, which everything reaches by itself, and production.
pub(super) fn whole() -> Configuration {
    configuration(vec![
        environment(STAGING, false, &[]),
        environment(PRODUCTION, true, &[10, 50]),
    ])
}

pub(super) fn actor(name: &str, role: Role) -> Actor {
    Actor {
        name: name.to_owned(),
        role,
    }
}

pub(super) fn lead() -> Actor {
    actor("lead", Role::TechLead)
}

pub(super) fn app() -> AppName {
    "fleet".parse().unwrap()
}

pub(super) fn delivery(number: u64) -> DeliveryId {
    DeliveryId { app: app(), number }
}

pub(super) fn rollout(number: u64, environment: &str) -> RolloutId {
    RolloutId {
        delivery: delivery(number),
        environment: environment.to_owned(),
    }
}

pub(super) fn service(environment: &str) -> ServiceId {
    format!("fleet-{environment}").parse().unwrap()
}

pub(super) fn commit(number: u64) -> Commit {
    Commit {
        hash: format!("{number:040x}").parse().unwrap(),
        author_name: "somebody".to_owned(),
        author_email: "somebody@example.com".to_owned(),
        subject: format!("change {number}"),
        committed_at: Timestamp::UNIX_EPOCH,
    }
}

pub(super) fn push(number: u64, configuration: Configuration) -> Command {
    Command::Push(PushedRef {
        app: app(),
        name: "refs/heads/main".to_owned(),
        before: None,
        tip: Some(Tip {
            commit: commit(number),
            commits: vec![commit(number)],
            configuration: Ok(Box::new(configuration)),
        }),
    })
}

pub(super) fn approve(number: u64) -> Command {
    Command::Approve {
        delivery: delivery(number),
        message: None,
    }
}

/// Of production; `to`: the one that was stable before, if none is said.
pub(super) fn roll_back(to: Option<RevisionName>) -> Command {
    Command::RollBack {
        service: service(PRODUCTION),
        to,
        message: None,
    }
}

/// Of production.
pub(super) fn revision(number: u32) -> RevisionName {
    RevisionName {
        service: service(PRODUCTION),
        number,
    }
}

pub(super) fn line(passed: bool) -> ProbeLine {
    ProbeLine {
        what: "GET /ready".to_owned(),
        passed,
        detail: "seen".to_owned(),
        duration_ms: 1,
    }
}

/// The outcome that everybody hopes for.
pub(super) fn success(effect: &Effect) -> Outcome {
    match effect {
        Effect::RunCheck { .. } => Outcome::CheckFinished {
            outcome: CheckOutcome::Passed,
            duration_ms: 1,
        },
        Effect::StopCheck { .. } | Effect::StopBuild { .. } => Outcome::Stopped,
        Effect::BuildImage { commit, .. } => Outcome::ImageBuilt {
            image: format!("sha256:{:0>64}", &commit.as_str()[20..])
                .parse()
                .unwrap(),
            size_bytes: 1,
            duration_ms: 1,
        },
        Effect::Configure { .. } => Outcome::Configured {
            durable: true,
            switched_us: 1,
        },
        Effect::SmokeTest { .. } => Outcome::SmokeTested {
            lines: vec![line(true)],
        },
        Effect::ProveTarget { .. } => Outcome::TargetProbed {
            ready: 2,
            desired: 2,
            failures: Vec::new(),
        },
        Effect::Verify { .. } => Outcome::VersionProbed {
            lines: vec![line(true)],
        },
        Effect::GatherEvidence { .. } => Outcome::EvidenceGathered(Box::default()),
    }
}

/// What a healthy data plane sees under the plan in force: all at size, the canary serving with `counts`.
pub(super) fn healthy(
    service: &Service,
    served_ms: u64,
    requests: u64,
    errors: u64,
) -> Observation {
    let canary = service.plan.canary.as_ref();
    let before = canary.map_or(0, |canary| canary.counted.errors);
    Observation {
        generation: service.accepted,
        trip: None,
        canary: service.plan.canary.as_ref().map(|_| CanaryObservation {
            state: CanaryState::Serving,
            served_ms,
            counts: Counts {
                requests,
                errors,
                ..Counts::default()
            },
            recent_errors: before + errors,
        }),
        revisions: service
            .plan
            .revisions
            .iter()
            .map(|(name, range)| {
                let seen = RevisionObservation {
                    ready: range.min,
                    total: range.min,
                    desired: range.min,
                    ..RevisionObservation::default()
                };
                (name.clone(), seen)
            })
            .collect(),
        watch_exceeded: None,
    }
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            state: State::default(),
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
            observed: Observed::new(),
            journaled: true,
        }
    }

    pub(super) fn service(&self, environment: &str) -> &Service {
        self.state.service(&service(environment)).unwrap()
    }

    pub(super) fn decide(
        &self,
        actor: &Actor,
        command: Command,
    ) -> Result<Vec<Recorded>, Rejection> {
        let context = Context {
            now: self.now,
            actor,
            observed: &self.observed,
            jitter: 0.5,
        };
        decide(&self.state, command, &context)
    }

    /// The command by itself, without what follows from it: whether it is refused.
    pub(super) fn asked(&self, actor: &Actor, command: Command) -> Result<(), Rejection> {
        let context = Context {
            now: self.now,
            actor,
            observed: &self.observed,
            jitter: 0.5,
        };
        Draft::new(&self.state, &context).command(command)
    }

    /// Gives a command a moment later, and checks everything about what follows.
    pub(super) fn give(
        &mut self,
        actor: &Actor,
        command: Command,
    ) -> Result<Vec<Recorded>, Rejection> {
        self.pass(SignedDuration::from_millis(1));
        let shown = command.clone();
        let events = self.decide(actor, command)?;
        if events.is_empty() {
            return Ok(events);
        }
        for recorded in &events {
            if self.journaled {
                let json = serde_json::to_string(recorded).unwrap();
                let read: Recorded = serde_json::from_str(&json).unwrap();
                assert_eq!(read, *recorded, "an event changes in its JSON form");
            }
            let before = self.state.clone();
            state::apply(&mut self.state, recorded);
            let found = invariant::check_step(&before, recorded, &self.state);
            assert!(found.is_empty(), "{}", report(&found, &shown, &events));
        }
        let found = invariant::check(&self.state);
        assert!(found.is_empty(), "{}", report(&found, &shown, &events));
        // What a decision allows it has done: nothing more follows from looking again.
        let again = self.decide(&Actor::barq(), Command::Wake).unwrap();
        assert!(again.is_empty(), "a wake finds {again:?} after {shown:?}");
        Ok(events)
    }

    pub(super) fn must(&mut self, actor: &Actor, command: Command) -> Vec<Recorded> {
        let shown = format!("{command:?}");
        self.give(actor, command)
            .unwrap_or_else(|refused| panic!("{shown} is refused: {refused}"))
    }

    pub(super) fn outcome(&mut self, key: EffectKey, outcome: Outcome) -> Vec<Recorded> {
        self.must(&Actor::barq(), Command::Outcome(key, outcome))
    }

    pub(super) fn see(&mut self, environment: &str, observation: Observation) -> Vec<Recorded> {
        let id = service(environment);
        self.observed.insert(id.clone(), observation.clone());
        self.must(&Actor::barq(), Command::Observed(id, Box::new(observation)))
    }

    pub(super) fn pass(&mut self, span: SignedDuration) {
        self.now += span;
    }

    pub(super) fn pending(&self) -> BTreeMap<EffectKey, Effect> {
        crate::pending(&self.state, self.now)
    }

    /// The pending effect whose target fits.
    pub(super) fn effect(&self, fits: impl Fn(&EffectTarget) -> bool) -> (EffectKey, Effect) {
        self.pending()
            .into_iter()
            .find(|(key, _)| fits(&key.target))
            .unwrap_or_else(|| panic!("not among {:?}", self.pending().keys()))
    }

    /// Lets all effects succeed, and the data plane be as it should, until `there`; at most 100 rounds.
    pub(super) fn until(&mut self, there: impl Fn(&State) -> bool) {
        for _ in 0..100 {
            if there(&self.state) {
                return;
            }
            if let Some((key, effect)) = self.pending().into_iter().next() {
                self.outcome(key, success(&effect));
                continue;
            }
            let services: Vec<Arc<Service>> = self.state.services.values().cloned().collect();
            let mut changed = false;
            for service in services {
                let served = 10 * HOLD_MS;
                let observation = healthy(&service, served, 1, 0);
                changed |= !self
                    .see(&service.environment.clone(), observation)
                    .is_empty();
            }
            if let (false, Some(at)) = (changed, crate::next_deadline(&self.state, self.now)) {
                self.now = at;
                self.must(&Actor::barq(), Command::Wake);
            }
        }
        panic!("it does not get there: {}", self.describe());
    }

    /// Undoes what people hold: pauses and locks.
    pub(super) fn let_go(&mut self) {
        let paused: Vec<_> = self
            .state
            .rollouts
            .values()
            .filter(|it| it.paused.is_some() && !it.ended())
            .map(|it| it.id.clone())
            .collect();
        for id in paused {
            self.must(&lead(), Command::Resume(id));
        }
        let locked: Vec<_> = self
            .state
            .services
            .values()
            .filter(|it| it.lock.is_some())
            .map(|it| it.id.clone())
            .collect();
        for service in locked {
            let message = None;
            self.must(&lead(), Command::Unlock { service, message });
        }
    }

    pub(super) fn describe(&self) -> String {
        let deliveries = self.state.deliveries.values().map(|it| {
            let waits = crate::explain(&self.state, &self.observed, it, self.now);
            format!("{}: {:?}, waits for {waits:?}", it.id, it.phase)
        });
        let rollouts = self
            .state
            .rollouts
            .values()
            .map(|it| format!("{}: {:?}", it.id, it.phase));
        deliveries.chain(rollouts).collect::<Vec<_>>().join("\n")
    }

    /// Pushes commit `number` and takes it to its end in success.
    pub(super) fn deliver(&mut self, number: u64, configuration: Configuration) {
        let events = self.must(&lead(), push(number, configuration));
        let id = events
            .iter()
            .find_map(|recorded| match &recorded.event {
                Event::Delivery(id, DeliveryEvent::Pushed(_)) => Some(id.clone()),
                _ => None,
            })
            .unwrap();
        self.reach_gate(&id);
        let approve = Command::Approve {
            delivery: id.clone(),
            message: None,
        };
        self.must(&lead(), approve);
        self.until(|state| state.delivery(&id).unwrap().ended());
        assert_eq!(self.state.delivery(&id).unwrap().state_name(), "succeeded");
    }

    /// Pushes `number` (the next delivery) and sends it on from the gate.
    pub(super) fn enter(&mut self, number: u64, configuration: Configuration) {
        self.must(&lead(), push(number, configuration));
        self.reach_gate(&delivery(number));
        self.must(&lead(), approve(number));
    }

    pub(super) fn reach_gate(&mut self, id: &DeliveryId) {
        self.until(|state| state.delivery(id).unwrap().state_name() == "awaiting_approval");
    }

    /// Delivery 1 serves in production, delivery 2 is its canary, holding the first step.
    pub(super) fn holding(configuration: &Configuration) -> Self {
        let mut world = Self::new();
        world.deliver(1, configuration.clone());
        world.canary(2, configuration);
        world
    }

    /// Pushes `number` (the next delivery) until its canary holds the first step in production.
    pub(super) fn canary(&mut self, number: u64, configuration: &Configuration) {
        self.enter(number, configuration.clone());
        let rollout = rollout(number, PRODUCTION);
        self.until(|state| {
            state
                .rollout(&rollout)
                .is_some_and(|it| it.state_name() == "canary")
        });
        self.until(|state| {
            let service = state.service(&service(PRODUCTION)).unwrap();
            service.accepted == service.generation
        });
    }
}

fn report(found: &[invariant::Violation], command: &Command, events: &[Recorded]) -> String {
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    let kinds: Vec<String> = events
        .iter()
        .map(|it| format!("{} {}", it.event.subject(), it.event.kind()))
        .collect();
    let mut command = format!("{command:?}");
    command.truncate(2_000);
    format!("{}\nby {command}\nwhich gave {kinds:#?}", found.join("\n"))
}
