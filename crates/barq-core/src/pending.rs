//! What must be done outside, derived from the state alone: a restart derives it again, so nothing is lost between an
//! event and its effect. Also when to look again (`next_deadline`).

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::delivery::{self, Delivery};
use crate::effect::{Effect, EffectKey, EffectTarget, SmokeTest};
use crate::incident::Incident;
use crate::rollout::{Phase, Rollout};
use crate::service::Service;
use crate::state::State;

/// Beyond what the startup and readiness probes allow themselves, how long instances may take to be ready: unpacking and
/// process start on a busy machine. `flow.md` section 3 gives a deploy two minutes.
const READY_SLACK: Duration = Duration::from_secs(60);

/// What must be done now.
pub fn pending(state: &State, now: Timestamp) -> BTreeMap<EffectKey, Effect> {
    unfinished(state)
        .into_iter()
        .filter(|(key, _)| not_before(state, &key.target).is_none_or(|at| at <= now))
        .collect()
}

/// Until when an effect waits: after an attempt with no result, and between two rounds of a verification.
fn not_before(state: &State, target: &EffectTarget) -> Option<Timestamp> {
    let retry = state.retries.get(target).map(|retry| retry.not_before);
    let round = match target {
        EffectTarget::Verify(rollout, _) => state.rollout(rollout).and_then(deadline),
        EffectTarget::Check(..)
        | EffectTarget::StopCheck(..)
        | EffectTarget::Build(_)
        | EffectTarget::StopBuild(_)
        | EffectTarget::Configure(..)
        | EffectTarget::Smoke(_)
        | EffectTarget::Prove(_)
        | EffectTarget::Evidence(_) => None,
    };
    retry.max(round)
}

/// What must be done now or after a pause. An outcome whose key is not here is late.
pub fn unfinished(state: &State) -> BTreeMap<EffectKey, Effect> {
    let mut effects = Vec::new();
    for delivery in state.deliveries.values() {
        of_delivery(state, delivery, &mut effects);
    }
    for service in state.services.values() {
        of_service(service, &mut effects);
    }
    for rollout in state.rollouts.values().filter(|rollout| !rollout.ended()) {
        of_rollout(state, rollout, &mut effects);
    }
    for incident in state.incidents.values() {
        of_incident(state, incident, &mut effects);
    }
    effects
        .into_iter()
        .map(|(target, effect)| (key(state, target), effect))
        .collect()
}

/// When to look again by `Command::Wake`, where nothing else comes before. What was due until `now` has been looked at.
pub fn next_deadline(state: &State, now: Timestamp) -> Option<Timestamp> {
    let retries = state.retries.values().map(|retry| retry.not_before);
    let gates = state
        .deliveries
        .values()
        .filter_map(|delivery| match &delivery.phase {
            delivery::Phase::AwaitingApproval(gate) => Some(gate.expires_at),
            delivery::Phase::Checking
            | delivery::Phase::Building
            | delivery::Phase::Entering { .. }
            | delivery::Phase::RollingOut { .. }
            | delivery::Phase::Ended(_) => None,
        });
    let services = state.services.values().flat_map(|service| {
        [
            service.warm.as_ref().map(|warm| warm.until),
            service.guard.as_ref().map(|guard| guard.until),
        ]
        .into_iter()
        .flatten()
    });
    let rollouts = state
        .rollouts
        .values()
        .filter_map(|rollout| deadline(rollout));
    retries
        .chain(gates)
        .chain(services)
        .chain(rollouts)
        .filter(|at| *at > now)
        .min()
}

/// Until when a rollout may stay in its present phase.
pub fn deadline(rollout: &Rollout) -> Option<Timestamp> {
    match &rollout.phase {
        Phase::Deploying | Phase::Preparing { .. } => ready_by(rollout),
        Phase::RollingBack(rollback) if !rollback.prepared => ready_by(rollout),
        Phase::Verifying { retry_at, .. } => *retry_at,
        Phase::SmokeTesting
        | Phase::ProvingTarget
        | Phase::Holding
        | Phase::RollingBack(_)
        | Phase::Succeeded
        | Phase::RolledBack
        | Phase::Failed
        | Phase::Aborted => None,
    }
}

/// When instances that were asked for at the beginning of the phase must be ready: what the probes allow, and the slack.
fn ready_by(rollout: &Rollout) -> Option<Timestamp> {
    let health = &rollout.start.health;
    let probes: Duration = [&health.startup, &health.readiness]
        .into_iter()
        .map(|probe| probe.initial_delay + (probe.period + probe.timeout) * probe.failures)
        .sum();
    rollout
        .phase_since
        .checked_add(probes.checked_add(READY_SLACK)?)
        .ok()
}

fn key(state: &State, target: EffectTarget) -> EffectKey {
    let failed = state.retries.get(&target).map_or(0, |retry| retry.failed);
    EffectKey {
        target,
        attempt: failed + 1,
    }
}

type Effects = Vec<(EffectTarget, Effect)>;

