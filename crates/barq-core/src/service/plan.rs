//! What must be true at the data plane, derived from a service and the rollout that runs in it.
//!
//! **Invariant**: the shares sum to 100 or there are none; at most one canary; stable is at full size while a canary has
//! traffic; after a rollback stable has 100.

use std::time::Duration;

use super::Service;
use crate::event::{CanaryPlan, InstanceRange, Plan, Share, WatchPlan};
use crate::identity::RevisionName;
use crate::rollout::{Phase, Rollout};

/// How many instances a revision with a share of the traffic needs: as many as its share of what `whole` needs, at least
/// `min`, at most `max`.
pub fn canary_size(whole: u32, percent: u8, min: u32, max: u32) -> u32 {
    let share = (u64::from(whole) * u64::from(percent)).div_ceil(100);
    u32::try_from(share).unwrap_or(u32::MAX).clamp(min, max)
}

/// The plan for a service, given the rollout that runs (or was the last to finish) in it.
pub fn plan(service: &Service, rollout: Option<&Rollout>) -> Plan {
    let running = rollout.filter(|rollout| service.rollout.as_ref() == Some(&rollout.id));
    let traffic = running.map_or_else(|| all_to(service.stable.as_ref()), |it| shares(service, it));
    Plan {
        revisions: instances(service, running, &traffic),
        canary: running.and_then(canary),
        watch: watch(service),
        last_trip: service.last_trip,
        traffic,
    }
}

fn all_to(revision: Option<&RevisionName>) -> Vec<Share> {
    revision
        .map(|revision| Share {
            revision: revision.clone(),
            percent: 100,
        })
        .into_iter()
        .collect()
}

/// The shares that a rollout asks for in its present phase.
fn shares(service: &Service, rollout: &Rollout) -> Vec<Share> {
    match &rollout.phase {
        Phase::RollingBack(rollback) if rollback.prepared => all_to(rollback.to.as_ref()),
        // Until the target is ready the traffic stays where it is: moving it would lose requests.
        Phase::RollingBack(_) if rollout.was_stable => all_to(Some(&rollout.start.revision)),
        Phase::Deploying
        | Phase::SmokeTesting
        | Phase::ProvingTarget
        | Phase::Preparing { .. }
        | Phase::Holding
        | Phase::Verifying { .. }
        | Phase::RollingBack(_) => split(service, rollout),
        Phase::Succeeded | Phase::RolledBack | Phase::Aborted | Phase::Failed => {
            all_to(service.stable.as_ref())
        }
    }
}

fn split(service: &Service, rollout: &Rollout) -> Vec<Share> {
    let percent = rollout.traffic();
    let mut shares = Vec::new();
    match &service.stable {
        Some(stable) if percent < 100 => shares.push(Share {
            revision: stable.clone(),
            percent: 100 - percent,
        }),
        _ => {}
    }
    if percent > 0 {
        shares.push(Share {
            revision: rollout.start.revision.clone(),
            percent,
        });
    }
    shares
}

/// The tripwire, lease and shield: while the canary has traffic and there is something to go back to.
fn canary(rollout: &Rollout) -> Option<CanaryPlan> {
    if rollout.direct.is_some()
        || !matches!(
            rollout.phase,
            Phase::Preparing { .. } | Phase::Holding | Phase::Verifying { .. }
        )
    {
        return None;
    }
    let step = rollout.present_step()?;
    Some(CanaryPlan {
        revision: rollout.start.revision.clone(),
        stable: rollout.start.stable.clone()?,
        step: rollout.step,
        entry: rollout.progress.entry,
        max_errors: step.max_errors.map(u64::from),
        window_ms: step.window().map(milliseconds),
        counted: rollout.progress.before,
        recent: rollout.progress.recent_before,
        lease_ms: milliseconds(rollout.start.settings.lease),
        shield: rollout.start.settings.shield,
    })
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn watch(service: &Service) -> Option<WatchPlan> {
    // Also once it was exceeded: that needs no plan of its own.
    let guard = service.guard.as_ref()?;
    Some(WatchPlan {
        revision: service.stable.clone()?,
        window_ms: guard.window_ms,
        max_errors: guard.max_errors,
    })
}

/// The instances of each revision. Those that have no task keep no instances, but stay known so that what was counted of
/// them can still be asked for.
fn instances(
    service: &Service,
    running: Option<&Rollout>,
    traffic: &[Share],
) -> Vec<(RevisionName, InstanceRange)> {
    service
        .revisions
        .values()
        .map(|revision| {
            let bounds = revision.settings.instances;
            let serves = traffic.iter().any(|share| share.revision == revision.name);
            let min = [
                serves.then_some(bounds.min),
                (service.stable.as_ref() == Some(&revision.name)).then_some(bounds.min),
                service
                    .warm
                    .as_ref()
                    .filter(|warm| warm.revision == revision.name)
                    .map(|warm| warm.size),
                running.and_then(|rollout| rollout.wants_instances(&revision.name)),
            ]
            .into_iter()
            .flatten()
            .max()
            .unwrap_or(0)
            .min(bounds.max);
            let max = if min == 0 { 0 } else { bounds.max };
            (revision.name.clone(), InstanceRange { min, max })
        })
        .collect()
}
