//! `/couriers`: reading, adding, and going on and off duty. Reads the request and shows the result; decides nothing.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::page::{Page, PageParams};
use crate::domain::{Courier, CourierId, CourierStatus, NewCourier};
use crate::extract::{Body, Params, Segment};
use crate::problem::{ApiResult, Problem};
use crate::state::App;

/// The resource's operations.
pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get)).routes(routes!(set_status))
}

/// Which couriers.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Of this status only.
    status: Option<CourierStatus>,
}

/// What a courier does now.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CourierStatusChange {
    /// The status.
    status: CourierStatus,
}

/// Lists couriers, the newest first.
#[utoipa::path(get, path = "/couriers", tag = "couriers", params(Filter, PageParams),
    responses((status = OK, body = Page<Courier>), (status = UNPROCESSABLE_ENTITY, body = Problem)))]
async fn list(
    State(app): State<App>,
    Params(filter): Params<Filter>,
    Params(page): Params<PageParams>,
) -> ApiResult<Json<Page<Courier>>> {
    let slice = page.slice()?;
    let couriers = app.store.couriers(filter.status, slice).await?;
    Ok(Json(Page::new(slice, couriers, |courier| courier.id.0)))
}

/// Adds a courier.
#[utoipa::path(post, path = "/couriers", tag = "couriers", request_body = NewCourier,
    responses((status = CREATED, body = Courier), (status = CONFLICT, body = Problem),
              (status = UNPROCESSABLE_ENTITY, body = Problem)))]
async fn create(State(app): State<App>, Body(new): Body<NewCourier>) -> ApiResult<(StatusCode, Json<Courier>)> {
    let courier = app.store.add_courier(&new.checked()?).await?;
    Ok((StatusCode::CREATED, Json(courier)))
}

/// Shows a courier.
#[utoipa::path(get, path = "/couriers/{id}", tag = "couriers", params(("id" = i64, Path)),
    responses((status = OK, body = Courier), (status = NOT_FOUND, body = Problem)))]
async fn get(State(app): State<App>, Segment(id): Segment<CourierId>) -> ApiResult<Json<Courier>> {
    Ok(Json(app.store.courier(id).await?))
}

/// Changes whether a courier works now.
#[utoipa::path(put, path = "/couriers/{id}/status", tag = "couriers", params(("id" = i64, Path)),
    request_body = CourierStatusChange,
    responses((status = OK, body = Courier), (status = NOT_FOUND, body = Problem), (status = CONFLICT, body = Problem)))]
async fn set_status(
    State(app): State<App>,
    Segment(id): Segment<CourierId>,
    Body(change): Body<CourierStatusChange>,
) -> ApiResult<Json<Courier>> {
    Ok(Json(app.store.set_courier_status(id, change.status).await?))
}
