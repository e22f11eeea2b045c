//! The control plane: the real machine, and around it what the live loop has around it: a journal, effects on their way,
//! outcomes and looks that arrive late, twice or never.

use std::collections::BTreeSet;

use barq_core::command::Command;
use barq_core::effect::{Effect, EffectKey, Outcome};
use barq_core::event::{Actor, CheckOutcome, ProbeLine, Recorded};
use barq_core::identity::ServiceId;
use barq_core::invariant;
use jiff::Timestamp;

use super::World;
use super::check::Problem;
use super::node::Look;
use super::release;
use crate::machine::Machine;

/// The server's side of the world. All but the journal, and what goes on outside, is lost in a crash.
#[derive(Default)]
pub(super) struct Server {
    pub(super) machine: Machine,
    pub(super) is_up: bool,
    pub(super) journal: Vec<String>,
    pub(super) storage_fails: bool,
    /// Effects that were begun and have not come to their end.
    running: Vec<Running>,
    /// Outcomes on their way to the loop, and when they arrive.
    inbox: Vec<(u64, EffectKey, Outcome)>,
    /// Looks at the data plane on their way to the loop.
    looks: Vec<(u64, Look)>,
    /// Checks and builds that run outside, whoever waits for them.
    outside: BTreeSet<EffectKey>,
    /// Those that have ended: asked again with the same key, they answer as before.
    ended_outside: BTreeSet<EffectKey>,
    /// Until when deadlines have been looked at.
    looked_at: Timestamp,
}

struct Running {
    key: EffectKey,
    effect: Effect,
    due_ms: u64,
    /// Nobody waits for its outcome any more.
    orphaned: bool,
}

impl Server {
    pub(super) fn crash(&mut self) {
        self.is_up = false;
        self.machine = Machine::default();
        self.inbox.clear();
        self.looks.clear();
        self.orphan(|_| true);
    }

    /// What was begun outside goes on; nobody hears of it.
    fn orphan(&mut self, which: impl Fn(&EffectKey) -> bool) {
        // A check's shim runs on; whoever asks with the same key joins it.
        self.running
            .retain(|it| !which(&it.key) || !runs_outside(&it.effect));
        for it in self.running.iter_mut().filter(|it| which(&it.key)) {
            it.orphaned = true;
        }
    }

    pub(super) fn replay(&self) -> Result<Machine, Problem> {
        let mut machine = Machine::default();
        for line in &self.journal {
            let recorded: Recorded = serde_json::from_str(line)
                .map_err(|error| Problem(format!("an event can't be read again: {error}")))?;
            machine.apply([&recorded]);
        }
        Ok(machine)
    }

    /// What still runs outside, by its key.
    pub(super) fn outside(&self) -> impl Iterator<Item = &EffectKey> {
        self.outside.iter()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.inbox.is_empty() && self.running.is_empty() && self.outside.is_empty()
    }
}

/// Whether it has processes of its own, which an effect must stop.
fn runs_outside(effect: &Effect) -> bool {
    matches!(effect, Effect::RunCheck { .. } | Effect::BuildImage { .. })
}

impl World {
    pub(super) fn start_server(&mut self) -> Result<(), Problem> {
        self.server.machine = self.server.replay()?;
        self.server.is_up = true;
        self.server.looked_at = self.now();
        self.story.tell(|| "the server starts".to_owned());
        self.command(&Actor::barq(), Command::Wake).map(|_| ())
    }

    /// Decide, append, apply, as the live loop does; killed in between where chance has it.
    pub(super) fn command(&mut self, actor: &Actor, command: Command) -> Result<(), Problem> {
        self.decided(actor, command).map(|_| ())
    }

    /// Whether what follows from the command is in the journal.
    fn decided(&mut self, actor: &Actor, command: Command) -> Result<bool, Problem> {
        if !self.server.is_up {
            return Ok(false);
        }
        let now = self.now();
        // Half a turn of the dice is fine: it only spreads retries.
        let decided = self.server.machine.decide(actor, command, now, 0.5);
        let events = match decided {
            Ok(events) => events,
            Err(rejection) => {
                self.story.tell(|| format!("refused: {rejection}"));
                return Ok(true);
            }
        };
        self.server.looked_at = now;
        if events.is_empty() {
            return Ok(true);
        }
        if self.server.storage_fails {
            self.story
                .tell(|| "the journal can't be written".to_owned());
            return Ok(false);
        }
        if self.troubled() && self.random.one_in(150) {
            self.crash_server();
            return Ok(false);
        }
        let mut after = self.server.machine.clone();
        for recorded in &events {
            let line = serde_json::to_string(recorded)
                .map_err(|error| Problem(format!("an event can't be written: {error}")))?;
            self.server.journal.push(line);
            let before = std::sync::Arc::clone(after.state());
            after.apply([recorded]);
            self.story.tell(|| {
                let event = &recorded.event;
                format!(
                    "{} {} by {}",
                    event.subject(),
                    event.kind(),
                    recorded.actor.name
                )
            });
            fail_on(&invariant::check_step(&before, recorded, after.state()))?;
        }
        fail_on(&invariant::check(after.state()))?;
        if self.troubled() && self.random.one_in(150) {
            // Durable, and nobody was told.
            self.crash_server();
            return Ok(false);
        }
        self.server.machine = after;
        Ok(true)
    }

