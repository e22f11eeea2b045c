//! Where a line stands among all lines of a service: by its time, then by its run, then by its position in the run.
//!
//! It means the same whoever reads and whenever, so that reading backwards keeps nothing between two questions. As text:
//! `<Unix milliseconds>.<run>.<position>`, the last two in hexadecimal; or the milliseconds alone, which is before all lines
//! of that millisecond.

use std::fmt;
use std::str::FromStr;

use barq_shim::output::Line;
use jiff::Timestamp;

/// A line's place; lines are in the order of their places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinePlace {
    at_ms: i64,
    run: u64,
    offset: u64,
}

/// A text that is no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no place of a line; it is a time in Unix milliseconds, or what came with a line"
)]
pub struct NoLinePlace {
    text: String,
}

impl LinePlace {
    /// Before all lines of a moment, in Unix milliseconds.
    #[must_use]
    pub fn moment(at_ms: i64) -> Self {
        Self {
            at_ms,
            run: 0,
            offset: 0,
        }
    }

    /// Its moment, in Unix milliseconds.
    #[must_use]
    pub fn at_ms(self) -> i64 {
        self.at_ms
    }

    pub(super) fn of(run: u64, line: &Line) -> Self {
        Self {
            at_ms: line.at.as_millisecond(),
            run,
            offset: line.offset,
        }
    }

    /// Up to where a run's lines are before this place: to a position, or to the first line of a moment.
    pub(super) fn in_run(self, run: u64) -> UpTo {
        match run.cmp(&self.run) {
            std::cmp::Ordering::Less => UpTo::Moment(self.at_ms.saturating_add(1)),
            std::cmp::Ordering::Equal => UpTo::Offset(self.offset),
            std::cmp::Ordering::Greater => UpTo::Moment(self.at_ms),
        }
    }
}

/// A bound in one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UpTo {
    /// A position as the shim counts.
    Offset(u64),
    /// A time in Unix milliseconds.
    Moment(i64),
}

impl fmt::Display for LinePlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.run, self.offset) {
            (0, 0) => write!(formatter, "{}", self.at_ms),
            (run, offset) => write!(formatter, "{}.{run:x}.{offset:x}", self.at_ms),
        }
    }
}

impl FromStr for LinePlace {
    type Err = NoLinePlace;

    fn from_str(text: &str) -> Result<Self, NoLinePlace> {
        let number = |text: &str| u64::from_str_radix(text, 16).ok();
        let parts: Vec<&str> = text.split('.').collect();
        let place = match parts[..] {
            [at] => at.parse().ok().map(Self::moment),
            [at, run, offset] => (|| {
                Some(Self {
                    at_ms: at.parse().ok()?,
                    run: number(run)?,
                    offset: number(offset)?,
                })
            })(),
            _ => None,
        };
        let known = |place: &Self| Timestamp::from_millisecond(place.at_ms).is_ok();
        place.filter(known).ok_or_else(|| NoLinePlace {
            text: text.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests;
