//! The API under `/api/v1`: one file a resource, each handler reads, calls the store, and shows. Rules are not here.

mod assignments;
mod couriers;
mod deliveries;
mod page;
mod vehicles;

use utoipa_axum::router::OpenApiRouter;

use crate::state::App;

/// All resources, relative to `/api/v1`.
pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(vehicles::router())
        .merge(couriers::router())
        .merge(deliveries::router())
        .merge(assignments::router())
}
