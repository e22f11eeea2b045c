//! What a form carries, and what happens when it comes back: first whether it was answered before, then whether what it
//! was made from is still so, and only then the command.

use std::time::Duration;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::response::{IntoResponse as _, Response};
use barq_core::command::Rejection;
use http::{StatusCode, Uri};
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Deserialize;

use super::super::super::api::RolledBack;
use super::super::super::idempotency::{Done, Order};
use super::super::super::problem::Problem;
use super::super::super::{Server, Shared};
use super::super::session::Viewer;
use super::super::{failed_at, see};
use super::action::{Action, Reason};
use super::effect::{self, Effect};
use super::{conflict, notice, pages};

/// Characters of what somebody may say with an action.
pub(super) const MESSAGE_CHARACTERS_MAX: usize = 2000;
/// A browser waits so long for a rollback; then it is shown moving, on the rollout's page.
const ROLLBACK_WAIT_MAX: Duration = Duration::from_secs(4);
/// Characters of a form's own fields: longer ones are none of ours.
const FIELD_CHARACTERS_MAX: usize = 4000;

/// What a form sends.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Sent {
    /// Digest of the state that it was made from.
    #[serde(default)]
    pub(super) made: String,
    /// Since when that had been so; to tell what happened since.
    #[serde(default)]
    pub(super) since: String,
    /// What it said.
    #[serde(default)]
    pub(super) said: String,
    /// What makes a second click the same asking.
    #[serde(default)]
    pub(super) once: String,
    /// To which revision.
    #[serde(default)]
    pub(super) to: String,
    /// In spite of a quarantine.
    #[serde(default)]
    pub(super) force: String,
    /// Why.
    #[serde(default)]
    pub(super) message: String,
}

/// Why nothing was done.
enum Refused {
    /// It can't be.
    Problem(Problem),
    /// What the form was made from is no longer so, or the rules refuse it by now.
    Changed(Result<Effect, Rejection>),
}

impl<T: Into<Problem>> From<T> for Refused {
    fn from(problem: T) -> Self {
        Self::Problem(problem.into())
    }
}

/// The hidden fields of an action's form. With a `nonce`, each page that asks is an asking of its own.
pub(super) fn carried(action: &Action, effect: &Effect, nonce: Option<&str>) -> Markup {
    let once: Vec<&str> = effect.once.as_deref().into_iter().chain(nonce).collect();
    html! {
        input type="hidden" name="made" value=(effect.made);
        input type="hidden" name="since" value=(effect.since);
        input type="hidden" name="said" value=(effect.words.join(" "));
        @if !once.is_empty() { input type="hidden" name="once" value=(once.join(" ")); }
        @if let Some(to) = &effect.to { input type="hidden" name="to" value=(to); }
        @if matches!(action, Action::Retry { force: true, .. }) {
            input type="hidden" name="force" value="yes";
        }
    }
}

/// Does what a form asks for, and shows what came of it.
pub(super) async fn act(
    State(server): State<Shared>,
    viewer: Viewer,
    uri: Uri,
    sent: Result<Form<Sent>, FormRejection>,
) -> Response {
    let (action, sent) = match read(&uri, sent) {
        Ok(read) => read,
        Err(problem) => return failed_at(pages::subject_at(&uri), &viewer, &problem),
    };
    match server.acted(&viewer, &action, &sent).await {
        Ok(path) => see(&path),
        Err(Refused::Problem(problem)) => failed_at(&action.subject_path(), &viewer, &problem),
        Err(Refused::Changed(now)) => conflict::page(&server, &viewer, &action, &sent, now).await,
    }
}

fn read(uri: &Uri, sent: Result<Form<Sent>, FormRejection>) -> Result<(Action, Sent), Problem> {
    let Form(sent) = sent.map_err(|rejection| Problem::invalid(rejection.body_text()))?;
    let longest = [&sent.made, &sent.since, &sent.said, &sent.once, &sent.to]
        .into_iter()
        .map(|field| field.chars().count())
        .max();
    if longest.is_some_and(|longest| longest > FIELD_CHARACTERS_MAX) {
        return Err(Problem::invalid("a field of the form is too long"));
    }
    let action = Action::of(uri.path(), Some(&sent.to), sent.force == "yes")?;
    Ok((action, sent))
}

