//! The name of an app's services, before `-<environment>`.
//!
//! It becomes part of host names, revision names and paths, so it is a DNS label from the start: no later code has to
//! escape or check it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest DNS label, in bytes (RFC 1035 section 2.3.4).
pub(crate) const LABEL_BYTES_MAX: usize = 63;

/// What stands between a tag and a service in a host name: `canary---barq-api-production.localhost`.
pub(crate) const TAG_SEPARATOR: &str = "---";

/// A valid service name: lower-case letters, digits and single hyphens; starts with a letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServiceName(String);

/// Why a text is no service name; reads after the quoted text, e.g. "must start with a letter".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct InvalidServiceName {
    reason: String,
}

impl ServiceName {
    /// Validates a name.
    ///
    /// # Errors
    /// When it is not a DNS label that can carry an environment and a tag; the error says which rule it breaks.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidServiceName> {
        let name = name.into();
        match label_fault(&name) {
            None => Ok(Self(name)),
            Some(reason) => Err(InvalidServiceName { reason }),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl AsRef<str> for ServiceName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ServiceName {
    type Error = InvalidServiceName;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(name)
    }
}

impl From<ServiceName> for String {
    fn from(name: ServiceName) -> Self {
        name.0
    }
}

/// Why a text cannot be a part of `<service>-<environment>`; none if it can.
///
/// Two hyphens in a row are refused altogether: three would read as the end of a tag, and two in the third place mark
/// an encoded international name.
pub(crate) fn label_fault(name: &str) -> Option<String> {
    let allowed =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    if name.is_empty() {
        Some("must not be empty".to_owned())
    } else if name.len() > LABEL_BYTES_MAX {
        Some(format!(
            "is {} bytes long; a DNS label has at most {LABEL_BYTES_MAX}",
            name.len()
        ))
    } else if let Some(letter) = name.chars().find(|letter| !allowed(*letter)) {
        Some(format!(
            "contains {letter:?}; it becomes part of a host name: only a-z, 0-9 and `-`"
        ))
    } else if !name.starts_with(|letter: char| letter.is_ascii_lowercase()) {
        Some("must start with a letter".to_owned())
    } else if name.ends_with('-') {
        Some("must not end with `-`".to_owned())
    } else if name.contains("--") {
        Some(format!(
            "contains `--`; hyphens in a row are kept for tags (`canary{TAG_SEPARATOR}…`)"
        ))
    } else {
        None
    }
}
