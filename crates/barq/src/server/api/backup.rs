//! Everything that can't be made again, as one archive: the key, the first token, the journal, the repositories, the
//! images, the environments of revisions.
//!
//! The journal comes first, then what it refers to, so that nothing it names is missing. Of a repository the refs come
//! before the objects, for the same reason. An error in the middle breaks the connection: a backup is whole or no backup.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use barq_core::command::Rejection;
use barq_core::configuration::Role;
use barq_engine::journal::BackupError;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::super::idempotency::Order;
use super::super::problem::Problem;
use super::super::shapes::Nothing;
use super::super::{Server, Shared, journal};
use crate::data::{DataDirectory, FILE_MODE};

/// The archive's form.
const FORMAT: u32 = 1;
/// Bytes of one part of the answer.
const PART_BYTES: usize = 64 * 1024;
/// Parts that wait for a slow reader.
const PARTS_MAX: usize = 16;

/// Everything as one archive (tar).
#[utoipa::path(post, path = "/api/v1/backup", tag = "backup", request_body = Nothing, responses((status = 200, description = "The archive", content_type = "application/x-tar")))]
pub(super) async fn backup(
    State(server): State<Shared>,
    order: Order,
) -> Result<Response, Problem> {
    let Nothing {} = order.body()?;
    if order.actor.role < Role::Admin {
        return Err(Rejection::NotAllowed {
            actor: order.actor.to_string(),
            what: "take a backup".to_owned(),
            needs: Role::Admin,
        }
        .into());
    }
    let copy = server.copy_journal().await?;
    let (sender, parts) = mpsc::channel(PARTS_MAX);
    let data = server.data.clone();
    tokio::task::spawn_blocking(move || {
        let failed = sender.clone();
        if let Err(error) = write(&data, &copy.path(), Parts::new(sender)) {
            tracing::error!(%error, "a backup was broken off");
            // Nobody is left to be told when the reader has gone.
            drop(failed.blocking_send(Err(error)));
        }
    });
    let body = Body::from_stream(ReceiverStream::new(parts));
    Ok(([(CONTENT_TYPE, "application/x-tar")], body).into_response())
}

/// A directory that goes with its value.
struct Copy(std::path::PathBuf);

impl Copy {
    fn path(&self) -> std::path::PathBuf {
        self.0.join("journal.db")
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, "a copy of the journal was left; the next start removes it");
        }
    }
}

impl Server {
    /// The journal at one moment, as an SQLite file.
    async fn copy_journal(&self) -> Result<Arc<Copy>, Problem> {
        let mut name = [0; 8];
        getrandom::fill(&mut name).map_err(|error| Problem::internal("no randomness", &error))?;
        let name = format!("{:016x}", u64::from_ne_bytes(name));
        let directory = self.data.backup().join(name);
        crate::data::make_directory(&directory)
            .map_err(|error| Problem::internal("no room for a copy of the journal", &error))?;
        let copy = Copy(directory);
        let journal = self.engine.journal();
        match journal.backup_to(&copy.path()).await {
            Ok(()) => {}
            Err(BackupError::NotSqlite) => {
                self.copy_from_postgres(&copy).await.map_err(|error| {
                    let error = io::Error::other(format!("{error:#}"));
                    Problem::internal("the journal can't be copied", &error)
                })?;
            }
            Err(error) => return Err(Problem::internal("the journal can't be copied", &error)),
        }
        Ok(Arc::new(copy))
    }

    async fn copy_from_postgres(&self, copy: &Copy) -> anyhow::Result<()> {
        let work = copy.0.join("import.db").to_string_lossy().into_owned();
        let settings = journal::settings(work, &self.key);
        let exported = copy.0.join("journal.export");
        let file = journal::copy(self.engine.journal(), settings, &exported).await?;
        file.backup_to(&copy.path()).await?;
        file.close().await;
        Ok(())
    }
}

fn write(data: &DataDirectory, journal: &Path, parts: Parts) -> io::Result<()> {
    let mut archive = tar::Builder::new(parts);
    archive.follow_symlinks(false);
    let manifest = serde_json::json!({
        "format": FORMAT,
        "version": env!("CARGO_PKG_VERSION"),
        "created_at": Timestamp::now(),
    });
    let manifest = manifest.to_string().into_bytes();
    let mut header = tar::Header::new_gnu();
    header.set_size(manifest.len() as u64);
    header.set_mode(FILE_MODE);
    header.set_cksum();
    archive.append_data(&mut header, "barq-backup.json", manifest.as_slice())?;
    archive.append_path_with_name(data.server_key(), "server.key")?;
    // Whoever had the first token thrown away does not want it back.
    if data.admin_token().exists() {
        archive.append_path_with_name(data.admin_token(), "admin.token")?;
    }
    archive.append_path_with_name(journal, "journal.db")?;
    add_directory(&mut archive, &data.repositories(), Path::new("git"))?;
    add_directory(&mut archive, &data.blobs(), Path::new("blobs"))?;
    if data.revisions().exists() {
        add_directory(&mut archive, &data.revisions(), Path::new("revisions"))?;
    }
    let mut parts = archive.into_inner()?;
    parts.flush()
}

/// Names sorted, but objects last. What is only there for a moment (locks, half-written files) is left out, and what
/// vanishes meanwhile was such.
fn add_directory(archive: &mut tar::Builder<Parts>, from: &Path, name: &Path) -> io::Result<()> {
    archive.append_dir(name, from)?;
    let mut entries: Vec<_> = fs::read_dir(from)?.collect::<io::Result<_>>()?;
    entries.sort_by_key(|entry| (entry.file_name() == "objects", entry.file_name()));
    for entry in entries {
        let name = name.join(entry.file_name());
        let text = entry.file_name().to_string_lossy().into_owned();
        let passing = text.ends_with(".lock")
            || text.starts_with("tmp_")
            || text == "temporary"
            || text == "lock"
            || text.starts_with(".new-");
        if passing {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            add_directory(archive, &entry.path(), &name)?;
        } else if kind.is_file() {
            match File::open(entry.path()) {
                Ok(mut file) => archive.append_file(&name, &mut file)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// Turns what is written into parts of the answer.
struct Parts {
    sender: mpsc::Sender<io::Result<Bytes>>,
    buffer: Vec<u8>,
}

impl Parts {
    fn new(sender: mpsc::Sender<io::Result<Bytes>>) -> Self {
        Self {
            sender,
            buffer: Vec::with_capacity(PART_BYTES),
        }
    }
}

impl Write for Parts {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PART_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let part = std::mem::replace(&mut self.buffer, Vec::with_capacity(PART_BYTES));
        self.sender
            .blocking_send(Ok(part.into()))
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}
