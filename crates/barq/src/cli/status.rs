//! `barq status`: what is going on and what it waits for.

use jiff::Timestamp;

use super::Context;
use super::delivery_text::{first_line, story_line, summary, waiting_line};
use super::services::unseen;
use crate::client::Client;
use crate::client::types::{Delivery, Service, Waiting};
use crate::output::text::{relative, short, shorten};
use crate::output::{Exit, Failure, table};

/// Deliveries that the overview shows.
const DELIVERIES_SHOWN: usize = 10;
/// Services that the overview shows.
const SERVICES_SHOWN: usize = 50;
/// Characters of a waiting message that a row shows.
const WAITING_CHARACTERS_MAX: usize = 72;
/// Lines of a failed check's output that are shown.
const OUTPUT_LINES_SHOWN: u32 = 20;

/// `barq status [DELIVERY]`.
pub(super) async fn status(context: &Context, id: Option<String>) -> Result<Exit, Failure> {
    let client = context.client()?;
    match id {
        Some(id) => one(context, &client, &id).await,
        None => overview(context, &client).await,
    }
}

async fn one(context: &Context, client: &Client, id: &str) -> Result<Exit, Failure> {
    let delivery: Delivery = client.get(&["api", "v1", "deliveries", id], &[]).await?;
    if context.output.json() {
        context.output.document(&delivery);
        return Ok(Exit::Done);
    }
    context.output.text(&summary(&delivery, Timestamp::now()));
    context
        .output
        .text(&format!("  page      {}/deliveries/{id}", client.server()));
    for check in &delivery.checks {
        if matches!(check.state.as_str(), "failed" | "timed_out") {
            show_output(context, client, id, &check.name).await;
        }
    }
    context.output.text("");
    for entry in &delivery.timeline {
        context.output.text(&format!("  {}", story_line(entry)));
    }
    Ok(Exit::Done)
}

/// The end of a failed check's output. That it cannot be had does not spoil the rest.
async fn show_output(context: &Context, client: &Client, id: &str, check: &str) {
    let path = ["api", "v1", "deliveries", id, "checks", check, "output"];
    let query = [("tail_lines", OUTPUT_LINES_SHOWN.to_string())];
    match client.text(&path, &query, "text/plain").await {
        Ok(output) => {
            context
                .output
                .text(&format!("\n  the end of {check}'s output:"));
            for line in output.lines() {
                context.output.text(&format!("    {line}"));
            }
        }
        Err(failure) => context
            .output
            .warn(&format!("the output of {check} cannot be read: {failure}")),
    }
}

async fn overview(context: &Context, client: &Client) -> Result<Exit, Failure> {
    let query: Vec<_> = context.app().into_iter().map(|app| ("app", app)).collect();
    let services: Vec<Service> = client
        .list(&["api", "v1", "services"], &query, "before", SERVICES_SHOWN)
        .await?;
    let path = ["api", "v1", "deliveries"];
    let mut paged = query.clone();
    paged.push(("limit", DELIVERIES_SHOWN.to_string()));
    let deliveries: Vec<Delivery> = client
        .list(&path, &paged, "before", DELIVERIES_SHOWN)
        .await?;
    if context.output.json() {
        context.output.document(&serde_json::json!({
            "server": client.server(),
            "services": services,
            "deliveries": deliveries,
        }));
        return Ok(Exit::Done);
    }
    if services.is_empty() && deliveries.is_empty() {
        context.output.note(&format!(
            "nothing yet on {}; `barq init`, then `git push barq main`",
            client.server()
        ));
        return Ok(Exit::Done);
    }
    let now = Timestamp::now();
    if !services.is_empty() {
        let rows = services.iter().map(service_row);
        let head = ["service", "stable", "traffic", "ready", "note"];
        context.output.text(&table::render(&head, rows));
        if let Some(unseen) = services.iter().find_map(unseen) {
            context.output.text(&unseen);
        }
        context.output.text("");
    }
    let rows = deliveries
        .iter()
        .map(|delivery| delivery_row(delivery, now));
    let head = ["delivery", "state", "commit", "pushed", "what"];
    context.output.text(&table::render(&head, rows));
    Ok(Exit::Done)
}

fn service_row(service: &Service) -> Vec<String> {
    let traffic = service
        .revisions
        .iter()
        .filter(|revision| revision.traffic > 0)
        .map(|revision| format!("{} {} %", tail(&revision.name), revision.traffic));
    let (ready, total) = service
        .revisions
        .iter()
        .fold((0, 0), |(ready, total), revision| {
            (
                ready + revision.instances.ready,
                total + revision.instances.total,
            )
        });
    let locked = service
        .lock
        .as_ref()
        .map(|lock| format!("locked: {}", lock.message));
    let note = locked
        .or_else(|| {
            service
                .rollout
                .as_ref()
                .map(|rollout| format!("rollout {rollout}"))
        })
        .unwrap_or_default();
    vec![
        service.name.clone(),
        service.stable.as_deref().map_or("-", tail).to_owned(),
        traffic.collect::<Vec<_>>().join(", "),
        format!("{ready}/{total}"),
        note,
    ]
}

fn delivery_row(delivery: &Delivery, now: Timestamp) -> Vec<String> {
    let what = match &delivery.waiting {
        Some(waiting) => waiting_line(&shortened(waiting), now),
        None => first_line(&delivery.message).to_owned(),
    };
    vec![
        delivery.id.clone(),
        delivery.state.clone(),
        short(&delivery.commit).to_owned(),
        relative(delivery.created_at, now),
        what,
    ]
}

/// As much of why it waits as a row has room for; `barq status DELIVERY` says all of it.
fn shortened(waiting: &Waiting) -> Waiting {
    Waiting {
        message: shorten(first_line(&waiting.message), WAITING_CHARACTERS_MAX),
        ..waiting.clone()
    }
}

/// A revision's number: the end of its name.
fn tail(revision: &str) -> &str {
    revision.rsplit('-').next().unwrap_or(revision)
}
