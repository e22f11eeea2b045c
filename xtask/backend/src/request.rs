//! A request's head, as far as it matters here: which answer, how long a body, whether the connection ends with it.

use crate::answers::Which;

#[cfg(test)]
mod tests;

/// What a head asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// The answer.
    pub(crate) which: Which,
    /// Bytes of the body that follows.
    pub(crate) body_bytes: usize,
    /// Whether the connection ends with it.
    pub(crate) last: bool,
}

/// The bytes of the head, its empty line included, if it is complete.
pub(crate) fn head_bytes(bytes: &[u8]) -> Option<usize> {
    let end = b"\r\n\r\n";
    Some(bytes.windows(end.len()).position(|part| part == end)? + end.len())
}

/// What a complete head asks for. Whatever is not understood is refused, and is the last.
pub(crate) fn parse(head: &[u8]) -> Request {
    parsed(head).unwrap_or(Request {
        which: Which::Refusal,
        body_bytes: 0,
        last: true,
    })
}

fn parsed(head: &[u8]) -> Option<Request> {
    let mut lines = head.split(|byte| *byte == b'\n');
    let mut words = lines.next()?.split(|byte| *byte == b' ');
    let path = words.nth(1)?;
    let mut request = Request {
        which: match path {
            b"/64k" => Which::Medium,
            b"/1m" => Which::Large,
            _ => Which::Small,
        },
        body_bytes: 0,
        last: false,
    };
    for line in lines {
        // Of all names that matter, and of few others, the first letter.
        if !matches!(line.first(), Some(b'c' | b'C' | b't' | b'T')) {
            continue;
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            request.body_bytes = std::str::from_utf8(value).ok()?.parse().ok()?;
        } else if name.eq_ignore_ascii_case(b"connection") {
            request.last = value.eq_ignore_ascii_case(b"close");
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            return None;
        }
    }
    Some(request)
}
