//! Tokens: who looks, what the roles are for, which tokens there are, and how to make and revoke them.
//!
//! A token is shown once, on the page that answers the form, which is kept nowhere. What may be done is asked of the
//! engine's own rules.

mod forms;
mod roles;

use axum::Router;
use axum::routing::{get, post};
use barq_core::Act;
use barq_core::configuration::Role;
use barq_core::event::Actor;
use barq_core::identity::{OWN_TOKEN_MARK, person};
use maud::{Markup, html};

use super::super::problem::Problem;
use super::super::shapes::TokenLine;
use super::super::{Server, Shared};
use super::icons::{self, Icon};
use super::page::{Fragment, Mood, Page, Section};
use super::place::Audience;
use super::{filters, times};

/// Where they are.
const PATH: &str = "/tokens";
/// Where they are revoked.
const REVOKE: &str = "/tokens/revoke";
/// Tokens that the page shows; the others are listed by `barq token list`.
const TOKENS_SHOWN: usize = 200;

/// The forms, and the page that asks.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/tokens/new", post(forms::create))
        .route(REVOKE, get(forms::ask).post(forms::revoke))
}

/// The page.
pub(super) async fn page(server: &Server, audience: &Audience) -> Result<Page, Problem> {
    let viewer = Actor {
        name: audience.name.clone().unwrap_or_default(),
        role: audience.role,
    };
    let tokens = server.tokens_seen_by(&viewer);
    Ok(page_of(
        "Tokens",
        vec![
            Fragment::new("tokens-who", who(server, &viewer)),
            Fragment::new("tokens-list", list(&viewer, &tokens)),
            Fragment::new("tokens-new", new(&viewer)),
        ],
    ))
}

fn page_of(title: &str, fragments: Vec<Fragment>) -> Page {
    Page {
        kind: "tokens",
        title: title.to_owned(),
        mood: Mood::Calm,
        section: Section::Tokens,
        trail: Vec::new(),
        fragments,
    }
}

fn who(server: &Server, viewer: &Actor) -> Markup {
    let view = server.engine.view();
    html! {
        h1 { "Tokens" }
        p.who-am-i {
            span.move { (icons::icon(Icon::Person)) } " You are " strong { (viewer.name) } ", " strong { (viewer.role) } ". "
            span.quiet { "The journal names whatever you do so." }
        }
        (roles::table(&view.state, viewer.role))
    }
}

fn list(viewer: &Actor, tokens: &[TokenLine]) -> Markup {
    let all = viewer.role >= Act::Administer.needs();
    html! {
        h2 { @if all { "All tokens" } @else { "Your tokens" } }
        div.scroll tabindex="0" role="region" aria-label="Tokens" {
            table {
                caption.unseen { "The tokens that are valid, by name" }
                thead { tr { th scope="col" { "Name" } th scope="col" { "Role" } th scope="col" { "Made" } th scope="col" { span.unseen { "Revoke" } } } }
                tbody { @for token in tokens.iter().take(TOKENS_SHOWN) { (row(viewer, token)) } }
            }
        }
        @if tokens.len() > TOKENS_SHOWN {
            p.quiet { (tokens.len() - TOKENS_SHOWN) " more: " code { "barq token list" } " shows them all." }
        }
    }
}

fn row(viewer: &Actor, token: &TokenLine) -> Markup {
    let own = token.name.contains(OWN_TOKEN_MARK);
    html! {
        tr {
            th scope="row" class=[own.then_some("own")] {
                (token.name)
                @if token.name == viewer.name { " " span.state.move { "you" } }
            }
            td { (token.role) }
            td { (times::moment(token.created_at)) }
            td.number {
                @if may_revoke(viewer, &token.name) {
                    a href=(filters::address(REVOKE, &[("name", Some(&token.name))])) { "Revoke" span.unseen { " " (token.name) } }
                }
            }
        }
    }
}

/// Whether a link to the page that asks makes sense; that page asks the rules.
fn may_revoke(viewer: &Actor, name: &str) -> bool {
    viewer.role >= Act::Administer.needs() || viewer.name == person(name) || viewer.name == name
}

fn new(viewer: &Actor) -> Markup {
    html! {
        h2 { "A token of your own" }
        @if viewer.name.contains(OWN_TOKEN_MARK) {
            p.empty {
                "You are signed in with an own token of " (person(&viewer.name)) ". It makes no further ones, so that none outlives it that "
                "nobody knows of: sign in as " (person(&viewer.name)) " to make one."
            }
        } @else {
            p { "For a laptop, a script, another browser: it may no more than you, acts as " code { (viewer.name) "/…" } ", and ends when your own token does." }
            form #new-own-form method="post" action="/tokens/new" {
                input type="hidden" name="owner" value=(viewer.name);
                div.field {
                    label for="own-name" { "Name, after " (viewer.name) (OWN_TOKEN_MARK) }
                    input #own-name name="name" required maxlength="100" pattern="[A-Za-z0-9][A-Za-z0-9._@+\\-]*" autocomplete="off" spellcheck="false"
                        title="Letters, digits and . _ - @ +, beginning with a letter or digit";
                }
                (role_field("own-role", viewer.role, viewer.role))
                button.primary type="submit" { "Make it" }
            }
        }
        @if viewer.role >= Act::Administer.needs() {
            h2 { "A token for somebody" }
            p { "One for each person and each machine: the journal tells them apart by name." }
            form #new-person-form method="post" action="/tokens/new" {
                div.field {
                    label for="person-name" { "Name" }
                    input #person-name name="name" required maxlength="100" pattern="[A-Za-z0-9][A-Za-z0-9._@+\\-]*" autocomplete="off" spellcheck="false"
                        title="Letters, digits and . _ - @ +, beginning with a letter or digit";
                }
                (role_field("person-role", viewer.role, Role::Developer))
                button type="submit" { "Make it" }
            }
        }
    }
}

fn role_field(id: &str, most: Role, chosen: Role) -> Markup {
    html! {
        div.field {
            label for=(id) { "Role" }
            select id=(id) name="role" {
                @for role in Role::ALL.into_iter().filter(|role| *role <= most) {
                    option value=(role.name()) selected[role == chosen] { (role) }
                }
            }
        }
    }
}
