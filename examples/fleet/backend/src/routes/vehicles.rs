//! `/vehicles`: reading, adding, and taking one out of service. Reads the request and shows the result; decides
//! nothing.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::page::{Page, PageParams};
use crate::domain::{NewVehicle, Vehicle, VehicleId, VehicleStatus};
use crate::extract::{Body, Params, Segment};
use crate::problem::{ApiResult, Problem};
use crate::state::App;

/// The resource's operations.
pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get)).routes(routes!(set_status))
}

/// Which vehicles.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Of this status only.
    status: Option<VehicleStatus>,
}

/// What a vehicle is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct VehicleStatusChange {
    /// The status.
    status: VehicleStatus,
}

/// Lists vehicles, the newest first.
#[utoipa::path(get, path = "/vehicles", tag = "vehicles", params(Filter, PageParams),
    responses((status = OK, body = Page<Vehicle>), (status = UNPROCESSABLE_ENTITY, body = Problem)))]
async fn list(
    State(app): State<App>,
    Params(filter): Params<Filter>,
    Params(page): Params<PageParams>,
) -> ApiResult<Json<Page<Vehicle>>> {
    let slice = page.slice()?;
    let vehicles = app.store.vehicles(filter.status, slice).await?;
    Ok(Json(Page::new(slice, vehicles, |vehicle| vehicle.id.0)))
}

/// Adds a vehicle.
#[utoipa::path(post, path = "/vehicles", tag = "vehicles", request_body = NewVehicle,
    responses((status = CREATED, body = Vehicle), (status = CONFLICT, body = Problem),
              (status = UNPROCESSABLE_ENTITY, body = Problem)))]
async fn create(State(app): State<App>, Body(new): Body<NewVehicle>) -> ApiResult<(StatusCode, Json<Vehicle>)> {
    let vehicle = app.store.add_vehicle(&new.checked()?).await?;
    Ok((StatusCode::CREATED, Json(vehicle)))
}

/// Shows a vehicle.
#[utoipa::path(get, path = "/vehicles/{id}", tag = "vehicles", params(("id" = i64, Path)),
    responses((status = OK, body = Vehicle), (status = NOT_FOUND, body = Problem)))]
async fn get(State(app): State<App>, Segment(id): Segment<VehicleId>) -> ApiResult<Json<Vehicle>> {
    Ok(Json(app.store.vehicle(id).await?))
}

/// Changes whether a vehicle may carry deliveries.
#[utoipa::path(put, path = "/vehicles/{id}/status", tag = "vehicles", params(("id" = i64, Path)),
    request_body = VehicleStatusChange,
    responses((status = OK, body = Vehicle), (status = NOT_FOUND, body = Problem), (status = CONFLICT, body = Problem)))]
async fn set_status(
    State(app): State<App>,
    Segment(id): Segment<VehicleId>,
    Body(change): Body<VehicleStatusChange>,
) -> ApiResult<Json<Vehicle>> {
    Ok(Json(app.store.set_vehicle_status(id, change.status).await?))
}
