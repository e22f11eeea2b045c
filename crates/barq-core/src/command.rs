//! What may be asked of the state machines, and why it may be refused.

use jiff::Timestamp;

use crate::configuration::{Configuration, Role};
use crate::effect::{EffectKey, Outcome};
use crate::event::{Actor, Commit};
use crate::identity::{AppName, CommitHash, DeliveryId, RevisionName, RolloutId, ServiceId};
use crate::observation::{Observation, Observed};

/// What a decision is made with beside the state.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The time.
    pub now: Timestamp,
    /// Who gives the command.
    pub actor: &'a Actor,
    /// What the data plane sees.
    pub observed: &'a Observed,
    /// Between 0 and 1: spreads the times of retries.
    pub jitter: f64,
}

/// A branch or tag that was pushed.
#[derive(Debug, Clone, PartialEq)]
pub struct PushedRef {
    /// Whose.
    pub app: AppName,
    /// The full name, e.g. `refs/heads/main`.
    pub name: String,
    /// Where it pointed before; none: it is new.
    pub before: Option<CommitHash>,
    /// Where it points now; none: it was deleted.
    pub tip: Option<Tip>,
}

/// The commit that a branch points to now.
#[derive(Debug, Clone, PartialEq)]
pub struct Tip {
    /// The commit.
    pub commit: Commit,
    /// All commits that came with it, newest first, capped.
    pub commits: Vec<Commit>,
    /// Its configuration, or why there is none.
    pub configuration: Result<Box<Configuration>, String>,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// A branch or tag moved.
    Push(PushedRef),
    /// The same commit again, as a new delivery.
    Retry {
        /// Which.
        delivery: DeliveryId,
        /// Whether a quarantined release may pass.
        force: bool,
    },
    /// The gate opens.
    Approve {
        /// For which.
        delivery: DeliveryId,
        /// What they say.
        message: Option<String>,
    },
    /// The gate stays closed.
    Reject {
        /// For which.
        delivery: DeliveryId,
        /// What they say.
        message: Option<String>,
    },
    /// A delivery stops.
    Cancel {
        /// Which.
        delivery: DeliveryId,
        /// What they say.
        message: Option<String>,
    },
    /// The hold's clock stands still.
    Pause(RolloutId),
    /// It goes on.
    Resume(RolloutId),
    /// To the next step, or straight to 100 %.
    Promote {
        /// Which.
        rollout: RolloutId,
        /// Straight to 100 %.
        full: bool,
    },
    /// The rollout stops, the traffic goes back.
    Abort {
        /// Which.
        rollout: RolloutId,
        /// What they say.
        message: Option<String>,
    },
    /// All traffic to an older revision.
    RollBack {
        /// Where.
        service: ServiceId,
        /// To what; none: in a canary to stable, at rest to what was stable before.
        to: Option<RevisionName>,
        /// What they say.
        message: Option<String>,
    },
    /// Nothing enters.
    Lock {
        /// Where.
        service: ServiceId,
        /// Why.
        message: String,
    },
    /// Releases may enter again.
    Unlock {
        /// Where.
        service: ServiceId,
        /// Why.
        message: Option<String>,
    },
    /// A token is made.
    CreateToken {
        /// Unique.
        name: String,
        /// What its owner may do.
        role: Role,
        /// SHA-256, hexadecimal.
        hash: String,
    },
    /// A token ends.
    RevokeToken {
        /// Which.
        name: String,
    },
    /// What came of an effect.
    Outcome(EffectKey, Outcome),
    /// What the data plane sees of a service.
    Observed(ServiceId, Box<Observation>),
    /// A deadline has come.
    Wake,
}

/// Why a command was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// There is no such thing.
    #[error("there is no {what} {name}")]
    Unknown {
        /// E.g. "delivery".
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The role is not enough.
    #[error("{actor} may not {what}: it needs the role {needs}")]
    NotAllowed {
        /// Who.
        actor: String,
        /// E.g. "approve fleet-3".
        what: String,
        /// The least role.
        needs: Role,
    },
    /// The one who pushed may not approve.
    #[error("{actor} pushed {delivery}, and another person must approve it")]
    NotSeparate {
        /// Who.
        actor: String,
        /// What.
        delivery: DeliveryId,
    },
    /// It belongs to somebody else, whatever the role.
    #[error("{actor} may not {what}: only {owner} may")]
    NotOwner {
        /// Who.
        actor: String,
        /// E.g. "create the token alice/laptop".
        what: String,
        /// Whose it is: the name of a token.
        owner: String,
    },
    /// It does not fit the present state.
    #[error("{what}: {why}")]
    Conflict {
        /// E.g. "fleet-3 can't be approved".
        what: String,
        /// Why, with what to do.
        why: String,
    },
}
