//! `barq rollback`: takes an environment back, in six steps that a person can follow.
//!
//! List the revisions, select the one to go back to, confirm, shift all traffic to it, verify its health, report how long
//! it took. The server selects and shifts; what was confirmed is what is asked for, by name, so that nothing that happens
//! in between changes where the traffic goes.

use std::io::IsTerminal as _;
use std::time::Instant;

use jiff::Timestamp;
use serde_json::json;

use super::Context;
use super::arguments::RollbackArguments;
use super::services::render_revisions;
use super::verify;
use crate::client::Client;
use crate::client::types::{Rollback, Service, Verification};
use crate::output::text::duration_ms;
use crate::output::{Exit, Failure};

/// `barq rollback ENVIRONMENT`.
pub(super) async fn rollback(
    context: &Context,
    arguments: &RollbackArguments,
) -> Result<Exit, Failure> {
    let terminal = std::io::stdin().is_terminal() && !context.output.json();
    if !arguments.yes && !terminal {
        return Err(Failure::usage("nobody is there to confirm the rollback")
            .because("standard input is not a terminal, or --json is given")
            .hint(format!("barq rollback {} --yes", arguments.environment)));
    }
    let client = context.client()?;
    let output = context.output;
    let service = context.service(&client, &arguments.environment).await?;
    if !output.json() {
        output.note(&format!("1. revisions of {}", service.name));
        output.note(&render_revisions(&service, Timestamp::now()));
    }
    let plan = ask(&client, &service, arguments, arguments.to.as_deref(), true).await?;
    let from = plan.from.as_deref().unwrap_or("what serves now");
    if !output.json() {
        output.note(&format!("2. selected: {} (from {from})", plan.to));
    }
    if !arguments.yes && !confirm(&service, &plan)? {
        return Err(Failure::failed("not rolled back").because("it was not confirmed"));
    }
    if !output.json() {
        output.note("3. confirmed");
    }
    let started = Instant::now();
    let done = ask(&client, &service, arguments, Some(&plan.to), false).await?;
    if !output.json() {
        output.note(&format!("4. 100 % of the traffic is on {}", done.to));
        if let Some(why) = &done.unrecorded {
            output.note(&format!("   not recorded yet: {why}"));
        }
    }
    let verification = verify::ask(&client, &service.name).await?;
    if !output.json() {
        output.note(&format!("5. {}", verify::render(&verification)));
    }
    report(context, &done, &verification, started);
    Ok(match verification.ok {
        true => Exit::Done,
        false => Exit::Failed,
    })
}

async fn ask(
    client: &Client,
    service: &Service,
    arguments: &RollbackArguments,
    to: Option<&str>,
    dry_run: bool,
) -> Result<Rollback, Failure> {
    let path = ["api", "v1", "services", &service.name, "rollback"];
    let body = json!({"to": to, "reason": arguments.message, "dry_run": dry_run});
    client.post(&path, &body).await
}

fn confirm(service: &Service, plan: &Rollback) -> Result<bool, Failure> {
    dialoguer::Confirm::new()
        .with_prompt(format!("take {} back to {}?", service.name, plan.to))
        .default(false)
        .interact()
        .map_err(|error| Failure::usage("cannot ask for confirmation").because(error.to_string()))
}

fn report(context: &Context, done: &Rollback, verification: &Verification, started: Instant) {
    let took_ms = started.elapsed().as_secs_f64() * 1000.0;
    if context.output.json() {
        context.output.document(&json!({
            "rollback": done,
            "verification": verification,
            "took_ms": took_ms,
        }));
        return;
    }
    let shifted = done.shifted_ms.map_or_else(String::new, |shifted| {
        format!("traffic moved in {}, ", duration_ms(shifted))
    });
    let incident = done.incident.as_ref().map_or_else(String::new, |incident| {
        format!("\nincident {incident}: `barq incidents {incident}` shows the report")
    });
    let recorded = match done.unrecorded {
        Some(_) => "; not recorded yet",
        None => "",
    };
    context.output.text(&format!(
        "6. rolled back to {}: {shifted}{} with verification{recorded}{incident}",
        done.to,
        duration_ms(took_ms)
    ));
}
