//! A journey that is read on is the one that is read anew, after every event.

use std::sync::Arc;

use barq_core::effect::{EffectKey, EffectTarget};
use barq_core::event::{AppEvent, DeliveryEvent, EffectEvent, Event, Recorded, RolloutEvent};
use barq_core::state;
use barq_engine::engine::View;
use barq_engine::history::{self, Journey};
use barq_engine::journal::{Batch, Head, Journal, JournalSettings, JournalWriter};
use tempfile::TempDir;

use super::super::super::testing::journey::{Story, delivery};
use super::super::super::testing::{at, progressed, tripped};
use super::{Journeys, is_told};

/// A journal, and the view of an engine that has read it.
struct World {
    writer: JournalWriter,
    journal: Journal,
    head: Head,
    view: View,
    _directory: TempDir,
}

impl World {
    async fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let settings = JournalSettings {
            url: directory.path().join("journal").display().to_string(),
            mac_key: [1; 32],
        };
        let journal = Journal::open(settings).await.expect("a journal");
        Self {
            writer: journal.take_ownership().await.expect("its writer"),
            head: journal.head().await.expect("its head"),
            journal,
            view: View::default(),
            _directory: directory,
        }
    }

    async fn append(&mut self, event: &Recorded) {
        let batch = Batch {
            events: vec![barq_engine::encode(event).expect("its form")],
            ..Batch::default()
        };
        let appended = self.writer.append(self.head, batch).await;
        self.head = appended.expect("appended").head;
    }

    fn see(&mut self, event: &Recorded) {
        state::apply(Arc::make_mut(&mut self.view.state), event);
    }

    async fn find(&self, journeys: &Journeys) -> Arc<Journey> {
        let found = journeys.find(&self.journal, &self.view, &delivery()).await;
        found.expect("read").expect("there")
    }

    async fn check(&self, journeys: &Journeys) {
        let found = self.find(journeys).await;
        let anew = history::journey(&self.journal, &delivery()).await;
        let mut anew = anew.expect("read").expect("there");
        anew.events.retain(|(_, recorded)| is_told(recorded));
        assert_eq!(found.delivery, anew.delivery);
        assert_eq!(found.rollouts, anew.rollouts);
        assert_eq!(found.events, anew.events);
    }
}

/// A canary that goes back, with all that may come between.
fn story() -> Vec<Recorded> {
    let attempt = |attempt| {
        let target = EffectTarget::Check(delivery(), "unit".to_owned());
        Event::Effect(EffectEvent::AttemptFailed {
            key: EffectKey { target, attempt },
            error: "no place is free".to_owned(),
            retry_at: at(600),
        })
    };
    let elsewhere = Event::App("other".parse().expect("an app"), AppEvent::Created);
    let canary = |story: Story, second, event| story.rolls("production", second, event);
    let mut story = Story::canary();
    story = canary(story, 540, progressed(10, 20, 0));
    story = story.told(541, attempt(1)).told(541, attempt(2));
    story = canary(story.told(542, elsewhere), 543, RolloutEvent::Paused);
    story = canary(story, 544, progressed(11, 22, 1));
    story = canary(story, 550, RolloutEvent::Resumed);
    story = canary(story, 560, tripped(560, 5));
    story = canary(story, 561, RolloutEvent::RolledBack { shifted_us: 1500 });
    let environment = "production".to_owned();
    story.then(561, DeliveryEvent::RolledBack { environment }).0
}

#[tokio::test]
async fn what_is_read_on_is_what_is_read_anew() {
    let mut world = World::new().await;
    let (always, sometimes) = (Journeys::default(), Journeys::default());
    for (index, event) in story().iter().enumerate() {
        world.append(event).await;
        // Here the journal is ahead of the view: what it has more may be told now, and must be told then.
        world.find(&always).await;
        world.see(event);
        world.check(&always).await;
        if index % 4 == 0 {
            world.check(&sometimes).await;
        }
    }
    world.check(&sometimes).await;
    // The state has forgotten it.
    world.view = View::default();
    world.check(&always).await;
}

#[tokio::test]
async fn the_journal_is_asked_only_when_something_changed() {
    let mut world = World::new().await;
    let journeys = Journeys::default();
    for event in story() {
        world.append(&event).await;
        world.see(&event);
        let found = world.find(&journeys).await;
        assert!(Arc::ptr_eq(&found, &world.find(&journeys).await));
    }
    let found = world.find(&journeys).await;
    world.journal.close().await;
    assert!(Arc::ptr_eq(&found, &world.find(&journeys).await));
}

#[tokio::test]
async fn what_never_was_is_not_kept() {
    let mut world = World::new().await;
    let journeys = Journeys::default();
    let id = delivery();
    let found = journeys.find(&world.journal, &world.view, &id).await;
    assert!(found.expect("read").is_none());
    let pushed = story().remove(0);
    world.append(&pushed).await;
    world.check(&journeys).await;
}
