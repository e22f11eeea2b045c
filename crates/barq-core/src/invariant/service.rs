//! What must hold of a service: its traffic, its instances, its canary, its one rollout.

use super::Found;
use crate::event::CanaryPlan;
use crate::identity::RevisionName;
use crate::rollout::{Phase, Rollout};
use crate::service::Service;
use crate::state::State;

pub(super) fn check(state: &State, service: &Service, found: &mut Found) {
    found.about("service", &service.id);
    let running = running(state, service, found);
    traffic(service, found);
    receivers(service, running, found);
    found.must(service.accepted <= service.generation, || {
        format!(
            "generation {} is accepted, {} was the last planned",
            service.accepted, service.generation
        )
    });
    found.must(service.plan.last_trip == service.last_trip, || {
        format!(
            "the plan knows of trip {}, the service of trip {}",
            service.plan.last_trip, service.last_trip
        )
    });
    stable(state, service, found);
    match (running, &service.plan.canary) {
        (Some(rollout), Some(canary)) => trial(service, rollout, canary, found),
        (None, Some(canary)) => found.must(false, || {
            format!("{} is a canary and no rollout runs", canary.revision)
        }),
        (Some(rollout), None) => found.must(!on_trial(rollout), || {
            format!(
                "{} has part of the traffic without a tripwire",
                rollout.start.revision
            )
        }),
        (None, None) => {}
    }
    if running.is_none() {
        let expected: Vec<(&RevisionName, u8)> =
            service.stable.iter().map(|it| (it, 100)).collect();
        let planned: Vec<(&RevisionName, u8)> = service
            .plan
            .traffic
            .iter()
            .map(|share| (&share.revision, share.percent))
            .collect();
        found.must(planned == expected, || {
            format!("at rest stable must have all traffic: {planned:?} instead of {expected:?}")
        });
    }
}

/// The one rollout that runs; the service and the rollouts must agree on it.
fn running<'a>(state: &'a State, service: &Service, found: &mut Found) -> Option<&'a Rollout> {
    let unfinished: Vec<&Rollout> = state
        .rollouts
        .values()
        .map(AsRef::as_ref)
        .filter(|rollout| rollout.start.service == service.id && !finished(rollout))
        .collect();
    found.must(unfinished.len() <= 1, || {
        let names: Vec<String> = unfinished.iter().map(|it| it.id.to_string()).collect();
        format!("{} rollouts run at once: {}", names.len(), names.join(", "))
    });
    let running = unfinished.first().copied();
    found.must(
        running.map(|rollout| &rollout.id) == service.rollout.as_ref(),
        || {
            format!(
                "its rollout is {:?}, but {:?} runs",
                service.rollout.as_ref().map(ToString::to_string),
                running.map(|rollout| rollout.id.to_string())
            )
        },
    );
    running
}

fn traffic(service: &Service, found: &mut Found) {
    let shares = &service.plan.traffic;
    let sum: u32 = shares.iter().map(|share| u32::from(share.percent)).sum();
    found.must(shares.is_empty() || sum == 100, || {
        format!("the traffic sums to {sum}")
    });
    for (index, share) in shares.iter().enumerate() {
        let name = &share.revision;
        found.must(share.percent > 0, || format!("{name} has a share of 0 %"));
        found.must(
            shares[..index].iter().all(|other| other.revision != *name),
            || format!("{name} has two shares"),
        );
        let range = service
            .plan
            .revisions
            .iter()
            .find(|(revision, _)| revision == name)
            .map(|(_, range)| *range);
        found.must(range.is_some_and(|range| range.min > 0), || {
            format!(
                "{name} has {} % of the traffic and no instances",
                share.percent
            )
        });
        found.must(service.revisions.contains_key(&name.number), || {
            format!("{name} has traffic and is not kept")
        });
    }
    found.must(!shares.is_empty() || service.stable.is_none(), || {
        "there is a stable revision and nobody has traffic".to_owned()
    });
    for (name, range) in &service.plan.revisions {
        found.must(range.min <= range.max, || {
            format!("{name} needs {} to {} instances", range.min, range.max)
        });
    }
}

/// Who may have traffic at all, and how much.
fn receivers(service: &Service, running: Option<&Rollout>, found: &mut Found) {
    let share = |name: &RevisionName| {
        let of = service.plan.traffic.iter().find(|it| it.revision == *name);
        of.map_or(0, |share| share.percent)
    };
    let Some(rollout) = running else { return };
    let start = &rollout.start;
    let target = rollout.rollback.as_ref().and_then(|it| it.to.as_ref());
    for other in service.plan.traffic.iter().map(|share| &share.revision) {
        let known = *other == start.revision
            || service.stable.as_ref() == Some(other)
            || target == Some(other);
        found.must(known, || {
            format!("{other} has traffic and no part in {}", rollout.id)
        });
    }
    let percent = share(&start.revision);
    let allowed = allowed(rollout);
    found.must(percent == allowed, || {
        format!(
            "{} has {percent} % of the traffic in phase {:?} of step {}, which gives it {allowed} %",
            start.revision, rollout.phase, rollout.step
        )
    });
    if let (Phase::RollingBack(rollback), Some(target)) = (&rollout.phase, target) {
        found.must(!rollback.prepared || share(target) == 100, || {
            format!(
                "{} goes back to {target}, which has {} %",
                rollout.id,
                share(target)
            )
        });
    }
}

