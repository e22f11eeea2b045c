//! The end of a node that another one follows while it still serves: nothing changes any more, and all of it is on disk.
//!
//! From [`Services::freeze`] on a configuration, a recall and a lease are refused: whoever asks must ask the next node. Each
//! canary goes back to stable, as when its lease runs out, so that the next node, which starts with every canary at 0 %, has
//! nothing to take away, and no error of a canary is judged twice. What can't be written is not left behind:
//! [`Services::keep_all`] says so, and the node that asked goes on ([`Services::thaw`]); its canaries get their traffic by
//! a new generation, as after any lease that ran out.
//!
//! What `kill -9` does: at any line the next node starts from the disk, which holds no more than was in force.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Services;

/// How long the requests that a canary has may take to end: their errors are counted until then.
const CANARIES_SETTLE_MAX: Duration = Duration::from_secs(1);
/// Between two looks at them.
const SETTLE_LOOK: Duration = Duration::from_millis(5);

impl Services {
    /// Takes in nothing more, gives all traffic of canaries to stable, and lets what they have in flight end for a moment.
    pub(crate) async fn freeze(&self) {
        self.frozen.store(true, Ordering::SeqCst);
        for service in self.all() {
            // A configuration that is just being taken in is in force, or refused, before anything is written.
            let _accepting = service.accepting.lock().await;
            let mut state = service.lock();
            self.absorb_trip(&service, &mut state);
            if state.control.tick(Duration::MAX) {
                self.take_back(&service, &state);
            }
            state.count_served(self.now());
        }
        let settled = async {
            while self.canaries_are_busy() {
                tokio::time::sleep(SETTLE_LOOK).await;
            }
        };
        if tokio::time::timeout(CANARIES_SETTLE_MAX, settled)
            .await
            .is_err()
        {
            tracing::info!("a canary's last requests are not judged: the node hands over");
        }
    }

    /// Writes everything that the next node starts from; the writer must have ended. False if something can't be written.
    pub(crate) async fn keep_all(&self) -> bool {
        self.mark_canaries();
        // Twice: what was marked while the first was written is little, and is written now.
        self.write_all().await && self.write_all().await
    }

    /// Takes configurations in again.
    pub(crate) fn thaw(&self) {
        self.frozen.store(false, Ordering::SeqCst);
    }

    /// Whether nothing is taken in.
    pub(super) fn is_frozen(&self) -> bool {
        self.frozen.load(Ordering::SeqCst)
    }

    /// Everyone who waits for a change looks now.
    pub(crate) fn wake_observers(&self) {
        self.changed();
    }

    fn canaries_are_busy(&self) -> bool {
        self.all().iter().any(|service| {
            let state = service.lock();
            state
                .canary()
                .is_some_and(|canary| canary.wire.in_flight() > 0)
        })
    }
}

/// What whoever asks for a change is told.
pub(super) const HANDING_OVER: &str = "the node hands over to the next one; ask that one";
