//! All traffic to an older revision: answered once the traffic was seen to have moved, also where that can't be recorded.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Response;
use barq_core::command::Command;
use barq_core::configuration::Role;
use barq_core::event::{Event, RolloutEvent};
use barq_core::identity::{RevisionName, RolloutId, ServiceId};
use barq_core::rollout::{Phase, Rollout};
use barq_engine::engine::View;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};

use super::super::convert::in_milliseconds;
use super::super::idempotency::{Answer, Done, Order};
use super::super::problem::Problem;
use super::super::shapes::{Rollback, RollbackRequest};
use super::super::{Server, Shared, dry};
use super::services::parse;

/// The longest that a rollback is waited for: a target that is not warm must start first. `flow.md` section 6 wants less
/// than five minutes; the command's answer waits for less, and the rollback itself goes on.
const WAIT_MAX: Duration = Duration::from_secs(90);

/// Takes all traffic back: in a canary to stable, at rest to what was stable before, or to the revision that is named.
#[utoipa::path(post, path = "/api/v1/services/{name}/rollback", tag = "services", params(("name" = String, Path, description = "`<service>-<environment>`")), request_body = RollbackRequest, responses((status = 200, description = "The traffic has moved (or, dry, where it would go)", body = Rollback), (status = 504, description = "It is still on its way")))]
pub(super) async fn roll_back(
    State(server): State<Shared>,
    Path(name): Path<String>,
    order: Order,
) -> Result<Response, Problem> {
    let request: RollbackRequest = order.body()?;
    let service = parse(&name)?;
    server
        .answer(&order, server.roll_back(&order, service, request))
        .await
}

/// How far a rollback came while somebody waited for it.
pub(in super::super) enum RolledBack {
    /// The traffic has moved.
    Moved(Box<Rollback>),
    /// This rollout is still being taken back.
    UnderWay(RolloutId),
}

impl Server {
    async fn roll_back(
        &self,
        order: &Order,
        service: ServiceId,
        request: RollbackRequest,
    ) -> Result<Answer, Problem> {
        let to = request
            .to
            .as_deref()
            .map(|name| parse_revision(&service, name))
            .transpose()?;
        if request.dry_run {
            let now = Timestamp::now();
            let plan = self.planned_rollback(order, &service, to, request.reason, now)?;
            return Answer::json(&plan);
        }
        let name = service.clone();
        match self
            .take_back(order, service, to, request.reason, WAIT_MAX)
            .await?
        {
            RolledBack::Moved(answer) => Answer::json(&answer),
            RolledBack::UnderWay(rollout) => Err(late(&name, &rollout)),
        }
    }

    /// Takes all traffic back, and waits so long until it has moved. Where it can't be recorded the node does it alone.
    pub(in super::super) async fn take_back(
        &self,
        order: &Order,
        service: ServiceId,
        to: Option<RevisionName>,
        reason: Option<String>,
        wait_max: Duration,
    ) -> Result<RolledBack, Problem> {
        let now = Timestamp::now();
        let mut watch = self.engine.watch();
        let command = Command::RollBack {
            service: service.clone(),
            to,
            message: reason.clone(),
        };
        let done = match self.record_rollback(order, command.clone(), now).await? {
            Ok(done) => done,
            Err(unrecorded) => {
                let recalled = self.recall(order, &service, command, now, unrecorded);
                return Ok(RolledBack::Moved(Box::new(recalled.await?)));
            }
        };
        let requested_at = done.given_at(now);
        let rollout = self.taken_back(&service, &done, requested_at)?;
        let moved = watch.wait_for(|view| has_ended(view, &rollout));
        let view = match tokio::time::timeout(wait_max, moved).await {
            Ok(Ok(view)) => view.clone(),
            Ok(Err(_)) => {
                return Err(Problem::unavailable(
                    "the server is stopping",
                    "the rollback goes on",
                ));
            }
            Err(_) => return Ok(RolledBack::UnderWay(rollout)),
        };
        let answer = answered(&view, &service, &rollout, reason, requested_at)?;
        Ok(RolledBack::Moved(Box::new(answer)))
    }

    /// The rollout that the command takes back.
    fn taken_back(
        &self,
        service: &ServiceId,
        done: &Done,
        given_at: Timestamp,
    ) -> Result<RolloutId, Problem> {
        if let Done::Now(events) = done {
            let begun = events.iter().find_map(|recorded| match &recorded.event {
                Event::Rollout(id, RolloutEvent::RollbackStarted { .. }) => Some(id.clone()),
                _ => None,
            });
            return begun
                .ok_or_else(|| Problem::conflict("nothing was rolled back", "nothing changed"));
        }
        let view = self.engine.view();
        let later = |rollout: &&Rollout| {
            rollout.start.service == *service
                && rollout
                    .rollback
                    .as_ref()
                    .is_some_and(|record| record.decided_at >= given_at)
        };
        let rollouts = view.state.rollouts.values().map(AsRef::as_ref);
        rollouts
            .filter(later)
            .min_by_key(|rollout| rollout.rollback.as_ref().map(|record| record.decided_at))
            .map(|rollout| rollout.id.clone())
            .ok_or_else(|| Problem::conflict("nothing is rolled back", "it did not come about"))
    }

