//! What was seen over time, for charts: of each service the last hour, of each rollout all of it.
//!
//! The engine's view holds sums since the data plane's start and forgets what was before; here the differences between two
//! looks are kept, in fixed memory, and on disk so that a restart of the server leaves no more than a gap. Nothing is
//! decided by it and nothing depends on it: what cannot be kept or read is said in the log, and the charts begin anew.
//! The core (`Store` and what it is made of) takes the time as an argument and touches no file.

mod files;
mod hour;
mod look;
mod series;
mod store;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use barq_core::identity::{RolloutId, ServiceId};
use barq_engine::engine::View;
use jiff::Timestamp;

use super::Shared;
use files::Files;
use store::Store;

pub(super) use hour::{Hour, Minute};
pub(super) use series::{Bin, Series};

/// Between two writings of what has changed: so much of a chart is lost when the server is killed.
const KEEP_EVERY: Duration = Duration::from_secs(10);

/// Everything that is kept for charts.
#[derive(Debug)]
pub(super) struct Samples {
    store: Mutex<Store>,
    files: Files,
}

impl Samples {
    /// With what an earlier server has kept in `directory`.
    pub(super) fn open(directory: PathBuf) -> Self {
        let files = Files::new(directory);
        let store = files.read();
        Self {
            store: Mutex::new(store),
            files,
        }
    }

    /// Takes a look into account; a view that brings no new look at the data plane changes nothing.
    pub(super) fn see(&self, view: &View, now: Timestamp) {
        self.lock().see(&view.state, &view.seen, now);
    }

    /// Requests and errors of a service, minute by minute.
    pub(super) fn hour(&self, service: &ServiceId, now: Timestamp) -> Hour {
        self.lock().hour(service, now)
    }

    /// What a rollout's two revisions answered while it ran; none where nothing is kept of it.
    pub(super) fn rollout(&self, id: &RolloutId) -> Option<Series> {
        self.lock().rollout(id)
    }

    /// Writes what has changed. Blocks.
    fn keep(&self) {
        let kept = self.lock().take_changes();
        if let Err(left) = self.files.write(kept) {
            self.lock().put_back(left);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        // Nothing is done under the lock that could leave it half changed.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes what has changed, again and again.
pub(super) async fn keep_for_ever(server: Shared) {
    loop {
        tokio::time::sleep(KEEP_EVERY).await;
        keep(&server).await;
    }
}

/// Writes what has changed.
pub(super) async fn keep(server: &Shared) {
    let server = Arc::clone(server);
    let kept = tokio::task::spawn_blocking(move || server.samples.keep()).await;
    if let Err(error) = kept {
        tracing::error!(%error, "the samples for charts could not be kept");
    }
}
