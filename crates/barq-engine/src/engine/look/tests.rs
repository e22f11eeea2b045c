//! When what was seen becomes old, and fresh again.

use std::collections::VecDeque;
use std::sync::Mutex;

use async_trait::async_trait;
use barq_core::effect::{EffectKey, Outcome};
use barq_core::identity::{RevisionName, ServiceId};

use super::*;
use crate::ports::{Configuration, Lease, RecallOrder, Recalled};

const MOMENT: Duration = Duration::from_millis(1);

/// What is said at a moment after the last look of those who look on.
async fn said(view: &watch::Receiver<View>, after: Duration) -> Option<String> {
    tokio::time::sleep(after).await;
    view.borrow().data_plane_error.clone()
}

fn watched() -> (Freshness, watch::Receiver<View>) {
    let (publish, view) = watch::channel(View::default());
    let freshness = Freshness::new();
    tokio::spawn(freshness.watch(publish));
    (freshness, view)
}

#[tokio::test(start_paused = true)]
async fn what_was_seen_is_old_after_the_limit_though_nobody_publishes() {
    let (mut freshness, view) = watched();
    assert_eq!(said(&view, LOOK_AGE_MAX - MOMENT).await, None);
    freshness.answered(Instant::now(), Timestamp::UNIX_EPOCH);
    assert_eq!(said(&view, LOOK_AGE_MAX - MOMENT).await, None);
    assert_eq!(freshness.error(), None);
    assert_eq!(said(&view, 2 * MOMENT).await, Some(old()));
    assert_eq!(freshness.error(), Some(old()));
    assert_eq!(freshness.seen_at(), Some(Timestamp::UNIX_EPOCH));
}

#[tokio::test(start_paused = true)]
async fn an_answer_makes_it_fresh_and_one_that_waited_too_long_does_not() {
    let (mut freshness, view) = watched();
    let answered_at = Instant::now();
    assert_eq!(said(&view, LOOK_AGE_MAX + MOMENT).await, Some(old()));
    freshness.answered(answered_at, Timestamp::UNIX_EPOCH);
    assert_eq!(freshness.error(), Some(old()));
    freshness.answered(Instant::now(), Timestamp::UNIX_EPOCH);
    assert_eq!(freshness.error(), None);
}

#[tokio::test(start_paused = true)]
async fn it_becomes_old_again_and_again() {
    let (publish, view) = watch::channel(View::default());
    let mut freshness = Freshness::new();
    tokio::spawn(freshness.watch(publish.clone()));
    for _ in 0..3 {
        assert_eq!(said(&view, LOOK_AGE_MAX + MOMENT).await, Some(old()));
        freshness.answered(Instant::now(), Timestamp::UNIX_EPOCH);
        publish.send_modify(|view| view.data_plane_error = freshness.error());
        assert_eq!(said(&view, MOMENT).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reason_that_is_known_stays() {
    let (publish, view) = watch::channel(View::default());
    let mut freshness = Freshness::new();
    tokio::spawn(freshness.watch(publish.clone()));
    freshness.failed(&refused());
    publish.send_modify(|view| view.data_plane_error = freshness.error());
    let known = Some("ask: no answer".to_owned());
    assert_eq!(said(&view, LOOK_AGE_MAX + MOMENT).await, known);
    assert_eq!(freshness.error(), known);
}

#[tokio::test(start_paused = true)]
async fn a_failed_look_is_told_and_looked_again() {
    let answers = [Ok(Seen::default()), Err(refused()), Ok(Seen::default())];
    let port = Script(Mutex::new(answers.into()));
    let (looks, mut looked) = mpsc::channel(1);
    let looking = tokio::spawn(look(Arc::new(port), looks));
    let mut outcomes = Vec::new();
    for _ in 0..3 {
        let look = looked.recv().await.expect("a look");
        outcomes.push(look.seen.is_ok());
    }
    assert_eq!(outcomes, [true, false, true]);
    // Then it hangs.
    let further = tokio::time::timeout(LOOK_AGE_MAX, looked.recv()).await;
    assert!(further.is_err());
    looking.abort();
}

fn refused() -> PortError {
    PortError {
        operation: "ask",
        reason: "no answer".to_owned(),
    }
}

/// Answers as told, then never.
struct Script(Mutex<VecDeque<Result<Seen, PortError>>>);

#[async_trait]
impl DataPlane for Script {
    async fn observe(&self, _after: u64, _wait: Duration) -> Result<Seen, PortError> {
        let next = self.0.lock().expect("not poisoned").pop_front();
        match next {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }

    async fn configure(&self, _: &EffectKey, _: Configuration) -> Result<Outcome, PortError> {
        Err(refused())
    }

    async fn prove(
        &self,
        _: &EffectKey,
        _: &ServiceId,
        _: &RevisionName,
    ) -> Result<Outcome, PortError> {
        Err(refused())
    }

    async fn evidence(
        &self,
        _: &EffectKey,
        _: &ServiceId,
        _: &RevisionName,
    ) -> Result<Outcome, PortError> {
        Err(refused())
    }

    async fn recall(&self, _: &RecallOrder) -> Result<Recalled, PortError> {
        Err(refused())
    }

    async fn renew(&self, _: &Lease) -> Result<(), PortError> {
        Err(refused())
    }
}
