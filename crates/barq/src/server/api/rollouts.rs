//! Rollouts: how one stands, and people taking the wheel: pause, resume, promote, abort.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use barq_core::command::Command;
use barq_core::identity::RolloutId;
use barq_engine::history;
use jiff::Timestamp;

use super::super::access::Caller;
use super::super::convert;
use super::super::idempotency::{Answer, Order};
use super::super::problem::Problem;
use super::super::shapes::{Message, Nothing, PromoteRequest, Rollout};
use super::super::{Server, Shared};

/// One rollout.
#[utoipa::path(get, path = "/api/v1/rollouts/{id}", tag = "rollouts", params(("id" = String, Path, description = "`<app>-<n>-<environment>`")), responses((status = 200, description = "The rollout", body = Rollout)))]
pub(super) async fn get(
    State(server): State<Shared>,
    _: Caller,
    Path(id): Path<String>,
) -> Result<Json<Rollout>, Problem> {
    server.rollout(&parse(&id)?).await.map(Json)
}

/// Stops the hold's clock; the tripwire stays armed.
#[utoipa::path(post, path = "/api/v1/rollouts/{id}/pause", tag = "rollouts", params(("id" = String, Path, description = "`<app>-<n>-<environment>`")), request_body = Nothing, responses((status = 200, description = "The rollout", body = Rollout)))]
pub(super) async fn pause(
    State(server): State<Shared>,
    Path(id): Path<String>,
    order: Order,
) -> Result<Response, Problem> {
    let Nothing {} = order.body()?;
    let id = parse(&id)?;
    let command = Command::Pause(id.clone());
    server.steer_rollout(&order, &id, command).await
}

/// Lets the hold's clock go on.
#[utoipa::path(post, path = "/api/v1/rollouts/{id}/resume", tag = "rollouts", params(("id" = String, Path, description = "`<app>-<n>-<environment>`")), request_body = Nothing, responses((status = 200, description = "The rollout", body = Rollout)))]
pub(super) async fn resume(
    State(server): State<Shared>,
    Path(id): Path<String>,
    order: Order,
) -> Result<Response, Problem> {
    let Nothing {} = order.body()?;
    let id = parse(&id)?;
    let command = Command::Resume(id.clone());
    server.steer_rollout(&order, &id, command).await
}

/// Goes to the next step, or straight to 100 %.
#[utoipa::path(post, path = "/api/v1/rollouts/{id}/promote", tag = "rollouts", params(("id" = String, Path, description = "`<app>-<n>-<environment>`")), request_body = PromoteRequest, responses((status = 200, description = "The rollout", body = Rollout)))]
pub(super) async fn promote(
    State(server): State<Shared>,
    Path(id): Path<String>,
    order: Order,
) -> Result<Response, Problem> {
    let PromoteRequest { full } = order.body()?;
    let id = parse(&id)?;
    let command = Command::Promote {
        rollout: id.clone(),
        full,
    };
    server.steer_rollout(&order, &id, command).await
}

/// Stops it; the traffic goes back.
#[utoipa::path(post, path = "/api/v1/rollouts/{id}/abort", tag = "rollouts", params(("id" = String, Path, description = "`<app>-<n>-<environment>`")), request_body = Message, responses((status = 200, description = "The rollout", body = Rollout)))]
pub(super) async fn abort(
    State(server): State<Shared>,
    Path(id): Path<String>,
    order: Order,
) -> Result<Response, Problem> {
    let Message { message } = order.body()?;
    let id = parse(&id)?;
    let command = Command::Abort {
        rollout: id.clone(),
        message,
    };
    server.steer_rollout(&order, &id, command).await
}

impl Server {
    async fn steer_rollout(
        &self,
        order: &Order,
        id: &RolloutId,
        command: Command,
    ) -> Result<Response, Problem> {
        let work = async {
            self.carry_out(order, command, Timestamp::now()).await?;
            Answer::json(&self.rollout(id).await?)
        };
        self.answer(order, work).await
    }

    async fn rollout(&self, id: &RolloutId) -> Result<Rollout, Problem> {
        let view = self.engine.view();
        let now = Timestamp::now();
        if let Some(rollout) = view.state.rollout(id) {
            let delivery = view.state.delivery(&id.delivery);
            return Ok(convert::rollout(&view, rollout, delivery, now));
        }
        let unknown = || Problem::unknown("rollout", &id.to_string());
        let journey = history::journey(self.engine.journal(), &id.delivery)
            .await?
            .ok_or_else(unknown)?;
        let rollout = journey.rollouts.iter().find(|rollout| rollout.id == *id);
        rollout
            .map(|rollout| convert::rollout(&view, rollout, Some(&journey.delivery), now))
            .ok_or_else(unknown)
    }
}

fn parse(id: &str) -> Result<RolloutId, Problem> {
    id.parse().map_err(|_| Problem::unknown("rollout", id))
}
