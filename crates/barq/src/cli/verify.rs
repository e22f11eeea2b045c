//! `barq verify`: whether what runs is what was deployed, and is well.

use serde_json::json;

use super::Context;
use crate::client::Client;
use crate::client::types::Verification;
use crate::output::text::{indent, mark};
use crate::output::{Exit, Failure};

/// `barq verify ENVIRONMENT`: exit code 1 where something is not as it should be.
pub(super) async fn verify(context: &Context, environment: &str) -> Result<Exit, Failure> {
    let client = context.client()?;
    let service = context.service(&client, environment).await?;
    let verification = ask(&client, &service.name).await?;
    context
        .output
        .result(&verification, || render(&verification));
    Ok(match verification.ok {
        true => Exit::Done,
        false => Exit::Failed,
    })
}

/// The server's look at the service, now.
pub(super) async fn ask(client: &Client, service: &str) -> Result<Verification, Failure> {
    let path = ["api", "v1", "services", service, "verify"];
    client.post(&path, &json!({})).await
}

/// One line for the whole, and one for each thing that was looked at.
pub(super) fn render(verification: &Verification) -> String {
    let verdict = match verification.ok {
        true => "verified",
        false => "NOT as it should be",
    };
    let revision = verification.revision.as_deref().unwrap_or("no revision");
    let mut lines = vec![format!("{}: {verdict} ({revision})", verification.service)];
    for check in &verification.checks {
        let detail = indent(&check.detail, "      ");
        lines.push(format!("   {} {}  {detail}", mark(check.ok), check.name));
    }
    lines.join("\n")
}