fn of_delivery(state: &State, delivery: &Delivery, effects: &mut Effects) {
    match &delivery.phase {
        delivery::Phase::Checking => run_checks(delivery, effects),
        delivery::Phase::Building => build(delivery, effects),
        delivery::Phase::Ended(_) => stop(state, delivery, effects),
        delivery::Phase::Entering { .. }
        | delivery::Phase::AwaitingApproval(_)
        | delivery::Phase::RollingOut { .. } => {}
    }
}

fn run_checks(delivery: &Delivery, effects: &mut Effects) {
    let Some(configuration) = delivery.configuration() else {
        return;
    };
    for name in delivery.asked_checks() {
        if let Some(check) = configuration.checks.iter().find(|it| it.name == name) {
            effects.push((
                EffectTarget::Check(delivery.id.clone(), check.name.clone()),
                Effect::RunCheck {
                    delivery: delivery.id.clone(),
                    commit: delivery.push.commit.hash.clone(),
                    check: check.clone(),
                },
            ));
        }
    }
}

fn build(delivery: &Delivery, effects: &mut Effects) {
    if let (Some(configuration), None) = (delivery.configuration(), &delivery.image) {
        effects.push((
            EffectTarget::Build(delivery.id.clone()),
            Effect::BuildImage {
                delivery: delivery.id.clone(),
                commit: delivery.push.commit.hash.clone(),
                build: configuration.build.clone(),
            },
        ));
    }
}

fn stop(state: &State, delivery: &Delivery, effects: &mut Effects) {
    for check in delivery.checks_to_stop() {
        let started = key(
            state,
            EffectTarget::Check(delivery.id.clone(), check.name.clone()),
        );
        effects.push((
            EffectTarget::StopCheck(delivery.id.clone(), check.name.clone()),
            Effect::StopCheck {
                delivery: delivery.id.clone(),
                started,
                check: check.name.clone(),
            },
        ));
    }
    if delivery.build_to_stop() {
        effects.push((
            EffectTarget::StopBuild(delivery.id.clone()),
            Effect::StopBuild {
                delivery: delivery.id.clone(),
                started: key(state, EffectTarget::Build(delivery.id.clone())),
            },
        ));
    }
}

fn of_service(service: &Service, effects: &mut Effects) {
    if service.accepted >= service.generation {
        return;
    }
    let newest = service.revisions.values().next_back();
    let settings = newest.map(|revision| &revision.settings);
    effects.push((
        EffectTarget::Configure(service.id.clone(), service.generation),
        Effect::Configure {
            service: service.id.clone(),
            generation: service.generation,
            plan: service.plan.clone(),
            revisions: service
                .plan
                .revisions
                .iter()
                .filter_map(|(name, _)| service.revision(name).cloned())
                .collect(),
            domains: settings
                .map(|settings| settings.domains.clone())
                .unwrap_or_default(),
            tls: settings.and_then(|settings| settings.tls.clone()),
        },
    ));
}

fn of_rollout(state: &State, rollout: &Rollout, effects: &mut Effects) {
    let start = &rollout.start;
    let in_force = state
        .service(&start.service)
        .is_some_and(|service| service.accepted == service.generation);
    match &rollout.phase {
        Phase::SmokeTesting => effects.push((
            EffectTarget::Smoke(rollout.id.clone()),
            Effect::SmokeTest(SmokeTest {
                service: start.service.clone(),
                revision: start.revision.clone(),
                health: start.health.clone(),
                smoke: start.smoke.clone(),
                app: rollout.id.delivery.app.clone(),
                commit: start.commit.clone(),
            }),
        )),
        Phase::ProvingTarget => {
            if let Some(stable) = &start.stable {
                effects.push((
                    EffectTarget::Prove(rollout.id.clone()),
                    Effect::ProveTarget {
                        service: start.service.clone(),
                        revision: stable.clone(),
                    },
                ));
            }
        }
        Phase::Verifying { round, .. } if in_force => effects.push((
            EffectTarget::Verify(rollout.id.clone(), *round),
            Effect::Verify {
                service: start.service.clone(),
                revision: start.revision.clone(),
                health: start.health.clone(),
            },
        )),
        Phase::Deploying
        | Phase::Preparing { .. }
        | Phase::Holding
        | Phase::Verifying { .. }
        | Phase::RollingBack(_)
        | Phase::Succeeded
        | Phase::RolledBack
        | Phase::Failed
        | Phase::Aborted => {}
    }
}

/// Evidence is gathered once the bad revision has no more traffic, so that all its requests are in it.
fn of_incident(state: &State, incident: &Incident, effects: &mut Effects) {
    let settled = state.rollout(&incident.rollout).is_none_or(Rollout::ended);
    if incident.evidence.is_none() && settled {
        effects.push((
            EffectTarget::Evidence(incident.id.clone()),
            Effect::GatherEvidence {
                service: incident.service.clone(),
                revision: incident.revision.clone(),
            },
        ));
    }
}
