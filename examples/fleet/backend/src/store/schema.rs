//! The schema, brought up to date by the instances themselves when they start.
//!
//! Several instances may start at once: sqlx holds an advisory lock of the database while it migrates, and PostgreSQL
//! frees it when the connection dies. The previous version goes on running beside the new one, and may be started again
//! after it (a rollback): so a migration may only add (README.md, "Migrations"), and one that this version does not know
//! is no error. Applied in a task of its own, because the process must live while the database is away.

use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, SqlSafeStr};
use thiserror::Error;
use tokio::sync::watch;

use crate::logging::with_sources;

/// How long a migration waits for a lock: what waits for a table's lock stops the requests behind it.
const LOCK_TIMEOUT_MS: &str = "5000";
const RETRY_DELAY_FIRST: Duration = Duration::from_millis(200);
const RETRY_DELAY_MAX: Duration = Duration::from_secs(5);

/// What is known of the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schema {
    /// It could not be looked at, or not be brought up to date; the reason.
    Waiting(String),
    /// This version can work with it.
    Current,
}

/// Why the schema is not up to date.
#[derive(Debug, Error)]
pub enum SchemaError {
    /// No connection.
    #[error("connecting to the database")]
    Connect(#[source] sqlx::Error),
    /// A migration failed, or was changed after it had been applied.
    #[error("migrating the schema")]
    Migrate(#[source] MigrateError),
}

/// Migrates, and tries again with growing pauses until it succeeds; tells the outcome to `schema`.
pub async fn keep_trying(database: PgConnectOptions, schema: watch::Sender<Schema>) {
    let mut delay = RETRY_DELAY_FIRST;
    loop {
        match migrate(&database).await {
            Ok(()) => {
                tracing::info!("the schema is up to date");
                schema.send_replace(Schema::Current);
                return;
            }
            Err(error) => {
                let reason = with_sources(&error);
                tracing::warn!(reason, retry_in_ms = delay.as_millis() as u64, "the schema is not up to date");
                schema.send_replace(Schema::Waiting(reason));
            }
        }
        tokio::time::sleep(delay).await;
        delay = (delay * 2).min(RETRY_DELAY_MAX);
    }
}

async fn migrate(database: &PgConnectOptions) -> Result<(), SchemaError> {
    let options = database.clone().options([("lock_timeout", LOCK_TIMEOUT_MS)]);
    let mut connection = PgConnection::connect_with(&options).await.map_err(SchemaError::Connect)?;
    let result = migrator().run(&mut connection).await.map_err(SchemaError::Migrate);
    if let Err(error) = connection.close().await {
        tracing::debug!(error = %error, "closing the migration's connection");
    }
    result
}

fn migrator() -> Migrator {
    let migrations = [(1, "fleet", include_str!("../../migrations/0001_fleet.sql"))];
    let migrations = migrations.map(|(version, description, sql)| {
        Migration::new(version, description.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    let mut migrator = Migrator::with_migrations(migrations.into());
    migrator.set_ignore_missing(true);
    migrator
}