/// The share that the rollout's revision must have.
fn allowed(rollout: &Rollout) -> u8 {
    let steps = &rollout.start.settings.steps;
    match &rollout.phase {
        Phase::Preparing { .. } | Phase::Holding => (rollout.step as usize)
            .checked_sub(1)
            .and_then(|index| steps.get(index))
            .map_or(0, |step| step.traffic),
        Phase::Verifying { .. } => 100,
        // It keeps what it had until there is somebody to take it.
        Phase::RollingBack(rollback) if rollout.was_stable && !rollback.prepared => 100,
        Phase::Deploying
        | Phase::SmokeTesting
        | Phase::ProvingTarget
        | Phase::RollingBack(_)
        | Phase::Succeeded
        | Phase::RolledBack
        | Phase::Failed
        | Phase::Aborted => 0,
    }
}

fn stable(state: &State, service: &Service, found: &mut Found) {
    let Some(stable) = &service.stable else {
        return;
    };
    let Some(revision) = service.revisions.get(&stable.number) else {
        return found.must(false, || format!("stable {stable} is not kept"));
    };
    let bounds = revision.settings.instances;
    let range = service
        .plan
        .revisions
        .iter()
        .find(|(name, _)| name == stable)
        .map(|(_, range)| *range);
    found.must(range.is_some_and(|range| range.min >= bounds.min), || {
        format!(
            "stable {stable} must have at least {} instances: {range:?}",
            bounds.min
        )
    });
    if let Some(maker) = state.rollout(&revision.rollout) {
        let proved = match &maker.phase {
            Phase::Succeeded => true,
            Phase::RollingBack(_) => maker.was_stable,
            _ => false,
        };
        found.must(proved, || {
            format!(
                "stable {stable} comes from {}, which is {:?}",
                maker.id, maker.phase
            )
        });
    }
}

/// What a canary with traffic, or about to have it, needs behind it.
fn trial(service: &Service, rollout: &Rollout, canary: &CanaryPlan, found: &mut Found) {
    let start = &rollout.start;
    found.must(canary.revision == start.revision, || {
        format!(
            "the canary is {}, the rollout's is {}",
            canary.revision, start.revision
        )
    });
    found.must(Some(&canary.stable) == service.stable.as_ref(), || {
        format!(
            "the canary falls back to {}, stable is {:?}",
            canary.stable, service.stable
        )
    });
    found.must(canary.stable != canary.revision, || {
        "the canary is stable".to_owned()
    });
    found.must(canary.lease_ms > 0, || "the canary has no lease".to_owned());
    found.must(canary.step == rollout.step && canary.step > 0, || {
        format!(
            "the canary is in step {}, the rollout in {}",
            canary.step, rollout.step
        )
    });
    let limit = start
        .settings
        .steps
        .get((canary.step as usize).saturating_sub(1))
        .and_then(|step| step.max_errors);
    found.must(canary.max_errors == limit.map(u64::from), || {
        format!(
            "the tripwire's limit is {:?}, the step's is {limit:?}",
            canary.max_errors
        )
    });
    let counted = rollout.progress.before;
    found.must(canary.counted == counted, || {
        format!(
            "the data plane was told that {:?} are counted, {counted:?} are",
            canary.counted
        )
    });
    let recent = rollout.progress.recent_before;
    found.must(canary.recent == recent, || {
        format!(
            "the data plane was told that {:?} count for the limit, {recent:?} do",
            canary.recent
        )
    });
    let range = service
        .plan
        .revisions
        .iter()
        .find(|(name, _)| *name == canary.stable)
        .map(|(_, range)| *range);
    found.must(
        range.is_some_and(|range| range.min >= rollout.stable_size.min(range.max)),
        || {
            format!(
                "{} is not at its full size of {} during a canary: {range:?}",
                canary.stable, rollout.stable_size
            )
        },
    );
    found.must(rollout.stable_size > 0, || {
        format!("a canary began though {} was never proven", canary.stable)
    });
}

/// Whether part of the traffic is on a revision that has not proved itself, with another one to go back to.
fn on_trial(rollout: &Rollout) -> bool {
    rollout.direct.is_none()
        && rollout.step > 0
        && matches!(
            rollout.phase,
            Phase::Preparing { .. } | Phase::Holding | Phase::Verifying { .. }
        )
}

pub(super) fn finished(rollout: &Rollout) -> bool {
    matches!(
        rollout.phase,
        Phase::Succeeded | Phase::RolledBack | Phase::Failed | Phase::Aborted
    )
}
