//! The three requests of git's smart protocol, and nothing else: no path from outside ever reaches the file system.
//!
//! Who asks is settled before anything is said about whether an app exists.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Deserialize;

use super::backend::{Backend, Call, Service};
use super::{
    Access, AppName, Credentials, GitError, GitSettings, Principal, Refusal, Repository, access,
    repository,
};

/// What git shows to the one who has no good token.
const NO_TOKEN: &str =
    "a token is needed: any user name, the token as password (`barq init` sets this up)";

/// The routes below `/git/`, to be merged into the server's. Writes the hook and listens for it; needs a runtime.
///
/// # Errors
/// When the directories or the hook's socket cannot be made.
pub fn router(settings: GitSettings) -> Result<Router, GitError> {
    let backend = Arc::new(Backend::open(settings)?);
    Ok(Router::new()
        .route("/git/{app}/info/refs", get(advertise))
        .route("/git/{app}/git-upload-pack", post(upload_pack))
        .route("/git/{app}/git-receive-pack", post(receive_pack))
        .with_state(backend))
}

#[derive(Debug, Deserialize)]
struct Advertise {
    service: Option<String>,
}

async fn advertise(
    State(backend): State<Arc<Backend>>,
    Path(app): Path<String>,
    Query(query): Query<Advertise>,
    request: Request,
) -> Response {
    let service = query.service.as_deref().and_then(Service::parse);
    let Some(service) = service else {
        return refuse(
            StatusCode::FORBIDDEN,
            "only git's smart protocol is served here",
        );
    };
    answer(backend, &app, service, true, request).await
}

async fn upload_pack(
    State(backend): State<Arc<Backend>>,
    Path(app): Path<String>,
    request: Request,
) -> Response {
    answer(backend, &app, Service::UploadPack, false, request).await
}

async fn receive_pack(
    State(backend): State<Arc<Backend>>,
    Path(app): Path<String>,
    request: Request,
) -> Response {
    answer(backend, &app, Service::ReceivePack, false, request).await
}

async fn answer(
    backend: Arc<Backend>,
    app: &str,
    service: Service,
    advertise: bool,
    request: Request,
) -> Response {
    let token = access::token(request.headers());
    match admit(&backend, app, service, token).await {
        Err(response) => *response,
        Ok((app, principal)) => {
            let call = Call {
                app,
                principal,
                service,
                advertise,
                request,
            };
            backend.serve(call).await
        }
    }
}

/// Settles who asks and whether they may, then that the repository is there; a push makes it.
async fn admit(
    backend: &Backend,
    app: &str,
    service: Service,
    token: Option<String>,
) -> Result<(AppName, Principal), Box<Response>> {
    let name = app.strip_suffix(".git").unwrap_or(app);
    let token = token.ok_or_else(challenge)?;
    let app: AppName = name
        .parse()
        .map_err(|error| Box::new(refuse(StatusCode::NOT_FOUND, &format!("{error}"))))?;
    let access = match service {
        Service::UploadPack => Access::Fetch,
        Service::ReceivePack => Access::Push,
    };
    let credentials = Credentials {
        token,
        app: app.clone(),
        access,
    };
    let authenticate = &backend.settings().authenticate;
    let principal = authenticate(credentials)
        .await
        .map_err(|refusal| match refusal {
            Refusal::Unknown => challenge(),
            Refusal::NotAllowed(why) => Box::new(refuse(StatusCode::FORBIDDEN, &why)),
            Refusal::Unavailable(why) => Box::new(refuse(StatusCode::SERVICE_UNAVAILABLE, &why)),
        })?;
    let repositories = &backend.settings().repositories;
    match access {
        Access::Push => {
            repository::create(repositories, &app)
                .await
                .map_err(|error| {
                    tracing::error!(%app, error = %crate::output::chain(&error), "cannot make the repository");
                    Box::new(refuse(
                        StatusCode::INTERNAL_SERVER_ERROR,
                        &crate::output::chain(&error),
                    ))
                })?;
        }
        Access::Fetch if !Repository::of(repositories, &app).exists() => {
            let why = format!("there is no app {app}; the first push makes it");
            return Err(Box::new(refuse(StatusCode::NOT_FOUND, &why)));
        }
        Access::Fetch => {}
    }
    Ok((app, principal))
}

fn challenge() -> Box<Response> {
    let mut response = refuse(StatusCode::UNAUTHORIZED, NO_TOKEN);
    let challenge = HeaderValue::from_static("Basic realm=\"barq\", charset=\"UTF-8\"");
    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    Box::new(response)
}

/// Plain text: git prints it as `remote: …`.
pub(super) fn refuse(status: StatusCode, why: &str) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
    ];
    (status, headers, Body::from(format!("barq: {why}\n"))).into_response()
}
