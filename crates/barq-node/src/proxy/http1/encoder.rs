//! Writes a body in its framing, and nothing that was not announced: a length that is not kept is an error, not a shorter
//! body. It must not know where the bytes go.

use std::io::Write as _;

use super::Framing;
use super::fields::{Known, known};

/// How what is left of a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoder {
    /// Exactly so many bytes are left.
    Length(u64),
    /// In chunks.
    Chunked,
    /// As they are, to the end of the connection.
    Raw,
}

/// More was written than had been announced, or less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WrongLength;

impl Encoder {
    /// For a body of this framing.
    pub(crate) fn new(framing: Framing) -> Self {
        match framing {
            Framing::None => Self::Length(0),
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked,
            Framing::UntilClose => Self::Raw,
        }
    }

    /// Whether bytes of the body stand on the wire as they are.
    pub(crate) fn is_plain(self) -> bool {
        self != Self::Chunked
    }

    /// Accounts for bytes that are written as they are.
    pub(crate) fn passed(&mut self, count: usize) -> Result<(), WrongLength> {
        if let Self::Length(left) = self {
            *left = left.checked_sub(count as u64).ok_or(WrongLength)?;
        }
        Ok(())
    }

    /// Appends a part of the body.
    pub(crate) fn write(&mut self, part: &[u8], into: &mut Vec<u8>) -> Result<(), WrongLength> {
        if part.is_empty() {
            return Ok(());
        }
        if self.is_plain() {
            self.passed(part.len())?;
            into.extend_from_slice(part);
        } else {
            write!(into, "{:x}\r\n", part.len()).expect("writing to a vector cannot fail");
            into.extend_from_slice(part);
            into.extend_from_slice(b"\r\n");
        }
        Ok(())
    }

    /// Appends the end of the body. `trailers` are lines of fields, the empty line not included.
    pub(crate) fn end(&mut self, trailers: &[u8], into: &mut Vec<u8>) -> Result<(), WrongLength> {
        match self {
            Self::Length(0) | Self::Raw => Ok(()),
            Self::Length(_) => Err(WrongLength),
            Self::Chunked => {
                into.extend_from_slice(b"0\r\n");
                for line in trailers.split_inclusive(|byte| *byte == b'\n') {
                    if may_trail(line) {
                        into.extend_from_slice(line);
                    }
                }
                into.extend_from_slice(b"\r\n");
                *self = Self::Length(0);
                Ok(())
            }
        }
    }
}

/// Fields that frame or route a message must not come after it (RFC 9110, section 6.5.1).
fn may_trail(line: &[u8]) -> bool {
    let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
    let forbidden: [&[u8]; 7] = [
        b"authorization",
        b"cookie",
        b"content-encoding",
        b"content-range",
        b"content-type",
        b"set-cookie",
        b"trailer",
    ];
    matches!(known(name), None | Some(Known::GrpcStatus))
        && !forbidden
            .iter()
            .any(|forbidden| forbidden.eq_ignore_ascii_case(name))
}
