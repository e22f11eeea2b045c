//! What is an error of a revision, and what is not.
//!
//! One definition for tripwire, watch, statistics and reports, so that they can never disagree. It knows how a request
//! ended, not how that was found out.

/// How a request to an instance ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A whole response with this status arrived.
    Answered(u16),
    /// There was no response, or it broke: `status` is set when its head had arrived.
    Failed {
        /// What went wrong.
        failure: Failure,
        /// The status of the response that broke.
        status: Option<u16>,
    },
    /// The client went away before the end. Says nothing about the revision.
    ClientGone,
}

/// Why there was no whole response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// No instance accepted a connection.
    Connect,
    /// The connection broke, or what arrived was no HTTP.
    Broken,
    /// The response's head did not arrive in time.
    FirstByteTimeout,
    /// The response stopped half-way for too long.
    IdleTimeout,
}

impl Outcome {
    /// Whether it counts as an error of the revision: a 5xx, or a connection that failed, timed out or broke. A 4xx is the
    /// client's, and so is going away.
    pub fn is_error(self) -> bool {
        match self {
            Self::Answered(status) => (500..600).contains(&status),
            Self::Failed { .. } => true,
            Self::ClientGone => false,
        }
    }

    /// The status that was seen, if any.
    pub fn status(self) -> Option<u16> {
        match self {
            Self::Answered(status) => Some(status),
            Self::Failed { status, .. } => status,
            Self::ClientGone => None,
        }
    }
}

impl Failure {
    /// In words, for reports.
    pub fn words(self) -> &'static str {
        match self {
            Self::Connect => "no connection to the instance",
            Self::Broken => "the connection to the instance broke",
            Self::FirstByteTimeout => "the instance did not begin to answer in time",
            Self::IdleTimeout => "the instance stopped half-way through its answer",
        }
    }
}

#[cfg(test)]
mod tests;
