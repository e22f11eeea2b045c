//! The web UI: the whole flow, followed and steered in a browser.
//!
//! Every page is rendered here from what the engine knows and from the journal, and works without script. A page is a list
//! of fragments; the same function that renders the page renders them again when something changes, and one connection
//! brings those that differ (`live`). It decides nothing: who may do what is asked of the engine's own rules.

mod assets;
mod chart;
mod check;
mod deliveries;
mod delivery;
mod elements;
mod filters;
mod home;
mod icons;
mod incident;
mod incidents;
mod journal;
mod journeys;
mod kept;
mod layout;
mod live;
mod logs;
mod output;
mod page;
mod place;
mod recent;
mod review;
mod rollout;
mod service;
mod session;
mod sign_in;
mod steer;
mod times;
mod tokens;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use jiff::Timestamp;
use maud::Markup;

use super::idempotency::BODY_BYTES_MAX;
use super::problem::Problem;
use super::{Server, Shared};
use place::Place;
use session::Viewer;

pub(super) use kept::Kept;
pub(super) use live::{Live, watch_for_ever};
pub(super) use session::ends as session_end;

/// Nothing but what this server sends, and nothing inline: a page that shows what others wrote runs none of it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// All pages, their forms and what they are made with.
pub(super) fn router() -> Router<Shared> {
    let mut pages = Router::new();
    for path in place::PATHS {
        pages = pages.route(path, get(show));
    }
    pages
        .route("/incidents/{id}/report.md", get(incident::markdown))
        .route("/sign-in", get(sign_in::show).post(sign_in::sign_in))
        .route(
            "/sign-in/{link}",
            get(sign_in::link::show).post(sign_in::link::sign_in),
        )
        .route("/sign-out", post(sign_in::sign_out))
        .route("/services/{name}/verify", post(service::verify))
        .merge(steer::routes())
        .merge(tokens::routes())
        .merge(journal::routes())
        .layer(from_fn(guard))
        .route("/live", get(live::stream))
        .route("/assets/{name}", get(assets::get))
        .route("/favicon.ico", get(assets::favicon))
}

/// A page, whichever it is.
async fn show(State(server): State<Shared>, viewer: Viewer, uri: Uri) -> Response {
    match server.shown(&viewer, &uri).await {
        Ok(page) => page.into_response(),
        // Of a list that can't be shown as asked: the whole list.
        Err(problem) if problem.status() == StatusCode::BAD_REQUEST && uri.query().is_some() => {
            failed_at(uri.path(), &viewer, &problem)
        }
        Err(problem) => failed(Some(&viewer), &problem),
    }
}

impl Server {
    async fn shown(&self, viewer: &Viewer, uri: &Uri) -> Result<Markup, Problem> {
        let (uri, notice) = steer::notice(uri);
        let place = Place::of(&uri)?;
        let audience = place.audience(self, viewer);
        let page = place.page(self, &audience, Timestamp::now()).await?;
        Ok(layout::page(viewer, &page, &uri, notice))
    }
}

/// What a browser is shown where there is nothing: other clients get the API's own answer.
pub(super) fn nowhere(headers: &HeaderMap, problem: Problem) -> Response {
    let wants_html = headers
        .get(ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    if wants_html {
        secured(failed(None, &problem))
    } else {
        problem.into_response()
    }
}

/// A page that says what failed, why, and what to do.
fn failed(viewer: Option<&Viewer>, problem: &Problem) -> Response {
    (problem.status(), layout::problem(viewer, problem, None)).into_response()
}

/// The same, with the way back to the page where it was asked for.
fn failed_at(page: &str, viewer: &Viewer, problem: &Problem) -> Response {
    let answer = layout::problem(Some(viewer), problem, Some(page));
    (problem.status(), answer).into_response()
}

/// Only this server's own pages may send a form here; and no answer is kept or framed by others.
async fn guard(request: Request, next: Next) -> Response {
    let asks_only = matches!(*request.method(), Method::GET | Method::HEAD);
    if !asks_only && !session::same_origin(request.headers()) {
        let problem = Problem::new(
            StatusCode::FORBIDDEN,
            "this form was not sent by barq's own page",
        )
        .because("the browser names another origin, or none")
        .hint("open the page at this server's own address and try it there");
        return secured(failed(None, &problem));
    }
    // Read before it is asked who sends it: a token that is revoked while a form takes its time gives no orders.
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        let problem = Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the form can't be read")
            .because(format!("at most {BODY_BYTES_MAX} bytes are read"));
        return secured(failed(None, &problem));
    };
    let request = Request::from_parts(parts, body.into());
    secured(next.run(request).await)
}

fn secured(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "same-origin"),
        (http::header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// After a form: the page to look at, by a request of its own, so that a reload does nothing twice.
fn see(path: &str) -> Response {
    Redirect::to(path).into_response()
}
