//! Who is asking: git sends HTTP basic with any user name and the token as password; a bearer token is taken as well.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::AppName;

/// The longest `Authorization` header that is looked at.
const AUTHORIZATION_BYTES_MAX: usize = 4096;

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Clone, fetch.
    Fetch,
    /// Push; the first one creates the app.
    Push,
}

/// A token, and what it is presented for.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The token as it was sent. Not to be logged.
    pub token: String,
    /// For which app.
    pub app: AppName,
    /// To do what.
    pub access: Access,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Credentials")
            .field("app", &self.app)
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}

/// The token's owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The token's name: the actor of what follows.
    pub name: String,
}

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody has this token: 401.
    Unknown,
    /// The owner may not do this: 403, with the reason.
    NotAllowed(String),
    /// It cannot be told now: 503, with the reason.
    Unavailable(String),
}

/// The token of a request, if it has one.
pub(super) fn token(headers: &HeaderMap) -> Option<String> {
    let header = headers.get(AUTHORIZATION)?.to_str().ok()?;
    if header.len() > AUTHORIZATION_BYTES_MAX {
        return None;
    }
    let (scheme, value) = header.split_once(' ')?;
    let token = if scheme.eq_ignore_ascii_case("basic") {
        let decoded = String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?;
        decoded.split_once(':')?.1.to_owned()
    } else if scheme.eq_ignore_ascii_case("bearer") {
        value.trim().to_owned()
    } else {
        return None;
    };
    Some(token).filter(|token| !token.is_empty())
}
