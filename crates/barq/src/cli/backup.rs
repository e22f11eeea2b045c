//! `barq backup`: journal, images and git repositories of a running server in one file.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde_json::json;

use super::Context;
use crate::output::{Exit, Failure};

/// `barq backup FILE`: the file appears whole or not at all.
pub(super) async fn backup(context: &Context, file: &Path) -> Result<Exit, Failure> {
    let client = context.client()?;
    let failed = |error: std::io::Error| {
        Failure::failed(format!("cannot write {}", file.display())).because(error.to_string())
    };
    if file.exists() {
        return Err(
            Failure::usage(format!("{} is there already", file.display()))
                .hint("choose another name; a backup never overwrites one"),
        );
    }
    let parent = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let temporary = parent.join(format!(".{name}.{}", std::process::id()));
    let mut response = client.post_for_stream(&["api", "v1", "backup"]).await?;
    let mut output = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        // It holds the server's key, a token and the environments of revisions.
        .mode(crate::data::FILE_MODE)
        .open(&temporary)
        .map_err(failed)?;
    let mut bytes = 0_u64;
    let outcome = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                bytes += chunk.len() as u64;
                if let Err(error) = output.write_all(&chunk) {
                    break Err(failed(error));
                }
            }
            Ok(None) => break output.sync_all().map_err(failed),
            Err(error) => break Err(client.lost(&error)),
        }
    };
    if let Err(failure) = outcome {
        if let Err(error) = std::fs::remove_file(&temporary) {
            context
                .output
                .warn(&format!("{} is left behind: {error}", temporary.display()));
        }
        return Err(failure);
    }
    std::fs::rename(&temporary, file).map_err(failed)?;
    crate::data::sync_directory(parent)?;
    context
        .output
        .result(&json!({"file": file, "bytes": bytes}), || {
            format!(
                "{}: {bytes} bytes; it holds the server's key and its apps' environments, keep it safe",
                file.display()
            )
        });
    Ok(Exit::Done)
}
