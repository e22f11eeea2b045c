//! Finds the end of a head while it arrives, each byte looked at once.
//!
//! A line ends in CR LF; a line feed alone is refused as soon as it is seen, since others take it for an end of line and
//! some do not (RFC 9112, section 2.2).

use super::Refused;

/// How far a head has been searched.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct HeadEnd {
    searched: usize,
}

impl HeadEnd {
    /// The length of the head, its empty line included; `None` while it has not ended. `bytes` are those of the last call,
    /// and more.
    ///
    /// # Errors
    /// When a line ends in a line feed alone.
    pub(crate) fn find(&mut self, bytes: &[u8]) -> Result<Option<usize>, Refused> {
        let from = self.searched;
        for at in memchr::memchr_iter(b'\n', &bytes[from..]) {
            let at = from + at;
            if at == 0 || bytes[at - 1] != b'\r' {
                return Err(Refused::bad("a line ends without a carriage return"));
            }
            if at == 1 || (at >= 3 && bytes[at - 2] == b'\n') {
                return Ok(Some(at + 1));
            }
        }
        self.searched = bytes.len();
        Ok(None)
    }
}
