//! What pages remember beside the state, until the server ends: nothing that anything but a page relies on.

use super::logs::Readings;
use super::output::Outputs;
use super::service::Verifications;

/// All of it.
#[derive(Debug, Default)]
pub(in crate::server) struct Kept {
    /// What the last verification of each service saw.
    pub(super) verifications: Verifications,
    /// The logs that somebody looks at.
    pub(super) logs: Readings,
    /// Where the lines of outputs begin.
    pub(super) outputs: Outputs,
}
