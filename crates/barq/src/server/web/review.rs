//! What a tech lead decides in a minute: what would enter which environment, what is known of it, what is new in it, and
//! the form to approve or reject it.
//!
//! The evidence is the API's. What git tells of two commits never changes, so it is kept while somebody looks.

mod changes;
mod evidence;
mod material;
mod warnings;

use barq_core::delivery::{Delivery, Phase};
use barq_core::identity::DeliveryId;
use barq_engine::engine::View;
use barq_engine::history::Journey;
use http::StatusCode;
use jiff::Timestamp;
use maud::{Markup, html};

use super::super::problem::Problem;
use super::super::shapes::Evidence;
use super::super::{Server, convert};
use super::page::{Fragment, Mood, Page, Section};
use super::place::Audience;
use super::{elements, steer};
use material::Material;

pub(super) use material::Materials;

/// What the page is made of.
struct Sight<'a> {
    view: &'a View,
    journey: &'a Journey,
    evidence: &'a Evidence,
    /// None where git could not tell it: the rest is all the more needed then.
    material: Result<&'a Material, &'a Problem>,
    now: Timestamp,
}

impl Sight<'_> {
    fn delivery(&self) -> &Delivery {
        &self.journey.delivery
    }

    fn is_at_the_gate(&self) -> bool {
        matches!(self.delivery().phase, Phase::AwaitingApproval(_))
    }
}

/// The page.
pub(super) async fn page(
    server: &Server,
    id: &DeliveryId,
    audience: &Audience,
    now: Timestamp,
) -> Result<Page, Problem> {
    let view = server.engine.view();
    let journey = server.journey(&view, id).await?;
    let rollouts: Vec<_> = journey.rollouts.iter().collect();
    let evidence = convert::review(&view, &journey.delivery, &rollouts)
        .ok_or_else(|| never_at_a_gate(&journey.delivery))?;
    let material = server.material(&journey.delivery, &evidence).await;
    let sight = Sight {
        view: &view,
        journey: &journey,
        evidence: &evidence,
        material: material.as_deref(),
        now,
    };
    Ok(Page {
        kind: "review",
        title: match sight.is_at_the_gate() {
            true => format!("approve? {id} · {}", evidence.environment),
            false => format!("{} · {id}", journey.delivery.state_name().replace('_', " ")),
        },
        mood: match sight.is_at_the_gate() {
            true => Mood::Waiting,
            false => Mood::Calm,
        },
        section: Section::Deliveries,
        trail: vec![
            ("Deliveries".to_owned(), "/deliveries".to_owned()),
            (id.to_string(), format!("/deliveries/{id}")),
        ],
        fragments: fragments(&sight, audience),
    })
}

fn never_at_a_gate(delivery: &Delivery) -> Problem {
    let state = delivery.state_name().replace('_', " ");
    Problem::new(
        StatusCode::NOT_FOUND,
        format!("{} is not at a gate", delivery.id),
    )
    .because(format!("it is {state}"))
    .hint("a delivery is reviewed when it waits for an approval")
}

fn fragments(sight: &Sight<'_>, audience: &Audience) -> Vec<Fragment> {
    vec![
        Fragment::new("head", head(sight)),
        Fragment::new("warnings", warnings::warnings(sight)),
        Fragment::new("release", evidence::release(sight)),
        Fragment::new("decide", decide(sight, audience)),
        Fragment::new("evidence", evidence::facts(sight)),
        Fragment::new("now", evidence::environments_now(sight)),
        Fragment::new("commits", changes::commits(sight)),
        Fragment::new("changes", changes::files(sight)),
    ]
}

fn head(sight: &Sight<'_>) -> Markup {
    let delivery = sight.delivery();
    html! {
        h1 { "Review " (delivery.id) span.quiet { " for " (sight.evidence.environment) } }
        p.row {
            (elements::state(delivery.state_name()))
            span.subject { (elements::subject(&delivery.push.commit.subject)) }
            @if let Some(expires_at) = sight.evidence.expires_at {
                span.wait { "The gate closes by itself: " (elements::until(expires_at)) }
            }
        }
    }
}

/// The form; or how it was decided.
fn decide(sight: &Sight<'_>, audience: &Audience) -> Markup {
    let delivery = sight.delivery();
    if sight.is_at_the_gate() {
        return steer::decision(sight.view, &delivery.id, audience, sight.now);
    }
    html! {
        div.card {
            h2 { "Decided" }
            p { (delivery.id) " is " (elements::state(delivery.state_name())) }
            @if let Some(approval) = &delivery.approval {
                p {
                    strong { (approval.by.name) } " approved it for " (approval.environment) " "
                    (elements::time(approval.at))
                    @if let Some(message) = &approval.message { ": “" (message) "”" }
                }
            }
            p { a.button href=(format!("/deliveries/{}", delivery.id)) { "To " (delivery.id) } }
        }
    }
}
