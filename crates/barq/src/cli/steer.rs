//! Taking the wheel: commands to a running rollout or delivery.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Context;
use super::delivery_text::{rollout_lines, summary};
use crate::client::types::{Delivery, Rollout};
use crate::output::{Exit, Failure};

/// `barq pause ROLLOUT`.
pub(super) async fn pause(context: &Context, rollout: &str) -> Result<Exit, Failure> {
    steer_rollout(context, rollout, "pause", json!({})).await
}

/// `barq resume ROLLOUT`.
pub(super) async fn resume(context: &Context, rollout: &str) -> Result<Exit, Failure> {
    steer_rollout(context, rollout, "resume", json!({})).await
}

/// `barq promote ROLLOUT [--full]`.
pub(super) async fn promote(context: &Context, rollout: &str, full: bool) -> Result<Exit, Failure> {
    steer_rollout(context, rollout, "promote", json!({"full": full})).await
}

/// `barq abort ROLLOUT`.
pub(super) async fn abort(
    context: &Context,
    rollout: &str,
    message: Option<String>,
) -> Result<Exit, Failure> {
    steer_rollout(context, rollout, "abort", json!({"message": message})).await
}

/// `barq cancel DELIVERY`.
pub(super) async fn cancel(context: &Context, delivery: &str) -> Result<Exit, Failure> {
    steer_delivery(context, delivery, "cancel", json!({})).await
}

/// `barq retry DELIVERY [--force]`.
pub(super) async fn retry(context: &Context, delivery: &str, force: bool) -> Result<Exit, Failure> {
    steer_delivery(context, delivery, "retry", json!({"force": force})).await
}

async fn steer_rollout(
    context: &Context,
    id: &str,
    command: &str,
    body: Value,
) -> Result<Exit, Failure> {
    let client = context.client()?;
    let path = ["api", "v1", "rollouts", id, command];
    let rollout: Rollout = client.post(&path, &body).await?;
    context.output.result(&rollout, || {
        format!("{command}: done\n{}", rollout_lines(&rollout).join("\n"))
    });
    Ok(Exit::Done)
}

async fn steer_delivery(
    context: &Context,
    id: &str,
    command: &str,
    body: Value,
) -> Result<Exit, Failure> {
    let client = context.client()?;
    let path = ["api", "v1", "deliveries", id, command];
    let delivery: Delivery = client.post(&path, &body).await?;
    context.output.result(&delivery, || {
        format!("{command}: done\n{}", summary(&delivery, Timestamp::now()))
    });
    Ok(Exit::Done)
}
