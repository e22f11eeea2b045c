//! Whether a node that handed over still serves: its requests are in flight on instances, and this node can't see them.
//!
//! A node that hands over takes a shared lock on its directory before it lets go of the lock that the next one waits for,
//! and holds it to its end, however that comes: the kernel drops a lock with its process. So whoever finds the directory
//! without a lock, once, knows that nothing is in flight that it has not counted itself. It is a lock on the directory, not
//! on a file in it: there is one on a full disk, too. It must not know what is waited for.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fd::OwnedFd;
use rustix::fs::{FlockOperation, Mode, OFlags};
use tokio::sync::watch;

/// Between two looks whether the lock is free.
const LOOK_PERIOD: Duration = Duration::from_millis(100);

/// What is known of the nodes before this one.
#[derive(Debug, Clone)]
pub(super) struct Predecessors {
    /// True once none of them serves.
    gone: watch::Receiver<bool>,
}

/// Held by a node that has handed over and still serves.
#[derive(Debug)]
pub(crate) struct Serving {
    _lock: OwnedFd,
}

impl Predecessors {
    /// Looks now, and goes on looking in a task of its own if there is one.
    pub(super) fn of(directory: &Path) -> Self {
        let (tell, gone) = watch::channel(!somebody_drains(directory));
        if !*gone.borrow() {
            tokio::spawn(look(directory.to_owned(), tell));
        }
        Self { gone }
    }

    /// Resolves when none serves any more.
    pub(super) async fn gone(&self) {
        let mut gone = self.gone.clone();
        if gone.wait_for(|gone| *gone).await.is_err() {
            // Whoever looked is gone with its runtime: this node ends, and must not end an instance for it.
            std::future::pending::<()>().await;
        }
    }
}

impl Serving {
    /// Says that this node serves after another one has taken over. To be called before that one can.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn say(directory: &Path) -> rustix::io::Result<Self> {
        let lock = open(directory)?;
        // Shared by several that drain; waits for no more than a look of the next one.
        rustix::fs::flock(&lock, FlockOperation::LockShared)?;
        Ok(Self { _lock: lock })
    }
}

/// Whether a node that has handed over still serves. If it can't be found out, one may.
#[must_use]
pub fn somebody_drains(directory: &Path) -> bool {
    let free = open(directory)
        .and_then(|lock| rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive));
    match free {
        Ok(()) | Err(rustix::io::Errno::NOENT) => false,
        Err(rustix::io::Errno::WOULDBLOCK) => true,
        Err(error) => {
            tracing::warn!(%error, "it can't be told whether an earlier node still serves");
            true
        }
    }
}

async fn look(directory: PathBuf, tell: watch::Sender<bool>) {
    while somebody_drains(&directory) {
        tokio::time::sleep(LOOK_PERIOD).await;
    }
    tell.send_replace(true);
}

fn open(directory: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(directory, flags, Mode::empty())
}

#[cfg(test)]
mod tests;
