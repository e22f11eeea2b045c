//! Who may enter an environment, and when: order, quarantine, approval, lock, one rollout at a time.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{Act, Draft};
use crate::command::Rejection;
use crate::configuration::{Approval as ApprovalRule, Configuration, Environment, Role, loosening};
use crate::delivery::{Approval, Delivery, Gate, Phase};
use crate::event::{ApprovalBinding, Commit, DeliveryEvent, Event, RolloutEvent, RolloutStart};
use crate::identity::{DeliveryId, RolloutId, ServiceId, person};
use crate::service::{Revision, Service, canary_size};
use crate::state::delivery_is_taken_back;

/// Commits that a rollout tells of.
const COMMITS_MAX: usize = 200;

/// What an entry needs.
struct Entry<'a> {
    configuration: &'a Configuration,
    environment: &'a Environment,
    service: Arc<Service>,
    binding: ApprovalBinding,
}

impl Draft<'_> {
    /// A delivery wants to enter: it is turned away, asked for an approval, left to wait, or let in.
    pub(super) fn advance_entry(&mut self, delivery: &Delivery, environment: &str) {
        // Nothing enters here that is just being taken back elsewhere; where that is abandoned, it goes on.
        if self.taken_back(delivery) || delivery_is_taken_back(&self.state, delivery).is_some() {
            return;
        }
        let entry = match self.entry(delivery, environment) {
            Ok(entry) => entry,
            Err(reason) => return self.of_delivery(delivery, DeliveryEvent::Failed { reason }),
        };
        if let Some(event) = self.turned_away(delivery, &entry) {
            return self.turn_away(delivery, event);
        }
        if let Some((rule, reasons)) = self.approval_missing(delivery, &entry) {
            let event = DeliveryEvent::ApprovalAsked {
                environment: environment.to_owned(),
                role: rule.role,
                expires_at: self.after(rule.expires.try_into().unwrap_or_default()),
                separate_approver: rule.separate_approver,
                reasons,
            };
            return self.of_delivery(delivery, event);
        }
        if entry.service.lock.is_none() && entry.service.rollout.is_none() {
            self.let_in(delivery, &entry);
        }
    }

    /// A delivery waits for an approval: it may have become too old, in either sense.
    pub(super) fn advance_gate(&mut self, delivery: &Delivery, gate: &Gate) {
        let Ok(entry) = self.entry(delivery, &gate.environment) else {
            return;
        };
        if let Some(event) = self.turned_away(delivery, &entry) {
            self.turn_away(delivery, event);
        } else if gate.expires_at <= self.now() {
            self.of_delivery(delivery, DeliveryEvent::Expired);
        } else {
            self.taken_back(delivery);
        }
    }

    /// Where a newer one takes its place, both say so.
    fn turn_away(&mut self, delivery: &Delivery, event: DeliveryEvent) {
        let newer = match &event {
            DeliveryEvent::Superseded { by } => Some(by.clone()),
            _ => None,
        };
        self.of_delivery(delivery, event);
        if let Some(newer) = newer.filter(|it| self.state.deliveries.contains_key(it)) {
            let of = delivery.id.clone();
            self.by_itself(Event::Delivery(newer, DeliveryEvent::TookThePlace { of }));
        }
    }

    fn entry<'a>(&self, delivery: &'a Delivery, name: &str) -> Result<Entry<'a>, String> {
        let lost = || format!("{name} is not in the configuration of {}", delivery.id);
        let configuration = delivery.configuration().ok_or_else(lost)?;
        let environment = configuration.environment(name).ok_or_else(lost)?;
        let id: ServiceId = configuration
            .service_in(name)
            .parse()
            .map_err(|error| format!("{error}"))?;
        let service = self
            .state
            .services
            .get(&id)
            .cloned()
            .unwrap_or_else(|| Arc::new(Service::new(id, name.to_owned())));
        let image = delivery
            .image
            .clone()
            .ok_or_else(|| "there is no image".to_owned())?;
        let binding = ApprovalBinding {
            image,
            configuration: configuration_digest(configuration, name),
            stable: service.stable.clone(),
        };
        Ok(Entry {
            configuration,
            environment,
            service,
            binding,
        })
    }

    /// Releases enter in the order of their pushes; a newer one that waits takes an older one's place; what was rolled back
    /// does not come back unasked.
    fn turned_away(&self, delivery: &Delivery, entry: &Entry<'_>) -> Option<DeliveryEvent> {
        let newer = |number: u64| DeliveryEvent::Superseded {
            by: DeliveryId {
                app: delivery.id.app.clone(),
                number,
            },
        };
        if entry.service.entered > delivery.id.number {
            return Some(newer(entry.service.entered));
        }
        let waiting = self
            .state
            .deliveries
            .values()
            .filter(|other| other.id.app == delivery.id.app)
            .filter(|other| other.id.number > delivery.id.number)
            .filter(|other| other.push.forced || self.quarantined(other).is_none())
            .filter(|other| match &other.phase {
                Phase::Entering { environment } => *environment == entry.environment.name,
                Phase::AwaitingApproval(gate) => gate.environment == entry.environment.name,
                Phase::Checking | Phase::Building | Phase::RollingOut { .. } | Phase::Ended(_) => {
                    false
                }
            })
            .map(|other| other.id.number)
            .max();
        if let Some(number) = waiting {
            return Some(newer(number));
        }
        let reason = self
            .quarantined(delivery)
            .filter(|_| !delivery.push.forced)?;
        Some(DeliveryEvent::Failed { reason })
    }

    /// Why a release may not come back, where it was rolled back in any environment that it is on its way to: staging is
    /// not given what production would refuse.
    pub(super) fn quarantined(&self, delivery: &Delivery) -> Option<String> {
        let configuration = delivery.configuration()?;
        let image = delivery.image.as_ref()?;
        configuration.environments.iter().find_map(|environment| {
            let id: ServiceId = configuration.service_in(&environment.name).parse().ok()?;
            let digest = configuration_digest(configuration, &environment.name);
            let quarantine = &self.state.service(&id)?.quarantine;
            let by = quarantine.get(&(image.clone(), digest))?;
            Some(format!(
                "this release is quarantined in {}: {by} was rolled back; push a fix, or retry it in spite of the \
                 quarantine (`barq retry {} --force`)",
                environment.name, delivery.id
            ))
        })
    }

    /// What comes with a rollout: the commits of every push since the one that serves, newest first, each once.
    fn commits_since(&self, stable: Option<&Revision>, delivery: &Delivery) -> Vec<Commit> {
        let serves = stable.map_or(0, |revision| revision.rollout.delivery.number);
        let pushes = self.state.deliveries.values().rev().filter(|other| {
            other.id.app == delivery.id.app
                && other.push.delivered
                && (serves + 1..=delivery.id.number).contains(&other.id.number)
        });
        let mut commits: Vec<Commit> = Vec::new();
        for commit in pushes.flat_map(|other| &other.push.commits) {
            let known = commits.iter().any(|it| it.hash == commit.hash);
            if !known && commits.len() < COMMITS_MAX {
                commits.push(commit.clone());
            }
        }
        commits
    }

    /// The approval that is needed and not there, and why.
    fn approval_missing(
        &self,
        delivery: &Delivery,
        entry: &Entry<'_>,
    ) -> Option<(ApprovalRule, Vec<String>)> {
        let (rule, mut reasons) = self.rule_in_force(entry)?;
        let given = delivery
            .approval
            .as_ref()
            .filter(|approval| approval.environment == entry.environment.name);
        let Some(approval) = given else {
            return Some((rule, reasons));
        };
        if let Some(why) = void(approval, entry) {
            reasons.push(why);
            return Some((rule, reasons));
        }
        None
    }

    /// The approval that an entry needs. A commit can't loosen its own gate: where it weakens the rules of what serves
    /// now, the stricter rule of both holds.
    fn rule_in_force(&self, entry: &Entry<'_>) -> Option<(ApprovalRule, Vec<String>)> {
        let pushed = entry.environment.approval.clone();
        let Some((rules, branch)) = &entry.service.rules else {
            return pushed.map(|rule| (rule, Vec::new()));
        };
        let in_force = loosening::Rules {
            branch,
            environment: rules,
        };
        let offered = loosening::Rules {
            branch: &entry.configuration.branch,
            environment: entry.environment,
        };
        let mut loosened: Vec<String> = loosening::compare(in_force, offered)
            .iter()
            .map(ToString::to_string)
            .collect();
        loosened.extend(self.skipped_environments(entry));
        if loosened.is_empty() {
            return pushed.map(|rule| (rule, Vec::new()));
        }
        let reasons = loosened
            .iter()
            .map(|loosening| format!("this commit loosens the rules in force: {loosening}"))
            .collect();
        stricter(pushed, rules.approval.as_ref()).map(|rule| (rule, reasons))
    }

    /// Environments that what serves now had to pass before this one, and that the commit no longer has.
    fn skipped_environments(&self, entry: &Entry<'_>) -> Vec<String> {
        let serving = entry
            .service
            .stable_revision()
            .and_then(|revision| self.state.delivery(&revision.rollout.delivery))
            .and_then(Delivery::configuration);
        let before = serving.into_iter().flat_map(|configuration| {
            configuration
                .environments
                .iter()
                .map(|environment| &environment.name)
                .take_while(|name| **name != entry.environment.name)
        });
        before
            .filter(|name| entry.configuration.environment(name).is_none())
            .map(|name| format!("environments.{name} is removed"))
            .collect()
    }

    fn let_in(&mut self, delivery: &Delivery, entry: &Entry<'_>) {
        let environment = entry.environment;
        let service = &entry.service;
        let first = environment.steps.first().map_or(100, |step| step.traffic);
        let whole = service
            .stable
            .as_ref()
            .and_then(|stable| self.observed(&service.id)?.revisions.get(stable))
            .map_or(0, |stable| stable.desired);
        let bounds = environment.instances;
        let start = RolloutStart {
            service: service.id.clone(),
            revision: service.next_revision(),
            image: entry.binding.image.clone(),
            commit: delivery.push.commit.hash.clone(),
            settings: environment.clone(),
            health: entry.configuration.health.clone(),
            smoke: entry.configuration.smoke.clone(),
            configuration: entry.binding.configuration.clone(),
            branch: entry.configuration.branch.clone(),
            stable: service.stable.clone(),
            commits: self.commits_since(service.stable_revision(), delivery),
            since: service
                .stable_revision()
                .map(|revision| revision.commit.clone()),
            size: canary_size(whole, first, bounds.min, bounds.max),
        };
        let id = RolloutId {
            delivery: delivery.id.clone(),
            environment: environment.name.clone(),
        };
        self.by_itself(Event::Rollout(id, RolloutEvent::Started(Box::new(start))));
    }

    pub(super) fn approve(
        &mut self,
        id: &DeliveryId,
        message: Option<String>,
    ) -> Result<(), Rejection> {
        let (delivery, gate) = self.at_gate(id, "approved")?;
        self.require(gate.role, || format!("approve {id}"))?;
        let actor = self.context.actor;
        if gate.separate_approver && person(&actor.name) == person(&delivery.pushed_by.name) {
            return Err(Rejection::NotSeparate {
                actor: actor.name.clone(),
                delivery: id.clone(),
            });
        }
        let entry =
            self.entry(&delivery, &gate.environment)
                .map_err(|why| Rejection::Conflict {
                    what: format!("{id} can't be approved"),
                    why,
                })?;
        let event = DeliveryEvent::Approved {
            environment: gate.environment,
            binding: entry.binding,
            message,
        };
        self.by_actor(Event::Delivery(id.clone(), event));
        Ok(())
    }

    pub(super) fn reject(
        &mut self,
        id: &DeliveryId,
        message: Option<String>,
    ) -> Result<(), Rejection> {
        let (_, gate) = self.at_gate(id, "rejected")?;
        self.require(gate.role, || format!("reject {id}"))?;
        self.by_actor(Event::Delivery(
            id.clone(),
            DeliveryEvent::Rejected { message },
        ));
        Ok(())
    }

    fn at_gate(&self, id: &DeliveryId, what: &str) -> Result<(Delivery, Gate), Rejection> {
        let delivery = self.known_delivery(id)?;
        match &delivery.phase {
            Phase::AwaitingApproval(gate) => Ok((delivery.clone(), gate.clone())),
            Phase::Checking
            | Phase::Building
            | Phase::Entering { .. }
            | Phase::RollingOut { .. }
            | Phase::Ended(_) => Err(Rejection::Conflict {
                what: format!("{id} can't be {what}"),
                why: format!(
                    "it does not wait for an approval, it is {}",
                    delivery.state_name()
                ),
            }),
        }
    }

    pub(super) fn known_delivery(&self, id: &DeliveryId) -> Result<&Delivery, Rejection> {
        self.state.delivery(id).ok_or_else(|| Rejection::Unknown {
            what: "delivery",
            name: id.to_string(),
        })
    }
}

