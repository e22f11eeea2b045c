//! The head of a request and of a response: what is refused, what is taken out, what is added on the way.
//!
//! Hyper parses; this is strict where it is not, so that proxy and instance cannot disagree where a request ends (request
//! smuggling): bodies are framed anew, a transfer coding other than `chunked` is refused, and so are two hosts. Hop-by-hop
//! fields end here (RFC 9110, section 7.6.1). It must not know routing.

use std::net::IpAddr;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode, Uri, Version, request};

use super::random::Random;

/// Which revision answered.
pub(super) const X_BARQ_REVISION: HeaderName = HeaderName::from_static("x-barq-revision");
/// The request's id, kept when it is sane, else made here.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Characters of a request id that is kept.
const REQUEST_ID_LENGTH_MAX: usize = 128;

/// A request that is not passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) detail: &'static str,
}

/// What was learned from a request's head.
#[derive(Debug, Clone)]
pub(super) struct Learned {
    /// Lower case, without port.
    pub(super) host: String,
    pub(super) request_id: HeaderValue,
    /// The protocol that the client wants to change to.
    pub(super) upgrade: Option<HeaderValue>,
}

/// Checks a request's head, and rewrites it into the one that the instance gets.
pub(super) fn rewrite_request(
    head: &mut request::Parts,
    client: IpAddr,
    random: &Random,
) -> Result<Learned, Refused> {
    refuse_ambiguous(head)?;
    let authority = authority(head)?;
    let host = host_of(&authority).ok_or(bad("the host is not valid"))?;
    let upgrade = wanted_upgrade(head);
    remove_hop_by_hop(&mut head.headers)?;
    // The proxy itself says "go on" when an instance takes the body.
    head.headers.remove(header::EXPECT);
    if let Some(protocol) = &upgrade {
        head.headers
            .insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        head.headers.insert(header::UPGRADE, protocol.clone());
    }
    forward_headers(&mut head.headers, &authority, client);
    let request_id = request_id(&head.headers, random);
    head.headers.insert(X_REQUEST_ID, request_id.clone());
    head.headers.insert(header::HOST, authority);
    let path = head
        .uri
        .path_and_query()
        .map_or_else(|| Uri::from_static("/"), |path| path.clone().into());
    head.uri = path;
    head.version = Version::HTTP_11;
    Ok(Learned {
        host,
        request_id,
        upgrade,
    })
}

/// Rewrites a response's head into the one that the client gets.
pub(super) fn rewrite_response(
    headers: &mut HeaderMap,
    status: StatusCode,
    revision: &str,
    request_id: &HeaderValue,
) {
    let upgrade = headers.get(header::UPGRADE).cloned();
    if remove_hop_by_hop(headers).is_err() {
        // An instance that lists a framing field in `Connection` loses the list; the framing is ours anyway.
        headers.remove(header::CONNECTION);
    }
    if status == StatusCode::SWITCHING_PROTOCOLS {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        if let Some(protocol) = upgrade {
            headers.insert(header::UPGRADE, protocol);
        }
    }
    mark(headers, revision, request_id);
}

/// Says which revision answered which request.
pub(super) fn mark(headers: &mut HeaderMap, revision: &str, request_id: &HeaderValue) {
    if let Ok(revision) = HeaderValue::from_str(revision) {
        headers.insert(X_BARQ_REVISION, revision);
    }
    headers.insert(X_REQUEST_ID, request_id.clone());
}

/// Whether a method is safe to repeat (RFC 9110, section 9.2.1).
pub(super) fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn refuse_ambiguous(head: &request::Parts) -> Result<(), Refused> {
    if matches!(head.method, Method::CONNECT | Method::TRACE) {
        return Err(Refused {
            status: StatusCode::METHOD_NOT_ALLOWED,
            detail: "CONNECT and TRACE are not passed on",
        });
    }
    let mut codings = head.headers.get_all(header::TRANSFER_ENCODING).iter();
    let coding = codings.next();
    if codings.next().is_some()
        || coding.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
    {
        return Err(Refused {
            status: StatusCode::NOT_IMPLEMENTED,
            detail: "the only transfer coding is chunked",
        });
    }
    if coding.is_some() && head.headers.contains_key(header::CONTENT_LENGTH) {
        return Err(bad("a body has either a length or a transfer coding"));
    }
    if head.headers.get_all(header::CONTENT_LENGTH).iter().count() > 1 {
        return Err(bad("there are two lengths"));
    }
    if head
        .headers
        .get(header::EXPECT)
        .is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
    {
        return Err(Refused {
            status: StatusCode::EXPECTATION_FAILED,
            detail: "the only expectation is 100-continue",
        });
    }
    Ok(())
}

