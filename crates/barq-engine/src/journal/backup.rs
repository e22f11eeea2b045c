//! A consistent copy of an SQLite journal, made while it is in use.
//!
//! SQLite itself writes the copy (`VACUUM INTO`) from one state of the database. It does not sync it, so the copy is made under a
//! temporary name, synced, and only then given its own: what bears the name is whole, whatever happens meanwhile. PostgreSQL has its
//! own tools, and the portable export serves both.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::Journal;
use super::error::{During as _, StorageError};

/// Why no copy was made. A file of the copy's name is left as it was.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The journal is on PostgreSQL.
    #[error(
        "only a journal on SQLite can be copied as a file; export it, or use PostgreSQL's own backup"
    )]
    NotSqlite,
    /// The name is taken.
    #[error("{} already exists", path.display())]
    Exists {
        /// The name.
        path: PathBuf,
    },
    /// The path cannot be given to SQLite.
    #[error("{} is not a path in UTF-8", path.display())]
    NotUtf8 {
        /// The path.
        path: PathBuf,
    },
    /// The copy could not be made durable.
    #[error("could not write {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The runtime is stopping.
    #[error("the runtime stopped during a backup")]
    Stopped,
}

impl Journal {
    /// Copies the whole database (events, read models, kept answers) to a new file, which is complete and durable on return.
    pub async fn backup_to(&self, path: &Path) -> Result<(), BackupError> {
        if !self.shared.database.is_sqlite() {
            return Err(BackupError::NotSqlite);
        }
        if path.exists() {
            return Err(BackupError::Exists {
                path: path.to_owned(),
            });
        }
        let mut temporary = OsString::from(path);
        temporary.push(".partial");
        let temporary = PathBuf::from(temporary);
        remove_if_present(&temporary).map_err(|source| failed(&temporary, source))?;
        let name = temporary.to_str().ok_or_else(|| BackupError::NotUtf8 {
            path: path.to_owned(),
        })?;
        let copied = self
            .shared
            .database
            .fetch_all("VACUUM INTO $1", &[name.into()])
            .await;
        if let Err(error) = copied.during("copy the journal") {
            remove_if_present(&temporary).map_err(|source| failed(&temporary, source))?;
            return Err(error.into());
        }
        let path = path.to_owned();
        let publish = tokio::task::spawn_blocking(move || {
            publish(&temporary, &path).map_err(|source| failed(&path, source))
        });
        publish.await.map_err(|_| BackupError::Stopped)?
    }
}

/// Sync, name, sync the name.
fn publish(temporary: &Path, path: &Path) -> io::Result<()> {
    File::open(temporary)?.sync_all()?;
    std::fs::rename(temporary, path)?;
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

fn remove_if_present(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn failed(path: &Path, source: io::Error) -> BackupError {
    BackupError::File {
        path: path.to_owned(),
        source,
    }
}
