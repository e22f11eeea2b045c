//! What people can do, and to what: its address, its words, and the command that it is. It knows no rules.

use barq_core::command::Command;
use barq_core::identity::{DeliveryId, RevisionName, RolloutId, ServiceId};

use super::super::super::problem::Problem;

/// The addresses of all actions: the page that asks, and where its form goes.
pub(super) const PATHS: &[&str] = &[
    "/rollouts/{id}/pause",
    "/rollouts/{id}/resume",
    "/rollouts/{id}/promote",
    "/rollouts/{id}/promote-full",
    "/rollouts/{id}/abort",
    "/deliveries/{id}/approve",
    "/deliveries/{id}/reject",
    "/deliveries/{id}/cancel",
    "/deliveries/{id}/retry",
    "/services/{name}/rollback",
    "/services/{name}/lock",
    "/services/{name}/unlock",
];

/// Something that people can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    Pause(RolloutId),
    Resume(RolloutId),
    /// To the next step.
    Promote(RolloutId),
    /// Straight to 100 %.
    PromoteFull(RolloutId),
    Abort(RolloutId),
    Approve(DeliveryId),
    Reject(DeliveryId),
    Cancel(DeliveryId),
    Retry {
        delivery: DeliveryId,
        /// Although it is quarantined.
        force: bool,
    },
    RollBack {
        service: ServiceId,
        /// None: in a canary to stable, at rest to what was stable before.
        to: Option<RevisionName>,
    },
    Lock(ServiceId),
    Unlock(ServiceId),
}

/// Whether somebody may say why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Never,
    Optional,
    Required,
}

impl Action {
    /// The action at an address.
    pub(super) fn of(path: &str, to: Option<&str>, force: bool) -> Result<Self, Problem> {
        let segments: Vec<&str> = path.split('/').filter(|it| !it.is_empty()).collect();
        let [kind, name, verb] = segments[..] else {
            return Err(Problem::unknown("page", path));
        };
        let rollout = || name.parse().map_err(|_| Problem::unknown("rollout", name));
        let delivery = || name.parse().map_err(|_| Problem::unknown("delivery", name));
        let service = || name.parse().map_err(|_| Problem::unknown("service", name));
        Ok(match (kind, verb) {
            ("rollouts", "pause") => Self::Pause(rollout()?),
            ("rollouts", "resume") => Self::Resume(rollout()?),
            ("rollouts", "promote") => Self::Promote(rollout()?),
            ("rollouts", "promote-full") => Self::PromoteFull(rollout()?),
            ("rollouts", "abort") => Self::Abort(rollout()?),
            ("deliveries", "approve") => Self::Approve(delivery()?),
            ("deliveries", "reject") => Self::Reject(delivery()?),
            ("deliveries", "cancel") => Self::Cancel(delivery()?),
            ("deliveries", "retry") => Self::Retry {
                delivery: delivery()?,
                force,
            },
            ("services", "rollback") => Self::RollBack {
                service: service()?,
                to: to
                    .filter(|to| !to.is_empty())
                    .map(|to| to.parse().map_err(|_| Problem::unknown("revision", to)))
                    .transpose()?,
            },
            ("services", "lock") => Self::Lock(service()?),
            ("services", "unlock") => Self::Unlock(service()?),
            _ => return Err(Problem::unknown("page", path)),
        })
    }

