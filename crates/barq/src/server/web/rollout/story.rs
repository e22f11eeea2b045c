//! What the journal tells of a rollout: when each step began, and what happened in words.
//!
//! An open page is rendered several times a second, and a rollout may have been paused for days: what was read is kept, and
//! only what came since is read, only when the rollout has changed.

use std::sync::Arc;

use barq_core::delivery::Delivery;
use barq_core::event::{Event, Recorded, RolloutEvent, StepEntry};
use barq_core::identity::RolloutId;
use barq_core::rollout::Rollout;
use barq_engine::engine::View;
use barq_engine::history;
use barq_engine::journal::PAGE_ITEMS_MAX;
use jiff::Timestamp;
use maud::{Markup, html};

use super::super::super::Server;
use super::super::super::problem::Problem;
use super::super::super::shapes::TimelineEntry;
use super::super::super::story;
use super::super::recent::Recent;
use super::super::times;

/// Rollouts of which the story is kept.
const STORIES_MAX: usize = 64;
/// Lines of a story that are shown: the newest.
const LINES_MAX: usize = 60;

/// The stories of rollouts that somebody looked at.
#[derive(Debug, Default)]
pub(in super::super) struct Stories(Recent<RolloutId, Arc<Story>, STORIES_MAX>);

/// What the journal tells of one.
#[derive(Debug, Clone)]
pub(super) struct Story {
    /// As it was when this was read.
    pub(super) rollout: Arc<Rollout>,
    /// Its delivery, where the state has forgotten it.
    pub(super) delivery: Option<Delivery>,
    /// The steps that it entered, and when.
    pub(super) steps: Vec<(Timestamp, StepEntry)>,
    /// Whether its instances became ready.
    pub(super) deployed: bool,
    lines: Vec<TimelineEntry>,
    /// The last event of its delivery that was read.
    after: u64,
}

impl Stories {
    /// A rollout with its story; a problem where there never was one.
    pub(super) async fn of(
        &self,
        server: &Server,
        view: &View,
        id: &RolloutId,
    ) -> Result<Arc<Story>, Problem> {
        let kept = self.0.get(id);
        let story = match (view.state.rollouts.get(id), kept) {
            (Some(rollout), Some(kept)) if Arc::ptr_eq(rollout, &kept.rollout) => return Ok(kept),
            (Some(rollout), kept) => {
                let before = kept.map_or_else(|| Story::new(rollout), Arc::unwrap_or_clone);
                let before = Story {
                    rollout: Arc::clone(rollout),
                    ..before
                };
                go_on(server, before).await?
            }
            // Nothing more happens to what the state has forgotten.
            (None, Some(kept)) if kept.delivery.is_some() => return Ok(kept),
            (None, _) => forgotten(server, id).await?,
        };
        let story = Arc::new(story);
        self.0.keep(id.clone(), Arc::clone(&story));
        Ok(story)
    }
}

impl Story {
    pub(super) fn new(rollout: &Arc<Rollout>) -> Self {
        Self {
            rollout: Arc::clone(rollout),
            delivery: None,
            steps: Vec::new(),
            deployed: false,
            lines: Vec::new(),
            after: 0,
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
            // Every few seconds: the numbers of the page say more.
            RolloutEvent::Progressed { .. } => return,
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

/// The story with what came since.
async fn go_on(server: &Server, mut story: Story) -> Result<Story, Problem> {
    let subject = format!("delivery/{}", story.rollout.id.delivery);
    loop {
        let journal = server.engine.journal();
        let page = journal
            .read_subject(&subject, story.after, PAGE_ITEMS_MAX)
            .await?;
        for stored in &page {
            let recorded = barq_engine::decode(stored)
                .map_err(|error| Problem::internal("the journal can't be understood", &error))?;
            story.hear(&recorded);
            story.after = stored.sequence;
        }
        if page.len() < PAGE_ITEMS_MAX {
            return Ok(story);
        }
    }
}

/// The story of a rollout that the state no longer has.
async fn forgotten(server: &Server, id: &RolloutId) -> Result<Story, Problem> {
    let unknown = || Problem::unknown("rollout", &id.to_string());
    let journey = history::journey(server.engine.journal(), &id.delivery)
        .await?
        .ok_or_else(unknown)?;
    let rollout = journey.rollouts.iter().find(|rollout| rollout.id == *id);
    let mut story = Story::new(&Arc::new(rollout.ok_or_else(unknown)?.clone()));
    for (_, recorded) in &journey.events {
        story.hear(recorded);
    }
    story.delivery = Some(journey.delivery);
    Ok(story)
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
