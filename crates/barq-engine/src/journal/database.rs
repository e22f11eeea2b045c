//! The journal's two databases behind one face: connections, values in, rows out, and a write transaction.
//!
//! The SQL is the same text for both (`$1` parameters, upserts, row values), so all that differs is which driver carries it. That
//! difference ends here; the modules above know neither SQLite nor PostgreSQL, and this one knows nothing of events.

mod connect;
mod row;
mod write;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments as _, Pool, Postgres, SqlSafeStr, Sqlite, query_with, raw_sql};

pub use self::connect::OpenError;
pub(super) use self::row::{Row, Value};
pub(super) use self::write::{CommitError, WriteTransaction};

/// The open database: one connection that writes, a few that read.
#[derive(Debug)]
pub(super) enum Database {
    Sqlite(Pools<Sqlite>),
    Postgres(Pools<Postgres>),
}

/// The pool of the one writer and that of the readers.
#[derive(Debug)]
pub(super) struct Pools<DB: sqlx::Database> {
    writer: Pool<DB>,
    readers: Pool<DB>,
}

impl Database {
    /// Reads on a connection of its own; sees one state of the database per statement.
    pub(super) async fn fetch_all(
        &self,
        sql: impl SqlSafeStr,
        values: &[Value],
    ) -> Result<Vec<Row>, sqlx::Error> {
        self.reader().await?.fetch_all(sql, values).await
    }

    /// As [`Self::fetch_all`], for a query with at most one row.
    pub(super) async fn fetch_optional(
        &self,
        sql: impl SqlSafeStr,
        values: &[Value],
    ) -> Result<Option<Row>, sqlx::Error> {
        Ok(self.fetch_all(sql, values).await?.pop())
    }

    /// Waits for the writer and begins its transaction. On SQLite this takes the write lock at once, so that no statement of the
    /// transaction can fail later because of another process.
    pub(super) async fn write(&self) -> Result<WriteTransaction, sqlx::Error> {
        let (connection, begin) = match self {
            Self::Sqlite(pools) => (
                Connection::Sqlite(pools.writer.acquire().await?),
                "BEGIN IMMEDIATE",
            ),
            Self::Postgres(pools) => (Connection::Postgres(pools.writer.acquire().await?), "BEGIN"),
        };
        WriteTransaction::begin(connection, begin).await
    }

    /// Whether a consistent copy can be made by SQLite itself.
    pub(super) const fn is_sqlite(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    /// Waits until all connections are given back, then closes them.
    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite(pools) => pools.close().await,
            Self::Postgres(pools) => pools.close().await,
        }
    }

    async fn reader(&self) -> Result<Connection, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(pools) => Connection::Sqlite(pools.readers.acquire().await?),
            Self::Postgres(pools) => Connection::Postgres(pools.readers.acquire().await?),
        })
    }
}

impl<DB: sqlx::Database> Pools<DB> {
    /// The readers first: the last connection to close tidies up SQLite's log, and only the writer may.
    async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// One connection, borrowed from its pool.
#[derive(Debug)]
enum Connection {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

impl Connection {
    /// Runs a statement without parameters or rows, in one round trip.
    async fn command(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(connection) => {
                raw_sql(sql).execute(&mut **connection).await?;
            }
            Self::Postgres(connection) => {
                raw_sql(sql).execute(&mut **connection).await?;
            }
        }
        Ok(())
    }

    /// The number of rows affected.
    async fn execute(
        &mut self,
        sql: impl SqlSafeStr,
        values: &[Value],
    ) -> Result<u64, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(connection) => query_with(sql, sqlite_arguments(values)?)
                .execute(&mut **connection)
                .await?
                .rows_affected(),
            Self::Postgres(connection) => query_with(sql, postgres_arguments(values)?)
                .execute(&mut **connection)
                .await?
                .rows_affected(),
        })
    }

    async fn fetch_all(
        &mut self,
        sql: impl SqlSafeStr,
        values: &[Value],
    ) -> Result<Vec<Row>, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(connection) => query_with(sql, sqlite_arguments(values)?)
                .fetch_all(&mut **connection)
                .await?
                .into_iter()
                .map(Row::Sqlite)
                .collect(),
            Self::Postgres(connection) => query_with(sql, postgres_arguments(values)?)
                .fetch_all(&mut **connection)
                .await?
                .into_iter()
                .map(Row::Postgres)
                .collect(),
        })
    }

    /// Takes the connection out of its pool and drops it, which ends whatever it was doing.
    fn discard(self) {
        match self {
            Self::Sqlite(connection) => drop(connection.detach()),
            Self::Postgres(connection) => drop(connection.detach()),
        }
    }
}

fn sqlite_arguments(values: &[Value]) -> Result<SqliteArguments, sqlx::Error> {
    let mut arguments = SqliteArguments::default();
    for value in values {
        match value {
            Value::Integer(integer) => arguments.add(*integer),
            Value::Text(text) => arguments.add(text.clone()),
            Value::Bytes(bytes) => arguments.add(bytes.clone()),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

fn postgres_arguments(values: &[Value]) -> Result<PgArguments, sqlx::Error> {
    let mut arguments = PgArguments::default();
    for value in values {
        match value {
            Value::Integer(integer) => arguments.add(*integer),
            Value::Text(text) => arguments.add(text.as_deref()),
            Value::Bytes(bytes) => arguments.add(bytes.as_slice()),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}
