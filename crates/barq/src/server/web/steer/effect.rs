//! What an action would do now, in words: asked of the engine's own rules, which are run dry. No rule stands here.

use barq_core::command::{Context, Rejection};
use barq_core::configuration::Role;
use barq_core::delivery::Phase as DeliveryPhase;
use barq_core::event::{Actor, DeliveryEvent, Event, Recorded, RollbackCause, RolloutEvent};
use barq_core::identity::{DeliveryId, RevisionName, RolloutId, ServiceId};
use barq_core::rollout::{Phase, Rollout};
use barq_core::state::State;
use barq_engine::engine::View;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::super::super::access::hexadecimal;
use super::action::Action;
use crate::output::text;

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

/// What is told of an effect, before it is made of the parts that bind it.
#[derive(Default)]
struct Told {
    words: Vec<String>,
    button: String,
    /// What must not change between the page and its form.
    bound: Vec<String>,
    /// What the same asking has in common beyond that.
    once: Option<String>,
    to: Option<RevisionName>,
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
    let context = Context {
        now,
        actor,
        observed: &view.observed,
        jitter: 0.0,
    };
    let decided = barq_core::decide(&view.state, action.command(None), &context)?;
    let told = told(&view.state, action, &decided);
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

/// With a capital.
pub(super) fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(characters).collect()
    })
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

fn told(state: &State, action: &Action, decided: &[Recorded]) -> Told {
    let mut told = match action {
        Action::Pause(id) => of_rollout(state, id, pause),
        Action::Resume(id) => of_rollout(state, id, resume),
        Action::Promote(id) => of_rollout(state, id, promote),
        Action::PromoteFull(id) => of_rollout(state, id, promote_full),
        Action::Abort(id) => of_rollout(state, id, |rollout| stopped(state, rollout, decided)),
        Action::Approve(id) => approve(state, id, decided),
        Action::Reject(id) => reject(state, id),
        Action::Cancel(id) => cancel(state, id, decided),
        Action::Retry { delivery, force } => retry(state, delivery, *force),
        Action::RollBack { .. } => taken_back(state, decided).unwrap_or_default(),
        Action::Lock(id) => lock(state, id),
        Action::Unlock(id) => unlock(state, id),
    };
    told.words.extend(lets_in(action, decided));
    told
}

fn of_rollout(state: &State, id: &RolloutId, tell: impl FnOnce(&Rollout) -> Told) -> Told {
    state.rollout(id).map(tell).unwrap_or_default()
}

fn pause(rollout: &Rollout) -> Told {
    let traffic = rollout.traffic();
    Told {
        words: vec![
            format!(
                "The hold's clock stands still, and {} stays at {traffic} % of the traffic until somebody resumes.",
                rollout.start.revision
            ),
            "The tripwire stays armed.".to_owned(),
        ],
        button: "Pause".to_owned(),
        ..Told::default()
    }
}

fn resume(rollout: &Rollout) -> Told {
    let paused = rollout.paused.map(|at| at.to_string());
    Told {
        words: vec![format!(
            "The hold's clock goes on, with {} at {} % of the traffic.",
            rollout.start.revision,
            rollout.traffic()
        )],
        button: "Resume".to_owned(),
        once: paused,
        ..Told::default()
    }
}

fn promote(rollout: &Rollout) -> Told {
    let next = next_share(rollout).unwrap_or(100);
    let step = rollout.step + 1;
    Told {
        words: vec![
            format!(
                "Step {step} begins now: {next} % of the traffic goes to {}.",
                rollout.start.revision
            ),
            "What is left of this step's hold is skipped.".to_owned(),
        ],
        button: format!("Go to step {step}: {next} %"),
        bound: vec![rollout.step.to_string(), next.to_string()],
        once: Some(format!("{} {}", rollout.step, rollout.progress.entry)),
        ..Told::default()
    }
}

fn promote_full(rollout: &Rollout) -> Told {
    let revision = &rollout.start.revision;
    let mut words = vec![match &rollout.start.stable {
        Some(stable) => format!("All traffic goes from {stable} to {revision}."),
        None => format!("All traffic goes to {revision}."),
    }];
    let skipped: Vec<String> = rollout
        .start
        .settings
        .steps
        .iter()
        .skip(rollout.step as usize)
        .filter(|step| step.traffic < 100)
        .map(|step| format!("{} %", step.traffic))
        .collect();
    words.push(match skipped.is_empty() {
        true => "What is left of this step's hold is skipped.".to_owned(),
        false => format!(
            "What is left of this step's hold is skipped, and so are the steps with {}.",
            skipped.join(" and ")
        ),
    });
    Told {
        words,
        button: format!("Give {} all traffic", short(revision)),
        bound: vec![revision.to_string()],
        once: Some(format!("{} {}", rollout.step, rollout.progress.entry)),
        ..Told::default()
    }
}

