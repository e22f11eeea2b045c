//! How much of the present step's hold is served: the node's clock, not the wall's.

use super::sight::Sight;

/// A hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hold {
    /// Credited so far, in milliseconds; not more than the whole.
    pub(super) held_ms: u64,
    /// The whole, in milliseconds.
    pub(super) whole_ms: u64,
}

impl Hold {
    /// Of the present step; none before the first, and where the step is not held.
    pub(super) fn of(sight: &Sight<'_>) -> Option<Self> {
        let rollout = sight.rollout;
        let hold = rollout.present_step()?.hold;
        let whole_ms = u64::try_from(hold.as_millis()).unwrap_or(u64::MAX);
        let recorded = &rollout.progress;
        // The clock of a hold that is paused stands still, whatever the node counts.
        let served_ms = sight
            .view
            .observed
            .get(&rollout.start.service)
            .filter(|_| rollout.paused.is_none() && !rollout.ended())
            .and_then(|seen| seen.canary.as_ref())
            .map_or(0, |canary| {
                canary.served_ms.saturating_sub(recorded.served_ms)
            });
        (whole_ms > 0).then(|| Self {
            held_ms: recorded.held_ms.saturating_add(served_ms).min(whole_ms),
            whole_ms,
        })
    }

    /// Whole seconds that are left.
    pub(super) fn left_s(self) -> u64 {
        (self.whole_ms - self.held_ms).div_ceil(1000)
    }

    /// How much is served, in percent.
    pub(super) fn percent(self) -> u64 {
        u64::try_from(u128::from(self.held_ms) * 100 / u128::from(self.whole_ms.max(1)))
            .unwrap_or(100)
    }
}
