//! The fields that a proxy must understand, and lists of tokens.

/// A field of a head: name and value, as they came.
pub(crate) type Field<'a> = httparse::Header<'a>;

/// A field that is not merely passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    Connection,
    ContentLength,
    Expect,
    Forwarded,
    GrpcStatus,
    Host,
    Http2Settings,
    KeepAlive,
    ProxyAuthenticate,
    ProxyAuthorization,
    ProxyConnection,
    Te,
    Traceparent,
    TransferEncoding,
    Upgrade,
    XBarqRevision,
    XForwardedFor,
    XForwardedHost,
    XForwardedProto,
    XRequestId,
}

/// Every known name, in lower case.
const NAMES: [(&[u8], Known); 20] = [
    (b"connection", Known::Connection),
    (b"content-length", Known::ContentLength),
    (b"expect", Known::Expect),
    (b"forwarded", Known::Forwarded),
    (b"grpc-status", Known::GrpcStatus),
    (b"host", Known::Host),
    (b"http2-settings", Known::Http2Settings),
    (b"keep-alive", Known::KeepAlive),
    (b"proxy-authenticate", Known::ProxyAuthenticate),
    (b"proxy-authorization", Known::ProxyAuthorization),
    (b"proxy-connection", Known::ProxyConnection),
    (b"te", Known::Te),
    (b"traceparent", Known::Traceparent),
    (b"transfer-encoding", Known::TransferEncoding),
    (b"upgrade", Known::Upgrade),
    (b"x-barq-revision", Known::XBarqRevision),
    (b"x-forwarded-for", Known::XForwardedFor),
    (b"x-forwarded-host", Known::XForwardedHost),
    (b"x-forwarded-proto", Known::XForwardedProto),
    (b"x-request-id", Known::XRequestId),
];

/// Which known field a name is. A match on the first letter decides most names at once.
pub(crate) fn known(name: &[u8]) -> Option<Known> {
    let first = name.first()?.to_ascii_lowercase();
    if !matches!(
        first,
        b'c' | b'e' | b'f' | b'g' | b'h' | b'k' | b'p' | b't' | b'u' | b'x'
    ) {
        return None;
    }
    let found = NAMES.iter().find(|(known, _)| {
        known[0] == first && known.len() == name.len() && known.eq_ignore_ascii_case(name)
    });
    found.map(|(_, known)| *known)
}

/// The items of a comma-separated list, without the space around them; empty ones are left out.
pub(crate) fn list_items(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|item| !item.is_empty())
}

/// Whether a list has an item, in whatever case.
pub(crate) fn is_listed(value: &[u8], item: &[u8]) -> bool {
    list_items(value).any(|listed| listed.eq_ignore_ascii_case(item))
}