/// The stricter of two rules in each respect; none where neither asks for an approval.
fn stricter(pushed: Option<ApprovalRule>, before: Option<&ApprovalRule>) -> Option<ApprovalRule> {
    match (pushed, before) {
        (Some(pushed), Some(before)) => Some(ApprovalRule {
            role: pushed.role.max(before.role),
            expires: pushed.expires.min(before.expires),
            separate_approver: pushed.separate_approver || before.separate_approver,
        }),
        (None, before) => before.cloned(),
        (pushed, None) => pushed,
    }
}

/// Why an approval no longer holds: it was given for something else, or before a rollback.
fn void(approval: &Approval, entry: &Entry<'_>) -> Option<String> {
    if approval.binding != entry.binding {
        return Some(format!(
            "the approval by {} is void: it was given when {} served, now {} does",
            approval.by.name,
            describe(approval.binding.stable.as_ref()),
            describe(entry.binding.stable.as_ref()),
        ));
    }
    let rolled_back = entry.service.rolled_back.as_ref()?;
    (approval.at <= rolled_back.at).then(|| {
        format!(
            "the approval by {} is void: {} was rolled back after it",
            approval.by.name, rolled_back.rollout
        )
    })
}

/// SHA-256 of what the environment's instances run with, hexadecimal.
fn configuration_digest(configuration: &Configuration, environment: &str) -> String {
    let material = configuration.digest_material(environment);
    Sha256::digest(material.unwrap_or_default().as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn describe(revision: Option<&crate::identity::RevisionName>) -> String {
    revision.map_or_else(|| "nothing".to_owned(), ToString::to_string)
}

/// The least role that may steer rollouts, lock and roll back.
pub(super) const STEERS: Role = Act::Steer.needs();
