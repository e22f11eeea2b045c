//! Names and ids of the domain, each a type of its own.
//!
//! Constructors validate, so that the inside holds only valid values; all serialise as the text that people see. This
//! file must not know what the named things do.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest DNS label, RFC 1035 section 2.3.4, in bytes.
const LABEL_BYTES_MAX: usize = 63;

/// A text that is not the name or id that it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {what}")]
pub struct InvalidName {
    /// What it should have been, e.g. "a delivery's id (app-number)".
    pub what: &'static str,
    /// What it was.
    pub text: String,
}

/// What stands between a person's name and that of a token of their own: `alice/laptop`.
pub const OWN_TOKEN_MARK: char = '/';

/// Whose token it is: the person `alice` has the token `alice` and makes tokens of her own, as `alice/laptop`.
pub fn person(token: &str) -> &str {
    token
        .split_once(OWN_TOKEN_MARK)
        .map_or(token, |(person, _)| person)
}

fn invalid(what: &'static str, text: &str) -> InvalidName {
    InvalidName {
        what,
        text: text.chars().take(200).collect(),
    }
}

fn is_label(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= LABEL_BYTES_MAX
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Serialises by `Display` and `FromStr`.
macro_rules! as_text {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.to_string()
            }
        }
    };
}

/// An app: the name in the push URL, a DNS label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AppName(String);
as_text!(AppName);

impl AppName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AppName {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if is_label(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(invalid("an app's name (a-z, 0-9 and -, at most 63)", text))
        }
    }
}

impl fmt::Display for AppName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A delivery: `<app>-<n>`, counted by app from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeliveryId {
    /// Whose.
    pub app: AppName,
    /// From 1.
    pub number: u64,
}
as_text!(DeliveryId);

impl FromStr for DeliveryId {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let what = "a delivery's id (app-number)";
        let (app, number) = text.rsplit_once('-').ok_or_else(|| invalid(what, text))?;
        let number = number.parse().map_err(|_| invalid(what, text))?;
        Ok(Self {
            app: app.parse().map_err(|_| invalid(what, text))?,
            number,
        })
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.app, self.number)
    }
}

/// A rollout: `<app>-<n>-<environment>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RolloutId {
    /// Whose release.
    pub delivery: DeliveryId,
    /// Where to.
    pub environment: String,
}
as_text!(RolloutId);

impl FromStr for RolloutId {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let what = "a rollout's id (app-number-environment)";
        // Both app and environment may hold dashes and digits; the environment is what follows the last number.
        let mut cut = text.len();
        while let Some(dash) = text[..cut].rfind('-') {
            let environment = &text[dash + 1..];
            if let Ok(delivery) = text[..dash].parse::<DeliveryId>()
                && !environment.is_empty()
            {
                return Ok(Self {
                    delivery,
                    environment: environment.to_owned(),
                });
            }
            cut = dash;
        }
        Err(invalid(what, text))
    }
}

impl fmt::Display for RolloutId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.delivery, self.environment)
    }
}

/// A service: `<service>-<environment>`, e.g. `barq-api-production`; a DNS label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServiceId(String);
as_text!(ServiceId);

impl ServiceId {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ServiceId {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if is_label(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(invalid("a service's name (service-environment)", text))
        }
    }
}

impl fmt::Display for ServiceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A revision: `<service>-<environment>-<00043>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RevisionName {
    /// Whose.
    pub service: ServiceId,
    /// Counted by service from 1.
    pub number: u32,
}
as_text!(RevisionName);

impl RevisionName {
    /// The tag that reaches this revision whatever its traffic: `r00043`.
    pub fn tag(&self) -> String {
        format!("r{:05}", self.number)
    }
}

impl FromStr for RevisionName {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let what = "a revision's name (service-environment-00001)";
        let (service, number) = text.rsplit_once('-').ok_or_else(|| invalid(what, text))?;
        if number.len() < 5 {
            return Err(invalid(what, text));
        }
        Ok(Self {
            service: service.parse().map_err(|_| invalid(what, text))?,
            number: number.parse().map_err(|_| invalid(what, text))?,
        })
    }
}

impl fmt::Display for RevisionName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{:05}", self.service, self.number)
    }
}

/// An incident: `<app>-incident-<n>`, counted by app from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IncidentId {
    /// Whose.
    pub app: AppName,
    /// From 1.
    pub number: u64,
}
as_text!(IncidentId);

impl FromStr for IncidentId {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let what = "an incident's id (app-incident-number)";
        let (app, number) = text
            .rsplit_once("-incident-")
            .ok_or_else(|| invalid(what, text))?;
        Ok(Self {
            app: app.parse().map_err(|_| invalid(what, text))?,
            number: number.parse().map_err(|_| invalid(what, text))?,
        })
    }
}

impl fmt::Display for IncidentId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-incident-{}", self.app, self.number)
    }
}

/// A commit's full hash: 40 (SHA-1) or 64 (SHA-256) hexadecimal digits in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommitHash(String);
as_text!(CommitHash);

impl CommitHash {
    /// The full hash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first eight digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..8]
    }
}

impl FromStr for CommitHash {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let hexadecimal = text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if hexadecimal && matches!(text.len(), 40 | 64) {
            Ok(Self(text.to_owned()))
        } else {
            Err(invalid("a commit's full hash", text))
        }
    }
}

impl fmt::Display for CommitHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The digest of an image's manifest: `sha256:` and 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageDigest(String);
as_text!(ImageDigest);

impl ImageDigest {
    /// The digest as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ImageDigest {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let valid = text.strip_prefix("sha256:").is_some_and(|hash| {
            hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
        });
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(invalid("an image digest (sha256:…)", text))
        }
    }
}

impl fmt::Display for ImageDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
