//! The life of one instance: which state it is in, what an event makes of it, and what has to be done then.
//!
//! Pure, so that each transition is a line of a table: `now` and the jitter are arguments, and what is to be done is
//! returned as data. The match over state and event has no wildcard: a new event does not compile until every state has
//! answered it. It must not know processes, sockets or files, nor why an instance is wanted.

mod check;
mod event;

use std::time::{Duration, Instant};

use super::backoff::{self, READY_RESETS_BACKOFF};
use crate::api::{HealthConfiguration, InstanceState};
use check::Check;
pub(super) use event::{Action, Event, Found, Probe};

/// How long an adopted instance that was ready before may leave its first probe unanswered until it is trusted again.
/// Half of the second within which serving has to resume after a restart of the node.
pub const ADOPTION_TRUST_AFTER: Duration = Duration::from_millis(500);

/// Starts in a row on a port that someone else had taken, before it counts as a failed start.
pub const PORT_RETRIES_MAX: u32 = 5;

/// An instance's state, its deadlines and its counters.
#[derive(Debug, Clone)]
pub(super) struct Lifecycle {
    health: HealthConfiguration,
    drain: Duration,
    state: State,
    /// Whether this run ever became ready: a run that ends before it did is a failed start.
    was_ready: bool,
    ready_since: Option<Instant>,
    backoff_step: u32,
    port_retries: u32,
}

/// What an instance is doing.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum State {
    /// It waits for its next start.
    Waiting { until: Instant },
    /// Its process is being started; `unwanted` if it is to be stopped as soon as it runs.
    Launching { unwanted: bool },
    /// Its startup probe has not passed yet.
    Starting { startup: Check },
    /// It runs, its readiness probe does not pass.
    NotReady {
        readiness: Check,
        liveness: Check,
        trusted_at: Option<Instant>,
    },
    /// It gets requests.
    Ready { readiness: Check, liveness: Check },
    /// It gets no new requests and finishes what it has begun.
    Draining { until: Instant },
    /// It was told to end.
    Stopping { then: After },
    /// It has ended and does not come back.
    Gone,
}

/// What follows the end of a process that was told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// It is started again.
    Restart,
    /// It is not.
    Gone,
}

impl Lifecycle {
    /// A new instance: to be started at once.
    pub(super) fn new(health: HealthConfiguration, drain: Duration, now: Instant) -> Self {
        Self::with_state(health, drain, State::Waiting { until: now })
    }

    /// An instance of an earlier run of the node. Its readiness is asked at once; one that was ready and does not answer
    /// at all is trusted after [`ADOPTION_TRUST_AFTER`], as it would have been had the node not restarted.
    pub(super) fn adopted(
        health: HealthConfiguration,
        drain: Duration,
        found: Found,
        now: Instant,
    ) -> Self {
        let state = match found {
            Found::Starting { age } => {
                let delay = Duration::from_millis(health.startup.initial_delay_ms);
                State::Starting {
                    startup: Check::first(now, delay.saturating_sub(age)),
                }
            }
            Found::NotReady => running(&health, None, now),
            Found::Ready => running(&health, Some(now + ADOPTION_TRUST_AFTER), now),
            // A node that handed over may still carry something to it; nothing else is in flight.
            Found::Leaving => State::Draining { until: now + drain },
        };
        let mut life = Self::with_state(health, drain, state);
        life.was_ready = found == Found::Ready;
        life
    }

    /// The state that is shown.
    pub(super) fn shown(&self) -> InstanceState {
        match &self.state {
            State::Waiting { .. } => InstanceState::BackingOff,
            State::Launching { .. } | State::Starting { .. } => InstanceState::Starting,
            State::NotReady { .. }
            | State::Stopping {
                then: After::Restart,
            } => InstanceState::NotReady,
            State::Ready { .. } => InstanceState::Ready,
            State::Draining { .. } | State::Stopping { then: After::Gone } | State::Gone => {
                InstanceState::Draining
            }
        }
    }

    /// Whether it has ended for good.
    pub(super) fn is_gone(&self) -> bool {
        self.state == State::Gone
    }

