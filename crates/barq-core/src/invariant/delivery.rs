//! What must hold of a delivery by itself: its order of environments, and ends that leave nothing behind.

use super::Found;
use super::service::finished;
use crate::delivery::{Delivery, End, Phase};
use crate::event::CheckOutcome;
use crate::identity::RolloutId;
use crate::state::State;

pub(super) fn check(state: &State, delivery: &Delivery, found: &mut Found) {
    found.about("delivery", &delivery.id);
    let ended = matches!(delivery.phase, Phase::Ended(_));
    found.must(ended == delivery.finished_at.is_some(), || {
        format!(
            "it is {:?}, finished at {:?}",
            delivery.phase, delivery.finished_at
        )
    });
    environments(delivery, found);
    if ended {
        for check in &delivery.checks {
            found.must(
                check.started_at.is_some() || check.finished.is_some(),
                || format!("it has ended, and its check {} is still queued", check.name),
            );
        }
        running_rollouts(state, delivery, found);
    }
    let past_checks = !matches!(delivery.phase, Phase::Checking | Phase::Ended(_));
    for check in delivery.checks.iter().filter(|_| past_checks) {
        let allows = matches!(
            check.finished,
            Some((CheckOutcome::Passed | CheckOutcome::Skipped { .. }, _))
        );
        found.must(allows, || {
            format!("it went on without its check {}", check.name)
        });
    }
    let past_build = !matches!(
        delivery.phase,
        Phase::Checking | Phase::Building | Phase::Ended(_)
    );
    found.must(!past_build || delivery.image.is_some(), || {
        "it went on without an image".to_owned()
    });
    found.must(
        delivery.entered.is_empty() || delivery.push.delivered,
        || "its branch is not delivered, and it entered an environment".to_owned(),
    );
    if let Phase::RollingOut { environment } = &delivery.phase {
        let id = RolloutId {
            delivery: delivery.id.clone(),
            environment: environment.clone(),
        };
        let runs = state.rollout(&id).is_some_and(|rollout| !finished(rollout));
        found.must(runs, || format!("it waits for {id}, which does not run"));
    }
}

/// It enters the environments of its own configuration, each once and in their order.
fn environments(delivery: &Delivery, found: &mut Found) {
    let Ok(configuration) = &delivery.push.configuration else {
        return found.must(delivery.entered.is_empty(), || {
            "it has no configuration, and entered an environment".to_owned()
        });
    };
    let order = configuration.environments.iter().map(|it| &it.name);
    found.must(
        delivery.entered.len() <= configuration.environments.len()
            && order
                .zip(&delivery.entered)
                .all(|(own, entered)| own == entered),
        || format!("it entered {:?}", delivery.entered),
    );
    if let Phase::Ended(End::Succeeded) = &delivery.phase {
        let all = if delivery.push.delivered {
            configuration.environments.len()
        } else {
            0
        };
        found.must(delivery.entered.len() == all, || {
            format!("it succeeded having entered only {:?}", delivery.entered)
        });
    }
}

/// Only a rollback of what had succeeded can still run.
fn running_rollouts(state: &State, delivery: &Delivery, found: &mut Found) {
    for rollout in state.rollouts.values() {
        let own = rollout.id.delivery == delivery.id;
        found.must(!own || finished(rollout) || rollout.was_stable, || {
            format!("it has ended, and {} runs", rollout.id)
        });
        let back = own && matches!(rollout.phase, crate::rollout::Phase::RolledBack);
        found.must(
            !back || !matches!(delivery.phase, Phase::Ended(End::Succeeded)),
            || format!("it counts as a success, and {} was rolled back", rollout.id),
        );
    }
}
