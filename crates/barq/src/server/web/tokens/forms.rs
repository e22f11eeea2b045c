//! What the forms of the tokens do: make one and show it once, ask before one is revoked, revoke it.

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::response::{IntoResponse as _, Response};
use barq_core::command::Command;
use barq_core::configuration::Role;
use barq_core::event::{AccessEvent, Event};
use barq_core::identity::OWN_TOKEN_MARK;
use barq_engine::engine::View;
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};
use serde::Deserialize;

use super::super::super::dry;
use super::super::super::idempotency::Order;
use super::super::super::pages::Parameters;
use super::super::super::problem::Problem;
use super::super::super::shapes::{NewToken, TokenRequest};
use super::super::super::{Server, Shared};
use super::super::icons::{self, Icon};
use super::super::page::Fragment;
use super::super::session::Viewer;
use super::super::{elements, failed_at, layout, see};
use super::{PATH, REVOKE, page_of};

/// Whoever clicks twice within this sees the token that the first click made; later, nobody sees it again.
const DOUBLE_CLICK_MAX: SignedDuration = SignedDuration::from_secs(5);

/// A token that is wanted.
#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    name: String,
    role: Role,
    /// Whose own it is to be; none: a person's.
    owner: Option<String>,
}

/// A token that is to end.
#[derive(Debug, Deserialize)]
pub(super) struct Named {
    name: String,
    /// When it was made: another one of the same name is not meant.
    #[serde(default)]
    made: String,
}

/// Makes a token, and shows it on the answer itself, which browsers keep nowhere: an address would stand in histories.
pub(super) async fn create(
    State(server): State<Shared>,
    viewer: Viewer,
    wanted: Result<Form<Wanted>, FormRejection>,
) -> Response {
    match server.made(&viewer, wanted).await {
        Ok(token) => layout::still(&viewer, &shown_once(&token)).into_response(),
        Err(problem) => failed_at(PATH, &viewer, &problem),
    }
}

/// Asks before a token is revoked.
pub(super) async fn ask(
    State(server): State<Shared>,
    viewer: Viewer,
    named: Result<Parameters<Named>, Problem>,
) -> Response {
    let asked = named.and_then(|Parameters(named)| {
        let view = server.engine.view();
        let ends = ends(&view, &viewer, &named.name)?;
        Ok(question(&view, &viewer, &named.name, &ends))
    });
    match asked {
        Ok(content) => {
            let fragments = vec![Fragment::new("token-question", content)];
            layout::still(&viewer, &page_of("Revoke a token?", fragments)).into_response()
        }
        Err(problem) => failed_at(PATH, &viewer, &problem),
    }
}

/// Revokes a token.
pub(super) async fn revoke(
    State(server): State<Shared>,
    viewer: Viewer,
    named: Result<Form<Named>, FormRejection>,
) -> Response {
    match server.revoked(&viewer, named).await {
        Ok(()) => see(PATH),
        Err(problem) => failed_at(PATH, &viewer, &problem),
    }
}

impl Server {
    async fn made(
        &self,
        Viewer(actor): &Viewer,
        wanted: Result<Form<Wanted>, FormRejection>,
    ) -> Result<NewToken, Problem> {
        let Form(wanted) = wanted.map_err(|rejection| Problem::invalid(rejection.body_text()))?;
        let name = wanted.name.trim();
        let request = TokenRequest {
            name: match wanted.owner {
                Some(owner) => format!("{owner}{OWN_TOKEN_MARK}{name}"),
                None => name.to_owned(),
            },
            role: wanted.role,
        };
        let asking = format!("token\n{}\n{}", request.name, request.role);
        let order = Order::of_form(actor.clone(), Some(&asking));
        let now = Timestamp::now();
        let order = match self.earlier(&order, now).await? {
            Some(before) if !twice(before.recorded_at, now) => Order::of_form(actor.clone(), None),
            _ => order,
        };
        self.new_token(&order, request).await
    }

    async fn revoked(
        &self,
        Viewer(actor): &Viewer,
        named: Result<Form<Named>, FormRejection>,
    ) -> Result<(), Problem> {
        let Form(Named { name, made }) =
            named.map_err(|rejection| Problem::invalid(rejection.body_text()))?;
        let view = self.engine.view();
        let known = view.state.tokens.get(&name);
        if known.is_some_and(|token| token.created_at.to_string() != made) {
            let what = format!("the token {name} was not revoked");
            return Err(Problem::conflict(
                what,
                "another one was made under its name since you were asked",
            )
            .hint("look at the tokens again"));
        }
        let order = Order::of_form(actor.clone(), None);
        let command = Command::RevokeToken { name };
        self.carry_out(&order, command, Timestamp::now()).await?;
        Ok(())
    }
}

/// Whether the first asking was so lately that this one is its second click.
fn twice(first: Timestamp, now: Timestamp) -> bool {
    now.duration_since(first) < DOUBLE_CLICK_MAX
}

/// The tokens that would end, as the rules say.
fn ends(view: &View, Viewer(actor): &Viewer, name: &str) -> Result<Vec<String>, Problem> {
    let command = Command::RevokeToken {
        name: name.to_owned(),
    };
    let events = dry::decide(view, command, actor, Timestamp::now())?;
    let revoked = |event: &Event| match event {
        Event::Access(AccessEvent::TokenRevoked { name }) => Some(name.clone()),
        _ => None,
    };
    Ok(events.iter().filter_map(|it| revoked(&it.event)).collect())
}

fn question(view: &View, Viewer(actor): &Viewer, name: &str, ends: &[String]) -> Markup {
    let made = view.state.tokens.get(name).map(|token| token.created_at);
    let others: Vec<&String> = ends.iter().filter(|it| *it != name).collect();
    let left = |role: Role| {
        let mut names = view.state.tokens.keys().filter(|it| !ends.contains(it));
        names.any(|it| view.state.role(it) == Some(role))
    };
    html! {
        h1 { "Revoke " (name) "?" }
        div.card {
            p.lead { "Whoever uses it is refused from that moment on, in git, on the command line and in every browser that is signed in with it." }
            @if !others.is_empty() {
                p { "These end with it:" }
                ul { @for name in others { li { (name) } } }
            }
            @if *actor.name == *name || ends.contains(&actor.name) {
                p.notice.wait { strong { span.wait { (icons::icon(Icon::Warning)) } " You are signed in with it." } span { " You will be signed out." } }
            }
            @if !left(Role::Admin) {
                p.notice.bad { strong { span.bad { (icons::icon(Icon::Warning)) } " No admin would be left." } span { " The server makes a token for one when it starts again." } }
            }
            @if let Some(made) = made { p.quiet { "Made " (elements::time(made)) "." } }
            form.asked method="post" action=(REVOKE) {
                input type="hidden" name="name" value=(name);
                @if let Some(made) = made { input type="hidden" name="made" value=(made); }
                button.danger #confirm type="submit" { "Revoke " (name) }
                a.button href=(PATH) { "No, back to the tokens" }
            }
        }
    }
}

fn shown_once(token: &NewToken) -> super::Page {
    let content = html! {
        h1 { (token.name) " is made" }
        div.card {
            p.lead { "This is the token. It is shown this once: copy it to where it is kept." }
            label for="token" { "Token of " (token.name) ", " (token.role) }
            input #token readonly value=(token.token) spellcheck="false" autocomplete="off";
            p.quiet { "On the command line: " code { "BARQ_TOKEN" } " or " code { "--token" } "; for git it is the password, with any user name." }
            p { a.button href=(PATH) { "It is kept; to the tokens" } }
        }
    };
    page_of("The new token", vec![Fragment::new("token-made", content)])
}