/// The share that the next step gives.
pub(super) fn next_share(rollout: &Rollout) -> Option<u8> {
    let steps = &rollout.start.settings.steps;
    steps.get(rollout.step as usize).map(|step| step.traffic)
}

/// A rollout that somebody stops: its traffic goes back, or none has moved.
fn stopped(state: &State, rollout: &Rollout, decided: &[Recorded]) -> Told {
    if let Some(told) = taken_back(state, decided) {
        return Told {
            button: format!("Abort: {}", lower(&told.button)),
            ..told
        };
    }
    let start = &rollout.start;
    let serves = start.stable.as_ref().map_or_else(
        || "nothing served there before".to_owned(),
        |stable| format!("{stable} goes on serving"),
    );
    Told {
        words: vec![
            format!("No traffic has moved yet: {serves}."),
            format!(
                "{} is taken down, and {} ends cancelled.",
                start.revision, rollout.id.delivery
            ),
        ],
        button: format!("Abort {}", rollout.id),
        bound: vec!["not moved".to_owned()],
        ..Told::default()
    }
}

/// What a rollback that was decided means; none where none was.
fn taken_back(state: &State, decided: &[Recorded]) -> Option<Told> {
    let (id, cause, to, size) = decided.iter().find_map(|recorded| match &recorded.event {
        Event::Rollout(
            id,
            RolloutEvent::RollbackStarted {
                cause, to, size, ..
            },
        ) => Some((id, cause, to, *size)),
        _ => None,
    })?;
    let rollout = state.rollout(id)?;
    let from = &rollout.start.revision;
    let mut words = vec![match to {
        Some(to) => format!("All traffic goes back from {from} to {to}."),
        None => format!(
            "{from} loses its traffic. Nothing was stable before it, so nothing serves then."
        ),
    }];
    if let (Some(to), true) = (to, size > 0) {
        words.push(format!(
            "{to} must have {} ready first; until then the traffic stays where it is.",
            text::count(u64::from(size), "instance")
        ));
    }
    words.extend(aftermath(id, cause));
    let button = match to {
        Some(to) => format!("Roll back to {}", short(to)),
        None => format!("Take the traffic from {}", short(from)),
    };
    Some(Told {
        words,
        button,
        bound: vec![format!("{from} {to:?}")],
        to: to.clone(),
        ..Told::default()
    })
}

/// What a rollback leaves behind.
fn aftermath(id: &RolloutId, cause: &RollbackCause) -> Vec<String> {
    let mut words = vec![format!("{} ends rolled back.", id.delivery)];
    if matches!(cause, RollbackCause::Aborted { .. }) {
        words.push(format!(
            "No incident is opened, and {} stays open for the next release.",
            id.environment
        ));
        return words;
    }
    if cause.quarantines() {
        words.push(
            "Its release is quarantined: it does not come back unless it is forced.".to_owned(),
        );
    }
    if cause.opens_incident() {
        words.push("An incident is opened, with a report.".to_owned());
    }
    words.push(format!(
        "{} stays locked until another release is approved after this, or somebody unlocks it.",
        sentence(&id.environment)
    ));
    words
}

fn approve(state: &State, id: &DeliveryId, decided: &[Recorded]) -> Told {
    let approved = decided.iter().find_map(|recorded| match &recorded.event {
        Event::Delivery(
            _,
            DeliveryEvent::Approved {
                environment,
                binding,
                ..
            },
        ) => Some((environment, binding)),
        _ => None,
    });
    let (Some((environment, binding)), Some(delivery)) = (approved, state.delivery(id)) else {
        return Told::default();
    };
    let commit = delivery.push.commit.hash.short();
    let image = text::short(binding.image.as_str());
    let replaced = binding
        .stable
        .as_ref()
        .map_or_else(|| "nothing".to_owned(), ToString::to_string);
    Told {
        words: vec![format!(
            "Commit {commit}, image {image}, may enter {environment}, where it replaces {replaced}."
        )],
        button: format!("Approve for {environment}"),
        bound: vec![
            environment.clone(),
            binding.image.to_string(),
            binding.configuration.clone(),
            format!("{:?}", binding.stable),
        ],
        once: gate_of(state, id),
        ..Told::default()
    }
}