    /// Whether it waits until nothing is in flight on it.
    pub(super) fn is_draining(&self) -> bool {
        matches!(self.state, State::Draining { .. })
    }

    /// Whether it was told to end, or has ended.
    pub(super) fn is_leaving(&self) -> bool {
        match &self.state {
            State::Draining { .. }
            | State::Stopping { then: After::Gone }
            | State::Launching { unwanted: true }
            | State::Gone => true,
            State::Waiting { .. }
            | State::Launching { unwanted: false }
            | State::Starting { .. }
            | State::NotReady { .. }
            | State::Ready { .. }
            | State::Stopping {
                then: After::Restart,
            } => false,
        }
    }

    /// When [`Event::Time`] is due.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Waiting { until } | State::Draining { until } => Some(*until),
            State::Starting { startup } => startup.next,
            State::NotReady {
                readiness,
                liveness,
                trusted_at,
            } => [readiness.next, liveness.next, *trusted_at]
                .into_iter()
                .flatten()
                .min(),
            State::Ready {
                readiness,
                liveness,
            } => [readiness.next, liveness.next].into_iter().flatten().min(),
            State::Launching { .. } | State::Stopping { .. } | State::Gone => None,
        }
    }

    /// Takes an event; returns what has to be done, in this order. `jitter` is 0 to 1 and spreads restarts.
    pub(super) fn on(&mut self, event: Event, now: Instant, jitter: f64) -> Vec<Action> {
        let state = std::mem::replace(&mut self.state, State::Gone);
        let mut actions = Vec::new();
        self.state = match (state, event) {
            (State::Waiting { until }, event) => Self::on_waiting(until, event, now, &mut actions),
            (State::Launching { unwanted }, event) => {
                self.on_launching(unwanted, event, now, jitter, &mut actions)
            }
            (State::Starting { startup }, event) => {
                self.on_starting(startup, event, now, jitter, &mut actions)
            }
            (
                State::NotReady {
                    readiness,
                    liveness,
                    trusted_at,
                },
                event,
            ) => self.on_running(
                Running {
                    readiness,
                    liveness,
                    trusted_at,
                    ready: false,
                },
                event,
                now,
                jitter,
                &mut actions,
            ),
            (
                State::Ready {
                    readiness,
                    liveness,
                },
                event,
            ) => {
                let running = Running {
                    readiness,
                    liveness,
                    trusted_at: None,
                    ready: true,
                };
                self.on_running(running, event, now, jitter, &mut actions)
            }
            (State::Draining { until }, event) => {
                Self::on_draining(until, event, now, &mut actions)
            }
            (State::Stopping { then }, event) => {
                self.on_stopping(then, event, now, jitter, &mut actions)
            }
            (
                State::Gone,
                Event::Launched
                | Event::LaunchFailed
                | Event::Passed(_)
                | Event::Failed(_)
                | Event::Exited { .. }
                | Event::Unwanted
                | Event::Drained
                | Event::Time,
            ) => State::Gone,
        };
        actions
    }

    fn on_waiting(until: Instant, event: Event, now: Instant, actions: &mut Vec<Action>) -> State {
        match event {
            Event::Time if now >= until => {
                actions.push(Action::Launch);
                State::Launching { unwanted: false }
            }
            Event::Unwanted => {
                actions.push(Action::Retire);
                State::Gone
            }
            Event::Time
            | Event::Launched
            | Event::LaunchFailed
            | Event::Passed(_)
            | Event::Failed(_)
            | Event::Exited { .. }
            | Event::Drained => State::Waiting { until },
        }
    }

    fn on_launching(
        &mut self,
        unwanted: bool,
        event: Event,
        now: Instant,
        jitter: f64,
        actions: &mut Vec<Action>,
    ) -> State {
        match event {
            Event::Launched if unwanted => {
                actions.push(Action::Stop);
                State::Stopping { then: After::Gone }
            }
            Event::Launched => {
                self.was_ready = false;
                let delay = Duration::from_millis(self.health.startup.initial_delay_ms);
                State::Starting {
                    startup: Check::first(now, delay),
                }
            }
            Event::LaunchFailed | Event::Exited { .. } if unwanted => {
                actions.push(Action::Retire);
                State::Gone
            }
            Event::LaunchFailed | Event::Exited { .. } => {
                actions.push(Action::CountFailedStart);
                self.back_off(now, jitter)
            }
            Event::Unwanted => State::Launching { unwanted: true },
            Event::Passed(_) | Event::Failed(_) | Event::Drained | Event::Time => {
                State::Launching { unwanted }
            }
        }
    }

    fn on_starting(
        &mut self,
        mut startup: Check,
        event: Event,
        now: Instant,
        jitter: f64,
        actions: &mut Vec<Action>,
    ) -> State {
        match event {
            Event::Time => {
                startup.ask_if_due(Probe::Startup, now, actions);
                State::Starting { startup }
            }
            Event::Passed(Probe::Startup) => {
                let mut state = running(&self.health, None, now);
                if let State::NotReady { readiness, .. } = &mut state {
                    readiness.ask_if_due(Probe::Readiness, now, actions);
                }
                state
            }
            Event::Failed(Probe::Startup) => {
                if startup.failed(&self.health.startup, now) {
                    actions.extend([Action::CountFailedStart, Action::Stop]);
                    return State::Stopping {
                        then: After::Restart,
                    };
                }
                State::Starting { startup }
            }
            Event::Exited { port_taken: true } if self.port_retries < PORT_RETRIES_MAX => {
                self.port_retries += 1;
                actions.push(Action::Launch);
                State::Launching { unwanted: false }
            }
            Event::Exited { .. } => {
                actions.push(Action::CountFailedStart);
                self.back_off(now, jitter)
            }
            Event::Unwanted => self.leave(&State::Starting { startup }, now, actions),
            Event::Launched
            | Event::LaunchFailed
            | Event::Passed(Probe::Liveness | Probe::Readiness)
            | Event::Failed(Probe::Liveness | Probe::Readiness)
            | Event::Drained => State::Starting { startup },
        }
    }

    fn on_running(
        &mut self,
        mut running: Running,
        event: Event,
        now: Instant,
        jitter: f64,
        actions: &mut Vec<Action>,
    ) -> State {
        match event {
            Event::Time => {
                running.readiness.ask_if_due(Probe::Readiness, now, actions);
                running.liveness.ask_if_due(Probe::Liveness, now, actions);
                if running.trusted_at.is_some_and(|at| now >= at) {
                    self.admit(&mut running, now, actions);
                }
            }
            Event::Passed(Probe::Readiness) => {
                running.readiness.passed(&self.health.readiness, now);
                self.admit(&mut running, now, actions);
            }
            Event::Failed(Probe::Readiness) => {
                running.trusted_at = None;
                if running.readiness.failed(&self.health.readiness, now) && running.ready {
                    actions.push(Action::Withdraw);
                    running.ready = false;
                }
            }
            Event::Passed(Probe::Liveness) => running.liveness.passed(&self.health.liveness, now),
            Event::Failed(Probe::Liveness) => {
                if running.liveness.failed(&self.health.liveness, now) {
                    self.ended(running.ready, actions);
                    actions.push(Action::Stop);
                    return State::Stopping {
                        then: After::Restart,
                    };
                }
            }
            Event::Exited { .. } => {
                self.ended(running.ready, actions);
                return self.back_off(now, jitter);
            }
            Event::Unwanted => return self.leave(&running.into_state(), now, actions),
            Event::Launched
            | Event::LaunchFailed
            | Event::Passed(Probe::Startup)
            | Event::Failed(Probe::Startup)
            | Event::Drained => {}
        }
        if !running.ready {
            self.forget_backoff_after_a_while(now);
            self.ready_since = None;
        }
        running.into_state()
    }

    fn on_draining(until: Instant, event: Event, now: Instant, actions: &mut Vec<Action>) -> State {
        match event {
            Event::Drained => {
                actions.push(Action::Stop);
                State::Stopping { then: After::Gone }
            }
            Event::Time if now >= until => {
                actions.push(Action::Stop);
                State::Stopping { then: After::Gone }
            }
            Event::Exited { .. } => {
                actions.push(Action::Retire);
                State::Gone
            }
            Event::Time
            | Event::Launched
            | Event::LaunchFailed
            | Event::Passed(_)
            | Event::Failed(_)
            | Event::Unwanted => State::Draining { until },
        }
    }

    fn on_stopping(
        &mut self,
        then: After,
        event: Event,
        now: Instant,
        jitter: f64,
        actions: &mut Vec<Action>,
    ) -> State {
        match (event, then) {
            (Event::Exited { .. }, After::Restart) => self.back_off(now, jitter),
            (Event::Exited { .. }, After::Gone) => {
                actions.push(Action::Retire);
                State::Gone
            }
            (Event::Unwanted, After::Restart | After::Gone) => {
                State::Stopping { then: After::Gone }
            }
            (
                Event::Launched
                | Event::LaunchFailed
                | Event::Passed(_)
                | Event::Failed(_)
                | Event::Drained
                | Event::Time,
                After::Restart | After::Gone,
            ) => State::Stopping { then },
        }
    }

    /// The way out, from a state that is not leaving yet. One that is not ready may still have requests in flight from
    /// the time when it was.
    fn leave(&self, state: &State, now: Instant, actions: &mut Vec<Action>) -> State {
        match state {
            State::Ready { .. } => {
                actions.push(Action::Withdraw);
                State::Draining {
                    until: now + self.drain,
                }
            }
            State::NotReady { .. } => State::Draining {
                until: now + self.drain,
            },
            State::Starting { .. } | State::Launching { .. } | State::Stopping { .. } => {
                actions.push(Action::Stop);
                State::Stopping { then: After::Gone }
            }
            State::Draining { until } => State::Draining { until: *until },
            State::Waiting { .. } | State::Gone => {
                actions.push(Action::Retire);
                State::Gone
            }
        }
    }

    fn admit(&mut self, running: &mut Running, now: Instant, actions: &mut Vec<Action>) {
        running.trusted_at = None;
        if !running.ready {
            running.ready = true;
            self.was_ready = true;
            self.port_retries = 0;
            self.ready_since = Some(now);
            actions.push(Action::Admit);
        }
    }

    /// A running process has failed.
    fn ended(&self, was_admitted: bool, actions: &mut Vec<Action>) {
        if was_admitted {
            actions.push(Action::Withdraw);
        }
        actions.push(if self.was_ready {
            Action::Explain
        } else {
            Action::CountFailedStart
        });
    }

    fn back_off(&mut self, now: Instant, jitter: f64) -> State {
        self.forget_backoff_after_a_while(now);
        self.ready_since = None;
        let delay = backoff::delay(self.backoff_step, jitter);
        self.backoff_step = self.backoff_step.saturating_add(1);
        self.port_retries = 0;
        State::Waiting { until: now + delay }
    }

    fn forget_backoff_after_a_while(&mut self, now: Instant) {
        if self
            .ready_since
            .is_some_and(|since| now.saturating_duration_since(since) >= READY_RESETS_BACKOFF)
        {
            self.backoff_step = 0;
        }
    }

    fn with_state(health: HealthConfiguration, drain: Duration, state: State) -> Self {
        Self {
            health,
            drain,
            state,
            was_ready: false,
            ready_since: None,
            backoff_step: 0,
            port_retries: 0,
        }
    }
}

/// A running instance, whether ready or not: both states share their transitions.
struct Running {
    readiness: Check,
    liveness: Check,
    trusted_at: Option<Instant>,
    ready: bool,
}

impl Running {
    fn into_state(self) -> State {
        let Self {
            readiness,
            liveness,
            trusted_at,
            ready,
        } = self;
        if ready {
            State::Ready {
                readiness,
                liveness,
            }
        } else {
            State::NotReady {
                readiness,
                liveness,
                trusted_at,
            }
        }
    }
}

/// A process whose startup probe has passed: readiness is asked at once, liveness a period later.
fn running(health: &HealthConfiguration, trusted_at: Option<Instant>, now: Instant) -> State {
    State::NotReady {
        readiness: Check::first(now, Duration::ZERO),
        liveness: Check::first(now, Duration::from_millis(health.liveness.period_ms)),
        trusted_at,
    }
}

#[cfg(test)]
mod tests;
