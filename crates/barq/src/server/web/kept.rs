//! What pages remember beside the state, until the server ends: nothing that anything but a page relies on.

use super::journeys::Journeys;
use super::logs::Readings;
use super::output::Outputs;
use super::review::Materials;
use super::rollout::Failures;
use super::service::Verifications;

/// All of it.
#[derive(Debug, Default)]
pub(in crate::server) struct Kept {
    /// What the last verification of each service saw.
    pub(super) verifications: Verifications,
    /// The logs that somebody looks at.
    pub(super) logs: Readings,
    /// What the journal tells of deliveries that somebody looks at.
    pub(super) journeys: Journeys,
    /// What the node told of failed requests.
    pub(super) failures: Failures,
    /// Where the lines of outputs begin.
    pub(super) outputs: Outputs,
    /// What git told of releases that somebody reviews.
    pub(super) materials: Materials,
}
