//! Reads a body out of its framing, part by part, without copying it.

use super::Framing;
use super::head_end::HeadEnd;

/// Bytes of a line that gives a chunk's size, its extensions included: they mean nothing to anybody, and cost.
const CHUNK_LINE_BYTES_MAX: usize = 256;
/// Hexadecimal digits of a chunk's size.
const CHUNK_DIGITS_MAX: usize = 15;
/// Bytes of a trailer section.
const TRAILER_BYTES_MAX: usize = 8 * 1024;
/// Fields of a trailer section.
const TRAILER_FIELDS_MAX: usize = 64;

/// A body that is being read.
#[derive(Debug)]
pub(crate) struct Decoder {
    state: State,
    trailers: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Length(u64),
    UntilClose,
    /// At the line of a chunk's size.
    ChunkSize,
    /// So many bytes of the chunk are left.
    Chunk(u64),
    /// At the line end behind a chunk.
    ChunkEnd,
    Trailers,
    End,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decoded {
    /// So many bytes of the body.
    Data(usize),
    /// Nothing until more has arrived.
    More,
    /// The body has ended.
    End,
}

/// The framing is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body's framing is broken")]
pub(crate) struct Malformed;

impl Decoder {
    /// For a body of this framing.
    pub(crate) fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::None | Framing::Length(0) => State::End,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::ChunkSize,
            Framing::UntilClose => State::UntilClose,
        };
        let trailers = Vec::new();
        Self { state, trailers }
    }

    /// Whether the body has been read to its end.
    pub(crate) fn has_ended(&self) -> bool {
        self.state == State::End
    }

    /// The lines of the trailer section, once the body has ended.
    pub(crate) fn trailers(&self) -> &[u8] {
        &self.trailers
    }

    /// Looks at what has arrived and was not consumed: how many bytes of framing to drop, and what comes behind them.
    ///
    /// # Errors
    /// When the framing is broken.
    pub(crate) fn decode(&mut self, bytes: &[u8]) -> Result<(usize, Decoded), Malformed> {
        let mut at = 0;
        loop {
            let rest = &bytes[at..];
            match self.state {
                State::End => return Ok((at, Decoded::End)),
                State::Length(left) | State::Chunk(left) => {
                    return Ok((at, available(rest, left)));
                }
                State::UntilClose => return Ok((at, available(rest, u64::MAX))),
                State::ChunkSize => match chunk_line(rest)? {
                    None => return Ok((at, Decoded::More)),
                    Some((length, 0)) => (at, self.state) = (at + length, State::Trailers),
                    Some((length, size)) => (at, self.state) = (at + length, State::Chunk(size)),
                },
                State::ChunkEnd => match rest {
                    [b'\r', b'\n', ..] => (at, self.state) = (at + 2, State::ChunkSize),
                    [] | [b'\r'] => return Ok((at, Decoded::More)),
                    _ => return Err(Malformed),
                },
                State::Trailers => match trailer_section(rest)? {
                    None => return Ok((at, Decoded::More)),
                    Some(length) => {
                        self.trailers.extend_from_slice(&rest[..length - 2]);
                        (at, self.state) = (at + length, State::End);
                    }
                },
            }
        }
    }

    /// So many of the bytes that `decode` offered were taken.
    pub(crate) fn consumed(&mut self, count: usize) {
        let count = count as u64;
        self.state = match self.state {
            State::Length(left) if left <= count => State::End,
            State::Length(left) => State::Length(left - count),
            State::Chunk(left) if left <= count => State::ChunkEnd,
            State::Chunk(left) => State::Chunk(left - count),
            other => other,
        };
    }

    /// The connection has ended: whether the body has, too.
    pub(crate) fn closed(&mut self) -> Result<(), Malformed> {
        match self.state {
            State::End | State::UntilClose => {
                self.state = State::End;
                Ok(())
            }
            _ => Err(Malformed),
        }
    }
}

fn available(rest: &[u8], left: u64) -> Decoded {
    match rest.len().min(usize::try_from(left).unwrap_or(usize::MAX)) {
        0 => Decoded::More,
        count => Decoded::Data(count),
    }
}

/// The length of the line, and the chunk's size.
fn chunk_line(bytes: &[u8]) -> Result<Option<(usize, u64)>, Malformed> {
    let Some(end) = memchr::memchr(b'\n', &bytes[..bytes.len().min(CHUNK_LINE_BYTES_MAX)]) else {
        return match bytes.len() < CHUNK_LINE_BYTES_MAX {
            true => Ok(None),
            false => Err(Malformed),
        };
    };
    let line = bytes[..end].strip_suffix(b"\r").ok_or(Malformed)?;
    let digits = line
        .iter()
        .take_while(|byte| byte.is_ascii_hexdigit())
        .count();
    if digits == 0 || digits > CHUNK_DIGITS_MAX {
        return Err(Malformed);
    }
    let extension = &line[digits..];
    let is_text = |byte: &u8| *byte == b'\t' || !byte.is_ascii_control();
    if !extension.iter().all(is_text)
        || !matches!(extension.trim_ascii_start().first(), None | Some(b';'))
        || (extension.trim_ascii().is_empty() && !extension.is_empty())
    {
        return Err(Malformed);
    }
    let size = line[..digits].iter().fold(0, |size, digit| {
        size * 16 + u64::from(char::from(*digit).to_digit(16).unwrap_or(0))
    });
    Ok(Some((end + 1, size)))
}

/// The length of the section, its empty line included.
fn trailer_section(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    let seen = &bytes[..bytes.len().min(TRAILER_BYTES_MAX)];
    let Some(length) = HeadEnd::default().find(seen).map_err(|_| Malformed)? else {
        return match bytes.len() < TRAILER_BYTES_MAX {
            true => Ok(None),
            false => Err(Malformed),
        };
    };
    let mut fields = [httparse::EMPTY_HEADER; TRAILER_FIELDS_MAX];
    match httparse::parse_headers(&bytes[..length], &mut fields) {
        Ok(httparse::Status::Complete((end, _))) if end == length => Ok(Some(length)),
        _ => Err(Malformed),
    }
}
