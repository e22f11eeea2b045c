//! `barq audit`: the journal, and whether it is as it was written.

use serde_json::json;

use super::Context;
use super::arguments::{AuditArguments, AuditCommand};
use crate::client::types::{AuditEntry, AuditHead, AuditVerification};
use crate::output::text::time;
use crate::output::{Exit, Failure, table};

/// `barq audit` and `barq audit verify`.
pub(super) async fn audit(context: &Context, arguments: &AuditArguments) -> Result<Exit, Failure> {
    if let Some(AuditCommand::Verify { head }) = &arguments.command {
        return verify(context, head).await;
    }
    let client = context.client()?;
    let mut query = Vec::new();
    query.extend(arguments.actor.clone().map(|actor| ("actor", actor)));
    query.extend(
        arguments
            .subject
            .clone()
            .map(|subject| ("subject", subject)),
    );
    query.extend(arguments.after.map(|after| ("after", after.to_string())));
    query.push(("limit", arguments.lines.min(500).to_string()));
    let path = ["api", "v1", "audit"];
    let entries: Vec<AuditEntry> = client.list(&path, &query, "after", arguments.lines).await?;
    if context.output.json() {
        for entry in &entries {
            context.output.document(entry);
        }
        return Ok(Exit::Done);
    }
    let rows = entries.iter().map(|entry| {
        vec![
            entry.sequence.to_string(),
            time(entry.at),
            entry.actor.clone(),
            entry.subject.clone(),
            match entry.message.is_empty() {
                true => entry.event.clone(),
                false => entry.message.clone(),
            },
        ]
    });
    let head = ["#", "at", "actor", "subject", "what"];
    context.output.text(&table::render(&head, rows));
    Ok(Exit::Done)
}

async fn verify(context: &Context, heads: &[String]) -> Result<Exit, Failure> {
    let heads = heads
        .iter()
        .map(|head| parse_head(head))
        .collect::<Result<Vec<_>, _>>()?;
    let client = context.client()?;
    let path = ["api", "v1", "audit", "verify"];
    let verification: AuditVerification = client.post(&path, &json!({"heads": heads})).await?;
    context
        .output
        .result(&verification, || render(&verification));
    Ok(match verification.ok {
        true => Exit::Done,
        false => Exit::Failed,
    })
}

fn parse_head(text: &str) -> Result<AuditHead, Failure> {
    let parsed = text.split_once(':').and_then(|(sequence, mac)| {
        Some(AuditHead {
            sequence: sequence.parse().ok()?,
            mac: mac.to_owned(),
        })
    });
    parsed.ok_or_else(|| {
        Failure::usage(format!("{text:?} is no head of the journal"))
            .hint("SEQUENCE:MAC, as `barq audit verify` prints it")
    })
}

fn render(verification: &AuditVerification) -> String {
    let head = verification.head.as_ref().map_or_else(String::new, |head| {
        format!(
            "\nhead {}:{}  (keep it somewhere else)",
            head.sequence, head.mac
        )
    });
    match &verification.problem {
        None => format!("the journal is whole: {} events{head}", verification.events),
        Some(problem) => format!(
            "the journal is NOT as it was written, at event {}: {}",
            problem.sequence, problem.detail
        ),
    }
}
