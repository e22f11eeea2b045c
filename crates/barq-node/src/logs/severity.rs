//! How severe a line is: what it says of itself in JSON, else `DEFAULT`, as Cloud Logging has it.
//!
//! Standard error is no sign of severity: many programs log everything there.

use std::str::FromStr;

use serde_json::Value;

/// Longest line that is looked into, in bytes; structured lines are far shorter.
const JSON_BYTES_MAX: usize = 64 * 1024;

/// A line's severity, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It does not say.
    Default,
    /// For those who look for the cause.
    Debug,
    /// The normal course.
    Info,
    /// It may become an error.
    Warning,
    /// Something failed.
    Error,
}

/// A word that is no severity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is no severity; there are DEBUG, INFO, WARNING, ERROR, DEFAULT")]
pub struct UnknownSeverity {
    word: String,
}

impl Severity {
    /// As it is shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "DEFAULT",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        }
    }

    /// Of a line: its JSON `severity` or `level`, as a word or as bunyan's and pino's numbers.
    pub(super) fn of(line: &str) -> Self {
        let line = line.trim();
        if !line.starts_with('{') || line.len() > JSON_BYTES_MAX {
            return Self::Default;
        }
        let Ok(Value::Object(fields)) = serde_json::from_str(line) else {
            return Self::Default;
        };
        match fields.get("severity").or_else(|| fields.get("level")) {
            Some(Value::String(word)) => word.parse().unwrap_or(Self::Default),
            Some(Value::Number(number)) => number.as_u64().map_or(Self::Default, Self::of_number),
            Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => {
                Self::Default
            }
        }
    }

    fn of_number(number: u64) -> Self {
        match number {
            0..10 => Self::Default,
            10..30 => Self::Debug,
            30..40 => Self::Info,
            40..50 => Self::Warning,
            50.. => Self::Error,
        }
    }
}

impl FromStr for Severity {
    type Err = UnknownSeverity;

    fn from_str(word: &str) -> Result<Self, UnknownSeverity> {
        match word.to_ascii_lowercase().as_str() {
            "default" => Ok(Self::Default),
            "trace" | "debug" => Ok(Self::Debug),
            "info" | "information" | "notice" => Ok(Self::Info),
            "warn" | "warning" => Ok(Self::Warning),
            "error" | "err" | "critical" | "fatal" | "panic" | "alert" | "emergency" => {
                Ok(Self::Error)
            }
            _ => Err(UnknownSeverity {
                word: word.to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests;
