//! Puts the parts together and serves until told to stop.
//!
//! The socket is open before the database is asked for anything: a database that is briefly away makes an instance not
//! ready, never dead. SIGTERM finishes what is in flight, within the time that the platform gives before it kills.

use std::io;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::serve::ListenerExt;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::services::ServeDir;
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::config::Config;
use crate::problem::ApiError;
use crate::state::App;
use crate::store::{Schema, keep_trying};
use crate::{health, request, routes};

/// What the requests in flight get to end: less than the 10 s between the platform's SIGTERM and its SIGKILL.
const DRAIN_MAX: Duration = Duration::from_secs(9);
/// How long closing the database's connections may take after that.
const CLOSE_MAX: Duration = Duration::from_millis(500);
/// A request's body, bytes; ours are well under one kilobyte.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// The page loads nothing from elsewhere and has no inline script or style.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// Why the server could not serve.
#[derive(Debug, Error)]
pub enum ServerError {
    /// The port cannot be listened on.
    #[error("listening on {address}")]
    Listen {
        /// Where.
        address: String,
        /// Why not.
        source: io::Error,
    },
    /// A signal cannot be waited for.
    #[error("waiting for signals")]
    Signals(#[source] io::Error),
    /// The listening socket failed.
    #[error("accepting connections")]
    Accept(#[source] io::Error),
}

#[derive(OpenApi)]
#[openapi(info(title = "BARQ Fleet Management", description = "Vehicles, couriers, deliveries and assignments."))]
struct Api;

/// Serves until SIGTERM or SIGINT, then finishes what is in flight.
///
/// # Errors
/// If it cannot listen.
pub async fn run(config: Config) -> Result<(), ServerError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(ServerError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServerError::Signals)?;
    let address = format!("{}:{}", config.host, config.port);
    let listener = TcpListener::bind((config.host, config.port))
        .await
        .map_err(|source| ServerError::Listen { address: address.clone(), source })?;
    let (schema_sender, schema) = watch::channel(Schema::Waiting("not looked at yet".to_owned()));
    let (stop, stopping) = watch::channel(false);
    let app = App::new(&config, schema, stopping.clone());
    tracing::info!(address, revision = config.revision, version = env!("CARGO_PKG_VERSION"), "listening");
    let router = router(app.clone(), &config);
    let serving = tokio::spawn(serve(listener, router, stopping));
    let migrating = async {
        keep_trying(config.database.clone(), schema_sender).await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = migrating => {}
    }
    tracing::info!("stopping: no new connections, requests in flight go on");
    stop.send_replace(true);
    let result = match tokio::time::timeout(DRAIN_MAX, serving).await {
        Ok(Ok(result)) => result.map_err(ServerError::Accept),
        Ok(Err(error)) => Err(ServerError::Accept(io::Error::other(error))),
        Err(_elapsed) => {
            tracing::error!("requests were still in flight after {} s; they are cut off", DRAIN_MAX.as_secs());
            Ok(())
        }
    };
    if tokio::time::timeout(CLOSE_MAX, app.store.close()).await.is_err() {
        tracing::warn!("the database's connections are left to close by themselves");
    }
    tracing::info!("stopped");
    result
}

/// Everything that is served: health, the API and its description, and the front end for all other paths.
pub fn router(app: App, config: &Config) -> Router {
    let api = routes::router().route_layer(from_fn_with_state(app.clone(), only_when_current));
    let (router, description) =
        OpenApiRouter::with_openapi(Api::openapi()).merge(health::router()).nest("/api/v1", api).split_for_parts();
    router
        .route("/api/v1/openapi.json", get(async move || axum::Json(description)))
        .route("/api/{*rest}", any(no_route))
        .method_not_allowed_fallback(no_method)
        .fallback_service(front_end(config))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(CatchPanicLayer::custom(|_panic| ApiError::Panicked.into_response()))
        .layer(from_fn(request::observe))
        .with_state(app)
}

async fn serve(listener: TcpListener, router: Router, mut stopping: watch::Receiver<bool>) -> io::Result<()> {
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(error = %error, "TCP_NODELAY was refused");
        }
    });
    let stopped = async move {
        // The sender lives as long as the process; if it were gone, stopping would be right too.
        drop(stopping.wait_for(|stopping| *stopping).await);
    };
    axum::serve(listener, router).with_graceful_shutdown(stopped).await
}

/// The files of the web front end. Their names contain a hash of their content, except the page's own.
fn front_end(config: &Config) -> Router {
    let policy = HeaderValue::from_static(CONTENT_SECURITY_POLICY);
    let no_sniff = HeaderValue::from_static("nosniff");
    Router::new()
        .fallback_service(ServeDir::new(&config.static_directory))
        .layer(SetResponseHeaderLayer::if_not_present(header::CONTENT_SECURITY_POLICY, policy))
        .layer(SetResponseHeaderLayer::if_not_present(header::X_CONTENT_TYPE_OPTIONS, no_sniff))
        .layer(SetResponseHeaderLayer::if_not_present(header::CACHE_CONTROL, HeaderValue::from_static("no-cache")))
}

/// Answers 503 until the tables are there, so that a request in the first moments is told to come again.
async fn only_when_current(State(app): State<App>, request: Request, next: Next) -> Response {
    let reason = match &*app.schema.borrow() {
        Schema::Current => None,
        Schema::Waiting(_) => Some("The instance is not ready yet.".to_owned()),
    };
    match reason {
        None => next.run(request).await,
        Some(reason) => ApiError::NotReady(reason).into_response(),
    }
}

async fn no_route() -> ApiError {
    ApiError::NoRoute(StatusCode::NOT_FOUND)
}

async fn no_method() -> ApiError {
    ApiError::NoRoute(StatusCode::METHOD_NOT_ALLOWED)
}
