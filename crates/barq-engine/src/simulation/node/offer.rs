//! Plans and times, as the judgement knows them: the simulated node asks the same code as the real one, in its terms. It must
//! not know the node's state.

use std::time::Duration;

use barq_core::event::{CanaryPlan, Plan};
use barq_core::judge;

use super::share;

/// The plan, as the judgement knows it.
pub(super) fn offered(generation: u64, plan: &Plan) -> judge::Plan {
    judge::Plan {
        generation,
        content: format!("{plan:?}"),
        last_trip: plan.last_trip,
        acknowledges: None,
        revisions: plan
            .revisions
            .iter()
            .map(|(name, _)| name.to_string())
            .collect(),
        traffic: plan
            .traffic
            .iter()
            .map(|it| share(&it.revision, it.percent))
            .collect(),
        canary: plan.canary.as_ref().map(offered_canary),
    }
}

pub(super) fn offered_canary(canary: &CanaryPlan) -> judge::Canary {
    judge::Canary {
        revision: canary.revision.to_string(),
        stable: canary.stable.to_string(),
        step: canary.step,
        max_errors: canary.max_errors,
        window_ms: canary.window_ms,
        counted: canary.counted.errors,
        recent: canary.recent.map_or(0, |recent| recent.errors),
        recent_at_ms: canary.recent.map_or(0, |recent| {
            u64::try_from(recent.at.as_millisecond()).unwrap_or(0)
        }),
        lease_ms: canary.lease_ms,
        shield: canary.shield,
    }
}

/// The tripwires' clock, which here goes on over restarts.
pub(super) fn at(now_ms: u64) -> Duration {
    Duration::from_millis(now_ms)
}

/// The clock of what the server says.
pub(super) fn wall_ms(now_ms: u64) -> u64 {
    u64::try_from(super::super::BEGIN_SECONDS).unwrap_or(0) * 1000 + now_ms
}
