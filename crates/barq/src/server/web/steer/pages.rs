//! The page that asks before something is done: what would happen, in words, and two ways on. It is not live: it must
//! mean what it says until its button is pressed, and what changes meanwhile is found then.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use barq_core::command::Rejection;
use http::Uri;
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Deserialize;

use super::super::super::access::hexadecimal;
use super::super::super::pages::Parameters;
use super::super::super::problem::Problem;
use super::super::super::{Server, Shared};
use super::super::page::{Fragment, Mood, Page, Section};
use super::super::session::Viewer;
use super::super::{failed_at, layout};
use super::action::{Action, Reason};
use super::effect::{self, Effect};
use super::form::{self, MESSAGE_CHARACTERS_MAX};

/// Bytes that make one page's form different from another's.
const NONCE_BYTES: usize = 12;

/// What is to be done with the action.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    to: String,
    #[serde(default)]
    force: String,
    /// What somebody has already said.
    #[serde(default)]
    message: String,
}

/// The page.
pub(super) async fn ask(
    State(server): State<Shared>,
    viewer: Viewer,
    uri: Uri,
    asked: Result<Parameters<Asked>, Problem>,
) -> Response {
    match asked.and_then(|Parameters(asked)| server.asking(&viewer, &uri, &asked)) {
        Ok(answer) => answer,
        Err(problem) => failed_at(subject_at(&uri), &viewer, &problem),
    }
}

impl Server {
    fn asking(&self, viewer: &Viewer, uri: &Uri, asked: &Asked) -> Result<Response, Problem> {
        let action = Action::of(uri.path(), Some(&asked.to), asked.force == "yes")?;
        let view = self.engine.view();
        let effect = match effect::effect(&view, &action, &viewer.0, Timestamp::now()) {
            Ok(effect) => effect,
            Err(rejection) => return Ok(refused(viewer, &action, &rejection)),
        };
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce)
            .map_err(|error| Problem::internal("the form can't be made", &error))?;
        let content = question(&action, &effect, &hexadecimal(&nonce), &asked.message);
        let page = page(
            &action,
            format!("{} {}?", action.name(), action.subject()),
            content,
        );
        Ok(layout::still(viewer, &page).into_response())
    }
}

/// The page of what an action is done to, by the action's address.
pub(super) fn subject_at(uri: &Uri) -> &str {
    uri.path().rsplit_once('/').map_or("/", |(path, _)| path)
}

/// A page about an action.
pub(super) fn page(action: &Action, title: String, content: Markup) -> Page {
    Page {
        kind: "question",
        title,
        mood: Mood::Waiting,
        section: match action {
            Action::Approve(_) | Action::Reject(_) | Action::Cancel(_) | Action::Retry { .. } => {
                Section::Deliveries
            }
            _ => Section::Home,
        },
        trail: vec![(action.subject(), action.subject_path())],
        fragments: vec![Fragment::new("question", content)],
    }
}

/// What would happen: the first sentence says it, the others what comes with it.
pub(super) fn told(words: &[String]) -> Markup {
    html! {
        @if let Some((first, rest)) = words.split_first() {
            p.lead { (first) }
            @if !rest.is_empty() {
                ul { @for sentence in rest { li { (sentence) } } }
            }
        }
    }
}

fn question(action: &Action, effect: &Effect, nonce: &str, message: &str) -> Markup {
    let class = if action.ends_something() {
        "danger"
    } else {
        "primary"
    };
    html! {
        h1 { (action.name()) " " (action.subject()) "?" }
        div.card {
            (told(&effect.words))
            (otherwise(action, effect))
            form.asked method="post" action=(action.path()) {
                (form::carried(action, effect, Some(nonce)))
                (reason(action, message))
                button.(class) #confirm type="submit" { (effect.button) }
                a.button href=(action.subject_path()) { "No, back to " (action.subject()) }
            }
        }
    }
}

/// The two ways back are told apart: one says that somebody changed their mind, the other that the release is bad.
fn otherwise(action: &Action, effect: &Effect) -> Markup {
    let (Action::Abort(id), Some(to)) = (action, &effect.to) else {
        return html! {};
    };
    html! {
        p.hint {
            span {
                "Is the release bad? Then " a href=(format!("/services/{}/rollback", to.service)) { "roll back instead" }
                ": that opens an incident, keeps the release from coming back, and locks " (id.environment) "."
            }
        }
    }
}

/// Where somebody says why.
pub(super) fn reason(action: &Action, message: &str) -> Markup {
    let required = match action.reason() {
        Reason::Never => return html! {},
        Reason::Optional => false,
        Reason::Required => true,
    };
    html! {
        div.saying {
            label for="message" { "Why" @if !required { span.quiet { " (may be left empty)" } } }
            textarea #message name="message" rows="3" maxlength=(MESSAGE_CHARACTERS_MAX) required[required]
                aria-describedby="message-hint" { (message) }
            p #message-hint .hint { (hint(action)) }
        }
    }
}

fn hint(action: &Action) -> &'static str {
    match action {
        Action::Lock(_) => "Shown to everybody whose release waits here.",
        Action::RollBack { .. } => "Stands in the journal and in the incident's report.",
        _ => "Stands in the journal and in the delivery's timeline.",
    }
}

/// It can't be done, or not by this person.
fn refused(viewer: &Viewer, action: &Action, rejection: &Rejection) -> Response {
    let content = html! {
        h1 { (action.name()) " " (action.subject()) ": not now" }
        div.card {
            p.lead { (effect::refusal(rejection, viewer.0.role)) "." }
            p { a.button href=(action.subject_path()) { "Back to " (action.subject()) } }
        }
    };
    let page = page(action, format!("{}: not now", action.name()), content);
    form::answered(form::status(Some(rejection)), layout::still(viewer, &page))
}
