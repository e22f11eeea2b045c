//! The HTTP API: which path leads to which handler, and what holds for all of them.
//!
//! A handler reads its request, asks the engine or the journal, and converts. It decides nothing.

// What utoipa's macro writes.
#![allow(unused_qualifications)]

pub(super) mod audit;
mod backup;
mod deliveries;
mod events;
pub(super) mod incidents;
pub(super) mod logs;
mod output;
mod rollback;
mod rollouts;
mod services;
mod sign_in_links;
mod tokens;
mod verify;

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::State;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, StatusCode, Uri};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::timeout::TimeoutLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::problem::Problem;
use super::{Shared, health, openapi, push, web};
use crate::git;

pub(super) use rollback::{RolledBack, parse_revision};

/// No answer but a stream takes longer: a rollback waits until the traffic has moved, a verification asks every instance.
const ANSWER_MAX: Duration = Duration::from_secs(110);

/// All routes.
///
/// # Errors
/// When git's hook can't be set up.
pub(super) fn router(server: &Shared) -> anyhow::Result<Router> {
    let (api, document) = documented().split_for_parts();
    let document = openapi::complete(document);
    let document = Arc::new(
        document
            .to_pretty_json()
            .context("the API's description can't be written")?,
    );
    let described = axum::routing::get(move || describe(Arc::clone(&document)));
    let git = git::router(push::git_settings(server)?).context("cannot serve git")?;
    Ok(api
        .route("/api/v1/openapi.json", described)
        .merge(web::router())
        .fallback(nowhere)
        .method_not_allowed_fallback(wrong_method)
        .with_state(Arc::clone(server))
        .merge(git)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(Arc::clone(server), health::count))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid)))
}

/// The description alone, for those who compare.
#[cfg(test)]
pub(super) fn description() -> utoipa::openapi::OpenApi {
    openapi::complete(documented().into_openapi())
}

fn documented() -> OpenApiRouter<Shared> {
    let quick = OpenApiRouter::with_openapi(openapi::base())
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::get))
        .routes(routes!(deliveries::evidence))
        .routes(routes!(deliveries::approve))
        .routes(routes!(deliveries::reject))
        .routes(routes!(deliveries::cancel))
        .routes(routes!(deliveries::retry))
        .routes(routes!(output::check_output))
        .routes(routes!(rollouts::get))
        .routes(routes!(rollouts::pause))
        .routes(routes!(rollouts::resume))
        .routes(routes!(rollouts::promote))
        .routes(routes!(rollouts::abort))
        .routes(routes!(services::list))
        .routes(routes!(services::get))
        .routes(routes!(services::lock))
        .routes(routes!(services::unlock))
        .routes(routes!(rollback::roll_back))
        .routes(routes!(verify::verify))
        .routes(routes!(incidents::list))
        .routes(routes!(incidents::get))
        .routes(routes!(audit::list))
        .routes(routes!(audit::verify))
        .routes(routes!(tokens::create, tokens::list))
        .routes(routes!(tokens::revoke))
        .routes(routes!(tokens::whoami))
        .routes(routes!(sign_in_links::create))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(health::detailed))
        .routes(routes!(health::metrics))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::GATEWAY_TIMEOUT,
            ANSWER_MAX,
        ));
    quick
        .routes(routes!(logs::tail))
        .routes(routes!(events::stream))
        .routes(routes!(backup::backup))
}

async fn describe(document: Arc<String>) -> Response {
    let body = document.as_str().to_owned();
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

async fn nowhere(uri: Uri, headers: HeaderMap) -> Response {
    let problem = Problem::new(StatusCode::NOT_FOUND, "there is no such resource")
        .because(format!("{} leads nowhere", uri.path()))
        .hint("the API is described at /api/v1/openapi.json");
    web::nowhere(&headers, problem)
}

async fn wrong_method(State(_): State<Shared>, method: Method, uri: Uri) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this can't be done here")
        .because(format!("{} does not take {method}", uri.path()))
}

/// A defect of ours: the message is for the log, where the panic hook has put it.
fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "the server made a mistake",
    )
    .because("see its log for what went wrong")
    .into_response()
}

#[cfg(test)]
mod tests;
