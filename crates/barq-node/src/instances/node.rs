//! What all instances of a node share: directories, the launcher, ports and run numbers.
//!
//! It must not know revisions.

use std::path::PathBuf;

use barq_shim::{Adopted, Launcher};
use tokio::sync::watch;

use super::place::RunNumbers;
use super::ports::Ports;
use super::predecessors::Predecessors;
use super::revision::ChangeNotifier;
use super::words;

/// Shared by all fleets and members.
#[derive(Debug)]
pub(super) struct Node {
    /// The directory of all instances.
    pub(super) directory: PathBuf,
    pub(super) launcher: Launcher,
    pub(super) hidden: Option<PathBuf>,
    pub(super) ports: Ports,
    pub(super) numbers: RunNumbers,
    pub(super) changes: ChangeNotifier,
    /// True once nobody waits any longer: everything is killed.
    pub(super) kill: watch::Sender<bool>,
    /// True once the next node takes over: nothing is driven any more.
    pub(super) left: watch::Sender<bool>,
    /// Those before this one: what they carry is in flight, too.
    pub(super) predecessors: Predecessors,
}

impl Node {
    /// Resolves when the next node takes over.
    pub(super) async fn left(&self) {
        if self.left.subscribe().wait_for(|left| *left).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Makes sure that nothing runs in a run's directory, and never will.
    pub(super) async fn discard(&self, run: PathBuf) {
        let discarded = tokio::task::spawn_blocking(move || discard(&run)).await;
        if let Err(error) = discarded {
            tracing::error!(%error, "a run that is not wanted could not be ended");
        }
    }
}

/// Kills what runs in a run's directory.
pub(super) fn discard(run: &std::path::Path) {
    if !run.exists() {
        return;
    }
    let ended = match barq_shim::adopt(run) {
        Ok(Adopted::Running(handle)) => handle.kill(),
        Ok(Adopted::Exited(_) | Adopted::Lost) => Ok(()),
        Err(error) => Err(error),
    };
    if let Err(error) = ended {
        tracing::error!(run = %run.display(), error = words::chain(&error), "a run that is not wanted could not be ended");
    }
}
