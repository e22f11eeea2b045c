//! What does not work with a certificate, in words: which host, what, why, and what to do. Pure.

use jiff::{SignedDuration, Timestamp};

use super::files::{FilesError, day};
use super::pair::Pair;

/// A certificate with less time left than this is spoken of: time enough to look into a renewal that does not happen.
const EXPIRY_WARNING_MAX: SignedDuration = SignedDuration::from_hours(14 * 24);
/// A certificate of a short life is spoken of when so much of it is left (a part of the whole).
const EXPIRY_WARNING_PART: i32 = 6;

/// What is to be said of one host.
pub(super) struct Words<'a> {
    pub(super) host: &'a str,
    /// What is in force.
    pub(super) pair: Option<&'a Pair>,
    pub(super) source: Source<'a>,
}

/// Where certificates come from, and what went wrong there.
pub(super) enum Source<'a> {
    Files {
        certificate: String,
        problem: Option<&'a FilesError>,
    },
    Acme {
        problem: Option<&'a str>,
    },
}

impl Words<'_> {
    /// All of it, or `None` where all is well.
    pub(super) fn problem(&self, now: Timestamp) -> Option<String> {
        let failed = match &self.source {
            Source::Files {
                problem: Some(problem),
                ..
            } => Some(format!(
                "{problem}. Put a matching pair in place, readable by barq's user: it is loaded within seconds"
            )),
            Source::Acme {
                problem: Some(problem),
            } => Some((*problem).to_owned()),
            Source::Files { problem: None, .. } | Source::Acme { problem: None } => None,
        };
        let expiry = self.pair.and_then(|pair| self.expiry(pair, now));
        match (failed, expiry) {
            (None, None) => None,
            (None, Some(expiry)) => Some(format!("TLS for {}: {expiry}", self.host)),
            (Some(failed), expiry) => Some(format!(
                "TLS for {}: {failed}. {}",
                self.host,
                self.meanwhile(expiry)
            )),
        }
    }

    fn meanwhile(&self, expiry: Option<String>) -> String {
        match (self.pair, expiry) {
            (Some(_), Some(expiry)) => format!("Until then {expiry}"),
            (Some(pair), None) => format!(
                "Until then the certificate of before goes on (valid until {})",
                day(pair.not_after())
            ),
            (None, _) => "Until then it is served by plain HTTP alone".to_owned(),
        }
    }

    fn expiry(&self, pair: &Pair, now: Timestamp) -> Option<String> {
        let renew = match &self.source {
            Source::Files { certificate, .. } => {
                format!("put a renewed one in {certificate}, it is loaded within seconds")
            }
            Source::Acme { .. } => "its renewal is being tried".to_owned(),
        };
        let (from, until) = (pair.not_before(), pair.not_after());
        let lifetime = until.duration_since(from);
        let warning = (lifetime / EXPIRY_WARNING_PART).min(EXPIRY_WARNING_MAX);
        if now < from {
            Some(format!(
                "the certificate is not valid before {}, and clients refuse it: is the clock of this machine right?",
                day(from)
            ))
        } else if now >= until {
            Some(format!(
                "the certificate expired on {}, and clients refuse it: {renew}",
                day(until)
            ))
        } else if until.duration_since(now) < warning {
            Some(format!(
                "the certificate expires on {}: {renew}",
                day(until)
            ))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests;
