//! `barq approve`, `barq reject`: the gate in front of production.

use jiff::Timestamp;
use serde_json::json;

use super::Context;
use super::arguments::GateArguments;
use super::delivery_text::summary;
use crate::client::Client;
use crate::client::types::{Delivery, Evidence};
use crate::output::text::{indent, mark, relative, short, strong};
use crate::output::{Exit, Failure};

/// Commits that are shown before the rest is counted.
const COMMITS_SHOWN: usize = 20;

/// `barq approve DELIVERY`: shows what the decision is about, then decides.
pub(super) async fn approve(context: &Context, arguments: &GateArguments) -> Result<Exit, Failure> {
    let client = context.client()?;
    let path = ["api", "v1", "deliveries", &arguments.delivery, "evidence"];
    let evidence: Evidence = client.get(&path, &[]).await?;
    if !context.output.json() {
        let page = format!("{}/deliveries/{}", client.server(), arguments.delivery);
        let described = describe(&evidence, Timestamp::now());
        context
            .output
            .note(&format!("{described}\n  page      {page}"));
    }
    decide(context, &client, arguments, "approve").await
}

/// `barq reject DELIVERY`.
pub(super) async fn reject(context: &Context, arguments: &GateArguments) -> Result<Exit, Failure> {
    decide(context, &context.client()?, arguments, "reject").await
}

async fn decide(
    context: &Context,
    client: &Client,
    arguments: &GateArguments,
    decision: &str,
) -> Result<Exit, Failure> {
    let path = ["api", "v1", "deliveries", &arguments.delivery, decision];
    let body = json!({"message": arguments.message});
    let delivery: Delivery = client.post(&path, &body).await?;
    context.output.result(&delivery, || {
        format!("{decision}: done\n{}", summary(&delivery, Timestamp::now()))
    });
    Ok(Exit::Done)
}

fn describe(evidence: &Evidence, now: Timestamp) -> String {
    let mut lines = vec![
        format!(
            "{} for {}",
            strong(&evidence.delivery),
            evidence.environment
        ),
        format!("  commit    {}", short(&evidence.commit)),
    ];
    if let Some(image) = &evidence.image {
        lines.push(format!("  image     {}", short(image)));
    }
    let stable = evidence.stable.as_deref().unwrap_or("nothing yet");
    lines.push(format!("  replaces  {stable}"));
    if let Some(role) = &evidence.role {
        lines.push(format!("  needs     {role}"));
    }
    if let Some(expires_at) = evidence.expires_at {
        lines.push(format!("  expires   {}", relative(expires_at, now)));
    }
    if evidence.gate_weakened {
        lines.push("  note      this commit loosens the gate's own rules".to_owned());
    }
    for fact in &evidence.facts {
        let detail = indent(&fact.detail, "      ");
        lines.push(format!("  {} {}  {detail}", mark(fact.ok), fact.name));
    }
    if !evidence.commits.is_empty() {
        lines.push("  new commits:".to_owned());
    }
    for commit in evidence.commits.iter().take(COMMITS_SHOWN) {
        lines.push(format!(
            "    {}  {}  {}",
            short(&commit.commit),
            commit.author,
            commit.subject
        ));
    }
    if evidence.commits.len() > COMMITS_SHOWN {
        lines.push(format!(
            "    and {} more",
            evidence.commits.len() - COMMITS_SHOWN
        ));
    }
    lines.join("\n")
}
