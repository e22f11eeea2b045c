//! The page of a sign-in link: it says whom it signs in, and its button does. To look at it uses nothing up, so whatever
//! fetches links ahead does no harm.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::SET_COOKIE;
use jiff::Timestamp;
use maud::{Markup, html};

use super::super::super::Shared;
use super::super::session::Viewer;
use super::super::{layout, see};

/// Whom it signs in.
pub(in super::super) async fn show(
    State(server): State<Shared>,
    viewer: Result<Viewer, Response>,
    Path(link): Path<String>,
) -> Response {
    let Some(good) = server.good_link(&link, Timestamp::now()) else {
        return no_more();
    };
    let now = viewer.ok().map(|Viewer(actor)| actor.name);
    let other = now.filter(|now| *now != good.actor.name);
    let name = &good.actor.name;
    let content = html! {
        h1 { "Sign in to barq" }
        p { "This link signs this browser in as " strong { (name) } ", " strong { (good.actor.role) } "." }
        @if let Some(other) = other { p.notice.wait { span { "You are signed in as " strong { (other) } "; that ends." } } }
        form method="post" action=(format!("/sign-in/{link}")) {
            button.primary #sign-in type="submit" autofocus { "Sign in as " (name) }
        }
        p.quiet.small { "It works once, for two minutes. Sign in only if you asked for it yourself, with " code { "barq web" } "." }
    };
    layout::outside("Sign in", &content).into_response()
}

/// Signs in, and uses the link up.
pub(in super::super) async fn sign_in(
    State(server): State<Shared>,
    Path(link): Path<String>,
) -> Response {
    let now = Timestamp::now();
    let cookie = server
        .use_link(&link, now)
        .and_then(|actor| server.session_cookie(&actor.name, now));
    match cookie {
        Some(cookie) => ([(SET_COOKIE, cookie)], see("/")).into_response(),
        None => no_more(),
    }
}

/// It is not said why: whoever tries links learns nothing.
fn no_more() -> Response {
    let content: Markup = html! {
        h1 { "This link signs nobody in any more" }
        p { "It works once, for two minutes, and ends when barq starts again." }
        pre { code { "barq web" } }
        p { "prints another one. Or sign in " a href="/sign-in" { "with a token" } "." }
    };
    let page = layout::outside("No longer a sign-in link", &content);
    (StatusCode::GONE, page).into_response()
}
