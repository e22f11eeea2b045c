//! The endpoint of a path: what looks like an id becomes `{id}`, so that counts gather by endpoint and no id gets into a
//! report. It knows nothing of any application's routes.

/// Most bytes of an endpoint; what is longer is cut.
const ENDPOINT_BYTES_MAX: usize = 200;
/// A segment of hexadecimal digits from this length on is an id, if there is a digit in it.
const HEX_LENGTH_MIN: usize = 8;
/// A segment that mixes letters and digits is an id from this length on (ULIDs, tokens).
const MIXED_LENGTH_MIN: usize = 16;
/// No name of an endpoint is longer than this.
const NAME_LENGTH_MAX: usize = 40;

/// Appends the endpoint of `path` (without its query string) to `into`.
pub(crate) fn template(path: &str, into: &mut String) {
    let start = into.len();
    for (index, segment) in path.split('/').enumerate() {
        if index > 0 {
            into.push('/');
        }
        into.push_str(if is_id(segment) { "{id}" } else { segment });
        if into.len() - start > ENDPOINT_BYTES_MAX {
            let cut = (start..=start + ENDPOINT_BYTES_MAX)
                .rev()
                .find(|at| into.is_char_boundary(*at));
            into.truncate(cut.unwrap_or(start));
            into.push('…');
            return;
        }
    }
}

fn is_id(segment: &str) -> bool {
    let has_digit = segment.bytes().any(|byte| byte.is_ascii_digit());
    let is_name =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    if segment.len() > NAME_LENGTH_MAX || !segment.bytes().all(is_name) {
        return !segment.is_empty();
    }
    if !has_digit {
        return false;
    }
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_hex = segment
        .bytes()
        .all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let ends_in_number = segment
        .rsplit_once(['-', '_'])
        .is_some_and(|(_, last)| is_number(last));
    is_number(segment)
        || ends_in_number
        || (is_hex && segment.len() >= HEX_LENGTH_MIN)
        || (segment.len() >= MIXED_LENGTH_MIN && !segment.contains('.'))
}

#[cfg(test)]
mod tests;
