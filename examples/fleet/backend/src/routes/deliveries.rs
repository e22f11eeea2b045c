//! `/deliveries`: reading, creating, and moving one along its life. What may follow what is the domain's to say.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::page::{Page, PageParams};
use crate::domain::{Delivery, DeliveryId, DeliveryStatus, NewDelivery, StatusChange};
use crate::extract::{Body, Params, Segment};
use crate::problem::{ApiResult, Problem};
use crate::state::App;

/// The resource's operations.
pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get)).routes(routes!(change_status))
}

/// Which deliveries.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Of this status only.
    status: Option<DeliveryStatus>,
}

/// Lists deliveries, the newest first.
#[utoipa::path(get, path = "/deliveries", tag = "deliveries", params(Filter, PageParams),
    responses((status = OK, body = Page<Delivery>), (status = UNPROCESSABLE_ENTITY, body = Problem)))]
async fn list(
    State(app): State<App>,
    Params(filter): Params<Filter>,
    Params(page): Params<PageParams>,
) -> ApiResult<Json<Page<Delivery>>> {
    let slice = page.slice()?;
    let deliveries = app.store.deliveries(filter.status, slice).await?;
    Ok(Json(Page::new(slice, deliveries, |delivery| delivery.id.0)))
}

/// Creates a delivery.
#[utoipa::path(post, path = "/deliveries", tag = "deliveries", request_body = NewDelivery,
    responses((status = CREATED, body = Delivery), (status = UNPROCESSABLE_ENTITY, body = Problem)))]
async fn create(State(app): State<App>, Body(new): Body<NewDelivery>) -> ApiResult<(StatusCode, Json<Delivery>)> {
    let delivery = app.store.add_delivery(&new.checked()?).await?;
    Ok((StatusCode::CREATED, Json(delivery)))
}

/// Shows a delivery.
#[utoipa::path(get, path = "/deliveries/{id}", tag = "deliveries", params(("id" = i64, Path)),
    responses((status = OK, body = Delivery), (status = NOT_FOUND, body = Problem)))]
async fn get(State(app): State<App>, Segment(id): Segment<DeliveryId>) -> ApiResult<Json<Delivery>> {
    Ok(Json(app.store.delivery(id).await?))
}

/// Moves a delivery along its life; it is assigned by creating an assignment.
#[utoipa::path(post, path = "/deliveries/{id}/status", tag = "deliveries", params(("id" = i64, Path)),
    request_body = StatusChange,
    responses((status = OK, body = Delivery), (status = NOT_FOUND, body = Problem), (status = CONFLICT, body = Problem),
              (status = UNPROCESSABLE_ENTITY, body = Problem)))]
async fn change_status(
    State(app): State<App>,
    Segment(id): Segment<DeliveryId>,
    Body(change): Body<StatusChange>,
) -> ApiResult<Json<Delivery>> {
    Ok(Json(app.store.change_delivery_status(id, &change.checked()?).await?))
}
