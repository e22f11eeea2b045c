//! What each action does, told in sentences: of what the rules have decided when they were run dry, and of the state.

use barq_core::delivery::Phase as DeliveryPhase;
use barq_core::event::{DeliveryEvent, Event, Recorded, RollbackCause, RolloutEvent};
use barq_core::identity::{DeliveryId, RevisionName, RolloutId, ServiceId};
use barq_core::rollout::Rollout;
use barq_core::state::State;
use jiff::Timestamp;

use super::super::elements::{exactly, sentence};
use super::super::service::short_name;
use super::action::Action;
use crate::output::text;

/// What is told of an action.
#[derive(Default)]
pub(super) struct Told {
    pub(super) words: Vec<String>,
    pub(super) button: String,
    /// What must not change between the page and its form.
    pub(super) bound: Vec<String>,
    /// What the same asking has in common beyond that.
    pub(super) once: Option<String>,
    pub(super) to: Option<RevisionName>,
}

/// Tells of an action that was decided so.
pub(super) fn told(state: &State, action: &Action, decided: &[Recorded]) -> Told {
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
        bound: vec![rollout.step.to_string()],
        ..Told::default()
    }
}

fn resume(rollout: &Rollout) -> Told {
    let paused = rollout.paused.map(moment);
    let step = rollout.step.to_string();
    let mut words = vec![format!(
        "The hold's clock goes on, with {} at {} % of the traffic.",
        rollout.start.revision,
        rollout.traffic()
    )];
    words.extend(
        rollout
            .paused
            .map(|at| format!("It has stood still since {}.", exactly(at))),
    );
    Told {
        words,
        button: "Resume".to_owned(),
        // Another pause may have another reason: it is lifted by who knows of it.
        bound: paused.iter().cloned().chain([step]).collect(),
        once: paused,
        ..Told::default()
    }
}

fn promote(rollout: &Rollout) -> Told {
    let next = next_share(rollout).unwrap_or(100);
    let step = rollout.step + 1;
    let mut words = vec![
        format!(
            "Step {step} begins now: {next} % of the traffic goes to {}.",
            rollout.start.revision
        ),
        "What is left of this step's hold is skipped.".to_owned(),
    ];
    words.extend(ends_the_pause(rollout));
    Told {
        words,
        button: format!("Go to step {step}: {next} %"),
        bound: bound_with_pause(rollout, &[rollout.step.to_string(), next.to_string()]),
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
    words.extend(ends_the_pause(rollout));
    Told {
        words,
        button: format!("Give {} all traffic", short_name(revision)),
        bound: bound_with_pause(rollout, &[revision.to_string()]),
        once: Some(format!("{} {}", rollout.step, rollout.progress.entry)),
        ..Told::default()
    }
}

fn ends_the_pause(rollout: &Rollout) -> Option<String> {
    let since = exactly(rollout.paused?);
    Some(format!("It is paused since {since}: this ends the pause."))
}

/// Who sends more traffic somewhere must know that somebody has paused it out of doubt.
fn bound_with_pause(rollout: &Rollout, bound: &[String]) -> Vec<String> {
    let paused = rollout.paused.map(moment);
    bound.iter().cloned().chain(paused).collect()
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
        Some(to) => format!("Roll back to {}", short_name(to)),
        None => format!("Take the traffic from {}", short_name(from)),
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
    let replaces = binding.stable.as_ref().map_or_else(
        || "where nothing serves yet".to_owned(),
        |stable| format!("where it replaces {stable}"),
    );
    Told {
        words: vec![format!(
            "Commit {commit}, image {image}, may enter {environment}, {replaces}."
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
        DeliveryPhase::AwaitingApproval(gate) => Some(moment(gate.expires_at)),
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
        lifted.push(moment(lock.since));
    }
    if let Some(rolled_back) = service.and_then(|it| it.rolled_back.as_ref()) {
        words.push(format!(
            "It was locked because {} was rolled back.",
            rolled_back.rollout
        ));
        lifted.push(moment(rolled_back.at));
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

/// A time as the journal keeps it: the same before and after a restart.
fn moment(at: Timestamp) -> String {
    at.as_microsecond().to_string()
}

fn lower(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(characters).collect()
    })
}
