//! What a request over plain HTTP, and an answer over TLS, get because their host has a certificate. Pure.
//!
//! A redirect is built from the host that was found in the table, never from the header as it came, so a client can't
//! have itself, or a cache, sent elsewhere. It must not know what else becomes of the request.

use http::{HeaderValue, StatusCode};

use super::table::Policy;

/// Method and body stay what they are (RFC 9110 section 15.4.9). One status for all methods: a 301 would let a client turn
/// POST into GET, and a GET is sent on by 308 just as well by every client of the last ten years.
pub const REDIRECT_STATUS: StatusCode = StatusCode::PERMANENT_REDIRECT;
/// Where a CA asks for the proof that we hold the host (RFC 8555 section 8.3).
pub const CHALLENGE_PATH: &str = "/.well-known/acme-challenge/";
/// The port that `https` means without saying it.
const HTTPS_PORT: u16 = 443;
/// The port that `http` means without saying it.
const HTTP_PORT: u16 = 80;

/// Where the node listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// For plain HTTP.
    pub plain: u16,
    /// For TLS.
    pub tls: u16,
}

/// Where a request over plain HTTP is to be sent, or `None` where it is to be served.
///
/// `host` is the value of `Host` (or the authority), `path_and_query` the target in origin form.
pub fn redirect(
    host: &str,
    path_and_query: &str,
    policy: Option<&Policy>,
    ports: Ports,
) -> Option<HeaderValue> {
    let (name, port) = split(host);
    let is_wanted = policy.is_some_and(|policy| policy.redirect);
    if !is_wanted || is_local(name) || path_and_query.starts_with(CHALLENGE_PATH) {
        return None;
    }
    let name = name.to_ascii_lowercase();
    let port = match public_port(port, ports) {
        HTTPS_PORT => String::new(),
        port => format!(":{port}"),
    };
    // `*` (OPTIONS) is no place to be sent to.
    let target = match path_and_query.starts_with('/') {
        true => path_and_query,
        false => "/",
    };
    let location = |target: &str| HeaderValue::from_str(&format!("https://{name}{port}{target}"));
    location(target).or_else(|_| location("/")).ok()
}

/// The value of `strict-transport-security` (RFC 6797); `None` for 0 s, which is no header.
pub(super) fn hsts(seconds: u64) -> Option<HeaderValue> {
    (seconds > 0)
        .then(|| HeaderValue::from_str(&format!("max-age={seconds}")))
        .and_then(Result::ok)
}

/// Host and port of a `Host` header; an address in brackets stays whole.
pub(super) fn split(host: &str) -> (&str, Option<u16>) {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, port.parse().ok()),
        _ => (host, None),
    };
    (name.strip_suffix('.').unwrap_or(name), port)
}

/// Names that barq gives out for the machine itself: they have no certificate that a browser would take.
fn is_local(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    last.eq_ignore_ascii_case("localhost")
}

/// Where the client reaches us by TLS. One that named no port came to port 80: where we do not listen there ourselves,
/// something in front of us maps the ports, and 443 beside it.
fn public_port(named: Option<u16>, ports: Ports) -> u16 {
    let is_mapped = named.is_none() && ports.plain != HTTP_PORT;
    match is_mapped {
        true => HTTPS_PORT,
        false => ports.tls,
    }
}

#[cfg(test)]
mod tests;
