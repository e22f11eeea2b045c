//! The first line of a request, and how its body is framed.

use http::StatusCode;

use super::fields::{Field, Known, known};
use super::framing::{Framing, length_of};

/// A request that is not passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) detail: &'static str,
}

/// A request's first line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: Target<'a>,
    pub(crate) version: Version,
}

/// How it is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Version {
    /// HTTP/1.0, which knows neither hosts nor chunks nor changes of the protocol.
    Http10,
    #[default]
    Http11,
    /// HTTP/2, in whose streams nothing needs to be framed.
    Http2,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    /// Given with the target; it goes before the `Host` field (RFC 9112, section 3.2.2).
    pub(crate) authority: Option<&'a str>,
    /// Path and query, or `*`.
    pub(crate) path: &'a str,
}

impl Refused {
    /// The request is wrong.
    pub(crate) fn bad(detail: &'static str) -> Self {
        let status = StatusCode::BAD_REQUEST;
        Self { status, detail }
    }
}

/// Cuts a whole head into its first line and its fields.
///
/// # Errors
/// When it is no HTTP/1 head, or could be read in two ways.
pub(crate) fn read_line<'a, 'f>(
    head: &'a [u8],
    fields: &'f mut [std::mem::MaybeUninit<Field<'a>>],
) -> Result<(Line<'a>, &'f [Field<'a>]), Refused> {
    let mut parsed = httparse::Request::new(&mut []);
    let status = parsed
        .parse_with_uninit_headers(head, fields)
        .map_err(refused)?;
    // Whatever else it takes for an end of the head is not at the end that was found.
    if status != httparse::Status::Complete(head.len()) || head.first() == Some(&b'\r') {
        return Err(Refused::bad("the head is not valid"));
    }
    let (Some(method), Some(path), Some(version)) = (parsed.method, parsed.path, parsed.version)
    else {
        return Err(Refused::bad("the head is not valid"));
    };
    let line = Line {
        method,
        target: target(method, path)?,
        version: match version {
            0 => Version::Http10,
            _ => Version::Http11,
        },
    };
    Ok((line, parsed.headers))
}

/// How the body of a request is framed (RFC 9112, section 6.3).
///
/// # Errors
/// When it could be framed in two ways, or in one that is not known.
pub(crate) fn request_framing(fields: &[Field<'_>], version: Version) -> Result<Framing, Refused> {
    let (mut length, mut coding) = (None, None);
    for field in fields {
        let slot = match known(field.name.as_bytes()) {
            Some(Known::ContentLength) => &mut length,
            Some(Known::TransferEncoding) => &mut coding,
            _ => continue,
        };
        if slot.replace(field.value).is_some() {
            return Err(Refused::bad("a body is framed once"));
        }
    }
    match (length, coding) {
        (None, None) => Ok(Framing::None),
        (Some(_), Some(_)) => Err(Refused::bad(
            "a body has either a length or a transfer coding",
        )),
        (Some(length), None) => length_of(length)
            .map(Framing::Length)
            .ok_or(Refused::bad("the length is not a number")),
        (None, Some(_)) if version == Version::Http10 => {
            Err(Refused::bad("HTTP/1.0 has no transfer codings"))
        }
        (None, Some(coding)) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
        (None, Some(_)) => Err(Refused {
            status: StatusCode::NOT_IMPLEMENTED,
            detail: "the only transfer coding is chunked",
        }),
    }
}

fn target<'a>(method: &str, path: &'a str) -> Result<Target<'a>, Refused> {
    let is_sane = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    if !path.bytes().all(is_sane) {
        return Err(Refused::bad("the target is not valid"));
    }
    if path.starts_with('/') || (path == "*" && method == "OPTIONS") {
        let authority = None;
        return Ok(Target { authority, path });
    }
    let rest = ["http://", "https://"].iter().find_map(|scheme| {
        let (start, rest) = path.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    });
    let rest = rest.ok_or(Refused::bad("the target is not valid"))?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    match path.as_bytes().first() {
        Some(b'?') => Err(Refused::bad("the target has no path")),
        Some(_) => Ok(Target {
            authority: Some(authority),
            path,
        }),
        None => Ok(Target {
            authority: Some(authority),
            path: "/",
        }),
    }
}

fn refused(error: httparse::Error) -> Refused {
    match error {
        httparse::Error::TooManyHeaders => Refused {
            status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            detail: "there are too many fields",
        },
        httparse::Error::Version => Refused {
            status: StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            detail: "the version is neither HTTP/1.1 nor HTTP/1.0",
        },
        httparse::Error::HeaderName
        | httparse::Error::HeaderValue
        | httparse::Error::NewLine
        | httparse::Error::Status
        | httparse::Error::Token => Refused::bad("the head is not valid"),
    }
}
