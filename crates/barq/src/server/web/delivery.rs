//! One delivery: where it is on its way, what it waits for or how it ended, and everything that it is made of.
//!
//! All of it is read from its own events, so that a delivery of last year looks as it did. The page is cut so that a count
//! that changes replaces a line, never a form.

mod checks;
mod heading;
mod line;
mod release;
mod result;
mod stages;
mod timeline;

use barq_core::delivery::{Delivery, End, Phase};
use barq_core::identity::DeliveryId;
use barq_core::rollout::Rollout;
use barq_engine::engine::View;
use barq_engine::history::Journey;
use jiff::Timestamp;
use maud::Markup;

use super::super::Server;
use super::super::problem::Problem;
use super::page::{Fragment, Mood, Page, Section};
use super::place::Audience;
use super::steer;
use checks::Told;

/// The page.
pub(super) async fn page(
    server: &Server,
    id: &DeliveryId,
    audience: &Audience,
    now: Timestamp,
) -> Result<Page, Problem> {
    let view = server.engine.view();
    let journey = server.journey(&view, id).await?;
    let delivery = &journey.delivery;
    let checks = checks::read(server, delivery).await?;
    Ok(Page {
        kind: "delivery",
        title: title(&journey),
        mood: mood(delivery),
        section: Section::Deliveries,
        trail: vec![
            ("Deliveries".to_owned(), "/deliveries".to_owned()),
            (id.app.to_string(), format!("/deliveries?app={}", id.app)),
        ],
        fragments: fragments(&view, &journey, &checks, audience, now),
    })
}

fn fragments(
    view: &View,
    journey: &Journey,
    checks: &[Told],
    audience: &Audience,
    now: Timestamp,
) -> Vec<Fragment> {
    let remembered = view.state.delivery(&journey.delivery.id);
    let steer = remembered.map_or_else(Markup::default, |it| {
        steer::delivery(view, it, audience, now)
    });
    vec![
        Fragment::new("heading", heading::heading(&journey.delivery)),
        Fragment::new("result", result::result(view, journey, now)),
        Fragment::new("steer", steer),
        Fragment::new("journey", line::line(view, journey, now)),
        Fragment::new("checks", checks::checks(&journey.delivery, checks)),
        Fragment::new("release", release::release(journey)),
        Fragment::new("timeline", timeline::timeline(journey)),
    ]
}

/// The rollout that is under way.
fn under_way(journey: &Journey) -> Option<&Rollout> {
    let Phase::RollingOut { environment } = &journey.delivery.phase else {
        return None;
    };
    journey
        .rollouts
        .iter()
        .find(|it| it.id.environment == *environment)
}

/// What a glance at the tab must tell: the state, and how much traffic it has.
fn title(journey: &Journey) -> String {
    let delivery = &journey.delivery;
    let state = delivery.state_name().replace('_', " ");
    let share = under_way(journey)
        .map(Rollout::traffic)
        .filter(|share| (1..100).contains(share))
        .map_or_else(String::new, |share| format!(" {share} %"));
    format!("{state}{share} · {}", delivery.id)
}

fn mood(delivery: &Delivery) -> Mood {
    match &delivery.phase {
        Phase::AwaitingApproval(_) => Mood::Waiting,
        Phase::Checking | Phase::Building | Phase::Entering { .. } | Phase::RollingOut { .. } => {
            Mood::Moving
        }
        Phase::Ended(End::Failed { .. } | End::RolledBack { .. }) => Mood::Trouble,
        Phase::Ended(
            End::Succeeded
            | End::Rejected { .. }
            | End::Expired
            | End::Superseded { .. }
            | End::Cancelled { .. },
        ) => Mood::Calm,
    }
}
