//! The head of a CGI answer (RFC 3875 section 6): header lines, an empty line, then the body.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// The longest head that is taken; git writes a few lines.
pub(super) const HEAD_BYTES_MAX: usize = 16 * 1024;

/// The head, and how many bytes it took.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) length: usize,
}

/// The head in front of `bytes`; none while it is not complete.
///
/// # Errors
/// A plain reason, where it will never be one.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<Head>, &'static str> {
    let mut head = Head {
        status: StatusCode::OK,
        headers: HeaderMap::new(),
        length: 0,
    };
    loop {
        let rest = &bytes[head.length..];
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            return match bytes.len() {
                HEAD_BYTES_MAX.. => Err("a head that does not end"),
                _ => Ok(None),
            };
        };
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        head.length += end + 1;
        if line.is_empty() {
            return Ok(Some(head));
        }
        head.take_line(line)?;
    }
}

impl Head {
    fn take_line(&mut self, line: &[u8]) -> Result<(), &'static str> {
        let colon = line
            .iter()
            .position(|byte| *byte == b':')
            .ok_or("a header line without a colon")?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"status") {
            let code = value.get(..3).unwrap_or_default();
            self.status = StatusCode::from_bytes(code).map_err(|_| "a bad status")?;
            return Ok(());
        }
        let name = HeaderName::from_bytes(name).map_err(|_| "a bad header name")?;
        let value = HeaderValue::from_bytes(value).map_err(|_| "a bad header value")?;
        self.headers.append(name, value);
        Ok(())
    }
}
