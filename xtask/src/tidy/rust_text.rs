//! Rust source with everything blanked that is not code: comments, strings and character literals become spaces, byte
//! for byte and line for line. What is left can be searched for tokens and braces without being fooled.
//!
//! A lexer of one screen rather than a parser: it also reads code that does not compile, and macros.

#[cfg(test)]
mod tests;

/// The text with comments and literals blanked; same length, same line breaks.
pub(crate) fn code_only(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut code = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let (end, is_code) = token(bytes, at);
        // A slice at the end of an unclosed literal may be shorter than the token claims.
        let token = &bytes[at..end.min(bytes.len())];
        code.extend(token.iter().map(|byte| {
            if is_code || *byte == b'\n' {
                *byte
            } else {
                b' '
            }
        }));
        at = end;
    }
    String::from_utf8_lossy(&code).into_owned()
}

/// Whether this byte can be part of a name.
pub(crate) fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// Where the token that starts here ends, and whether it is code.
fn token(bytes: &[u8], at: usize) -> (usize, bool) {
    let rest = &bytes[at..];
    match rest[0] {
        b'/' if rest.starts_with(b"//") => (at + until(rest, b'\n'), false),
        b'/' if rest.starts_with(b"/*") => (at + block_comment(rest), false),
        b'"' => (at + string(rest), false),
        b'\'' => character(rest).map_or((at + 1, true), |length| (at + length, false)),
        byte if is_name(byte) => name(bytes, at),
        _ => (at + 1, true),
    }
}

/// A name, or the literal that it is the prefix of: `r"…"`, `br#"…"#`, `b'x'`, `c"…"`.
fn name(bytes: &[u8], at: usize) -> (usize, bool) {
    let length = bytes[at..]
        .iter()
        .take_while(|byte| is_name(**byte))
        .count();
    let end = at + length;
    let rest = &bytes[end..];
    match (&bytes[at..end], rest.first()) {
        (b"r" | b"br" | b"cr", Some(b'"' | b'#')) => match raw_string(rest) {
            Some(length) => (end + length, false),
            None => (end, true),
        },
        (b"b" | b"c", Some(b'"')) => (end + string(rest), false),
        (b"b", Some(b'\'')) => (end + character(rest).unwrap_or(1), false),
        _ => (end, true),
    }
}

fn until(bytes: &[u8], stop: u8) -> usize {
    bytes
        .iter()
        .position(|byte| *byte == stop)
        .unwrap_or(bytes.len())
}

/// Block comments nest.
fn block_comment(bytes: &[u8]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// From a quotation mark to the closing one, escapes skipped.
fn string(bytes: &[u8]) -> usize {
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// From the `#`s or the quotation mark after `r`; `None` for a raw name such as `r#type`.
fn raw_string(bytes: &[u8]) -> Option<usize> {
    let hashes = bytes.iter().take_while(|byte| **byte == b'#').count();
    if bytes.get(hashes) != Some(&b'"') {
        return None;
    }
    let mut closing = vec![b'"'];
    closing.resize(hashes + 1, b'#');
    let content = &bytes[hashes + 1..];
    let length = content
        .windows(closing.len())
        .position(|window| window == closing);
    Some(length.map_or(bytes.len(), |length| hashes + 1 + length + closing.len()))
}

/// A character literal; `None` for a lifetime or a label.
fn character(bytes: &[u8]) -> Option<usize> {
    if bytes.get(1) == Some(&b'\\') {
        // The escaped character itself may be a quotation mark.
        return Some(3 + until(bytes.get(3..)?, b'\'') + 1);
    }
    let width = std::str::from_utf8(&bytes[1..bytes.len().min(5)])
        .map_or_else(|error| error.valid_up_to(), str::len)
        .min(bytes.len() - 1);
    let first = std::str::from_utf8(&bytes[1..1 + width])
        .ok()?
        .chars()
        .next()?
        .len_utf8();
    (bytes.get(1 + first) == Some(&b'\'')).then_some(2 + first)
}
