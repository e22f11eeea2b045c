//! `barq logs`: what the instances of an environment write.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Context;
use super::arguments::LogsArguments;
use crate::client::lines::Lines;
use crate::client::types::LogLine;
use crate::output::text::{self, clock};
use crate::output::{Exit, Failure};

/// How long to wait before the log is opened again.
const REOPEN_DELAY: Duration = Duration::from_secs(1);
/// How often it is opened again without a line in between.
const REOPEN_ATTEMPTS_MAX: u32 = 60;

/// `barq logs ENVIRONMENT`.
pub(super) async fn logs(context: &Context, arguments: &LogsArguments) -> Result<Exit, Failure> {
    let client = context.client()?;
    let service = context.service(&client, &arguments.environment).await?;
    let path = ["api", "v1", "services", &service.name, "logs"];
    let mut query = query(arguments)?;
    let mut attempts = 0;
    loop {
        let opened = client.stream(&path, &query, &[]).await;
        let last = match opened {
            Ok(response) => follow(context, Lines::new(response)).await,
            Err(failure) if attempts == 0 => return Err(failure),
            Err(_) => None,
        };
        if !arguments.follow {
            return Ok(Exit::Done);
        }
        attempts = if last.is_some() { 1 } else { attempts + 1 };
        if attempts > REOPEN_ATTEMPTS_MAX {
            return Err(Failure::new(
                Exit::Unreachable,
                format!("the server at {} stays away", client.server()),
            ));
        }
        // From after the last line that was seen.
        if let Some(after) = last.and_then(|at| at.checked_add(SignedDuration::from_nanos(1)).ok())
        {
            query.retain(|(name, _)| *name != "since");
            query.push(("since", after.to_string()));
        }
        tokio::time::sleep(REOPEN_DELAY).await;
    }
}

fn query(arguments: &LogsArguments) -> Result<Vec<(&'static str, String)>, Failure> {
    let mut query = vec![("limit", arguments.lines.to_string())];
    if arguments.follow {
        query.push(("follow", "true".to_owned()));
    }
    query.extend(
        arguments
            .revision
            .clone()
            .map(|revision| ("revision", revision)),
    );
    query.extend(
        arguments
            .severity
            .map(|severity| ("severity", severity.as_str().to_owned())),
    );
    if let Some(since) = &arguments.since {
        let age = parse_duration(since)?;
        let since = Timestamp::now().checked_sub(age).map_err(|error| {
            Failure::usage("--since is too long ago").because(error.to_string())
        })?;
        query.push(("since", since.to_string()));
    }
    Ok(query)
}

/// `30s`, `10m`, `2h`, `1d`.
pub(super) fn parse_duration(text: &str) -> Result<SignedDuration, Failure> {
    text::parse_duration(text)
        .ok_or_else(|| Failure::usage(format!("{text:?} is no duration")).hint("30s, 10m, 2h, 1d"))
}

/// Prints lines until there are no more; the time of the last one.
async fn follow(context: &Context, mut lines: Lines) -> Option<Timestamp> {
    let mut last = None;
    loop {
        let line = match lines.next().await {
            Ok(Some(line)) => line,
            Ok(None) => return last,
            Err(error) => {
                context.output.warn(&crate::output::chain(&error));
                return last;
            }
        };
        if line.is_empty() {
            continue;
        }
        match serde_json::from_str::<LogLine>(&line) {
            Ok(entry) => {
                last = Some(entry.at);
                match context.output.json() {
                    true => context.output.text(&line),
                    false => context.output.text(&render(&entry)),
                }
            }
            Err(error) => context
                .output
                .warn(&format!("a line is not understood: {error}")),
        }
    }
}

fn render(line: &LogLine) -> String {
    let request = line
        .request_id
        .as_ref()
        .map_or_else(String::new, |id| format!("  [{id}]"));
    format!(
        "{}  {}  {:7}  {}{request}",
        clock(line.at),
        line.revision.rsplit('-').next().unwrap_or_default(),
        line.severity,
        line.message
    )
}
