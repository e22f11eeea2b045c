//! A write transaction that never gives a doubtful connection back.
//!
//! SQLite ends a transaction by itself on some errors, and a lost PostgreSQL connection may be in any state, so after an error nobody
//! knows what a connection would do next. A transaction that does not end in a clean commit or rollback therefore takes its connection
//! with it: closing it makes the database roll back, and the pool opens a fresh one.

use sqlx::SqlSafeStr;

use super::{Connection, Row, Value};

/// An open transaction on the writer's connection. Dropped without [`commit`](Self::commit), it leaves no trace.
#[derive(Debug)]
pub(in crate::journal) struct WriteTransaction {
    /// Present until the transaction has ended.
    connection: Option<Connection>,
}

/// The commit was sent, and its answer is an error: it may or may not have taken effect.
#[derive(Debug)]
pub(in crate::journal) struct CommitError(pub(in crate::journal) sqlx::Error);

impl WriteTransaction {
    pub(super) async fn begin(
        connection: Connection,
        begin: &'static str,
    ) -> Result<Self, sqlx::Error> {
        let mut transaction = Self {
            connection: Some(connection),
        };
        transaction.connection().command(begin).await?;
        Ok(transaction)
    }

    /// The number of rows affected.
    pub(in crate::journal) async fn execute(
        &mut self,
        sql: impl SqlSafeStr,
        values: &[Value],
    ) -> Result<u64, sqlx::Error> {
        self.connection().execute(sql, values).await
    }

    pub(in crate::journal) async fn fetch_all(
        &mut self,
        sql: impl SqlSafeStr,
        values: &[Value],
    ) -> Result<Vec<Row>, sqlx::Error> {
        self.connection().fetch_all(sql, values).await
    }

    /// As [`Self::fetch_all`], for a query with at most one row.
    pub(in crate::journal) async fn fetch_optional(
        &mut self,
        sql: impl SqlSafeStr,
        values: &[Value],
    ) -> Result<Option<Row>, sqlx::Error> {
        Ok(self.fetch_all(sql, values).await?.pop())
    }

    /// Makes the changes durable. After an error it is unknown whether they are.
    pub(in crate::journal) async fn commit(mut self) -> Result<(), CommitError> {
        self.connection()
            .command("COMMIT")
            .await
            .map_err(CommitError)?;
        // Back to the pool.
        drop(self.connection.take());
        Ok(())
    }

    /// Gives the changes up and keeps the connection, for refusals that are part of normal work.
    pub(in crate::journal) async fn rollback(mut self) -> Result<(), sqlx::Error> {
        self.connection().command("ROLLBACK").await?;
        drop(self.connection.take());
        Ok(())
    }

    fn connection(&mut self) -> &mut Connection {
        self.connection.as_mut().expect(
            "the connection is only taken by commit, rollback and drop, which end the transaction",
        )
    }
}

impl Drop for WriteTransaction {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.discard();
        }
    }
}
