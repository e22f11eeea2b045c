//! Whose a service is and where, also before anything has entered it.

use barq_core::identity::ServiceId;
use barq_engine::engine::View;

use super::super::super::convert;

/// The environment of a service that is known, or that a delivered configuration declares.
pub(super) fn environment(view: &View, id: &ServiceId) -> Option<String> {
    let known = view.state.service(id);
    known
        .map(|service| service.environment.clone())
        .or_else(|| view.state.declared(id))
}

/// The app of a service in an environment.
pub(super) fn app(view: &View, id: &ServiceId, environment: &str) -> Option<String> {
    match view.state.service(id) {
        Some(service) => convert::app_of(view, service),
        None => convert::app_named(view, id, environment),
    }
}

/// The way to a service's page: its app, and itself by its environment.
pub(in super::super) fn trail_to(view: &View, id: &ServiceId) -> Vec<(String, String)> {
    let environment = environment(view, id).unwrap_or_else(|| id.to_string());
    let app = app(view, id, &environment);
    let mut trail: Vec<(String, String)> = app
        .map(|app| (app.clone(), format!("/#app-{app}")))
        .into_iter()
        .collect();
    trail.push((environment, format!("/services/{id}")));
    trail
}
