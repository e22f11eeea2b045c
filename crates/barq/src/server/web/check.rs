//! A check as people see it, and the build, which is one more of them.

use std::time::Duration;

use barq_core::configuration::Build;
use barq_core::delivery::{CheckState, Delivery, Phase};
use barq_core::event::CheckOutcome;
use jiff::Timestamp;

use super::super::outputs::BUILD;
use super::super::story;

/// What is known of a check or a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    /// Its name; `build` for the build.
    pub(super) name: String,
    /// As in the API.
    pub(super) state: &'static str,
    /// When it began to run.
    pub(super) started_at: Option<Timestamp>,
    /// How long it ran, in milliseconds, once it has ended.
    pub(super) ran_ms: Option<u64>,
    /// Why it ended as it did, where that is not plain.
    pub(super) why: Option<String>,
    /// What is run; none where the commit holds everything as it is.
    pub(super) command: Option<String>,
    /// How long it may run.
    pub(super) limit: Option<Duration>,
    /// The checks that must pass before.
    pub(super) needs: Vec<String>,
}

impl Check {
    /// The delivery's check of that name; none where it has none.
    pub(super) fn of(delivery: &Delivery, name: &str) -> Option<Self> {
        if name == BUILD {
            return Some(Self::build(delivery));
        }
        let check = delivery.checks.iter().find(|check| check.name == name)?;
        Some(Self::new(delivery, check))
    }

    /// All of them, in file order.
    pub(super) fn all(delivery: &Delivery) -> Vec<Self> {
        let checks = delivery.checks.iter();
        checks.map(|check| Self::new(delivery, check)).collect()
    }

    /// The build; where a delivery goes no further than its checks it stays queued, or is cancelled with them.
    pub(super) fn build(delivery: &Delivery) -> Self {
        let failed = delivery.failure();
        let state = match (delivery.build_started, delivery.build_ms, &delivery.phase) {
            (_, Some(_), _) => "passed",
            (Some(_), None, Phase::Ended(_)) if failed.is_some() => "failed",
            (Some(_), None, Phase::Ended(_)) => "cancelled",
            (Some(_), None, _) => "running",
            (None, None, Phase::Ended(_)) => "skipped",
            (None, None, _) => "queued",
        };
        let ended_at = delivery.finished_at.filter(|_| delivery.build_ms.is_none());
        let cut_short = delivery.build_started.zip(ended_at);
        let ran = cut_short.map(|(from, to)| to.duration_since(from).as_millis());
        let ran_ms = delivery
            .build_ms
            .or(ran.and_then(|ran| u64::try_from(ran).ok()));
        let command = delivery.configuration().and_then(|it| match &it.build {
            Build::Bundle { run, .. } => run.clone(),
            Build::Dockerfile { dockerfile, .. } => Some(format!("an image of {dockerfile}")),
        });
        Self {
            name: BUILD.to_owned(),
            state,
            started_at: delivery.build_started,
            ran_ms: ran_ms.filter(|_| command.is_some()),
            why: failed.filter(|_| state == "failed").map(str::to_owned),
            command,
            limit: None,
            needs: Vec::new(),
        }
    }

    fn new(delivery: &Delivery, check: &CheckState) -> Self {
        let configuration = delivery.configuration();
        let asked = configuration
            .and_then(|configuration| configuration.checks.iter().find(|it| it.name == check.name));
        let finished = check.finished.as_ref();
        Self {
            name: check.name.clone(),
            state: check.state_name(),
            started_at: check.started_at,
            ran_ms: finished
                .map(|(_, ran_ms)| *ran_ms)
                .filter(|_| check.started_at.is_some()),
            why: finished
                .map(|(outcome, _)| outcome)
                .filter(|outcome| **outcome != CheckOutcome::Passed)
                .map(story::check_outcome),
            command: asked.map(|asked| asked.run.clone()),
            limit: asked.map(|asked| asked.timeout),
            needs: asked.map_or_else(Vec::new, |asked| asked.needs.clone()),
        }
    }

    /// Whether more may come of it.
    pub(super) fn under_way(&self) -> bool {
        matches!(self.state, "queued" | "running")
    }

    /// Whether it stopped the delivery.
    pub(super) fn bad(&self) -> bool {
        matches!(self.state, "failed" | "timed_out")
    }
}
