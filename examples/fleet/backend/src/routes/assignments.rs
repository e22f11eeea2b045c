//! `/assignments`: giving a delivery to a courier and a vehicle. Whether that is allowed is the domain's to say.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::page::{Page, PageParams};
use crate::domain::{Assignment, AssignmentId, NewAssignment};
use crate::extract::{Body, Params, Segment};
use crate::problem::{ApiResult, Problem};
use crate::state::App;

/// The resource's operations.
pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get))
}

/// Which assignments.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// The open ones only, or the ended ones only.
    open: Option<bool>,
}

/// Lists assignments, the newest first.
#[utoipa::path(get, path = "/assignments", tag = "assignments", params(Filter, PageParams),
    responses((status = OK, body = Page<Assignment>), (status = UNPROCESSABLE_ENTITY, body = Problem)))]
async fn list(
    State(app): State<App>,
    Params(filter): Params<Filter>,
    Params(page): Params<PageParams>,
) -> ApiResult<Json<Page<Assignment>>> {
    let slice = page.slice()?;
    let assignments = app.store.assignments(filter.open, slice).await?;
    Ok(Json(Page::new(slice, assignments, |assignment| assignment.id.0)))
}

/// Gives a delivery to a courier and a vehicle.
#[utoipa::path(post, path = "/assignments", tag = "assignments", request_body = NewAssignment,
    responses((status = CREATED, body = Assignment), (status = NOT_FOUND, body = Problem),
              (status = CONFLICT, body = Problem)))]
async fn create(State(app): State<App>, Body(new): Body<NewAssignment>) -> ApiResult<(StatusCode, Json<Assignment>)> {
    Ok((StatusCode::CREATED, Json(app.store.assign(new).await?)))
}

/// Shows an assignment.
#[utoipa::path(get, path = "/assignments/{id}", tag = "assignments", params(("id" = i64, Path)),
    responses((status = OK, body = Assignment), (status = NOT_FOUND, body = Problem)))]
async fn get(State(app): State<App>, Segment(id): Segment<AssignmentId>) -> ApiResult<Json<Assignment>> {
    Ok(Json(app.store.assignment(id).await?))
}
