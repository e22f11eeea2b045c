//! The words of an instance's life: what happens to it, and what has to be done.
//!
//! It must not know which follows from which.

use std::time::Duration;

/// Which probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::instances) enum Probe {
    /// Has it started?
    Startup,
    /// Is it alive?
    Liveness,
    /// Can it serve?
    Readiness,
}

/// What happens to an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::instances) enum Event {
    /// Its process runs.
    Launched,
    /// Its process could not be started.
    LaunchFailed,
    /// A probe was answered.
    Passed(Probe),
    /// A probe failed or was not answered in time.
    Failed(Probe),
    /// Its process has ended; `port_taken` if because its port was in use.
    Exited { port_taken: bool },
    /// It is no longer wanted.
    Unwanted,
    /// Nothing is in flight on it any more.
    Drained,
    /// A deadline has passed.
    Time,
}

/// What has to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::instances) enum Action {
    /// Start a process, on a port of its own.
    Launch,
    /// Ask a health path.
    Ask(Probe),
    /// Let requests come.
    Admit,
    /// Let no request come from here on.
    Withdraw,
    /// SIGTERM, then SIGKILL after the grace.
    Stop,
    /// A start has failed: to be counted and explained.
    CountFailedStart,
    /// A process that had been ready failed: to be explained.
    Explain,
    /// Nothing is left: the port and the place can be given back.
    Retire,
}

/// In which state an instance is found after a restart of the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::instances) enum Found {
    /// Its startup probe had not passed.
    Starting {
        /// For how long it has been running.
        age: Duration,
    },
    /// It was not ready.
    NotReady,
    /// It was ready.
    Ready,
    /// It was on its way out.
    Leaving,
}