    /// What a rollback would do now, by the rules that it would be decided by.
    fn planned_rollback(
        &self,
        order: &Order,
        id: &ServiceId,
        to: Option<RevisionName>,
        reason: Option<String>,
        now: Timestamp,
    ) -> Result<Rollback, Problem> {
        if order.actor.role < Role::Operator {
            return Err(barq_core::command::Rejection::NotAllowed {
                actor: order.actor.to_string(),
                what: format!("roll back {id}"),
                needs: Role::Operator,
            }
            .into());
        }
        let view = self.engine.view();
        let command = Command::RollBack {
            service: id.clone(),
            to,
            message: reason.clone(),
        };
        let events = dry::decide(&view, command, &order.actor, now)?;
        let begun = events.iter().find_map(|recorded| match &recorded.event {
            Event::Rollout(rollout, RolloutEvent::RollbackStarted { to, .. }) => {
                Some((rollout.clone(), to.clone()))
            }
            _ => None,
        });
        let (rollout, to) = begun
            .ok_or_else(|| Problem::conflict("nothing would be rolled back", "nothing changes"))?;
        let from = view
            .state
            .rollout(&rollout)
            .map(|rollout| rollout.start.revision.to_string());
        Ok(Rollback {
            service: id.to_string(),
            from,
            to: to.map(|to| to.to_string()).unwrap_or_default(),
            reason,
            rollout: Some(rollout.to_string()),
            incident: None,
            requested_at: now,
            shifted_at: None,
            shifted_ms: None,
            recorded: false,
            unrecorded: None,
        })
    }
}

/// The traffic has moved, or it was given up.
fn has_ended(view: &View, rollout: &RolloutId) -> bool {
    view.state
        .rollout(rollout)
        .is_none_or(|rollout| !matches!(rollout.phase, Phase::RollingBack(_)))
}

fn answered(
    view: &View,
    service: &ServiceId,
    id: &RolloutId,
    reason: Option<String>,
    requested_at: Timestamp,
) -> Result<Rollback, Problem> {
    let rollout = view
        .state
        .rollout(id)
        .ok_or_else(|| Problem::unknown("rollout", &id.to_string()))?;
    let record = rollout
        .rollback
        .as_ref()
        .filter(|record| record.shifted_us.is_some())
        .ok_or_else(|| {
            Problem::conflict(
                format!("{service} was not rolled back"),
                "the revision to go back to did not become ready, so the traffic stays where it is",
            )
            .hint(format!("see the timeline of {}", id.delivery))
        })?;
    let shifted_us = record.shifted_us.unwrap_or_default();
    let shifted = SignedDuration::from_micros(i64::try_from(shifted_us).unwrap_or(i64::MAX));
    let incident = view
        .state
        .incidents
        .values()
        .find(|incident| incident.rollout == *id)
        .map(|incident| incident.id.to_string());
    Ok(Rollback {
        service: service.to_string(),
        from: Some(rollout.start.revision.to_string()),
        to: record
            .to
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        reason,
        rollout: Some(id.to_string()),
        incident,
        requested_at,
        shifted_at: record.detected_at.checked_add(shifted).ok(),
        shifted_ms: Some(in_milliseconds(shifted_us)),
        recorded: true,
        unrecorded: None,
    })
}

fn late(service: &ServiceId, rollout: &RolloutId) -> Problem {
    Problem::new(
        StatusCode::GATEWAY_TIMEOUT,
        format!("{service} is still being rolled back"),
    )
    .because(format!(
        "the traffic was not seen to have moved within {} s",
        WAIT_MAX.as_secs()
    ))
    .hint(format!(
        "it goes on; follow it with `barq watch {}`",
        rollout.delivery
    ))
}

/// A revision of a service: its name, its tag, or its number alone, since the service is known.
pub(in super::super) fn parse_revision(
    service: &ServiceId,
    name: &str,
) -> Result<RevisionName, Problem> {
    let number = name.trim_start_matches('r').parse::<u32>().ok();
    match number {
        Some(number) => Ok(RevisionName {
            service: service.clone(),
            number,
        }),
        None => name.parse().map_err(|_| Problem::unknown("revision", name)),
    }
}
