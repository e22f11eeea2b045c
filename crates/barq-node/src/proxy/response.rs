//! A response as the client gets it, and the proxy's own answers.
//!
//! Kept as the first line and the fields of an HTTP/1.1 response, without framing: that is written for the client's
//! connection. It must not know which protocol that one speaks.

use http::{HeaderValue, StatusCode};

use super::http1::{
    Field, Framing, Known, Malformed, Refused, ResponseLine, is_listed, known, list_items,
    response_framing,
};
use super::request::{write_decimal, write_field};
use crate::tls::REDIRECT_STATUS;

/// What is added to a response.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark<'a> {
    /// The revision that answered.
    pub(super) revision: Option<&'a str>,
    /// The request's id.
    pub(super) request_id: &'a str,
}

/// What was learned of a response's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Learned {
    pub(super) status: u16,
    /// How the instance frames the body.
    pub(super) framing: Framing,
    /// Whether the instance's connection can be used again.
    pub(super) keeps: bool,
    /// `grpc-status`, where it stands in the head.
    pub(super) grpc_status: Option<u8>,
}

/// An answer of the proxy itself.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) head: Vec<u8>,
    pub(super) body: Vec<u8>,
}

/// Writes the head that the client gets.
///
/// # Errors
/// When it can't be said where the body ends.
pub(super) fn read_response(
    line: ResponseLine<'_>,
    fields: &[Field<'_>],
    to_head: bool,
    mark: Mark<'_>,
    into: &mut Vec<u8>,
) -> Result<Learned, Malformed> {
    let (framing, is_ambiguous) = response_framing(line.status, to_head, fields)?;
    let is_bodiless = framing == Framing::None;
    let is_switch = line.status == 101;
    let mut learned = Learned {
        status: line.status,
        framing,
        keeps: !line.is_old && !is_ambiguous && framing != Framing::UntilClose,
        grpc_status: None,
    };
    write_status(into, line.status, line.reason.as_bytes());
    let lists = fields
        .iter()
        .any(|field| known(field.name.as_bytes()) == Some(Known::Connection));
    for field in fields {
        let name = field.name.as_bytes();
        let is_passed = match known(name) {
            None => !(lists && is_listed_in_connection(fields, name)),
            Some(Known::Connection) => {
                learned.keeps &= !is_listed(field.value, b"close");
                false
            }
            Some(Known::GrpcStatus) => {
                learned.grpc_status = std::str::from_utf8(field.value)
                    .ok()
                    .and_then(|status| status.parse().ok());
                true
            }
            Some(Known::Upgrade) => is_switch,
            // The length of what a GET would have got.
            Some(Known::ContentLength) => is_bodiless && (to_head || line.status == 304),
            Some(
                Known::Http2Settings
                | Known::KeepAlive
                | Known::ProxyAuthenticate
                | Known::ProxyAuthorization
                | Known::ProxyConnection
                | Known::Te
                | Known::TransferEncoding
                | Known::XBarqRevision
                | Known::XRequestId,
            ) => false,
            Some(
                Known::Expect
                | Known::Forwarded
                | Known::Host
                | Known::Traceparent
                | Known::XForwardedFor
                | Known::XForwardedHost
                | Known::XForwardedProto,
            ) => true,
        };
        if is_passed {
            write_field(into, name, field.value);
        }
    }
    if is_switch {
        write_field(into, b"connection", b"upgrade");
    }
    mark.write(into);
    Ok(learned)
}

impl Mark<'_> {
    fn write(&self, into: &mut Vec<u8>) {
        if let Some(revision) = self.revision {
            write_field(into, b"x-barq-revision", revision.as_bytes());
        }
        if !self.request_id.is_empty() {
            write_field(into, b"x-request-id", self.request_id.as_bytes());
        }
    }
}

impl Reply {
    /// An RFC 9457 problem document. It must not tell more than the client may know: no address, no file, no instance.
    pub(super) fn problem(status: StatusCode, title: &str, detail: &str, mark: Mark<'_>) -> Self {
        let document = serde_json::json!({
            "type": "about:blank",
            "title": title,
            "status": status.as_u16(),
            "detail": detail,
        });
        let mut head = Vec::new();
        let reason = status.canonical_reason().unwrap_or_default();
        write_status(&mut head, status.as_u16(), reason.as_bytes());
        write_field(&mut head, b"content-type", b"application/problem+json");
        mark.write(&mut head);
        let body = document.to_string().into_bytes();
        Self { head, body }
    }

    /// The request may be made again after so many seconds.
    pub(super) fn retry_after(&mut self, seconds: u64) {
        self.head.extend_from_slice(b"retry-after: ");
        write_decimal(&mut self.head, seconds);
        self.head.extend_from_slice(b"\r\n");
    }

    /// For a request that is to come over TLS.
    pub(super) fn redirect(location: &HeaderValue, mark: Mark<'_>) -> Self {
        let mut head = Vec::new();
        let reason = REDIRECT_STATUS.canonical_reason().unwrap_or_default();
        write_status(&mut head, REDIRECT_STATUS.as_u16(), reason.as_bytes());
        write_field(&mut head, b"location", location.as_bytes());
        mark.write(&mut head);
        let body = Vec::new();
        Self { head, body }
    }

    /// The proof that a certificate authority asks for.
    pub(super) fn proof(proof: &str, mark: Mark<'_>) -> Self {
        let mut head = Vec::new();
        write_status(&mut head, 200, b"OK");
        write_field(&mut head, b"content-type", b"application/octet-stream");
        mark.write(&mut head);
        let body = proof.as_bytes().to_vec();
        Self { head, body }
    }

    /// For a request that is not passed on.
    pub(super) fn refused(refused: Refused) -> Self {
        let mark = Mark {
            revision: None,
            request_id: "",
        };
        Self::problem(
            refused.status,
            "The request is not passed on",
            refused.detail,
            mark,
        )
    }
}

fn write_status(into: &mut Vec<u8>, status: u16, reason: &[u8]) {
    into.extend_from_slice(b"HTTP/1.1 ");
    write_decimal(into, u64::from(status));
    into.push(b' ');
    into.extend_from_slice(reason);
    into.extend_from_slice(b"\r\n");
}

fn is_listed_in_connection(fields: &[Field<'_>], name: &[u8]) -> bool {
    fields
        .iter()
        .filter(|field| field.name.eq_ignore_ascii_case("connection"))
        .flat_map(|field| list_items(field.value))
        .any(|listed| listed.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests;
