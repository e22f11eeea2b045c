//! How a delivery goes on by itself: from check to check, to the image, from environment to environment, to its end.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Draft;
use crate::delivery::{Delivery, End, Phase};
use crate::event::{CheckOutcome, DeliveryEvent, Event};
use crate::identity::{DeliveryId, RolloutId};
use crate::rollout;

impl Draft<'_> {
    pub(super) fn advance_deliveries(&mut self) {
        for id in self.deliveries_to_advance() {
            let Some(delivery) = self.state.deliveries.get(&id).cloned() else {
                continue;
            };
            self.advance_delivery(&delivery);
        }
    }

    /// Those that go on, and those that something was taken back of. All others have ended, and each decision would ask
    /// hundreds of them in vain.
    fn deliveries_to_advance(&self) -> BTreeSet<DeliveryId> {
        let going_on = self.state.deliveries.values().filter(|it| !it.ended());
        let rollouts = self.state.rollouts.values();
        let taken_back = rollouts.filter(|it| it.phase == rollout::Phase::RolledBack);
        going_on
            .map(|delivery| &delivery.id)
            .chain(taken_back.map(|rollout| &rollout.id.delivery))
            .cloned()
            .collect()
    }

    fn advance_delivery(&mut self, delivery: &Arc<Delivery>) {
        match &delivery.phase {
            Phase::Checking => self.advance_checks(delivery),
            Phase::Building => {
                if delivery.image.is_some() {
                    self.next_environment(delivery);
                }
            }
            Phase::Entering { environment } => self.advance_entry(delivery, environment),
            Phase::AwaitingApproval(gate) => self.advance_gate(delivery, gate),
            Phase::RollingOut { environment } => self.advance_rolling_out(delivery, environment),
            Phase::Ended(End::RolledBack { .. }) => {}
            Phase::Ended(_) => {
                self.taken_back(delivery);
            }
        }
    }

    fn advance_checks(&mut self, delivery: &Delivery) {
        let configuration = match &delivery.push.configuration {
            Ok(configuration) => configuration,
            Err(reason) => {
                let reason = reason.clone();
                return self.of_delivery(delivery, DeliveryEvent::Failed { reason });
            }
        };
        for check in &configuration.checks {
            let waiting = delivery
                .check(&check.name)
                .is_some_and(|state| state.started_at.is_none() && state.finished.is_none());
            let missing = check.needs.iter().find(|need| {
                delivery
                    .check(need)
                    .and_then(|state| state.finished.as_ref())
                    .is_some_and(|(outcome, _)| *outcome != CheckOutcome::Passed)
            });
            if let (true, Some(missing)) = (waiting, missing) {
                let event = DeliveryEvent::CheckFinished {
                    check: check.name.clone(),
                    outcome: CheckOutcome::Skipped {
                        reason: format!("it needs {missing}, which did not pass"),
                    },
                    duration_ms: 0,
                };
                // One at a time: the next round sees what this one changed.
                return self.of_delivery(delivery, event);
            }
        }
        self.after_checks(delivery);
    }

    fn after_checks(&mut self, delivery: &Delivery) {
        if delivery.checks.iter().any(|check| check.finished.is_none()) {
            return;
        }
        let stopped: Vec<&str> = delivery
            .checks
            .iter()
            .filter(|check| {
                check
                    .finished
                    .as_ref()
                    .is_some_and(|(outcome, _)| !outcome.allows())
            })
            .map(|check| check.name.as_str())
            .collect();
        let event = if !stopped.is_empty() {
            DeliveryEvent::Failed {
                reason: format!("did not pass: {}", stopped.join(", ")),
            }
        } else if delivery.push.delivered {
            DeliveryEvent::BuildStarted
        } else {
            DeliveryEvent::Succeeded
        };
        self.of_delivery(delivery, event);
    }

    fn next_environment(&mut self, delivery: &Delivery) {
        let event = match delivery.next_environment() {
            Some(environment) => DeliveryEvent::Arrived {
                environment: environment.to_owned(),
            },
            None => DeliveryEvent::Succeeded,
        };
        self.of_delivery(delivery, event);
    }

    fn advance_rolling_out(&mut self, delivery: &Delivery, environment: &str) {
        let id = RolloutId {
            delivery: delivery.id.clone(),
            environment: environment.to_owned(),
        };
        let Some(rollout) = self.state.rollout(&id) else {
            return;
        };
        let environment = environment.to_owned();
        match &rollout.phase {
            rollout::Phase::Succeeded => self.next_environment(delivery),
            rollout::Phase::RolledBack => {
                self.of_delivery(delivery, DeliveryEvent::RolledBack { environment });
            }
            rollout::Phase::Failed => {
                let reason = rollout
                    .failure
                    .clone()
                    .unwrap_or_else(|| "the rollout failed".to_owned());
                self.of_delivery(
                    delivery,
                    DeliveryEvent::Failed {
                        reason: format!("{environment}: {reason}"),
                    },
                );
            }
            rollout::Phase::Aborted => {
                let event = if rollout.moved {
                    DeliveryEvent::RolledBack { environment }
                } else {
                    DeliveryEvent::Cancelled {
                        message: Some(format!("the rollout to {environment} was aborted")),
                    }
                };
                self.of_delivery(delivery, event);
            }
            rollout::Phase::Deploying
            | rollout::Phase::SmokeTesting
            | rollout::Phase::ProvingTarget
            | rollout::Phase::Preparing { .. }
            | rollout::Phase::Holding
            | rollout::Phase::Verifying { .. }
            | rollout::Phase::RollingBack(_) => {}
        }
    }

    /// A delivery whose release was taken back after it had gone through is no success, and goes no further. Whether it was.
    pub(super) fn taken_back(&mut self, delivery: &Delivery) -> bool {
        let rolled_back = delivery.entered.iter().find(|environment| {
            let id = RolloutId {
                delivery: delivery.id.clone(),
                environment: (*environment).clone(),
            };
            self.state
                .rollout(&id)
                .is_some_and(|rollout| rollout.phase == rollout::Phase::RolledBack)
        });
        let Some(environment) = rolled_back.cloned() else {
            return false;
        };
        self.of_delivery(delivery, DeliveryEvent::RolledBack { environment });
        true
    }

    pub(super) fn of_delivery(&mut self, delivery: &Delivery, event: DeliveryEvent) {
        self.by_itself(Event::Delivery(delivery.id.clone(), event));
    }
}