impl Sent {
    /// What somebody said, if they said anything.
    fn message(&self, action: &Action) -> Result<Option<String>, Problem> {
        let message = self.message.trim();
        if message.chars().count() > MESSAGE_CHARACTERS_MAX {
            return Err(Problem::invalid(format!(
                "the reason is longer than {MESSAGE_CHARACTERS_MAX} characters"
            ))
            .hint("go back and make it shorter"));
        }
        match (action.reason(), message) {
            (Reason::Never, _) | (Reason::Optional, "") => Ok(None),
            (Reason::Required, "") => Err(Problem::invalid("a reason is needed")
                .hint("go back and say why: it is shown to all who wait")),
            (Reason::Optional | Reason::Required, message) => Ok(Some(message.to_owned())),
        }
    }

    /// What is one asking: without `once`, each click is one.
    pub(super) fn asking(&self, action: &Action) -> Option<String> {
        let what = [&action.address(), &self.made, &self.once];
        (!self.once.is_empty()).then(|| what.map(String::as_str).join("\n"))
    }
}

impl Server {
    /// Does it, and says where to look.
    async fn acted(
        &self,
        Viewer(actor): &Viewer,
        action: &Action,
        sent: &Sent,
    ) -> Result<String, Refused> {
        let message = sent.message(action)?;
        let order = Order::of_form(actor.clone(), sent.asking(action).as_deref());
        let now = Timestamp::now();
        let offered = effect::effect(&self.engine.view(), action, actor, now);
        // After the state: where a first click has changed it, its record is there, and its answer is given again.
        let again = self.earlier(&order, now).await?.is_some();
        let same = again || offered.as_ref().is_ok_and(|now| now.made == sent.made);
        if !same && (offered.is_err() || !action.is_urgent()) {
            return Err(Refused::Changed(offered));
        }
        if let Action::RollBack { service, to } = action {
            let moved = self.take_back(
                &order,
                service.clone(),
                to.clone(),
                message,
                ROLLBACK_WAIT_MAX,
            );
            return Ok(rolled_back(action, moved.await?));
        }
        let done = self.carry_out(&order, action.command(message), now).await?;
        if !same {
            return Ok(notice::after_change(&action.subject_path(), action.verb()));
        }
        Ok(self.outcome(action, &done, now)?)
    }

    fn outcome(&self, action: &Action, done: &Done, now: Timestamp) -> Result<String, Problem> {
        if let Action::Retry { delivery, .. } = action {
            let new = self.begun(delivery, done, now)?;
            return Ok(notice::after(&format!("/deliveries/{new}"), action.verb()));
        }
        Ok(notice::after(&action.subject_path(), action.verb()))
    }
}

/// Where a rollback is seen: on the page of the rollout that is taken back.
fn rolled_back(action: &Action, moved: RolledBack) -> String {
    match moved {
        RolledBack::UnderWay(rollout) => {
            notice::after(&format!("/rollouts/{rollout}"), "rollback-under-way")
        }
        RolledBack::Moved(rollback) => {
            let path = rollback
                .rollout
                .map_or_else(|| action.subject_path(), |it| format!("/rollouts/{it}"));
            let key = match rollback.recorded {
                true => "rollback",
                false => "rollback-unrecorded",
            };
            notice::after(&path, key)
        }
    }
}

/// The status of a page that says that nothing was done.
pub(super) fn status(rejection: Option<&Rejection>) -> StatusCode {
    rejection.map_or(StatusCode::CONFLICT, |rejection| {
        Problem::from(rejection.clone()).status()
    })
}

/// A page with its status.
pub(super) fn answered(status: StatusCode, page: Markup) -> Response {
    (status, page).into_response()
}
