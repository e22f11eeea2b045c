//! `barq revisions`, `barq lock`, `barq unlock`: an environment of an app.

use jiff::Timestamp;
use serde_json::json;

use super::Context;
use super::arguments::LockArguments;
use crate::client::types::{Revision, Service};
use crate::output::text::{clock, relative, short};
use crate::output::{Exit, Failure, table};

/// `barq revisions ENVIRONMENT`.
pub(super) async fn revisions(context: &Context, environment: &str) -> Result<Exit, Failure> {
    let client = context.client()?;
    let service = context.service(&client, environment).await?;
    context
        .output
        .result(&service, || render_revisions(&service, Timestamp::now()));
    Ok(Exit::Done)
}

/// `barq lock ENVIRONMENT -m WHY`.
pub(super) async fn lock(context: &Context, arguments: &LockArguments) -> Result<Exit, Failure> {
    set_lock(context, arguments, "lock").await
}

/// `barq unlock ENVIRONMENT -m WHY`.
pub(super) async fn unlock(context: &Context, arguments: &LockArguments) -> Result<Exit, Failure> {
    set_lock(context, arguments, "unlock").await
}

/// The revisions as a table.
pub(super) fn render_revisions(service: &Service, now: Timestamp) -> String {
    let head = [
        "revision", "traffic", "counted", "ready", "health", "commit", "image", "made",
    ];
    let rows = service
        .revisions
        .iter()
        .map(|revision| revision_row(service, revision, now));
    let table = table::render(&head, rows);
    let lock = service.lock.as_ref();
    let locked = lock.map(|lock| format!("locked by {}: {}", lock.by, lock.message));
    let lines = [
        Some(table),
        instances(service, now),
        locked,
        unseen(service),
    ];
    lines.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

/// The instances of all its revisions, where there are any.
fn instances(service: &Service, now: Timestamp) -> Option<String> {
    let head = [
        "instance", "revision", "state", "address", "restarts", "since",
    ];
    let revisions = service.revisions.iter();
    let all = revisions.flat_map(|it| it.instances.items.iter().map(move |one| (it, one)));
    let rows: Vec<Vec<String>> = all
        .map(|(revision, instance)| {
            let port = instance.port.map(|port| format!("127.0.0.1:{port}"));
            vec![
                instance.id.clone(),
                revision.name.clone(),
                instance.state.replace('_', " "),
                port.unwrap_or_else(|| "-".to_owned()),
                instance.restarts.to_string(),
                relative(instance.started_at, now),
            ]
        })
        .collect();
    (!rows.is_empty()).then(|| format!("\n{}", table::render(&head, rows)))
}

/// That its numbers are not of now, where they are not.
pub(super) fn unseen(service: &Service) -> Option<String> {
    let error = service.node_error.as_ref()?;
    Some(match service.seen_at {
        Some(at) => format!(
            "the node can't be seen, its numbers are from {}: {error}",
            clock(at)
        ),
        None => format!("the node can't be seen: {error}"),
    })
}

fn revision_row(service: &Service, revision: &Revision, now: Timestamp) -> Vec<String> {
    let stable = service.stable.as_deref() == Some(revision.name.as_str());
    let mut health = revision.health.clone().unwrap_or_default();
    if revision.rolled_back {
        health.push_str(" (rolled back)");
    }
    vec![
        match stable {
            true => format!("{} *", revision.name),
            false => revision.name.clone(),
        },
        format!("{} %", revision.traffic),
        revision
            .counted_traffic
            .map_or_else(|| "-".to_owned(), |counted| format!("{counted:.1} %")),
        format!("{}/{}", revision.instances.ready, revision.instances.total),
        health,
        short(&revision.commit).to_owned(),
        short(&revision.image).to_owned(),
        relative(revision.created_at, now),
    ]
}

async fn set_lock(
    context: &Context,
    arguments: &LockArguments,
    command: &str,
) -> Result<Exit, Failure> {
    let client = context.client()?;
    let name = match context.service(&client, &arguments.environment).await {
        Ok(service) => service.name,
        // Nothing has entered it yet: the server knows whether it is going to be there.
        Err(missing) if command == "lock" && missing.exit == Exit::Failed => {
            arguments.environment.clone()
        }
        Err(failure) => return Err(failure),
    };
    let path = ["api", "v1", "services", &name, command];
    let mut body = json!({"message": arguments.message});
    if command == "lock" {
        body["app"] = json!(context.app());
    }
    let service: Service = client.post(&path, &body).await?;
    context.output.result(&service, || match &service.lock {
        Some(lock) => format!(
            "{} is locked by {}: {}",
            service.name, lock.by, lock.message
        ),
        None => format!("{} is open", service.name),
    });
    Ok(Exit::Done)
}
