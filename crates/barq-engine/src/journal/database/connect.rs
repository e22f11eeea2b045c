//! Opening the database: which one, with what guarantees, and bringing its schema up to date.
//!
//! What makes an acknowledged append durable is set here and nowhere else: SQLite's WAL with `synchronous=FULL`, PostgreSQL's
//! `synchronous_commit`. A server that was configured to lose the last transactions is overruled for these sessions.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::pool::PoolOptions;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Executor as _};

use super::{Database, Pools};
use crate::journal::migrations;

/// How long a writer waits for another process to finish its transaction.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(5);
/// How long a caller waits for a free connection; appends queue for the one writer.
const ACQUIRE_WAIT_MAX: Duration = Duration::from_secs(30);
/// PostgreSQL ends a transaction whose client has gone silent, so that its row lock does not outlive it.
const ORPHAN_TRANSACTION_MAX: Duration = Duration::from_secs(15);
/// Connections for readers: the API's pages, the event stream, an export.
const READERS_MAX: u32 = 4;
/// Only the server's own user may read the journal: it holds token hashes.
const FILE_MODE: u32 = 0o600;

/// Why a journal could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address is neither a path nor a PostgreSQL address.
    #[error("the journal's address must be a file path or postgres://…, not {scheme}:")]
    UnknownAddress {
        /// What stands before the colon.
        scheme: String,
    },
    /// The PostgreSQL address is not well formed. It is not repeated here: it may hold a password.
    #[error("the journal's PostgreSQL address is not well formed")]
    BadAddress(#[source] sqlx::Error),
    /// The database file could not be made.
    #[error("could not create the journal's file {}", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The schema could not be brought up to date.
    #[error("could not bring the journal's schema up to date")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// The database could not be reached or read.
    #[error(transparent)]
    Storage(#[from] crate::journal::StorageError),
}

impl Database {
    /// Opens what `url` names: `postgres://…`, or the path of an SQLite file, which is created if missing.
    pub(in crate::journal) async fn open(url: &str) -> Result<Self, OpenError> {
        match url.split_once("://") {
            Some(("postgres" | "postgresql", _)) => open_postgres(url).await,
            Some(("sqlite", path)) => open_sqlite(Path::new(path)).await,
            Some((scheme, _)) => Err(OpenError::UnknownAddress {
                scheme: scheme.to_owned(),
            }),
            None => open_sqlite(Path::new(url.strip_prefix("sqlite:").unwrap_or(url))).await,
        }
    }
}

async fn open_sqlite(path: &Path) -> Result<Database, OpenError> {
    create_private(path).map_err(|source| OpenError::Create {
        path: path.to_owned(),
        source,
    })?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(LOCK_WAIT_MAX)
        .foreign_keys(true)
        .disable_statement_logging();
    let writer = options
        .clone()
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    // No ping before use: it is a function call, not a network.
    let writer = pool(1)
        .test_before_acquire(false)
        .connect_with(writer)
        .await
        .map_err(storage)?;
    migrations::sqlite()
        .run(&writer)
        .await
        .map_err(OpenError::Migrate)?;
    let readers = pool(READERS_MAX)
        .test_before_acquire(false)
        .connect_with(options.read_only(true))
        .await
        .map_err(storage)?;
    Ok(Database::Sqlite(Pools { writer, readers }))
}

/// SQLite gives its log files the mode of the database file.
fn create_private(path: &Path) -> io::Result<()> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(FILE_MODE)
        .open(path)
        .map(drop)
}

async fn open_postgres(url: &str) -> Result<Database, OpenError> {
    let options = PgConnectOptions::from_str(url)
        .map_err(OpenError::BadAddress)?
        .application_name("barq")
        .disable_statement_logging();
    let writer = pool(1)
        .after_connect(|connection: &mut PgConnection, _| {
            Box::pin(async move {
                connection.execute(WRITER_SESSION).await?;
                let limits = sqlx::query("SELECT set_config('lock_timeout', $1, false), set_config('idle_in_transaction_session_timeout', $2, false)")
                    .bind(milliseconds(LOCK_WAIT_MAX))
                    .bind(milliseconds(ORPHAN_TRANSACTION_MAX));
                connection.execute(limits).await?;
                Ok(())
            })
        })
        .connect_with(options.clone())
        .await
        .map_err(storage)?;
    migrations::postgres()
        .run(&writer)
        .await
        .map_err(OpenError::Migrate)?;
    let readers = pool(READERS_MAX).connect_lazy_with(options);
    Ok(Database::Postgres(Pools { writer, readers }))
}

/// A commit is acknowledged once it is on disk, whatever the server's default; a stricter default (replicas) is kept.
const WRITER_SESSION: &str = "SELECT set_config('synchronous_commit', \
     CASE WHEN current_setting('synchronous_commit') = 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false)";

fn milliseconds(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

fn pool<DB: sqlx::Database>(connections_max: u32) -> PoolOptions<DB> {
    PoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(ACQUIRE_WAIT_MAX)
}

fn storage(source: sqlx::Error) -> OpenError {
    crate::journal::StorageError::new("open the journal", source).into()
}
