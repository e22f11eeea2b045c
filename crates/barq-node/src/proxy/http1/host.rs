//! The host of an authority, as routes are looked up by it.
//!
//! Only what a host name or an address can consist of is taken, so that nobody behind the proxy can read it otherwise:
//! no user, no space, no path, no percent-encoding.

/// Most bytes of a host name (RFC 1035, section 2.3.4).
const HOST_BYTES_MAX: usize = 255;
/// Digits of a port.
const PORT_DIGITS_MAX: usize = 5;

/// Appends the host of `authority` in lower case, without port and final dot. False if it is not valid.
pub(crate) fn host_of(authority: &[u8], into: &mut String) -> bool {
    let Some(length) = host_length(authority) else {
        return false;
    };
    let (host, rest) = authority.split_at(length);
    let is_port = match rest {
        [] => true,
        [b':', digits @ ..] => {
            digits.len() <= PORT_DIGITS_MAX && digits.iter().all(u8::is_ascii_digit)
        }
        _ => false,
    };
    if !is_port || host.len() > HOST_BYTES_MAX {
        return false;
    }
    let host = host.strip_suffix(b".").unwrap_or(host);
    if host.is_empty() {
        return false;
    }
    into.extend(
        host.iter()
            .map(|byte| char::from(byte.to_ascii_lowercase())),
    );
    true
}

fn host_length(authority: &[u8]) -> Option<usize> {
    if authority.first() == Some(&b'[') {
        let end = authority.iter().position(|byte| *byte == b']')?;
        let is_address = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
        return (end > 1 && authority[1..end].iter().all(is_address)).then_some(end + 1);
    }
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    Some(authority.iter().take_while(|byte| is_name(byte)).count())
}
