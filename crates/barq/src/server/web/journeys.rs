//! The journeys of the deliveries that somebody looks at, as the journal tells them.
//!
//! An open page is rendered several times a second, and a rollout may have been paused for days: what was read is kept,
//! and only what came since is read, only when the state has changed of it. So a page that is open stays so while the
//! journal does not answer. Counts that move are not kept, of which there is one every few seconds: the delivery and its
//! rollouts have the last ones.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use barq_core::delivery::Delivery;
use barq_core::effect::EffectTarget;
use barq_core::event::{Event, Recorded, RolloutEvent};
use barq_core::identity::{DeliveryId, RolloutId};
use barq_core::rollout::Rollout;
use barq_core::state::Retry;
use barq_engine::engine::View;
use barq_engine::history::{self, HistoryError, Journey};
use barq_engine::journal::Journal;

use super::super::Server;
use super::super::problem::Problem;
use super::recent::Recent;

/// Deliveries of which the journey is kept.
const JOURNEYS_MAX: usize = 64;

/// The journeys of deliveries that somebody looked at.
#[derive(Debug, Default)]
pub(super) struct Journeys(Recent<DeliveryId, Kept, JOURNEYS_MAX>);

#[derive(Debug, Clone)]
struct Kept {
    journey: Arc<Journey>,
    /// What the state had of it before it was read.
    seen: Arc<Seen>,
}

/// What a state has of a delivery. Each event of its journey changes one of these; and what is held here is not changed in
/// place, so it is the same as long as it is the same value in memory.
#[derive(Debug)]
struct Seen {
    delivery: Option<Arc<Delivery>>,
    rollouts: Vec<Arc<Rollout>>,
    /// An attempt that failed is all that is told of a delivery and changes neither.
    retries: Vec<(EffectTarget, Retry)>,
}

impl Journeys {
    /// A delivery's journey; none where there never was one. It may be ahead of the view, never behind.
    pub(super) async fn find(
        &self,
        journal: &Journal,
        view: &View,
        id: &DeliveryId,
    ) -> Result<Option<Arc<Journey>>, HistoryError> {
        let seen = Seen::of(view, id);
        let journey = match self.0.get(id) {
            Some(kept) if kept.seen.is(&seen) => return Ok(Some(kept.journey)),
            Some(kept) => {
                let since = kept.journey.since(journal).await?;
                let mut journey = Arc::unwrap_or_clone(kept.journey);
                journey.go_on(since);
                Some(journey)
            }
            None => history::journey(journal, id).await?,
        };
        let Some(mut journey) = journey else {
            return Ok(None);
        };
        journey.events.retain(|(_, recorded)| is_told(recorded));
        let journey = Arc::new(journey);
        let kept = Kept {
            journey: Arc::clone(&journey),
            seen: Arc::new(seen),
        };
        self.0.keep(id.clone(), kept);
        Ok(Some(journey))
    }
}

impl Seen {
    fn of(view: &View, id: &DeliveryId) -> Self {
        let state = &view.state;
        let first = RolloutId {
            delivery: id.clone(),
            environment: String::new(),
        };
        let rollouts = state.rollouts.range(first..);
        let rollouts = rollouts.take_while(|(rollout, _)| rollout.delivery == *id);
        let retries = state.retries.iter();
        let retries = retries.filter(|(target, _)| target.delivery() == Some(id));
        Self {
            delivery: state.deliveries.get(id).cloned(),
            rollouts: rollouts.map(|(_, rollout)| Arc::clone(rollout)).collect(),
            retries: retries
                .map(|(target, retry)| (target.clone(), retry.clone()))
                .collect(),
        }
    }

    fn is(&self, other: &Self) -> bool {
        let delivery = match (&self.delivery, &other.delivery) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        let mut rollouts = self.rollouts.iter().zip(&other.rollouts);
        delivery
            && self.rollouts.len() == other.rollouts.len()
            && rollouts.all(|(one, other)| Arc::ptr_eq(one, other))
            && self.retries == other.retries
    }
}

/// A count that moves is no event for people.
fn is_told(recorded: &Recorded) -> bool {
    !matches!(
        recorded.event,
        Event::Rollout(_, RolloutEvent::Progressed { .. })
    )
}

impl Server {
    /// A delivery's journey, for what is told of it.
    pub(in crate::server) async fn journey(
        &self,
        view: &View,
        id: &DeliveryId,
    ) -> Result<Arc<Journey>, Problem> {
        self.kept
            .journeys
            .find(self.engine.journal(), view, id)
            .await?
            .ok_or_else(|| Problem::unknown("delivery", &id.to_string()))
    }
}
