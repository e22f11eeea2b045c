//! The rules: what happens when something is asked, observed, or due.
//!
//! A decision works on a copy of the state, which is made when it first changes: most looks at the data plane change
//! nothing. First the command's own events, then everything that the state then allows
//! (`advance`): the next step, the next environment, the plan for the data plane. So there is one place for each rule,
//! whatever made it apply. Nothing is done here; events say what happened, `pending` what must be done.

mod access;
mod act;
mod delivery;
mod gate;
mod outcome;
mod push;
mod rollback;
mod rollout;
mod steer;

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};

pub use act::Act;

use crate::command::{Command, Context, Rejection};
use crate::configuration::Role;
use crate::effect::EffectTarget;
use crate::event::{Actor, Event, Recorded, ServiceEvent};
use crate::identity::ServiceId;
use crate::observation::Observation;
use crate::rollout::Rollout;
use crate::service;
use crate::state::{self, State};

/// One decision goes on by itself until nothing more follows; more rounds than this would be a defect of the rules.
const ADVANCE_ROUNDS_MAX: usize = 64;

/// What happens when `command` is given.
///
/// # Errors
/// `Rejection`: the command does not fit the state, or its actor may not give it. Then nothing happens. Outcomes that are
/// late, observations and wakes are never refused; they just may change nothing.
pub fn decide(
    state: &State,
    command: Command,
    context: &Context<'_>,
) -> Result<Vec<Recorded>, Rejection> {
    let mut draft = Draft::new(state, context);
    draft.command(command)?;
    draft.advance();
    Ok(draft.events)
}

/// Whether `command` would be taken now: a decision without what would follow from it, for those who only want to know
/// whether to offer it.
///
/// # Errors
/// `Rejection`: as `decide`, which can't be refused by what follows.
pub fn ask(state: &State, command: Command, context: &Context<'_>) -> Result<(), Rejection> {
    Draft::new(state, context).command(command)
}

/// A decision in the making: the state with the events so far applied.
struct Draft<'a> {
    state: Cow<'a, State>,
    context: Context<'a>,
    /// The observation that this decision is about: newer than the one in the context.
    observing: Option<(ServiceId, Observation)>,
    events: Vec<Recorded>,
}

impl<'a> Draft<'a> {
    fn new(state: &'a State, context: &Context<'a>) -> Self {
        Self {
            state: Cow::Borrowed(state),
            context: *context,
            observing: None,
            events: Vec::new(),
        }
    }
}

impl Draft<'_> {
    fn command(&mut self, command: Command) -> Result<(), Rejection> {
        match command {
            Command::Push(pushed) => self.push(pushed),
            Command::Retry { delivery, force } => self.retry(&delivery, force),
            Command::Approve { delivery, message } => self.approve(&delivery, message),
            Command::Reject { delivery, message } => self.reject(&delivery, message),
            Command::Cancel { delivery, message } => self.cancel(&delivery, message),
            Command::Pause(rollout) => self.pause(&rollout),
            Command::Resume(rollout) => self.resume(&rollout),
            Command::Promote { rollout, full } => self.promote(&rollout, full),
            Command::Abort { rollout, message } => self.abort(&rollout, message),
            Command::RollBack {
                service,
                to,
                message,
            } => self.roll_back(&service, to.as_ref(), message),
            Command::Lock { service, message } => self.lock(&service, message),
            Command::Unlock { service, message } => self.unlock(&service, message),
            Command::CreateToken { name, role, hash } => self.create_token(name, role, hash),
            Command::RevokeToken { name } => self.revoke_token(name),
            Command::Outcome(key, outcome) => {
                self.outcome(&key, outcome);
                Ok(())
            }
            Command::Observed(service, observation) => {
                self.observing = Some((service, *observation));
                Ok(())
            }
            Command::Wake => Ok(()),
        }
    }

    /// Everything that the state allows by itself, until nothing more follows.
    fn advance(&mut self) {
        for _ in 0..ADVANCE_ROUNDS_MAX {
            let before = self.events.len();
            self.advance_deliveries();
            self.advance_rollouts();
            self.advance_services();
            self.plan();
            if self.events.len() == before {
                return;
            }
        }
    }

    /// Ends what is due in each service. Not during a canary: another plan grants its lease anew, which only whoever has
    /// judged may do, and the time that it was served since the last look would not be credited.
    fn advance_services(&mut self) {
        let now = self.now();
        let services: Vec<_> = self.state.services.values().cloned().collect();
        for service in services.iter().filter(|it| it.plan.canary.is_none()) {
            if service.warm.as_ref().is_some_and(|warm| warm.until <= now) {
                self.by_itself(Event::Service(service.id.clone(), ServiceEvent::WarmEnded));
            }
            if service
                .guard
                .as_ref()
                .is_some_and(|guard| guard.until <= now)
            {
                self.by_itself(Event::Service(service.id.clone(), ServiceEvent::GuardEnded));
            }
        }
    }

    /// Records a new plan where what must be true at the data plane has changed.
    fn plan(&mut self) {
        let services: Vec<_> = self.state.services.values().cloned().collect();
        for service in services {
            let running = self.state.running(&service);
            if service::plan(&service, running) != service.plan {
                // The plan tells what is known to be counted; the data plane then tells what is beyond that.
                let mut running = running.cloned();
                running.iter_mut().for_each(Rollout::count_anew);
                let plan = service::plan(&service, running.as_ref());
                let event = ServiceEvent::Planned {
                    generation: service.generation + 1,
                    plan,
                };
                self.by_itself(Event::Service(service.id.clone(), event));
            }
        }
    }

    fn now(&self) -> Timestamp {
        self.context.now
    }

    /// `now + span`, held at the end of time.
    fn after(&self, span: SignedDuration) -> Timestamp {
        self.now().saturating_add(span).unwrap_or(Timestamp::MAX)
    }

    /// The latest observation of a service under its present plan; none while the data plane has another one in force.
    fn observed(&self, id: &ServiceId) -> Option<&Observation> {
        let service = self.state.service(id)?;
        let observation = match &self.observing {
            Some((observing, observation)) if observing == id => observation,
            _ => self.context.observed.get(id)?,
        };
        let in_force = service.accepted == service.generation;
        (in_force && observation.generation == service.generation).then_some(observation)
    }

    /// How often an effect came to no result.
    fn failed_attempts(&self, target: &EffectTarget) -> u32 {
        self.state
            .retries
            .get(target)
            .map_or(0, |retry| retry.failed)
    }

    /// Refuses the command where the actor's role is not enough.
    fn require(&self, needs: Role, what: impl FnOnce() -> String) -> Result<(), Rejection> {
        let actor = self.context.actor;
        if actor.role >= needs {
            return Ok(());
        }
        Err(Rejection::NotAllowed {
            actor: actor.to_string(),
            what: what(),
            needs,
        })
    }

    /// Records what the one who gave the command did.
    fn by_actor(&mut self, event: Event) {
        let actor = self.context.actor.clone();
        self.record(actor, event);
    }

    /// Records what follows from the rules.
    fn by_itself(&mut self, event: Event) {
        self.record(Actor::barq(), event);
    }

    fn record(&mut self, actor: Actor, event: Event) {
        let recorded = Recorded {
            at: self.context.now,
            actor,
            event,
        };
        state::apply(self.state.to_mut(), &recorded);
        self.events.push(recorded);
    }
}

#[cfg(test)]
mod tests;
