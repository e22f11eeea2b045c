//! What the journal tells of a rollout: when each step began, and what happened in words.

use std::sync::Arc;

use barq_core::delivery::Delivery;
use barq_core::event::{Event, Recorded, RolloutEvent, StepEntry};
use barq_core::identity::RolloutId;
use barq_core::rollout::Rollout;
use barq_engine::engine::View;
use jiff::Timestamp;
use maud::{Markup, html};

use super::super::super::Server;
use super::super::super::problem::Problem;
use super::super::super::shapes::TimelineEntry;
use super::super::super::story;
use super::super::times;

/// Lines of a story that are shown: the newest.
const LINES_MAX: usize = 60;

/// What the journal tells of one.
#[derive(Debug, Clone)]
pub(super) struct Story {
    /// As it is now.
    pub(super) rollout: Arc<Rollout>,
    /// Its delivery, where the state has forgotten it.
    pub(super) delivery: Option<Delivery>,
    /// The steps that it entered, and when.
    pub(super) steps: Vec<(Timestamp, StepEntry)>,
    /// Whether its instances became ready.
    pub(super) deployed: bool,
    lines: Vec<TimelineEntry>,
}

/// A rollout with its story; a problem where there never was one.
pub(super) async fn read(server: &Server, view: &View, id: &RolloutId) -> Result<Story, Problem> {
    let unknown = || Problem::unknown("rollout", &id.to_string());
    let (journal, journeys) = (server.engine.journal(), &server.kept.journeys);
    let journey = journeys.find(journal, view, &id.delivery).await?;
    let journey = journey.ok_or_else(unknown)?;
    let mut story = if let Some(rollout) = view.state.rollouts.get(id) {
        Story::new(rollout)
    } else {
        let rollout = journey.rollouts.iter().find(|rollout| rollout.id == *id);
        let rollout = rollout.ok_or_else(unknown)?.clone();
        Story {
            delivery: Some(journey.delivery.clone()),
            ..Story::new(&Arc::new(rollout))
        }
    };
    for (_, recorded) in &journey.events {
        story.hear(recorded);
    }
    Ok(story)
}

impl Story {
    pub(super) fn new(rollout: &Arc<Rollout>) -> Self {
        Self {
            rollout: Arc::clone(rollout),
            delivery: None,
            steps: Vec::new(),
            deployed: false,
            lines: Vec::new(),
        }
    }

    /// Takes an event of the delivery into account, if it is of this rollout.
    pub(super) fn hear(&mut self, recorded: &Recorded) {
        let Event::Rollout(id, event) = &recorded.event else {
            return;
        };
        if *id != self.rollout.id {
            return;
        }
        match event {
            RolloutEvent::StepEntered(entry) => self.steps.push((recorded.at, entry.clone())),
            RolloutEvent::Deployed { .. } => self.deployed = true,
            _ => {}
        }
        let mut line = story::entry(recorded);
        let environment = format!("{}: ", self.rollout.id.environment);
        if let Some(rest) = line.message.strip_prefix(&environment) {
            line.message = rest.to_owned();
        }
        self.lines.push(line);
        if self.lines.len() > LINES_MAX {
            self.lines.remove(0);
        }
    }
}

/// What happened, the newest first.
pub(super) fn lines(story: &Story) -> Markup {
    html! {
        h2 { "What happened" }
        ol.story reversed {
            @for line in story.lines.iter().rev() {
                li {
                    (times::precise(line.at)) " "
                    span { (line.message) @if let Some(actor) = &line.actor { span.quiet { " · " (actor) } } }
                }
            }
        }
    }
}
