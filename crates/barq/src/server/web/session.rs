//! Who looks: the owner of the token that the browser signed in with.
//!
//! The cookie is no token: it names the token and when it ends, under a code that only this server can make, which takes in
//! the token's hash. So a restart signs nobody out, and a token that is revoked, or made again under the same name, ends all
//! its sessions at once. Each session also has an id: what is signed out of is noted by it (`signed_out`), so that a copy of
//! the cookie ends with the browser's.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Redirect, Response};
use barq_core::event::Actor;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use cookie::time::Duration as CookieDuration;
use cookie::{Cookie, SameSite};
use http::header::COOKIE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};
use jiff::Timestamp;
use subtle::ConstantTimeEq as _;

use super::super::access::hexadecimal;
use super::super::problem::Problem;
use super::super::{Server, Shared};

/// How long a browser stays signed in.
const LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// What the codes of sessions are made for.
const PURPOSE: &str = "web session";
/// Random bytes of a session's id: no two of a week are the same.
const ID_BYTES: usize = 12;

/// A session that the browser has.
struct Session {
    /// Whose.
    actor: Actor,
    /// When it ends by itself, in seconds.
    ends: i64,
    id: String,
}

/// The one who looks.
#[derive(Debug, Clone)]
pub(super) struct Viewer(pub(super) Actor);

impl FromRequestParts<Shared> for Viewer {
    type Rejection = Response;

    /// Without a session: to the sign-in page, and from there back.
    async fn from_request_parts(parts: &mut Parts, server: &Shared) -> Result<Self, Response> {
        server
            .viewer(&parts.headers, Timestamp::now())
            .ok_or_else(|| Redirect::to(&sign_in_path(parts)).into_response())
    }
}

fn sign_in_path(parts: &Parts) -> String {
    let wanted = parts.uri.path_and_query().map_or("/", |it| it.as_str());
    if parts.method != Method::GET || wanted == "/" {
        return "/sign-in".to_owned();
    }
    format!("/sign-in?then={}", encoded(wanted))
}

/// A text as a value in a query.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// When a session ends by itself that begins now, in seconds.
pub(in super::super) fn ends(now: Timestamp) -> i64 {
    let lifetime_s = i64::try_from(LIFETIME.as_secs()).unwrap_or(i64::MAX);
    now.as_second().saturating_add(lifetime_s)
}

impl Server {
    /// Browsers send a cookie to every port of a host: servers beside each other need a name each.
    fn cookie_name(&self) -> String {
        let port = self.url.rsplit(':').next().unwrap_or_default();
        format!("barq_session_{port}")
    }

    /// The cookie that signs a token's owner in; none where there is no such token.
    pub(super) fn session_cookie(&self, name: &str, now: Timestamp) -> Option<HeaderValue> {
        let ends = ends(now);
        let mut id = [0; ID_BYTES];
        getrandom::fill(&mut id)
            .inspect_err(|error| tracing::error!(%error, "no randomness for a session"))
            .ok()?;
        let id = BASE64.encode(id);
        let code = self.session_code(name, ends, &id)?;
        let value = format!("{}.{ends}.{id}.{code}", BASE64.encode(name));
        self.cookie(value, CookieDuration::try_from(LIFETIME).ok()?)
    }

    /// The cookie that signs out.
    pub(super) fn no_session_cookie(&self) -> Option<HeaderValue> {
        self.cookie(String::new(), CookieDuration::ZERO)
    }

    /// Lax: a link from a chat leads to the page, while no other site's form does anything (see `same_origin`).
    fn cookie(&self, value: String, lifetime: CookieDuration) -> Option<HeaderValue> {
        let cookie = Cookie::build((self.cookie_name(), value))
            .path("/")
            .http_only(true)
            .same_site(SameSite::Lax)
            .max_age(lifetime)
            .build();
        HeaderValue::from_str(&cookie.to_string()).ok()
    }

    /// Whose session the browser sends; none where it has none, or one that has ended.
    pub(super) fn viewer(&self, headers: &HeaderMap, now: Timestamp) -> Option<Viewer> {
        let session = self.session(headers, now)?;
        Some(Viewer(session.actor))
    }

    /// Ends the session that the browser sends; does nothing where it has none.
    ///
    /// # Errors
    /// When that can't be kept over a restart.
    pub(super) async fn end_session(
        self: &Arc<Self>,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<(), Problem> {
        let Some(session) = self.session(headers, now) else {
            return Ok(());
        };
        let server = Arc::clone(self);
        let end = move || server.signed_out.end(&session.id, session.ends, now);
        let ended = tokio::task::spawn_blocking(end).await;
        ended
            .map_err(|error| Problem::internal("the session could not be ended", &error))?
            .map_err(|error| {
                Problem::internal("you are signed out, but only until barq starts again", &error)
                    .hint("then a copy of this browser's cookie would work again; revoke the token if there may be one")
            })
    }

    fn session(&self, headers: &HeaderMap, now: Timestamp) -> Option<Session> {
        let name = self.cookie_name();
        let sent = headers.get_all(COOKIE).into_iter();
        sent.filter_map(|header| header.to_str().ok())
            .flat_map(Cookie::split_parse)
            .filter_map(Result::ok)
            .filter(|cookie| cookie.name() == name)
            .find_map(|cookie| self.session_of(cookie.value(), now))
    }

    fn session_of(&self, value: &str, now: Timestamp) -> Option<Session> {
        let mut parts = value.splitn(4, '.');
        let name = BASE64.decode(parts.next()?).ok()?;
        let name = String::from_utf8(name).ok()?;
        let ends: i64 = parts.next()?.parse().ok()?;
        let id = parts.next()?.to_owned();
        let code = self.session_code(&name, ends, &id)?;
        let same = bool::from(code.as_bytes().ct_eq(parts.next()?.as_bytes()));
        let lasts = same && now.as_second() < ends && !self.signed_out.has(&id, ends);
        let actor = lasts.then(|| self.actor(&name))?;
        Some(Session { actor, ends, id })
    }

    /// The code of a session; none where there is no such token.
    fn session_code(&self, name: &str, ends: i64, id: &str) -> Option<String> {
        let view = self.engine.view();
        let token = view.state.tokens.get(name)?;
        let text = format!("{name}\n{}\n{ends}\n{id}", token.hash);
        Some(hexadecimal(&self.key.code(PURPOSE, &text)))
    }
}

/// Whether a form was sent by a page of this server: as the browser says, or, where it is too old to, as its origin shows.
pub(super) fn same_origin(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin";
    }
    let origin = text("origin").and_then(|origin| origin.split_once("://"));
    match (origin, text("host")) {
        (Some((_, origin)), Some(host)) => origin.eq_ignore_ascii_case(host),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