/// The host as it is passed on: the URI's authority where there is one (RFC 9112, section 3.2.2), else the `Host` field.
fn authority(head: &request::Parts) -> Result<HeaderValue, Refused> {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    if second.is_some() {
        return Err(bad("there are two hosts"));
    }
    if first.is_none() && head.version == Version::HTTP_11 {
        return Err(bad("there is no host"));
    }
    match (head.uri.authority(), first) {
        (Some(authority), _) => {
            HeaderValue::from_str(authority.as_str()).map_err(|_| bad("the host is not valid"))
        }
        (None, Some(host)) => Ok(host.clone()),
        (None, None) => Err(bad("there is no host")),
    }
}

/// Lower case, without port and final dot.
fn host_of(authority: &HeaderValue) -> Option<String> {
    let authority: http::uri::Authority = authority.to_str().ok()?.parse().ok()?;
    if authority.as_str().contains('@') {
        return None;
    }
    let host = authority.host();
    Some(host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase())
}

/// The protocol asked for, if the request really asks (`Connection: upgrade` names it).
fn wanted_upgrade(head: &request::Parts) -> Option<HeaderValue> {
    let asked =
        connection_options(&head.headers).any(|option| option.eq_ignore_ascii_case("upgrade"));
    head.headers
        .get(header::UPGRADE)
        .filter(|_| asked && head.version == Version::HTTP_11)
        .cloned()
}

fn connection_options(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|option| !option.is_empty())
}

/// Takes out the fields that are for this connection only: the well-known ones and those that `Connection` lists.
fn remove_hop_by_hop(headers: &mut HeaderMap) -> Result<(), Refused> {
    let listed: Vec<HeaderName> = connection_options(headers)
        .filter_map(|option| HeaderName::from_bytes(option.as_bytes()).ok())
        .collect();
    if listed.iter().any(|name| {
        matches!(
            *name,
            header::HOST | header::CONTENT_LENGTH | header::AUTHORIZATION
        )
    }) {
        return Err(bad(
            "Connection lists a field that is not for one connection",
        ));
    }
    for name in &listed {
        headers.remove(name);
    }
    for name in [
        header::CONNECTION,
        KEEP_ALIVE,
        PROXY_CONNECTION,
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
        header::TE,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ] {
        headers.remove(name);
    }
    Ok(())
}

/// Says on whose behalf the request is made. The client's own claims on protocol and host are replaced; its chain of
/// addresses is continued. `Forwarded` says the same in another way and could contradict it.
fn forward_headers(headers: &mut HeaderMap, authority: &HeaderValue, client: IpAddr) {
    let mut chain: Vec<String> = headers
        .get_all(X_FORWARDED_FOR)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .map(str::to_owned)
        .collect();
    chain.push(client.to_string());
    if let Ok(chain) = HeaderValue::from_str(&chain.join(", ")) {
        headers.insert(X_FORWARDED_FOR, chain);
    }
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("http"));
    headers.insert(X_FORWARDED_HOST, authority.clone());
    headers.remove(header::FORWARDED);
}

fn request_id(headers: &HeaderMap, random: &Random) -> HeaderValue {
    let is_sane = |value: &&HeaderValue| {
        (1..=REQUEST_ID_LENGTH_MAX).contains(&value.len())
            && value.as_bytes().iter().all(|byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':')
            })
    };
    match headers.get(X_REQUEST_ID).filter(is_sane) {
        Some(kept) if headers.get_all(X_REQUEST_ID).iter().count() == 1 => kept.clone(),
        _ => HeaderValue::from_str(&format!("{:016x}{:016x}", random.next(), random.next()))
            .expect("hexadecimal digits are a valid header value"),
    }
}

fn bad(detail: &'static str) -> Refused {
    Refused {
        status: StatusCode::BAD_REQUEST,
        detail,
    }
}

#[cfg(test)]
mod tests;
