//! `barq incidents`: what went wrong, and the report of it.

use jiff::Timestamp;

use super::Context;
use super::arguments::IncidentsArguments;
use crate::client::types::IncidentLine;
use crate::output::text::relative;
use crate::output::{Exit, Failure, table};

/// Incidents that are listed.
const INCIDENTS_SHOWN: usize = 50;

/// `barq incidents [ID]`.
pub(super) async fn incidents(
    context: &Context,
    arguments: &IncidentsArguments,
) -> Result<Exit, Failure> {
    let client = context.client()?;
    if let Some(id) = &arguments.id {
        let path = ["api", "v1", "incidents", id];
        if context.output.json() {
            let report: serde_json::Value = client.get(&path, &[]).await?;
            context.output.document(&report);
        } else {
            let report = client.text(&path, &[], "text/markdown").await?;
            context.output.text(report.trim_end());
            let page = format!("{}/incidents/{id}", client.server());
            context.output.note(&format!("\nin a browser: {page}"));
        }
        return Ok(Exit::Done);
    }
    let mut query = Vec::new();
    match &arguments.environment {
        Some(environment) => {
            let service = context.service(&client, environment).await?;
            query.push(("service", service.name));
        }
        None => query.extend(context.app().map(|app| ("app", app))),
    }
    let path = ["api", "v1", "incidents"];
    let incidents: Vec<IncidentLine> = client
        .list(&path, &query, "before", INCIDENTS_SHOWN)
        .await?;
    if context.output.json() {
        context.output.document(&incidents);
    } else if incidents.is_empty() {
        context.output.note("no incidents");
    } else {
        let now = Timestamp::now();
        let rows = incidents.iter().map(|incident| {
            vec![
                incident.id.clone(),
                incident.service.clone(),
                incident.state.clone(),
                relative(incident.opened_at, now),
                incident.title.clone(),
            ]
        });
        let head = ["incident", "service", "state", "opened", "what"];
        context.output.text(&table::render(&head, rows));
    }
    Ok(Exit::Done)
}
