//! A rollout, the heart: how the canary does beside stable, how close the tripwire is, what happens next and when; and
//! afterwards, what happened.
//!
//! It is cut into small fragments: numbers that change with every look stand apart from what does not. Only the journal
//! knows when each step began (`story`), only the samples what was seen over time, and only the node the latest failed
//! requests (`failures`); all else is the engine's view.

mod charts;
mod compare;
mod failures;
mod hold;
mod next;
mod sight;
mod steps;
mod story;
mod title;
mod traffic;
mod tripwire;

use barq_core::identity::RolloutId;
use http::Uri;
use jiff::Timestamp;
use maud::{Markup, html};

use super::super::Server;
use super::super::problem::Problem;
use super::page::{Fragment, Page, Section};
use super::place::Audience;
use super::{elements, steer};
use charts::Percentile;
use sight::Sight;

pub(super) use failures::Failures;

/// A rollout's address, understood.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct RolloutPlace {
    id: RolloutId,
    /// Whose latency is drawn.
    percentile: Percentile,
}

impl RolloutPlace {
    /// Of an address.
    pub(super) fn of(id: &str, uri: &Uri) -> Result<Self, Problem> {
        let id = id.parse().map_err(|_| Problem::unknown("rollout", id))?;
        let percentile = Percentile::asked(uri)?;
        Ok(Self { id, percentile })
    }
}

/// The page.
pub(super) async fn page(
    server: &Server,
    place: &RolloutPlace,
    audience: &Audience,
    now: Timestamp,
) -> Result<Page, Problem> {
    let view = server.engine.view();
    let story = story::read(server, &view, &place.id).await?;
    let sight = Sight::new(server, &view, &story, now);
    let failures = failures::shown(server, &sight).await;
    let delivery = &sight.rollout.id.delivery;
    let fragments = [
        ("rollout-head", head(&sight)),
        ("rollout-now", next::now(&sight)),
        ("steer", steer(&sight, audience)),
        ("rollout-steps", steps::steps(&sight)),
        ("rollout-traffic", traffic::traffic(&sight)),
        ("rollout-tripwire", tripwire::tripwire(&sight)),
        ("rollout-charts", charts::charts(&sight, place)),
        ("rollout-failures", failures),
        ("rollout-compare", compare::compare(&sight)),
        ("rollout-story", story::lines(&story)),
    ];
    Ok(Page {
        kind: "rollout",
        title: title::title(&sight),
        mood: title::mood(&sight),
        section: Section::Deliveries,
        trail: vec![
            ("Deliveries".to_owned(), "/deliveries".to_owned()),
            (delivery.to_string(), format!("/deliveries/{delivery}")),
        ],
        fragments: fragments
            .into_iter()
            .map(|(id, markup)| Fragment::new(id, markup))
            .collect(),
    })
}

fn head(sight: &Sight<'_>) -> Markup {
    let start = &sight.rollout.start;
    let subject = sight
        .delivery
        .map(|delivery| delivery.push.commit.subject.as_str());
    html! {
        h1 { (sight.rollout.id.delivery.app) " " span.quiet { "into" } " " (sight.rollout.id.environment) }
        p.row {
            (elements::state(sight.state_name()))
            @if let Some(subject) = subject { span.subject { (elements::subject(subject)) } }
            (elements::hash(&start.commit.to_string()))
        }
        dl.facts.across {
            div { dt { "Delivery" } dd { (elements::delivery(&sight.rollout.id.delivery.to_string())) } }
            div { dt { "Revision" } dd { a href=(format!("/services/{}", start.service)) { (start.revision) } } }
            @if let Some(stable) = &start.stable { div { dt { "Stable beside it" } dd { (stable) } } }
            div { dt { "Began" } dd { (elements::time(sight.rollout.started_at)) } }
            @if let Some(ended) = sight.rollout.finished_at { div { dt { "Ended" } dd { (elements::time(ended)) } } }
        }
    }
}

fn steer(sight: &Sight<'_>, audience: &Audience) -> Markup {
    if !sight.remembered {
        return html! {};
    }
    steer::rollout(sight.view, sight.rollout, audience, sight.now)
}