    /// The last part of its address, and of the ids of its elements.
    pub(super) fn verb(&self) -> &'static str {
        match self {
            Self::Pause(_) => "pause",
            Self::Resume(_) => "resume",
            Self::Promote(_) => "promote",
            Self::PromoteFull(_) => "promote-full",
            Self::Abort(_) => "abort",
            Self::Approve(_) => "approve",
            Self::Reject(_) => "reject",
            Self::Cancel(_) => "cancel",
            Self::Retry { .. } => "retry",
            Self::RollBack { .. } => "rollback",
            Self::Lock(_) => "lock",
            Self::Unlock(_) => "unlock",
        }
    }

    /// Where its form goes.
    pub(super) fn path(&self) -> String {
        format!("{}/{}", self.subject_path(), self.verb())
    }

    /// Where it is asked for: its path, with what it is to be done with.
    pub(super) fn address(&self) -> String {
        match self {
            Self::RollBack { to: Some(to), .. } => format!("{}?to={to}", self.path()),
            Self::Retry { force: true, .. } => format!("{}?force=yes", self.path()),
            _ => self.path(),
        }
    }

    /// The page of what it is done to.
    pub(super) fn subject_path(&self) -> String {
        match self {
            Self::Pause(id)
            | Self::Resume(id)
            | Self::Promote(id)
            | Self::PromoteFull(id)
            | Self::Abort(id) => format!("/rollouts/{id}"),
            Self::Approve(id)
            | Self::Reject(id)
            | Self::Cancel(id)
            | Self::Retry { delivery: id, .. } => format!("/deliveries/{id}"),
            Self::RollBack { service: id, .. } | Self::Lock(id) | Self::Unlock(id) => {
                format!("/services/{id}")
            }
        }
    }

    /// What it is done to.
    pub(super) fn subject(&self) -> String {
        match self {
            Self::Pause(id)
            | Self::Resume(id)
            | Self::Promote(id)
            | Self::PromoteFull(id)
            | Self::Abort(id) => id.to_string(),
            Self::Approve(id)
            | Self::Reject(id)
            | Self::Cancel(id)
            | Self::Retry { delivery: id, .. } => id.to_string(),
            Self::RollBack { service: id, .. } | Self::Lock(id) | Self::Unlock(id) => {
                id.to_string()
            }
        }
    }

    /// Its name on a button.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Pause(_) => "Pause",
            Self::Resume(_) => "Resume",
            Self::Promote(_) => "Go to the next step",
            Self::PromoteFull(_) => "Promote to 100 %",
            Self::Abort(_) => "Abort",
            Self::Approve(_) => "Approve",
            Self::Reject(_) => "Reject",
            Self::Cancel(_) => "Cancel",
            Self::Retry { force: false, .. } => "Retry",
            Self::Retry { force: true, .. } => "Retry in spite of the quarantine",
            Self::RollBack { .. } => "Roll back",
            Self::Lock(_) => "Lock",
            Self::Unlock(_) => "Unlock",
        }
    }

    /// What it is given to the engine as.
    pub(super) fn command(&self, message: Option<String>) -> Command {
        match self.clone() {
            Self::Pause(id) => Command::Pause(id),
            Self::Resume(id) => Command::Resume(id),
            Self::Promote(rollout) => Command::Promote {
                rollout,
                full: false,
            },
            Self::PromoteFull(rollout) => Command::Promote {
                rollout,
                full: true,
            },
            Self::Abort(rollout) => Command::Abort { rollout, message },
            Self::Approve(delivery) => Command::Approve { delivery, message },
            Self::Reject(delivery) => Command::Reject { delivery, message },
            Self::Cancel(delivery) => Command::Cancel { delivery, message },
            Self::Retry { delivery, force } => Command::Retry { delivery, force },
            Self::RollBack { service, to } => Command::RollBack {
                service,
                to,
                message,
            },
            Self::Lock(service) => Command::Lock {
                service,
                message: message.unwrap_or_default(),
            },
            Self::Unlock(service) => Command::Unlock { service, message },
        }
    }

    /// Whether it can't be taken back, or moves all traffic: then it asks once.
    pub(super) fn asks_once(&self) -> bool {
        match self {
            Self::PromoteFull(_)
            | Self::Abort(_)
            | Self::Reject(_)
            | Self::Cancel(_)
            | Self::RollBack { .. }
            | Self::Lock(_)
            | Self::Retry { force: true, .. } => true,
            Self::Pause(_)
            | Self::Resume(_)
            | Self::Promote(_)
            | Self::Approve(_)
            | Self::Retry { force: false, .. }
            | Self::Unlock(_) => false,
        }
    }

    /// Whether it is done even where what its form was made from has changed: it only holds up what goes on, and while
    /// somebody reads of a conflict that goes on further. What it was done to is said afterwards.
    pub(super) fn is_urgent(&self) -> bool {
        matches!(self, Self::Pause(_))
    }

    /// Whether it makes an end of something, which its button shows.
    pub(super) fn ends_something(&self) -> bool {
        matches!(
            self,
            Self::Abort(_) | Self::Reject(_) | Self::Cancel(_) | Self::RollBack { .. }
        )
    }

    /// Whether somebody may say why.
    pub(super) fn reason(&self) -> Reason {
        match self {
            Self::Pause(_)
            | Self::Resume(_)
            | Self::Promote(_)
            | Self::PromoteFull(_)
            | Self::Retry { .. } => Reason::Never,
            Self::Abort(_)
            | Self::Approve(_)
            | Self::Reject(_)
            | Self::Cancel(_)
            | Self::RollBack { .. }
            | Self::Unlock(_) => Reason::Optional,
            Self::Lock(_) => Reason::Required,
        }
    }
}
