//! The first line of a response, and how its body is framed.

use super::decoder::Malformed;
use super::fields::{Field, Known, known};
use super::framing::{Framing, length_of};

/// A response's first line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ResponseLine<'a> {
    pub(crate) status: u16,
    pub(crate) reason: &'a str,
    /// HTTP/1.0: its connection is not kept unless it says so.
    pub(crate) is_old: bool,
}

/// A head, cut: its first line, its fields, its length.
pub(crate) type Cut<'a, 'f> = (ResponseLine<'a>, &'f [Field<'a>], usize);

impl<'a> ResponseLine<'a> {
    /// Cuts a head into its first line, its fields and its length; `None` while it has not ended.
    ///
    /// # Errors
    /// When it is no HTTP/1 head.
    pub(crate) fn read<'f>(
        bytes: &'a [u8],
        fields: &'f mut [std::mem::MaybeUninit<Field<'a>>],
    ) -> Result<Option<Cut<'a, 'f>>, Malformed> {
        let mut parsed = httparse::Response::new(&mut []);
        let status = httparse::ParserConfig::default()
            .parse_response_with_uninit_headers(&mut parsed, bytes, fields)
            .map_err(|_| Malformed)?;
        let httparse::Status::Complete(length) = status else {
            return Ok(None);
        };
        let (Some(status), Some(version)) = (parsed.code, parsed.version) else {
            return Err(Malformed);
        };
        let line = Self {
            status,
            reason: parsed.reason.unwrap_or_default(),
            is_old: version == 0,
        };
        match (100..=599).contains(&status) {
            true => Ok(Some((line, parsed.headers, length))),
            false => Err(Malformed),
        }
    }
}

/// How the body of a response is framed (RFC 9112, section 6.3), and whether both a length and a coding say so: then the
/// connection is not to be used again.
///
/// # Errors
/// When lengths differ, or the coding is not known.
pub(crate) fn response_framing(
    status: u16,
    to_head: bool,
    fields: &[Field<'_>],
) -> Result<(Framing, bool), Malformed> {
    if to_head || status < 200 || matches!(status, 204 | 304) {
        return Ok((Framing::None, false));
    }
    let (mut length, mut coding) = (None, None);
    for field in fields {
        match known(field.name.as_bytes()) {
            Some(Known::ContentLength) => {
                let this = length_of(field.value).ok_or(Malformed)?;
                if length.replace(this).is_some_and(|other| other != this) {
                    return Err(Malformed);
                }
            }
            Some(Known::TransferEncoding) => {
                let is_chunked = field.value.eq_ignore_ascii_case(b"chunked");
                if !is_chunked || coding.replace(()).is_some() {
                    return Err(Malformed);
                }
            }
            _ => {}
        }
    }
    Ok(match (length, coding) {
        (length, Some(())) => (Framing::Chunked, length.is_some()),
        (Some(length), None) => (Framing::Length(length), false),
        (None, None) => (Framing::UntilClose, false),
    })
}
