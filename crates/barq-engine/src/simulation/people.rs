//! People: they push, approve, steer, roll back and lock, at any time and mostly when it does not fit.

use barq_core::command::{Command, PushedRef, Tip};
use barq_core::configuration::Role;
use barq_core::delivery::Phase;
use barq_core::event::Actor;
use barq_core::identity::{AppName, DeliveryId, RolloutId, ServiceId};

use super::World;
use super::check::Problem;
use super::release;
use crate::ports::RecallOrder;
use crate::recall;

impl World {
    pub(super) fn people_push(&mut self) -> Result<(), Problem> {
        if !self.server.is_up && self.server.journal.is_empty() {
            self.start_server()?;
        }
        if !self.server.is_up {
            return Ok(());
        }
        let number = self.releases.make(&mut self.random);
        let (Some(commit), Some(configuration), Ok(app)) = (
            release::commit(number),
            release::configuration(&mut self.random),
            "fleet".parse::<AppName>(),
        ) else {
            return Err(Problem("a push that is not valid".to_owned()));
        };
        let release = self.releases.of_commit(commit.hash.as_str());
        self.story
            .tell(|| format!("push of commit {number}: {release:?}"));
        let command = Command::Push(PushedRef {
            app,
            name: "refs/heads/main".to_owned(),
            before: None,
            tip: Some(Tip {
                commits: vec![commit.clone()],
                commit,
                configuration: Ok(Box::new(configuration)),
            }),
        });
        self.command(&person("developer", Role::Developer), command)
    }

    /// Something, whether it fits or not.
    pub(super) fn people_act(&mut self) -> Result<(), Problem> {
        let state = self.server.machine.state();
        let deliveries: Vec<DeliveryId> = state.deliveries.keys().cloned().collect();
        let rollouts: Vec<RolloutId> = state.rollouts.keys().cloned().collect();
        let services: Vec<ServiceId> = state.services.keys().cloned().collect();
        let random = &mut self.random;
        let delivery = random.pick(&deliveries).cloned();
        // Mostly the last one, since the others have ended.
        let rollout = match random.one_in(3) {
            true => random.pick(&rollouts).cloned(),
            false => rollouts.last().cloned(),
        };
        let service = random.pick(&services).cloned();
        let kind = random.below(16);
        let message = || None;
        let command = match (kind, delivery, rollout, service) {
            (0..5, ..) => return self.people_approve(),
            (5, Some(delivery), ..) => Command::Reject {
                delivery,
                message: message(),
            },
            (6, Some(delivery), ..) => Command::Cancel {
                delivery,
                message: message(),
            },
            (7, Some(delivery), ..) => Command::Retry {
                delivery,
                force: self.random.one_in(2),
            },
            (8, _, Some(rollout), _) => Command::Pause(rollout),
            (9, _, Some(rollout), _) => Command::Resume(rollout),
            (10 | 11, _, Some(rollout), _) => Command::Promote {
                rollout,
                full: kind == 10,
            },
            (12, _, Some(rollout), _) => Command::Abort {
                rollout,
                message: message(),
            },
            (13, _, _, Some(service)) => Command::RollBack {
                service,
                to: None,
                message: message(),
            },
            (14, _, _, Some(service)) => Command::Lock {
                service,
                message: "wait".to_owned(),
            },
            (15, _, _, Some(service)) => Command::Unlock {
                service,
                message: message(),
            },
            _ => return Ok(()),
        };
        if matches!(command, Command::Retry { .. }) && deliveries.len() > 6 {
            return Ok(());
        }
        self.command(&person("operator", Role::Operator), command)
    }

    /// Somebody rolls back while nothing can be recorded, wherever there is something to take back: the node moves the
    /// traffic at once, whoever hears of it when. Whether there was something.
    pub(super) fn people_recall(&mut self) -> Result<bool, Problem> {
        if !self.server.is_up {
            return Ok(false);
        }
        let operator = person("operator", Role::Operator);
        let machine = &self.server.machine;
        let orders: Vec<RecallOrder> = (machine.state().services.keys())
            .filter_map(|service| {
                let command = Command::RollBack {
                    service: service.clone(),
                    to: None,
                    message: None,
                };
                let decided = machine.decide(&operator, command, self.now(), 0.5).ok()?;
                recall::order(machine.state(), service, &operator, &decided, None).ok()
            })
            .collect();
        let Some(order) = self.random.pick(&orders).cloned() else {
            return Ok(false);
        };
        self.server.storage_fails = true;
        self.node.disk_fails |= self.random.one_in(2);
        // An answer that is lost is asked for again.
        for _ in 0..=self.random.below(2) {
            let moved = self.node.recall(&order)?;
            let (from, to) = (&order.revision, &order.recall.to);
            self.story
                .tell(|| format!("recall of {from} to {to}: moved {moved}"));
        }
        Ok(true)
    }

    fn people_approve(&mut self) -> Result<(), Problem> {
        let waiting = self
            .server
            .machine
            .state()
            .deliveries
            .values()
            .find(|it| matches!(it.phase, Phase::AwaitingApproval(_)))
            .map(|it| it.id.clone());
        let Some(delivery) = waiting else {
            return Ok(());
        };
        let message = None;
        self.command(
            &person("lead", Role::TechLead),
            Command::Approve { delivery, message },
        )
    }

    /// Quiet: what people hold they let go, and they approve what waits.
    pub(super) fn people_let_go(&mut self) -> Result<(), Problem> {
        let operator = person("operator", Role::Operator);
        let state = std::sync::Arc::clone(self.server.machine.state());
        for rollout in state.rollouts.values() {
            if rollout.paused.is_some() && !rollout.ended() {
                self.command(&operator, Command::Resume(rollout.id.clone()))?;
            }
        }
        for service in state.services.values().filter(|it| it.lock.is_some()) {
            let (service, message) = (service.id.clone(), None);
            self.command(&operator, Command::Unlock { service, message })?;
        }
        self.people_approve()
    }
}

fn person(name: &str, role: Role) -> Actor {
    Actor {
        name: name.to_owned(),
        role,
    }
}
