//! `barq audit`: the journal, and whether it is as it was written.

use serde_json::json;

use super::Context;
use super::arguments::{AuditArguments, AuditCommand};
use crate::client::types::{AuditEntry, AuditHead, AuditVerification};
use crate::output::text::{count, time};
use crate::output::{Exit, Failure, table};

/// Events of one page, as the API limits them.
const PAGE_EVENTS_MAX: usize = 500;

/// `barq audit` and `barq audit verify`.
pub(super) async fn audit(context: &Context, arguments: &AuditArguments) -> Result<Exit, Failure> {
    if let Some(AuditCommand::Verify { head }) = &arguments.command {
        return verify(context, head).await;
    }
    let (entries, more) = read(context, arguments).await?;
    show(context, &entries);
    if more {
        context
            .output
            .aside(&match (arguments.after, entries.last()) {
                (Some(_), Some(last)) => {
                    format!("there are newer events: --after {}", last.sequence)
                }
                _ => {
                    "there are older events: -n shows more of them, --after 0 begins with the first"
                        .to_owned()
                }
            });
    }
    Ok(Exit::Done)
}

/// The events to show, oldest first, and whether there are more than those: the newest, or those from a place on.
async fn read(
    context: &Context,
    arguments: &AuditArguments,
) -> Result<(Vec<AuditEntry>, bool), Failure> {
    let client = context.client()?;
    let mut query = Vec::new();
    query.extend(arguments.actor.clone().map(|actor| ("actor", actor)));
    query.extend(
        arguments
            .subject
            .clone()
            .map(|subject| ("subject", subject)),
    );
    // One more than is shown says whether there are more.
    let asked = arguments.lines.saturating_add(1);
    query.push(("limit", asked.min(PAGE_EVENTS_MAX).to_string()));
    let path = ["api", "v1", "audit"];
    let (order, cursor) = match arguments.after {
        Some(_) => ("oldest", "after"),
        None => ("newest", "before"),
    };
    query.push(("order", order.to_owned()));
    let from = arguments.after.map(|after| after.to_string());
    let mut entries: Vec<AuditEntry> = client.list_from(&path, &query, cursor, from, asked).await?;
    let more = entries.len() > arguments.lines;
    entries.truncate(arguments.lines);
    if arguments.after.is_none() {
        entries.reverse();
    }
    Ok((entries, more))
}

fn show(context: &Context, entries: &[AuditEntry]) {
    if context.output.json() {
        for entry in entries {
            context.output.document(entry);
        }
        return;
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
        None => format!(
            "the journal is whole: {}{head}",
            count(verification.events, "event")
        ),
        Some(problem) => format!(
            "the journal is NOT as it was written, at event {}: {}",
            problem.sequence, problem.detail
        ),
    }
}
