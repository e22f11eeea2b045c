//! How far someone has read, as text that means the same after a restart of the node.
//!
//! A run has ended and was read, or it is listed with its position, or it is younger than the youngest that was known: so
//! the cursor stays short however many runs there were. `1~<youngest run>~<run>.<offset>.<lines>~…`, in hexadecimal.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Runs that a cursor lists at most; beyond, the oldest count as read. More than a service has at a time.
pub(super) const RUNS_MAX: usize = 512;

/// Longest cursor, in bytes.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// A position in the output of all runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The highest run number that was known.
    pub(super) youngest: u64,
    /// Of runs that may say more.
    pub(super) positions: BTreeMap<u64, Position>,
}

/// A position in the output of one run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// An offset as the shim counts.
    pub(super) offset: u64,
    /// Lines after it that were read too: a page may end within what is read at once.
    pub(super) lines: usize,
}

/// A text that is no cursor.
#[derive(Debug, thiserror::Error)]
#[error("it is not what a page gave as `next`")]
pub struct CursorError;

impl Cursor {
    /// Where to go on in a run; `None` if all of it was read.
    pub(super) fn of(&self, run: u64) -> Option<Position> {
        match self.positions.get(&run) {
            Some(position) => Some(*position),
            None => (run > self.youngest).then(Position::default),
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "1~{:x}", self.youngest)?;
        let surplus = self.positions.len().saturating_sub(RUNS_MAX);
        for (run, position) in self.positions.iter().skip(surplus) {
            write!(
                formatter,
                "~{run:x}.{:x}.{:x}",
                position.offset, position.lines
            )?;
        }
        Ok(())
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(CursorError);
        }
        let number = |text: &str| u64::from_str_radix(text, 16).map_err(|_| CursorError);
        let mut parts = text.split('~');
        if parts.next() != Some("1") {
            return Err(CursorError);
        }
        let youngest = number(parts.next().ok_or(CursorError)?)?;
        let mut positions = BTreeMap::new();
        for part in parts {
            let [run, offset, lines] = part.split('.').collect::<Vec<_>>()[..] else {
                return Err(CursorError);
            };
            let lines = usize::try_from(number(lines)?).map_err(|_| CursorError)?;
            positions.insert(
                number(run)?,
                Position {
                    offset: number(offset)?,
                    lines,
                },
            );
        }
        Ok(Self {
            youngest,
            positions,
        })
    }
}

#[cfg(test)]
mod tests;
