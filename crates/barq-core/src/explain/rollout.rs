//! What a rollout waits for, in each of its phases.

use jiff::{SignedDuration, Timestamp};

use super::{Waiting, retrying};
use crate::effect::EffectTarget;
use crate::identity::RevisionName;
use crate::observation::Observed;
use crate::pending::deadline;
use crate::report::{count, failed};
use crate::rollout::{Phase, Rollout, UNFIT_ANSWERS_MAX};
use crate::service::Service;
use crate::state::State;

pub(super) fn explain(
    state: &State,
    observed: &Observed,
    rollout: &Rollout,
    now: Timestamp,
) -> Option<Waiting> {
    let service = state.service(&rollout.start.service)?;
    if let Some(waiting) = data_plane(state, service) {
        return Some(waiting);
    }
    let waiting = |kind, message| {
        Some(Waiting {
            kind,
            message,
            command: None,
            since: rollout.phase_since,
            until: deadline(rollout),
        })
    };
    if let Some(paused) = rollout.paused {
        return Some(Waiting {
            kind: "paused",
            message: "somebody resumes it; the tripwire stays armed".to_owned(),
            command: Some(format!("barq resume {}", rollout.id)),
            since: paused,
            until: None,
        });
    }
    match &rollout.phase {
        Phase::Deploying | Phase::Preparing { .. } => {
            let revision = &rollout.start.revision;
            let message = instances(observed, rollout, revision, rollout.size);
            waiting("instances", message)
        }
        Phase::SmokeTesting => {
            let target = EffectTarget::Smoke(rollout.id.clone());
            let message = retrying(state, &target)
                .unwrap_or_else(|| format!("smoke tests of {} at 0 %", rollout.start.revision));
            waiting("smoke_tests", message)
        }
        Phase::ProvingTarget => waiting("proof", proof(state, rollout)),
        Phase::Holding => Some(holding(observed, rollout, now)),
        Phase::Verifying { .. } => waiting("verification", verification(rollout)),
        Phase::RollingBack(rollback) => {
            let message = match &rollback.to {
                Some(to) if !rollback.prepared => instances(observed, rollout, to, rollback.size),
                Some(to) => format!("all traffic goes back to {to}"),
                None => "the traffic is taken away".to_owned(),
            };
            waiting("rollback", message)
        }
        Phase::Succeeded | Phase::RolledBack | Phase::Failed | Phase::Aborted => None,
    }
}

/// No answer is no verdict on stable: only its own answers may lead to a rollout without a canary.
fn proof(state: &State, rollout: &Rollout) -> String {
    let target = EffectTarget::Prove(rollout.id.clone());
    let stable = rollout
        .start
        .stable
        .as_ref()
        .map_or_else(|| "the stable revision".to_owned(), ToString::to_string);
    match (state.retries.get(&target), rollout.target_unfit) {
        (None, _) => format!("{stable} proves that it could take over"),
        (Some(retry), 0) => format!(
            "{stable} proves that it could take over; attempt {} came to no result ({}), it is asked again: no canary \
             begins before it has answered",
            retry.failed, retry.error
        ),
        (Some(retry), unfit) => format!(
            "{stable} is fit to go back to; the last of {} attempts: {}; after {UNFIT_ANSWERS_MAX} answers that it is \
             not (so far {unfit}) there is no canary, all traffic goes to the new revision",
            retry.failed, retry.error
        ),
    }
}

fn verification(rollout: &Rollout) -> String {
    let message = "the version served is verified through the public ingress";
    failed(&rollout.verification).map_or_else(
        || message.to_owned(),
        |failed| format!("{message}; so far {failed}"),
    )
}

/// A plan that the data plane has not accepted comes before everything else.
fn data_plane(state: &State, service: &Service) -> Option<Waiting> {
    let target = EffectTarget::Configure(service.id.clone(), service.generation);
    let retry = state.retries.get(&target)?;
    Some(Waiting {
        kind: "data_plane",
        message: format!("the node takes the new plan: {}", retrying(state, &target)?),
        command: None,
        since: retry.since,
        until: Some(retry.not_before),
    })
}

fn instances(observed: &Observed, rollout: &Rollout, revision: &RevisionName, size: u32) -> String {
    let seen = observed
        .get(&rollout.start.service)
        .and_then(|observation| observation.revisions.get(revision));
    let ready = seen.map_or(0, |seen| seen.ready);
    let mut message = format!("{ready} of {size} instances of {revision} are ready");
    if let Some(failure) = seen.and_then(|seen| seen.last_failure.as_ref()) {
        message.push_str(": ");
        message.push_str(failure);
    }
    message
}

fn holding(observed: &Observed, rollout: &Rollout, now: Timestamp) -> Waiting {
    let traffic = rollout.traffic();
    let canary = observed
        .get(&rollout.start.service)
        .and_then(|observation| observation.canary.as_ref());
    let served = canary.map_or(0, |canary| {
        canary.served_ms.saturating_sub(rollout.progress.served_ms)
    });
    let counts = canary.map_or(rollout.counts(), |canary| {
        rollout.progress.before.plus(canary.counts)
    });
    let step = rollout.present_step();
    let hold_ms = step.map_or(0, |step| {
        u64::try_from(step.hold.as_millis()).unwrap_or(u64::MAX)
    });
    let left_ms = hold_ms.saturating_sub(rollout.progress.held_ms + served);
    if left_ms == 0 && counts.requests == 0 {
        return Waiting {
            kind: "traffic",
            message: format!(
                "a first request, or that somebody promotes it: the canary has {traffic} % and nobody has asked it \
                 anything, which is no evidence"
            ),
            command: Some(format!("barq promote {}", rollout.id)),
            since: rollout.phase_since,
            until: None,
        };
    }
    let recent = canary.map_or(rollout.recent_errors(), |canary| canary.recent_errors);
    let errors = match step.and_then(|step| step.max_errors) {
        Some(limit) => format!("{recent} of {}", count(u64::from(limit), "error")),
        None => count(counts.errors, "error"),
    };
    let left = SignedDuration::from_millis(i64::try_from(left_ms).unwrap_or(i64::MAX));
    Waiting {
        kind: "hold",
        message: format!(
            "the canary holds {traffic} %: {}, {errors}",
            count(counts.requests, "request")
        ),
        command: None,
        since: rollout.phase_since,
        until: now.saturating_add(left).ok(),
    }
}
