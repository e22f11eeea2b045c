//! The health endpoints. `live` says that the process answers and asks nothing else, so that a database that is away
//! never restarts an instance; `ready` says whether requests should come here; `detailed` is for people and for whoever
//! must know which revision answered.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::logging::with_sources;
use crate::process::ProcessHealth;
use crate::state::App;
use crate::store::{DatabaseHealth, PoolHealth};

/// The three endpoints.
pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(live)).routes(routes!(ready)).routes(routes!(detailed))
}

/// The answer of `live`.
#[derive(Debug, Serialize, ToSchema)]
struct Live {
    /// Always `alive`.
    #[schema(value_type = String)]
    status: &'static str,
}

/// The answer of `ready`.
#[derive(Debug, Serialize, ToSchema)]
struct Ready {
    /// `ready` or `not_ready`.
    #[schema(value_type = String)]
    status: &'static str,
    /// Why not.
    reason: Option<String>,
    /// The connection pool.
    pool: PoolHealth,
}

/// The answer of `detailed`.
#[derive(Debug, Serialize, ToSchema)]
struct Detailed {
    /// `healthy` or `unhealthy`.
    #[schema(value_type = String)]
    status: &'static str,
    /// Why not healthy.
    reason: Option<String>,
    /// The service (`K_SERVICE`).
    service: Option<String>,
    /// The revision (`K_REVISION`).
    revision: Option<String>,
    /// The version of the code.
    #[schema(value_type = String)]
    version: &'static str,
    /// When the instance started.
    started_at: Timestamp,
    /// How long it runs, s.
    uptime_seconds: u64,
    /// How the database answers; null if it does not.
    database: Option<DatabaseHealth>,
    /// The connection pool.
    pool: PoolHealth,
    /// What the process uses.
    process: ProcessHealth,
}

/// Whether the process runs.
#[utoipa::path(get, path = "/health/live", tag = "health", responses((status = OK, body = Live)))]
async fn live() -> Json<Live> {
    Json(Live { status: "alive" })
}

/// Whether requests should come here.
#[utoipa::path(get, path = "/health/ready", tag = "health",
    responses((status = OK, body = Ready), (status = SERVICE_UNAVAILABLE, body = Ready)))]
async fn ready(State(app): State<App>) -> (StatusCode, Json<Ready>) {
    let reason = match app.not_ready() {
        Some(reason) => Some(reason),
        None => app.store.ping().await.err().map(|error| with_sources(&error)),
    };
    if let Some(reason) = &reason {
        tracing::warn!(reason, "not ready");
    }
    let status = if reason.is_none() { "ready" } else { "not_ready" };
    (status_code(reason.as_ref()), Json(Ready { status, reason, pool: app.store.pool_health() }))
}

/// All there is to know of this instance.
#[utoipa::path(get, path = "/health/detailed", tag = "health",
    responses((status = OK, body = Detailed), (status = SERVICE_UNAVAILABLE, body = Detailed)))]
async fn detailed(State(app): State<App>) -> (StatusCode, Json<Detailed>) {
    let (database, failure) = match app.store.database_health().await {
        Ok(database) => (Some(database), None),
        Err(error) => (None, Some(with_sources(&error))),
    };
    let reason = app.not_ready().or(failure);
    let detailed = Detailed {
        status: if reason.is_none() { "healthy" } else { "unhealthy" },
        service: app.about.service.clone(),
        revision: app.about.revision.clone(),
        version: env!("CARGO_PKG_VERSION"),
        started_at: app.about.started_at,
        uptime_seconds: app.about.started.elapsed().as_secs(),
        database,
        pool: app.store.pool_health(),
        process: app.about.cpu.read(),
        reason,
    };
    (status_code(detailed.reason.as_ref()), Json(detailed))
}

fn status_code(reason: Option<&String>) -> StatusCode {
    if reason.is_none() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}
