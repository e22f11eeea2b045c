//! Signing in with a token, and out. A browser that was sent here goes back to where it wanted to be, and never to another
//! server. It knows nothing of what a session is made of.

pub(super) mod link;

use axum::extract::{Form, State};
use axum::response::{IntoResponse, Response};
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Deserialize;

use super::super::Shared;
use super::super::pages::Parameters;
use super::super::problem::Problem;
use super::{failed, layout, see};

/// Where to go afterwards.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Then {
    then: Option<String>,
}

/// What the form sends.
#[derive(Debug, Deserialize)]
pub(super) struct SignIn {
    token: String,
    then: Option<String>,
}

/// The form.
pub(super) async fn show(Parameters(Then { then }): Parameters<Then>) -> Markup {
    layout::outside("Sign in", &form(then.as_deref(), false))
}

/// Signs in, and goes where the browser wanted to go.
pub(super) async fn sign_in(State(server): State<Shared>, Form(form): Form<SignIn>) -> Response {
    let then = form.then.as_deref();
    let cookie = server
        .owner(form.token.trim())
        .and_then(|owner| server.session_cookie(&owner.name, Timestamp::now()));
    match cookie {
        Some(cookie) => ([(SET_COOKIE, cookie)], see(inside(then))).into_response(),
        None => {
            let page = layout::outside("Sign in", &self::form(then, true));
            (StatusCode::UNAUTHORIZED, page).into_response()
        }
    }
}

/// Signs out: this browser's session ends, and every copy of it.
pub(super) async fn sign_out(State(server): State<Shared>, headers: HeaderMap) -> Response {
    let ended = server.end_session(&headers, Timestamp::now()).await;
    let next = match &ended {
        Ok(()) => see("/sign-in"),
        Err(problem) => failed(None, problem),
    };
    match server.no_session_cookie() {
        Some(cookie) => ([(SET_COOKIE, cookie)], next).into_response(),
        None => failed(
            None,
            &Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the browser could not be signed out",
            ),
        ),
    }
}

/// Never anywhere but to a page of this server.
fn inside(then: Option<&str>) -> &str {
    then.filter(|path| path.starts_with('/'))
        .filter(|path| !path.starts_with("//") && !path.contains('\\'))
        .filter(|path| !path.chars().any(char::is_control))
        .unwrap_or("/")
}

fn form(then: Option<&str>, refused: bool) -> Markup {
    html! {
        h1 { "Sign in to barq" }
        @if refused {
            p.notice.bad role="alert" {
                strong { "Nobody has this token. " }
                "It may have been revoked, or be of another server."
            }
        }
        form method="post" action="/sign-in" {
            label for="token" { "Token" }
            input #token type="password" name="token" required autofocus
                autocomplete="current-password" spellcheck="false" aria-describedby="where";
            @if let Some(then) = then { input type="hidden" name="then" value=(then); }
            button.primary type="submit" { "Sign in" }
        }
        div #where .hint {
            p { "Without copying a token: where the command line works," }
            pre { code { "barq web" } }
            p { "prints a link that signs a browser in. On barq's own machine it works at once, as the first admin." }
            p { "An admin makes one for you under Tokens, or with " code { "barq token create NAME --role ROLE" } "." }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::inside;

    #[test]
    fn nobody_is_sent_elsewhere() {
        let cases = [
            ("/deliveries/shop-1?x=1", "/deliveries/shop-1?x=1"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("https://evil.example", "/"),
            ("/a\nb", "/"),
            ("", "/"),
        ];
        for (then, expect) in cases {
            assert_eq!(inside(Some(then)), expect, "{then:?}");
        }
        assert_eq!(inside(None), "/");
    }
}