    pub(super) fn begin_effects(&mut self) {
        if self.server.storage_fails {
            return;
        }
        let obsolete: BTreeSet<EffectKey> =
            self.server.machine.drop_obsolete().into_iter().collect();
        self.server.orphan(|key| obsolete.contains(key));
        let now = self.now();
        for (key, effect) in self.server.machine.begin_due(now) {
            if runs_outside(&effect) && !self.server.ended_outside.contains(&key) {
                self.server.outside.insert(key.clone());
            }
            let longest = if self.troubled() { 2_000 } else { 300 };
            let due_ms = self.now_ms + self.random.below(longest);
            if matches!(effect, Effect::RunCheck { .. }) && self.random.one_in(2) {
                let started = (
                    due_ms / 2 + self.now_ms / 2,
                    key.clone(),
                    Outcome::CheckStarted,
                );
                self.server.inbox.push(started);
            }
            let orphaned = false;
            let running = Running {
                key,
                effect,
                due_ms,
                orphaned,
            };
            self.server.running.push(running);
        }
    }

    /// Effects that are due happen, whether anybody still waits or not.
    pub(super) fn carry_out(&mut self, troubled: bool) -> Result<(), Problem> {
        let now_ms = self.now_ms;
        let (due, later) = std::mem::take(&mut self.server.running)
            .into_iter()
            .partition(|it| it.due_ms <= now_ms);
        self.server.running = later;
        let mut due: Vec<Running> = due;
        while !due.is_empty() {
            let index = usize::try_from(self.random.below(due.len() as u64)).unwrap_or(0);
            let Running {
                key,
                effect,
                orphaned,
                ..
            } = due.swap_remove(index);
            let mut outcome = None;
            let fate = if troubled { self.random.below(12) } else { 11 };
            if fate != 0 {
                outcome = self.happen(&key, &effect)?;
            }
            if fate == 1 {
                outcome = self.happen(&key, &effect)?;
            }
            self.server.outside.remove(&key);
            self.server.ended_outside.insert(key.clone());
            if fate <= 2 && fate != 1 {
                outcome = None;
            }
            if orphaned || !self.server.is_up {
                continue;
            }
            let error = "no answer".to_owned();
            let outcome = outcome.unwrap_or(Outcome::NoResult { error });
            self.story
                .tell(|| format!("{key} comes to {}", short(&outcome)));
            let arrives = now_ms + self.random.below(if troubled { 800 } else { 50 });
            // An executor answers "no result" once; what a port says may be said twice.
            let twice = !matches!(outcome, Outcome::NoResult { .. });
            if troubled && twice && self.random.one_in(10) {
                let again = (
                    arrives + self.random.below(5_000),
                    key.clone(),
                    outcome.clone(),
                );
                self.server.inbox.push(again);
            }
            self.server.inbox.push((arrives, key, outcome));
        }
        Ok(())
    }

    /// What an effect does, and what comes of it; none: no answer.
    fn happen(&mut self, key: &EffectKey, effect: &Effect) -> Result<Option<Outcome>, Problem> {
        Ok(Some(match effect {
            Effect::RunCheck { commit, check, .. } => {
                let fails = self.releases.of_commit(commit.as_str()).check_fails;
                let outcome = match fails && check.name == "test" {
                    true => CheckOutcome::Failed { code: 1 },
                    false => CheckOutcome::Passed,
                };
                Outcome::CheckFinished {
                    outcome,
                    duration_ms: 1,
                }
            }
            Effect::StopCheck { started, .. } | Effect::StopBuild { started, .. } => {
                self.server.outside.remove(started);
                Outcome::Stopped
            }
            Effect::BuildImage { commit, .. } => {
                let fails = self.releases.of_commit(commit.as_str()).build_fails;
                match release::image(commit.as_str()).filter(|_| !fails) {
                    Some(image) => Outcome::ImageBuilt {
                        image,
                        size_bytes: 1,
                        duration_ms: 1,
                    },
                    None => Outcome::BuildFailed {
                        reason: "why".to_owned(),
                    },
                }
            }
            Effect::Configure {
                service,
                generation,
                plan,
                revisions,
                ..
            } => {
                let configured = self.node.configure(service, *generation, plan, revisions)?;
                self.story.tell(|| {
                    format!(
                        "the node is given {key}: {}",
                        configured.as_ref().map_or("not kept".to_owned(), short)
                    )
                });
                return Ok(configured);
            }
            other => self.happen_to_traffic(other),
        }))
    }

