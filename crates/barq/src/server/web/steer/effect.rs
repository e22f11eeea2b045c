//! What an action would do now, in words: asked of the engine's own rules, which are run dry. No rule stands here.

use barq_core::command::Rejection;
use barq_core::configuration::Role;
use barq_core::event::Actor;
use barq_core::identity::RevisionName;
use barq_core::rollout::{Phase, Rollout};
use barq_core::state::State;
use barq_engine::engine::View;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::super::super::access::hexadecimal;
use super::super::super::dry;
use super::super::elements::sentence;
use super::action::Action;
use super::words;

/// Bytes of the digest that a form carries: enough to tell two states apart.
const MADE_BYTES: usize = 12;

/// What an action would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Effect {
    /// A sentence each, the most important first.
    pub(super) words: Vec<String>,
    /// The button that does it, named by what it does.
    pub(super) button: String,
    /// What must still be so when the form comes back: digest of it.
    pub(super) made: String,
    /// What makes two askings of the same thing one: none where it may be done as often as it is asked.
    pub(super) once: Option<String>,
    /// The state that this was made from has been so since then.
    pub(super) since: Timestamp,
    /// Where a rollback goes, as decided.
    pub(super) to: Option<RevisionName>,
}

/// What an action of this actor would do now.
///
/// # Errors
/// Why the rules refuse it.
pub(super) fn effect(
    view: &View,
    action: &Action,
    actor: &Actor,
    now: Timestamp,
) -> Result<Effect, Rejection> {
    let decided = dry::decide(view, action.command(None), actor, now)?;
    let told = words::told(&view.state, action, &decided);
    let mut digest = Sha256::new();
    for text in std::iter::once(&action.path()).chain(&told.bound) {
        digest.update(text.as_bytes());
        digest.update([0]);
    }
    Ok(Effect {
        words: told.words,
        button: told.button,
        made: hexadecimal(&digest.finalize()[..MADE_BYTES]),
        once: told.once,
        since: since(&view.state, action).unwrap_or(now),
        to: told.to,
    })
}

/// Whether the rules would take an action of this actor now: quicker than to know what it would do.
///
/// # Errors
/// Why they refuse it.
pub(super) fn ask(
    view: &View,
    action: &Action,
    actor: &Actor,
    now: Timestamp,
) -> Result<(), Rejection> {
    dry::ask(view, action.command(None), actor, now)
}

/// Why somebody may not, in words for a button that can't be pressed.
pub(super) fn refusal(rejection: &Rejection, role: Role) -> String {
    match rejection {
        Rejection::NotAllowed { needs, .. } => format!("Needs the role {needs}; you are {role}"),
        Rejection::NotSeparate { .. } => {
            "You pushed it, and another person must approve it".to_owned()
        }
        Rejection::Conflict { why, .. } => sentence(why),
        Rejection::Unknown { .. } | Rejection::NotOwner { .. } => sentence(&rejection.to_string()),
    }
}

/// Since when what the action is about has been as it is.
fn since(state: &State, action: &Action) -> Option<Timestamp> {
    match action {
        Action::Pause(id)
        | Action::Resume(id)
        | Action::Promote(id)
        | Action::PromoteFull(id)
        | Action::Abort(id) => {
            let rollout = state.rollout(id)?;
            Some(rollout.paused.unwrap_or(rollout.phase_since))
        }
        Action::Approve(id)
        | Action::Reject(id)
        | Action::Cancel(id)
        | Action::Retry { delivery: id, .. } => Some(state.delivery(id)?.phase_since),
        Action::RollBack { service: id, .. } | Action::Lock(id) | Action::Unlock(id) => {
            let service = state.service(id)?;
            let running = state.running(service).map(|rollout| rollout.phase_since);
            let locked = service.lock.as_ref().map(|lock| lock.since);
            let rolled_back = service.rolled_back.as_ref().map(|it| it.at);
            running
                .max(locked)
                .max(rolled_back)
                .max(service.accepted_at)
        }
    }
}

/// Whether a rollout can still be steered by people.
pub(super) fn can_be_steered(rollout: &Rollout) -> bool {
    !rollout.ended() && !matches!(rollout.phase, Phase::RollingBack(_))
}
