//! Looks at the data plane, and how old the last one may get before what it showed is no longer shown as fresh.
//!
//! A data plane that hangs gives no answer, so no error either; and the loop may be held up itself, by the journal above
//! all. So the age of the last answer decides, and a task of its own watches it. Nothing is decided by it: it is for those
//! who look on.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::View;
use crate::ports::{DataPlane, PortError, Seen};

/// Without a change, the data plane is looked at so often: the resolution of holds and of what people see.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// After a failure to look.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// Looks that may fail to come before what was seen counts as old: a busy machine may delay one or two.
const LOOKS_MISSED_MAX: u32 = 4;
/// What was seen longer ago than this is not what is so now.
const LOOK_AGE_MAX: Duration = LOOK_EVERY.saturating_mul(LOOKS_MISSED_MAX);

/// An answer of the data plane, or why there is none.
pub(super) struct Look {
    /// When it came.
    pub(super) at: Instant,
    /// The same, for people.
    pub(super) seen_at: Timestamp,
    pub(super) seen: Result<Seen, PortError>,
}

/// How fresh is what is known of the data plane.
pub(super) struct Freshness {
    /// When the last answer came that was taken into account; the start, before the first.
    last: watch::Sender<Instant>,
    seen_at: Option<Timestamp>,
    error: Option<String>,
}

impl Freshness {
    pub(super) fn new() -> Self {
        Self {
            last: watch::Sender::new(Instant::now()),
            seen_at: None,
            error: None,
        }
    }

    /// What was answered then is known now.
    pub(super) fn answered(&mut self, at: Instant, seen_at: Timestamp) {
        self.error = None;
        self.seen_at = Some(seen_at);
        self.last.send_replace(at);
    }

    pub(super) fn failed(&mut self, error: &PortError) {
        if self.error.is_none() {
            tracing::warn!(%error, "the data plane can't be seen");
        }
        self.error = Some(error.to_string());
    }

    /// When the data plane was seen last.
    pub(super) fn seen_at(&self) -> Option<Timestamp> {
        self.seen_at
    }

    /// Why it can't be seen now, if it can't.
    pub(super) fn error(&self) -> Option<String> {
        let error = self.error.clone();
        error.or_else(|| is_old(*self.last.borrow()).then(old))
    }

    /// Tells when what was seen has become old, whatever else goes on or does not. Ends with the one who is told.
    pub(super) fn watch(&self, publish: watch::Sender<View>) -> impl Future<Output = ()> + use<> {
        let mut last = self.last.subscribe();
        async move {
            loop {
                let at = *last.borrow_and_update();
                let outlived = tokio::time::timeout_at(at + LOOK_AGE_MAX, last.changed()).await;
                let changed = match outlived {
                    Ok(changed) => changed,
                    Err(_elapsed) => {
                        publish.send_if_modified(|view| say_old(view, *last.borrow()));
                        last.changed().await
                    }
                };
                if changed.is_err() {
                    return;
                }
            }
        }
    }
}

/// Looks at the data plane for ever; a slow loop is not flooded, since the channel holds one look. A question that is not
/// answered is left open: should the data plane go on after all, that is known at once.
pub(super) async fn look(port: Arc<dyn DataPlane>, looks: mpsc::Sender<Look>) {
    let mut after = 0;
    loop {
        let seen = port.observe(after, LOOK_EVERY).await;
        let failed = seen.is_err();
        if let Ok(seen) = &seen {
            after = seen.change;
        }
        let look = Look {
            at: Instant::now(),
            seen_at: Timestamp::now(),
            seen,
        };
        if looks.send(look).await.is_err() {
            return;
        }
        if failed {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

fn is_old(last: Instant) -> bool {
    last.elapsed() >= LOOK_AGE_MAX
}

fn old() -> String {
    let limit_s = LOOK_AGE_MAX.as_secs();
    format!("nothing new was seen of it for more than {limit_s} s")
}

/// Only if nothing came meanwhile. A reason that is known already is the better one.
fn say_old(view: &mut View, last: Instant) -> bool {
    let is_news = is_old(last) && view.data_plane_error.is_none();
    if is_news {
        let error = old();
        tracing::warn!(error, "the data plane can't be seen");
        view.data_plane_error = Some(error);
    }
    is_news
}

#[cfg(test)]
mod tests;