    /// What is asked of the running service; the rest has happened in `happen`.
    fn happen_to_traffic(&mut self, effect: &Effect) -> Outcome {
        let line = |passed: bool| ProbeLine {
            what: "GET /".to_owned(),
            passed,
            detail: String::new(),
            duration_ms: 1,
        };
        match effect {
            Effect::SmokeTest(test) => {
                let fails = self
                    .node
                    .release(&test.revision, &self.releases)
                    .smoke_fails;
                Outcome::SmokeTested {
                    lines: vec![line(!fails)],
                }
            }
            Effect::ProveTarget { revision, .. } => {
                let (ready, desired) = self.node.size(revision);
                Outcome::TargetProbed {
                    ready,
                    desired,
                    failures: Vec::new(),
                }
            }
            Effect::Verify {
                service, revision, ..
            } => {
                let served = self.node.serves(service, &mut self.random);
                Outcome::VersionProbed {
                    lines: vec![line(served.as_ref() == Some(revision))],
                }
            }
            _ => Outcome::EvidenceGathered(Box::default()),
        }
    }

    pub(super) fn take_outcomes(&mut self, troubled: bool) -> Result<(), Problem> {
        loop {
            let now_ms = self.now_ms;
            let due = self.server.inbox.iter().position(|(at, ..)| *at <= now_ms);
            let (Some(index), true) = (due, self.server.is_up) else {
                return Ok(());
            };
            // A little out of order.
            let (_, key, outcome) = match troubled {
                true => self.server.inbox.swap_remove(index),
                false => self.server.inbox.remove(index),
            };
            if outcome != Outcome::CheckStarted {
                self.server.machine.end(&key);
            }
            self.command(&Actor::barq(), Command::Outcome(key, outcome))?;
        }
    }

    /// Looks at the data plane; what is seen is judged, and only then leases are renewed.
    pub(super) fn look(&mut self, troubled: bool) -> Result<(), Problem> {
        let look = self.node.look(self.now_ms, self.now());
        let delay = if troubled {
            self.random.below(1_500)
        } else {
            0
        };
        if !(troubled && self.random.one_in(5)) {
            self.server.looks.push((self.now_ms + delay, look));
        }
        let now_ms = self.now_ms;
        while let Some(index) = self.server.looks.iter().position(|(at, _)| *at <= now_ms) {
            let (_, look) = self.server.looks.remove(index);
            self.judge(look, troubled)?;
        }
        Ok(())
    }

    fn judge(&mut self, look: Look, troubled: bool) -> Result<(), Problem> {
        let mut judged = true;
        for (service, observation) in look.observations {
            self.server
                .machine
                .see(service.clone(), observation.clone());
            let command = Command::Observed(service, Box::new(observation));
            judged &= self.decided(&Actor::barq(), command)?;
        }
        for lease in look.leases {
            let lost = troubled && self.random.one_in(6);
            if judged && self.server.is_up && self.server.machine.renews(&lease) && !lost {
                self.node.renew(&lease, self.now_ms);
            }
        }
        Ok(())
    }

    pub(super) fn wake(&mut self) -> Result<(), Problem> {
        let due = self.server.machine.next_deadline(self.server.looked_at);
        if self.server.is_up && due.is_some_and(|due| due <= self.now()) {
            self.command(&Actor::barq(), Command::Wake)?;
        }
        Ok(())
    }

    fn troubled(&self) -> bool {
        self.steps_left > 0
    }
}

fn fail_on(found: &[invariant::Violation]) -> Result<(), Problem> {
    if found.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    Err(Problem(lines.join("\n")))
}

fn short(outcome: &Outcome) -> String {
    let mut text = format!("{outcome:?}");
    text.truncate(
        text.char_indices()
            .nth(120)
            .map_or(text.len(), |(at, _)| at),
    );
    text
}

/// Named here since looks are by service.
pub(super) type ByService<T> = std::collections::BTreeMap<ServiceId, T>;
