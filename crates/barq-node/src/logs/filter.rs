//! Which lines are wanted. Asked of every line that is read, most of which are not wanted: what is cheap is asked first.

use barq_shim::output::Line;
use jiff::Timestamp;

use super::{LogQuery, Severity};

/// What a question wants of a line.
pub(super) struct Filter {
    since: Option<Timestamp>,
    severity: Option<Severity>,
    text: Option<Text>,
}

/// A text, however its letters are written.
struct Text {
    lowercase: String,
}

impl Filter {
    pub(super) fn of(query: &LogQuery) -> Self {
        let text = query.text.as_deref().filter(|text| !text.is_empty());
        Self {
            since: query.since,
            severity: query.severity,
            text: text.map(|text| Text {
                lowercase: text.to_lowercase(),
            }),
        }
    }

    /// The line's severity, if it is wanted.
    pub(super) fn wanted(&self, line: &Line) -> Option<Severity> {
        if self.is_before(line) || !self.text.as_ref().is_none_or(|text| text.is_in(&line.text)) {
            return None;
        }
        let severity = Severity::of(&line.text);
        let severe = self.severity.is_none_or(|least| severity >= least);
        severe.then_some(severity)
    }

    /// Whether it is older than all that is wanted.
    pub(super) fn is_before(&self, line: &Line) -> bool {
        self.since.is_some_and(|since| line.at < since)
    }
}

impl Text {
    fn is_in(&self, line: &str) -> bool {
        let wanted = self.lowercase.as_bytes();
        if !wanted.is_ascii() {
            return line.to_lowercase().contains(&self.lowercase);
        }
        line.as_bytes()
            .windows(wanted.len())
            .any(|part| part.eq_ignore_ascii_case(wanted))
    }
}

#[cfg(test)]
mod tests;
