//! What everything waits for, as data: shown by the command line, the API and the web alike.
//!
//! A wait always says what it waits for and, where there is one, until when. Nothing is shown as moving that is not.

mod rollout;

use jiff::Timestamp;

use crate::delivery::{Delivery, End, Phase};
use crate::effect::EffectTarget;
use crate::identity::RolloutId;
use crate::observation::Observed;
use crate::service::Service;
use crate::state::{State, delivery_is_taken_back};

/// What something waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The kind, for programs: `checks`, `build`, `approval`, `queue`, `lock`, `instances`, `smoke_tests`, `proof`, `hold`,
    /// `traffic`, `paused`, `data_plane`, `verification`, `rollback`.
    pub kind: &'static str,
    /// In words.
    pub message: String,
    /// What ends it on the command line, where somebody must do something; pages have a button for it.
    pub command: Option<String>,
    /// Since when.
    pub since: Timestamp,
    /// Until when, where that is known.
    pub until: Option<Timestamp>,
}

/// What a delivery waits for; none once it has ended.
pub fn explain(
    state: &State,
    observed: &Observed,
    delivery: &Delivery,
    now: Timestamp,
) -> Option<Waiting> {
    let since = delivery.phase_since;
    let waiting = |kind, message, until| {
        Some(Waiting {
            kind,
            message,
            command: None,
            since,
            until,
        })
    };
    match &delivery.phase {
        Phase::Checking => waiting("checks", checks(state, delivery), None),
        Phase::Building => {
            let target = EffectTarget::Build(delivery.id.clone());
            let message =
                retrying(state, &target).unwrap_or_else(|| "the build of its image".to_owned());
            waiting("build", message, None)
        }
        Phase::Entering { environment } => entering(state, delivery, environment),
        Phase::AwaitingApproval(gate) => {
            let mut message = format!("a {} approves it for {}", gate.role, gate.environment);
            for reason in gate
                .reasons
                .iter()
                .cloned()
                .chain(replaced(state, delivery))
            {
                message.push_str("; ");
                message.push_str(&reason);
            }
            Some(Waiting {
                kind: "approval",
                message,
                command: Some(format!("barq approve {}", delivery.id)),
                since,
                until: Some(gate.expires_at),
            })
        }
        Phase::RollingOut { environment } => {
            let id = RolloutId {
                delivery: delivery.id.clone(),
                environment: environment.clone(),
            };
            rollout::explain(state, observed, state.rollout(&id)?, now)
        }
        Phase::Ended(_) => None,
    }
}

fn checks(state: &State, delivery: &Delivery) -> String {
    let unfinished = || {
        delivery
            .checks
            .iter()
            .filter(|check| check.finished.is_none())
    };
    let names = |running: bool| {
        unfinished()
            .filter(|check| check.started_at.is_some() == running)
            .map(|check| check.name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let trouble = unfinished().find_map(|check| {
        let target = EffectTarget::Check(delivery.id.clone(), check.name.clone());
        retrying(state, &target).map(|error| format!("{}: {error}", check.name))
    });
    let (running, queued) = (names(true), names(false));
    let mut parts = Vec::new();
    if !running.is_empty() {
        parts.push(format!("running: {running}"));
    }
    if !queued.is_empty() {
        parts.push(format!("queued: {queued}"));
    }
    parts.extend(trouble);
    if parts.is_empty() {
        "the checks end".to_owned()
    } else {
        format!("checks {}", parts.join("; "))
    }
}

fn entering(state: &State, delivery: &Delivery, environment: &str) -> Option<Waiting> {
    let configuration = delivery.configuration()?;
    let id = configuration.service_in(environment).parse().ok()?;
    if let Some(rollout) = delivery_is_taken_back(state, delivery) {
        return Some(Waiting {
            kind: "rollback",
            message: format!("{} is taken back first", rollout.id),
            command: None,
            since: rollout.phase_since,
            until: None,
        });
    }
    let service: &Service = state.service(&id)?;
    if let Some(lock) = &service.lock {
        return Some(Waiting {
            kind: "lock",
            message: format!(
                "{environment} is unlocked: {} locked it ({})",
                lock.by, lock.message
            ),
            command: Some(format!("barq unlock {environment}")),
            since: delivery.phase_since.max(lock.since),
            until: None,
        });
    }
    let running = state.running(service)?;
    let replaced = replaced(state, delivery).map_or_else(String::new, |it| format!("; {it}"));
    Some(Waiting {
        kind: "queue",
        message: format!(
            "{} ends, which is {} in {environment}{replaced}",
            running.id,
            running.state_name().replace('_', " ")
        ),
        command: None,
        since: delivery.phase_since,
        until: None,
    })
}

/// The older deliveries that a waiting one took the place of, in words; none where there are none.
fn replaced(state: &State, delivery: &Delivery) -> Option<String> {
    let older: Vec<String> = state
        .deliveries
        .values()
        .filter(
            |it| matches!(&it.phase, Phase::Ended(End::Superseded { by }) if *by == delivery.id),
        )
        .map(|it| it.id.to_string())
        .collect();
    (!older.is_empty()).then(|| format!("it took the place of {}", older.join(", ")))
}

/// Why an effect is tried again, if it is.
fn retrying(state: &State, target: &EffectTarget) -> Option<String> {
    let retry = state.retries.get(target)?;
    Some(format!(
        "attempt {} came to no result ({}); it is tried again",
        retry.failed, retry.error
    ))
}
