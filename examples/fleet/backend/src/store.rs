//! The fleet in PostgreSQL. Each operation is one statement or one transaction; what a rule decides on is read under
//! row locks, always in the order delivery, courier, vehicle, so that two operations never wait for each other.
//! Knows the domain, not HTTP.

mod assignments;
mod couriers;
mod deliveries;
mod health;
mod read;
mod schema;
mod vehicles;

pub use health::{DatabaseHealth, PoolHealth};
pub use schema::{Schema, SchemaError, keep_trying};

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use thiserror::Error;

use crate::domain::Conflict;

/// How long a request waits for a connection: longer than a failover's hiccup, shorter than a client's patience.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long PostgreSQL works on one statement of a request, ms.
const STATEMENT_TIMEOUT_MS: &str = "5000";

/// The fleet's storage.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
}

/// Why an operation gave no result.
#[derive(Debug, Error)]
pub enum StoreError {
    /// There is no such thing.
    #[error("there is no {what} {id}")]
    NotFound {
        /// What sort of thing.
        what: &'static str,
        /// Its number.
        id: i64,
    },
    /// A rule is against it.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The database cannot be reached, or has no connection left.
    #[error("the database cannot be reached")]
    Unavailable(#[source] sqlx::Error),
    /// A statement failed.
    #[error("a statement failed")]
    Statement(#[source] sqlx::Error),
}

/// Where a list goes on: the things with smaller numbers than `before`, at most `count` of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// The number before which the slice begins; none for the newest.
    pub before: Option<i64>,
    /// How many.
    pub count: i64,
}

impl Store {
    /// A store on a pool that connects when it is first used, so that the process starts while the database is away.
    #[must_use]
    pub fn new(database: &PgConnectOptions, connections_max: u32) -> Self {
        let options = database.clone().options([("statement_timeout", STATEMENT_TIMEOUT_MS)]);
        let pool = PgPoolOptions::new()
            .max_connections(connections_max)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_lazy_with(options);
        Self { pool }
    }

    /// Closes the connections when they are free.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Tls(_) => {
                Self::Unavailable(error)
            }
            sqlx::Error::Database(ref cause) if cause.code().as_deref().is_some_and(says_unavailable) => {
                Self::Unavailable(error)
            }
            other => Self::Statement(other),
        }
    }
}

/// Whether an SQLSTATE is about the server and not about the statement: 08 connection, 53 resources, 57P shutdown.
fn says_unavailable(code: &str) -> bool {
    code.starts_with("08") || code.starts_with("53") || code.starts_with("57P")
}

/// Gives a violated uniqueness its name, by the column that the constraint is on.
fn unique(column: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |error| match &error {
        sqlx::Error::Database(cause) if cause.is_unique_violation() => Conflict::NotUnique(column).into(),
        _ => error.into(),
    }
}
