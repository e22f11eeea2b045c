//! Where the journal is, and how it gets from one place to another: a file in the data directory, or PostgreSQL.
//!
//! A journal and a data directory belong together. With the wrong (empty) journal the server would take the repositories
//! for accepted pushes that it never heard of, and deliver them all again; so that is refused.

use std::path::Path;

use anyhow::Context as _;
use barq_engine::journal::{Journal, JournalSettings};
use tokio::io::{AsyncWriteExt as _, BufReader};

use super::start::ServerKey;
use crate::data::DataDirectory;

/// Names a journal on PostgreSQL; without it the journal is a file in the data directory.
const DATABASE_VARIABLE: &str = "DATABASE_URL";

/// A server asked for a journal that is not the one of its data directory.
#[derive(Debug, thiserror::Error)]
#[error(
    "the journal {place} is empty, but {repositories} holds repositories: it is not the journal that belongs to them; \
     give DATABASE_URL as before, or move it there by `barq backup` and, with DATABASE_URL set, `barq restore`"
)]
struct NotItsJournal {
    place: &'static str,
    repositories: String,
}

/// The address of the journal on PostgreSQL, where the environment names one.
pub(crate) fn on_postgres() -> Option<String> {
    std::env::var(DATABASE_VARIABLE)
        .ok()
        .filter(|url| url.starts_with("postgres://") || url.starts_with("postgresql://"))
}

/// The settings of a journal at an address; all of an installation's journals have one key.
pub(crate) fn settings(url: String, key: &ServerKey) -> JournalSettings {
    let mac_key = key.code("journal", "");
    JournalSettings { url, mac_key }
}

/// The journal of a data directory, for its server.
pub(super) async fn open(data: &DataDirectory, key: &ServerKey) -> anyhow::Result<Journal> {
    let postgres = on_postgres();
    let place = match postgres {
        Some(_) => "of DATABASE_URL",
        None => "in the data directory",
    };
    let url = postgres.unwrap_or_else(|| data.journal().to_string_lossy().into_owned());
    let journal = Journal::open(settings(url, key))
        .await
        .context("cannot open the journal")?;
    let head = journal.head().await.context("cannot read the journal")?;
    let repositories = data.repositories();
    if head.sequence == 0 && has_entries(&repositories)? {
        let repositories = repositories.display().to_string();
        return Err(NotItsJournal {
            place,
            repositories,
        }
        .into());
    }
    Ok(journal)
}

/// Copies a journal into an empty one, all of it or nothing. `through`: a file to be made on the way.
pub(crate) async fn copy(
    from: &Journal,
    into: JournalSettings,
    through: &Path,
) -> anyhow::Result<Journal> {
    let mut file = tokio::fs::File::create(through)
        .await
        .with_context(|| format!("cannot make {}", through.display()))?;
    from.export(&mut file)
        .await
        .context("the journal can't be exported")?;
    file.shutdown().await.context("cannot write the export")?;
    let journal = Journal::open(into)
        .await
        .context("cannot open the new journal")?;
    let writer = journal
        .take_ownership()
        .await
        .context("cannot take the new journal over")?;
    let file = tokio::fs::File::open(through)
        .await
        .context("cannot read the export")?;
    writer
        .import(&mut BufReader::new(file))
        .await
        .context("the journal can't be imported")?;
    Ok(journal)
}

fn has_entries(directory: &Path) -> anyhow::Result<bool> {
    let mut entries = std::fs::read_dir(directory)
        .with_context(|| format!("cannot read {}", directory.display()))?;
    Ok(entries.next().is_some())
}
