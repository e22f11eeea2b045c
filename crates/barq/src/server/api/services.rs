//! Services: what runs where, and the lock.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use barq_core::command::Command;
use barq_core::identity::ServiceId;
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;

use super::super::access::Caller;
use super::super::convert;
use super::super::idempotency::{Answer, Order};
use super::super::pages::{self, Parameters};
use super::super::problem::Problem;
use super::super::shapes::{LockRequest, Message, Page, Service};
use super::super::{Server, Shared};

/// Which services to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ServicesQuery {
    /// Of this app.
    app: Option<String>,
    /// In this environment.
    environment: Option<String>,
    /// Items of a page; 50, at most 500.
    limit: Option<usize>,
    /// The `next` of the page before.
    before: Option<String>,
}

/// Services, by name.
#[utoipa::path(get, path = "/api/v1/services", tag = "services", params(ServicesQuery), responses((status = 200, description = "A page", body = Page<Service>)))]
pub(super) async fn list(
    State(server): State<Shared>,
    _: Caller,
    Parameters(query): Parameters<ServicesQuery>,
) -> Json<Page<Service>> {
    let view = server.engine.view();
    let now = Timestamp::now();
    let all: Vec<Service> = view
        .state
        .services
        .values()
        .map(|service| convert::service(&view, service, server.ingress.port(), now))
        .filter(|it| query.app.as_ref().is_none_or(|app| *app == it.app))
        .filter(|it| {
            let asked = query.environment.as_ref();
            asked.is_none_or(|environment| *environment == it.environment)
        })
        .collect();
    let before = query.before.as_deref();
    Json(pages::by_name(all, |it| &it.name, before, query.limit))
}

/// One service with its revisions.
#[utoipa::path(get, path = "/api/v1/services/{name}", tag = "services", params(("name" = String, Path, description = "`<service>-<environment>`")), responses((status = 200, description = "The service", body = Service)))]
pub(super) async fn get(
    State(server): State<Shared>,
    _: Caller,
    Path(name): Path<String>,
) -> Result<Json<Service>, Problem> {
    server.service(&parse(&name)?).map(Json)
}

/// Nothing enters until it is unlocked. Also an environment that nothing has entered yet.
#[utoipa::path(post, path = "/api/v1/services/{name}/lock", tag = "services", params(("name" = String, Path, description = "`<service>-<environment>`; the environment alone where one app has it")), request_body = LockRequest, responses((status = 200, description = "The service", body = Service)))]
pub(super) async fn lock(
    State(server): State<Shared>,
    Path(name): Path<String>,
    order: Order,
) -> Result<Response, Problem> {
    let LockRequest { message, app } = order.body()?;
    let service = server.lockable(&name, app.as_deref())?;
    let command = Command::Lock {
        service: service.clone(),
        message,
    };
    server.steer_service(&order, &service, command).await
}

/// Releases may enter again.
#[utoipa::path(post, path = "/api/v1/services/{name}/unlock", tag = "services", params(("name" = String, Path, description = "`<service>-<environment>`")), request_body = Message, responses((status = 200, description = "The service", body = Service)))]
pub(super) async fn unlock(
    State(server): State<Shared>,
    Path(name): Path<String>,
    order: Order,
) -> Result<Response, Problem> {
    let Message { message } = order.body()?;
    let service = parse(&name)?;
    let command = Command::Unlock {
        service: service.clone(),
        message,
    };
    server.steer_service(&order, &service, command).await
}

impl Server {
    async fn steer_service(
        &self,
        order: &Order,
        id: &ServiceId,
        command: Command,
    ) -> Result<Response, Problem> {
        let work = async {
            self.carry_out(order, command, Timestamp::now()).await?;
            Answer::json(&self.service(id)?)
        };
        self.answer(order, work).await
    }

    /// The service of that name, or the one that the environment of that name has or is going to have: in one app where
    /// it is named, and in no other.
    fn lockable(&self, name: &str, app: Option<&str>) -> Result<ServiceId, Problem> {
        let view = self.engine.view();
        let mut apps: Vec<_> = view.state.apps.iter().collect();
        if let Some(app) = app {
            apps.retain(|(id, _)| id.as_str() == app);
            if apps.is_empty() {
                return Err(Problem::unknown("app", app));
            }
        }
        let named: Option<ServiceId> = name.parse().ok();
        let known = |id: &ServiceId| view.state.service(id).is_some();
        if let Some(id) = named.filter(|id| known(id) || view.state.declared(id).is_some()) {
            return Ok(id);
        }
        let services = apps
            .iter()
            .filter_map(|(_, app)| Some(format!("{}-{name}", app.service.as_ref()?)));
        let mut of_apps: Vec<ServiceId> = services
            .filter_map(|name| name.parse().ok())
            .filter(|id| view.state.declared(id).is_some())
            .collect();
        match of_apps.len() {
            0 => Err(Problem::unknown("service or environment", name)),
            1 => Ok(of_apps.remove(0)),
            _ => {
                let names: Vec<&str> = of_apps.iter().map(ServiceId::as_str).collect();
                Err(Problem::conflict(
                    format!("more than one app has an environment {name}"),
                    format!("give the service's full name: {}", names.join(" or ")),
                ))
            }
        }
    }

    fn service(&self, id: &ServiceId) -> Result<Service, Problem> {
        let view = self.engine.view();
        let service = view
            .state
            .service(id)
            .ok_or_else(|| Problem::unknown("service", id.as_str()))?;
        let now = Timestamp::now();
        Ok(convert::service(&view, service, self.ingress.port(), now))
    }
}

pub(super) fn parse(name: &str) -> Result<ServiceId, Problem> {
    name.parse().map_err(|_| Problem::unknown("service", name))
}