fn reject(state: &State, id: &DeliveryId) -> Told {
    let environment = state.delivery(id).and_then(|it| match &it.phase {
        DeliveryPhase::AwaitingApproval(gate) => Some(gate.environment.clone()),
        DeliveryPhase::Checking
        | DeliveryPhase::Building
        | DeliveryPhase::Entering { .. }
        | DeliveryPhase::RollingOut { .. }
        | DeliveryPhase::Ended(_) => None,
    });
    let environment = environment.unwrap_or_default();
    Told {
        words: vec![
            format!("{id} ends rejected: it does not enter {environment}."),
            format!("What serves {environment} now goes on serving."),
        ],
        button: format!("Reject {id}"),
        bound: vec![environment],
        once: gate_of(state, id),
        ..Told::default()
    }
}

/// Which asking for an approval it is: each has its own end.
fn gate_of(state: &State, id: &DeliveryId) -> Option<String> {
    match &state.delivery(id)?.phase {
        DeliveryPhase::AwaitingApproval(gate) => Some(gate.expires_at.to_string()),
        DeliveryPhase::Checking
        | DeliveryPhase::Building
        | DeliveryPhase::Entering { .. }
        | DeliveryPhase::RollingOut { .. }
        | DeliveryPhase::Ended(_) => None,
    }
}

fn cancel(state: &State, id: &DeliveryId, decided: &[Recorded]) -> Told {
    let Some(delivery) = state.delivery(id) else {
        return Told::default();
    };
    let button = format!("Cancel {id}");
    if let DeliveryPhase::RollingOut { environment } = &delivery.phase {
        let rollout = RolloutId {
            delivery: id.clone(),
            environment: environment.clone(),
        };
        let told = of_rollout(state, &rollout, |rollout| stopped(state, rollout, decided));
        return Told {
            button: format!("{button}: {}", lower(&told.button)),
            ..told
        };
    }
    let now = delivery.state_name();
    Told {
        words: vec![
            format!(
                "{id} ends cancelled, and goes no further than it is now: {}.",
                now.replace('_', " ")
            ),
            "Checks and a build that still run are stopped. What serves goes on serving."
                .to_owned(),
        ],
        button,
        bound: vec![now.to_owned()],
        ..Told::default()
    }
}

fn retry(state: &State, id: &DeliveryId, force: bool) -> Told {
    let last = state.apps.get(&id.app).map_or(0, |app| app.last_delivery);
    let mut words = vec!["The same commit starts again, as a new delivery.".to_owned()];
    if force {
        words.push("Its release was rolled back: it may pass all the same, and the journal says who let it.".to_owned());
    }
    Told {
        words,
        button: format!("Retry {id}"),
        once: Some(last.to_string()),
        ..Told::default()
    }
}

fn lock(state: &State, id: &ServiceId) -> Told {
    let mut words = vec![format!("Nothing enters {id} until somebody unlocks it.")];
    let service = state.service(id);
    if let Some(stable) = service.and_then(|it| it.stable.as_ref()) {
        words.push(format!("{stable} goes on serving."));
    }
    if let Some(rollout) = service.and_then(|it| state.running(it)) {
        words.push(format!("{} runs and is not stopped by this.", rollout.id));
    }
    Told {
        words,
        button: format!("Lock {id}"),
        ..Told::default()
    }
}

fn unlock(state: &State, id: &ServiceId) -> Told {
    let mut words = vec![format!("Releases may enter {id} again.")];
    let (mut lifted, service) = (Vec::new(), state.service(id));
    if let Some(lock) = service.and_then(|it| it.lock.as_ref()) {
        words.push(format!("{} had locked it: {}", lock.by, lock.message));
        lifted.push(lock.since.to_string());
    }
    if let Some(rolled_back) = service.and_then(|it| it.rolled_back.as_ref()) {
        words.push(format!(
            "It was locked because {} was rolled back.",
            rolled_back.rollout
        ));
        lifted.push(rolled_back.at.to_string());
    }
    Told {
        words,
        button: format!("Unlock {id}"),
        once: Some(lifted.join(" ")),
        bound: lifted,
        ..Told::default()
    }
}

/// The deliveries that enter an environment at once.
fn lets_in(action: &Action, decided: &[Recorded]) -> Vec<String> {
    if matches!(action, Action::Retry { .. }) {
        return Vec::new();
    }
    let entered = decided.iter().filter_map(|recorded| match &recorded.event {
        Event::Rollout(id, RolloutEvent::Started(start)) => Some(format!(
            "{} enters {} at once, as {}.",
            id.delivery, id.environment, start.revision
        )),
        _ => None,
    });
    entered.collect()
}

/// Whether a rollout can still be steered by people.
pub(super) fn can_be_steered(rollout: &Rollout) -> bool {
    !rollout.ended() && !matches!(rollout.phase, Phase::RollingBack(_))
}

/// A revision's number, as people say it.
pub(super) fn short(revision: &RevisionName) -> String {
    format!("{:05}", revision.number)
}

fn lower(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(characters).collect()
    })
}
