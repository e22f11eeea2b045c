//! What the gate's reviewer is shown: what was observed of the release so far, and what is new in it.

use barq_core::configuration::Role;
use barq_core::delivery::{Delivery, Gate, Phase};
use barq_core::event::{CheckOutcome, ProbeLine};
use barq_core::report::failed;
use barq_core::rollout::{self, Rollout};
use barq_engine::engine::View;
use sha2::{Digest, Sha256};

use super::super::access::hexadecimal;
use super::super::shapes::{Evidence, Fact};
use super::super::story;
use crate::output::text;

/// What is to be reviewed, but for the commits, which git knows; none where the delivery is not, and never was, at a gate.
pub(in super::super) fn review(
    view: &View,
    delivery: &Delivery,
    rollouts: &[&Rollout],
) -> Option<Evidence> {
    let gate = match &delivery.phase {
        Phase::AwaitingApproval(gate) => Some(gate),
        Phase::Checking
        | Phase::Building
        | Phase::Entering { .. }
        | Phase::RollingOut { .. }
        | Phase::Ended(_) => None,
    };
    let environment = match (gate, &delivery.approval) {
        (Some(gate), _) => gate.environment.clone(),
        (None, Some(approval)) => approval.environment.clone(),
        (None, None) => return None,
    };
    let configuration = delivery.configuration()?;
    let service = configuration
        .service_in(&environment)
        .parse()
        .ok()
        .and_then(|id| view.state.service(&id));
    let stable = service.and_then(|service| service.stable_revision());
    let material = configuration.digest_material(&environment);
    Some(Evidence {
        delivery: delivery.id.to_string(),
        environment,
        commit: delivery.push.commit.hash.to_string(),
        image: delivery
            .image
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        configuration: hexadecimal(&Sha256::digest(material.unwrap_or_default().as_bytes())),
        stable: stable.map(|revision| revision.name.to_string()),
        role: gate.map(|gate| Role::name(gate.role).to_owned()),
        expires_at: gate.map(|gate| gate.expires_at),
        separate_approver: gate.is_some_and(|gate| gate.separate_approver),
        gate_weakened: gate.is_some_and(weakened),
        facts: facts(view, delivery, rollouts, gate),
        commits: Vec::new(),
        changes_since: stable.map(|revision| revision.commit.to_string()),
    })
}

/// What will make an approval void that is given now: the rollout that runs in that environment. An approval binds the
/// revision that serves when it is given.
pub(in super::super) fn approval_at_risk(
    view: &View,
    delivery: &Delivery,
    environment: &str,
) -> Option<String> {
    let id = delivery.configuration()?.service_in(environment);
    let service = view.state.service(&id.parse().ok()?)?;
    let running = view.state.running(service)?;
    if running.id.delivery == delivery.id {
        return None;
    }
    let serves = running.start.stable.as_ref();
    let serves = serves.map_or_else(|| "nothing".to_owned(), ToString::to_string);
    let state = running.state_name().replace('_', " ");
    Some(match running.phase {
        rollout::Phase::RollingBack(_) => format!(
            "{} is being rolled back in {environment}: an approval given before that has ended may be void",
            running.id
        ),
        _ => format!(
            "{} is {state} in {environment}: an approval given now is for replacing {serves}, and is void if that rollout succeeds",
            running.id
        ),
    })
}

fn weakened(gate: &Gate) -> bool {
    gate.reasons.iter().any(|reason| reason.contains("loosens"))
}

fn facts(
    view: &View,
    delivery: &Delivery,
    rollouts: &[&Rollout],
    gate: Option<&Gate>,
) -> Vec<Fact> {
    let mut facts: Vec<Fact> = delivery
        .checks
        .iter()
        .map(|check| Fact {
            name: format!("check {}", check.name),
            ok: match &check.finished {
                Some((CheckOutcome::Passed, _)) => Some(true),
                Some((CheckOutcome::Skipped { .. }, _)) | None => None,
                Some(_) => Some(false),
            },
            detail: check.finished.as_ref().map_or_else(
                || check.state_name().to_owned(),
                |(outcome, _)| story::check_outcome(outcome),
            ),
        })
        .collect();
    for rollout in rollouts {
        facts.extend(rollout_facts(view, rollout));
    }
    let reasons = gate.map(|gate| gate.reasons.as_slice()).unwrap_or_default();
    let at_risk = gate.and_then(|gate| approval_at_risk(view, delivery, &gate.environment));
    facts.extend(at_risk.map(|detail| Fact {
        name: "rollout under way".to_owned(),
        ok: None,
        detail,
    }));
    facts.extend(reasons.iter().map(|reason| Fact {
        name: "gate".to_owned(),
        ok: None,
        detail: reason.clone(),
    }));
    facts
}

fn rollout_facts(view: &View, rollout: &Rollout) -> Vec<Fact> {
    let environment = &rollout.id.environment;
    let detail = view
        .seen
        .services
        .get(&rollout.start.service)
        .and_then(|seen| seen.details.get(&rollout.start.revision));
    let (requests, errors) = detail.map_or((0, 0), |detail| (detail.requests, detail.errors));
    // The verification asks through the ingress, too.
    let asked = requests > rollout.verification.len() as u64;
    vec![
        probes(format!("{environment} smoke tests"), &rollout.smoke),
        probes(format!("{environment} verified"), &rollout.verification),
        Fact {
            name: format!("{environment} rollout"),
            ok: match rollout.phase {
                rollout::Phase::Succeeded => Some(true),
                rollout::Phase::RolledBack
                | rollout::Phase::Failed
                | rollout::Phase::Aborted
                | rollout::Phase::RollingBack(_) => Some(false),
                rollout::Phase::Deploying
                | rollout::Phase::SmokeTesting
                | rollout::Phase::ProvingTarget
                | rollout::Phase::Preparing { .. }
                | rollout::Phase::Holding
                | rollout::Phase::Verifying { .. } => None,
            },
            detail: format!("{}: {}", rollout.start.revision, rollout.state_name()),
        },
        Fact {
            name: format!("{environment} requests"),
            ok: asked.then_some(errors == 0),
            detail: format!(
                "{}, {} since the node started{}",
                text::count(requests, "request"),
                text::count(errors, "error"),
                if asked {
                    ""
                } else {
                    ": barq's own alone, so this is no evidence"
                }
            ),
        },
    ]
}

fn probes(name: String, lines: &[ProbeLine]) -> Fact {
    let failed = failed(lines);
    Fact {
        name,
        ok: (!lines.is_empty()).then_some(failed.is_none()),
        detail: failed.unwrap_or_else(|| {
            lines
                .iter()
                .map(|line| format!("{} {}", line.what, line.detail))
                .collect::<Vec<_>>()
                .join(", ")
        }),
    }
}
