//! What is shared of one revision: what is wanted of it, its ready instances, and what is seen of it.
//!
//! The fleet and its members write, the proxy and the API read; nobody waits for anybody. It must not know how any of it
//! comes about.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::ready_set::ReadySet;
use crate::api::{InstanceObservation, InstanceState, RevisionConfiguration, RevisionObservation};

/// Counts changes that others should look at: readiness, failures, sizes.
pub type ChangeNotifier = watch::Sender<u64>;

/// What is wanted of a revision.
#[derive(Debug, Clone)]
pub(super) enum Wanted {
    /// Nobody has said yet: what was adopted goes on.
    Unknown,
    /// It runs so.
    Run(Arc<Configured>),
    /// It ends.
    Gone,
}

/// A configuration and the fingerprint of what it runs.
#[derive(Debug)]
pub(super) struct Configured {
    pub(super) configuration: Arc<RevisionConfiguration>,
    pub(super) fingerprint: String,
}

/// One instance, as it is seen.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    pub(super) observation: InstanceObservation,
    pub(super) fingerprint: String,
    /// Whether it has a process.
    pub(super) runs: bool,
}

/// One revision's shared state.
#[derive(Debug)]
pub(super) struct Revision {
    pub(super) service: String,
    pub(super) name: String,
    /// Where its instances live on disk.
    pub(super) directory: PathBuf,
    pub(super) ready_set: Arc<ReadySet>,
    pub(super) wanted: watch::Sender<Wanted>,
    board: Mutex<Board>,
    changes: ChangeNotifier,
}

#[derive(Debug, Default)]
struct Board {
    desired: u32,
    failed_starts: u32,
    last_failure: Option<String>,
    limits_enforced: bool,
    instances: BTreeMap<String, Shown>,
}

impl Revision {
    /// A revision of which nothing is known.
    pub(super) fn new(
        service: &str,
        name: &str,
        directory: PathBuf,
        changes: ChangeNotifier,
    ) -> Arc<Self> {
        Arc::new(Self {
            service: service.to_owned(),
            name: name.to_owned(),
            directory,
            ready_set: Arc::new(ReadySet::default()),
            wanted: watch::Sender::new(Wanted::Unknown),
            board: Mutex::default(),
            changes,
        })
    }

    /// The configuration, once there is one; `None` if the revision ends instead.
    pub(super) async fn configured(&self) -> Option<Arc<Configured>> {
        let mut wanted = self.wanted.subscribe();
        // The sender is a field of this very object: it is not gone.
        let settled = wanted
            .wait_for(|wanted| !matches!(wanted, Wanted::Unknown))
            .await
            .ok()?;
        match &*settled {
            Wanted::Run(configured) => Some(Arc::clone(configured)),
            Wanted::Unknown | Wanted::Gone => None,
        }
    }

    /// Tells everyone who looks that something has changed.
    pub(super) fn changed(&self) {
        self.changes
            .send_modify(|change| *change = change.wrapping_add(1));
    }

    /// Shows an instance.
    pub(super) fn show(&self, shown: Shown) {
        self.board()
            .instances
            .insert(shown.observation.id.clone(), shown);
        self.changed();
    }

    /// Shows an instance no longer.
    pub(super) fn hide(&self, id: &str) {
        self.board().instances.remove(id);
        self.changed();
    }

    /// The instances, as they are seen.
    pub(super) fn shown(&self) -> Vec<Shown> {
        self.board().instances.values().cloned().collect()
    }

    /// Records the size that is wanted now.
    pub(super) fn set_desired(&self, desired: u32) {
        let before = std::mem::replace(&mut self.board().desired, desired);
        if before != desired {
            self.changed();
        }
    }

    /// Records whether limits are enforced, as the last process has shown.
    pub(super) fn set_limits_enforced(&self, enforced: bool) {
        self.board().limits_enforced = enforced;
    }

    /// Records a failure in words; `start` if the instance had not become ready.
    pub(super) fn failed(&self, failure: String, start: bool) {
        let mut board = self.board();
        board.failed_starts = board.failed_starts.saturating_add(u32::from(start));
        board.last_failure = Some(failure);
        drop(board);
        self.changed();
    }

    /// An instance has become ready: starts succeed again.
    pub(super) fn became_ready(&self) {
        self.board().failed_starts = 0;
    }

    /// The instances' part of what the node sees of the revision.
    pub(super) fn observe(&self) -> RevisionObservation {
        let board = self.board();
        let shown = board.instances.values();
        RevisionObservation {
            ready: count(
                shown
                    .clone()
                    .filter(|shown| shown.observation.state == InstanceState::Ready),
            ),
            total: count(shown.clone().filter(|shown| shown.runs)),
            desired: board.desired,
            failed_starts: board.failed_starts,
            last_failure: board.last_failure.clone(),
            limits_enforced: board.limits_enforced,
            instances: shown.map(|shown| shown.observation.clone()).collect(),
            ..RevisionObservation::default()
        }
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count<'a>(shown: impl Iterator<Item = &'a Shown>) -> u32 {
    u32::try_from(shown.count()).unwrap_or(u32::MAX)
}
