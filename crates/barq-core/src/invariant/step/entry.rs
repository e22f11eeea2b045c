//! Who may enter an environment: one at a time, in order, with the image that was tested before, and with the approval
//! that the rules in force before it ask for.

use super::super::Found;
use super::super::service::finished;
use crate::configuration::{Approval as Rule, Role};
use crate::delivery::Delivery;
use crate::event::RolloutStart;
use crate::identity::{RolloutId, person};
use crate::rollout::Phase;
use crate::service::Service;
use crate::state::State;

pub(super) fn check(before: &State, id: &RolloutId, start: &RolloutStart, found: &mut Found) {
    let Some(delivery) = before.delivery(&id.delivery) else {
        return found.must(false, || "it has no delivery".to_owned());
    };
    let service = before.service(&start.service);
    if let Some(service) = service {
        found.must(service.rollout.is_none(), || {
            format!("it starts while {:?} runs", service.rollout)
        });
        found.must(service.lock.is_none(), || {
            "it starts though the environment is locked".to_owned()
        });
        found.must(id.delivery.number > service.entered, || {
            format!("it enters after delivery {}", service.entered)
        });
        found.must(start.revision.number > service.last_revision, || {
            format!("{} is not a new revision", start.revision)
        });
        found.must(start.stable == service.stable, || {
            format!(
                "it takes {:?} for stable, {:?} is",
                start.stable, service.stable
            )
        });
    }
    found.must(start.size > 0, || "it starts without instances".to_owned());
    found.must(!before.rollouts.contains_key(id), || {
        "it was there before".to_owned()
    });
    earlier(before, delivery, id, start, found);
    approval(delivery, id, start, service, found);
}

/// Every environment before this one has, and still has, this very image.
fn earlier(
    before: &State,
    delivery: &Delivery,
    id: &RolloutId,
    start: &RolloutStart,
    found: &mut Found,
) {
    let Ok(configuration) = &delivery.push.configuration else {
        return found.must(false, || "its delivery has no configuration".to_owned());
    };
    let position = configuration
        .environments
        .iter()
        .position(|environment| environment.name == id.environment);
    found.must(position.is_some(), || {
        format!("{} is not in its configuration", id.environment)
    });
    for environment in &configuration.environments[..position.unwrap_or(0)] {
        let earlier = RolloutId {
            delivery: id.delivery.clone(),
            environment: environment.name.clone(),
        };
        let rollout = before.rollout(&earlier);
        found.must(
            rollout.is_some_and(|it| finished(it) && it.phase == Phase::Succeeded),
            || {
                format!(
                    "{earlier} has not succeeded: {:?}",
                    rollout.map(|it| &it.phase)
                )
            },
        );
        found.must(
            rollout.is_some_and(|it| it.start.image == start.image),
            || format!("{earlier} had another image"),
        );
    }
}

/// What the rules ask for: the stricter of those that serve and those that were pushed.
struct Needs {
    role: Role,
    separate: bool,
}

fn needs(start: &RolloutStart, service: Option<&Service>) -> Option<Needs> {
    let in_force = service
        .and_then(|service| service.rules.as_ref())
        .and_then(|(environment, _)| environment.approval.as_ref());
    let both: Vec<&Rule> = [in_force, start.settings.approval.as_ref()]
        .into_iter()
        .flatten()
        .collect();
    Some(Needs {
        role: both.iter().map(|rule| rule.role).max()?,
        separate: both.iter().any(|rule| rule.separate_approver),
    })
}

fn approval(
    delivery: &Delivery,
    id: &RolloutId,
    start: &RolloutStart,
    service: Option<&Service>,
    found: &mut Found,
) {
    let Some(needs) = needs(start, service) else {
        return;
    };
    let Some(approval) = &delivery.approval else {
        return found.must(false, || "it enters without an approval".to_owned());
    };
    found.must(approval.environment == id.environment, || {
        format!("its approval is for {}", approval.environment)
    });
    let binding = &approval.binding;
    found.must(binding.image == start.image, || {
        format!("{} was approved, {} enters", binding.image, start.image)
    });
    found.must(binding.configuration == start.configuration, || {
        "another configuration was approved".to_owned()
    });
    found.must(binding.stable == start.stable, || {
        format!(
            "it was approved against {:?}, {:?} serves",
            binding.stable, start.stable
        )
    });
    found.must(approval.by.role >= needs.role, || {
        format!("{} approved it, it needs a {}", approval.by, needs.role)
    });
    found.must(
        !needs.separate || person(&approval.by.name) != person(&delivery.pushed_by.name),
        || format!("{} pushed and approved it", approval.by.name),
    );
    let rolled_back = service.and_then(|service| service.rolled_back.as_ref());
    found.must(rolled_back.is_none_or(|it| approval.at > it.at), || {
        "it was approved before the rollback".to_owned()
    });
}
