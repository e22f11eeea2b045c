//! What the health endpoints ask the database. Bounded in time, so that a probe gets an answer that says why.

use std::time::{Duration, Instant};

use serde::Serialize;
use sqlx::Row;
use utoipa::ToSchema;

use super::{Store, StoreError};

/// How long a health check waits: less than the probes' own time-out of 3 s, so that the answer says why.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// How the database answers.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DatabaseHealth {
    /// Time to get a connection and an answer, ms.
    pub latency_ms: f64,
    /// Connections to the server, of all clients.
    pub connections: i64,
    /// What the server allows.
    pub connections_max: i64,
}

/// The connection pool of this instance.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct PoolHealth {
    /// Open connections.
    pub size: u32,
    /// Of these, unused.
    pub idle: u32,
    /// How many may be open.
    pub max: u32,
}

impl Store {
    /// Whether the database answers.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if it does not within 2 s.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let answer = sqlx::query("SELECT 1").fetch_one(&self.pool);
        within_limit(async { Ok(answer.await.map(drop)?) }).await
    }

    /// How the database answers.
    ///
    /// # Errors
    /// As for [`Store::ping`].
    pub async fn database_health(&self) -> Result<DatabaseHealth, StoreError> {
        let started = Instant::now();
        self.ping().await?;
        let latency_ms = started.elapsed().as_secs_f64() * 1000.0;
        let statement = "SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS used,
                                current_setting('max_connections')::bigint AS allowed";
        within_limit(async {
            let row = sqlx::query(statement).fetch_one(&self.pool).await?;
            Ok(DatabaseHealth {
                latency_ms: (latency_ms * 1000.0).round() / 1000.0,
                connections: row.try_get("used")?,
                connections_max: row.try_get("allowed")?,
            })
        })
        .await
    }

    /// The pool as it is now.
    #[must_use]
    pub fn pool_health(&self) -> PoolHealth {
        PoolHealth {
            size: self.pool.size(),
            idle: u32::try_from(self.pool.num_idle()).unwrap_or(u32::MAX),
            max: self.pool.options().get_max_connections(),
        }
    }
}

async fn within_limit<T>(answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    match tokio::time::timeout(CHECK_TIMEOUT, answer).await {
        Ok(result) => result,
        Err(_elapsed) => Err(StoreError::Unavailable(sqlx::Error::PoolTimedOut)),
    }
}
