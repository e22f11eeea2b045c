//! An upgrade: server and node from the file that is at the executable's path now, while everything is served.
//!
//! One at a time, in the order in which they were asked for: by `barq upgrade` over `up.sock`, or by SIGHUP. The server comes
//! first, so that a node never hears from a server that is older than what it has learnt; if the node can't be replaced the
//! server goes back, and both are again what they were. `up` itself stays: it is small, and owns the sockets.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::image::Image;
use super::replace::{Replace, ReplaceError};
use crate::output::{Output, chain};

/// What is said on `up.sock` to ask for one.
pub(crate) const UPGRADE: &str = "upgrade";
/// Upgrades that wait for their turn.
const WAITING_MAX: usize = 4;

/// What became of an upgrade.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Whether server and node run from the new file.
    pub(crate) upgraded: bool,
    /// The version before.
    pub(crate) before: String,
    /// The version of the new file; none: it does not run.
    pub(crate) after: Option<String>,
    /// From the question to this answer.
    pub(crate) took_ms: u64,
    /// Why it failed: the version before runs.
    pub(crate) why: Option<String>,
}

/// Where a report is wanted.
type Reply = oneshot::Sender<Report>;

/// Where upgrades are asked for.
#[derive(Debug, Clone)]
pub(super) struct Requests {
    sender: mpsc::Sender<Option<Reply>>,
}

/// What conducts upgrades.
pub(super) struct Conductor {
    pub(super) requests: mpsc::Receiver<Option<Reply>>,
    /// Where the executable lies.
    pub(super) path: PathBuf,
    /// What runs.
    pub(super) image: Arc<Image>,
    pub(super) server: mpsc::Sender<Replace>,
    pub(super) node: mpsc::Sender<Replace>,
    pub(super) output: Output,
}

/// Both ends of the queue.
pub(super) fn requests() -> (Requests, mpsc::Receiver<Option<Reply>>) {
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    (Requests { sender }, receiver)
}

impl Requests {
    /// Asks for an upgrade after those that were asked for before.
    pub(super) async fn ask(&self, reply: Option<Reply>) {
        if self.sender.send(reply).await.is_err() {
            tracing::debug!("no upgrade any more: up is being stopped");
        }
    }
}

impl Conductor {
    /// One upgrade after the other.
    pub(super) async fn conduct(mut self) {
        while let Some(reply) = self.requests.recv().await {
            let report = self.upgrade().await;
            self.announce(&report);
            if reply.is_some_and(|reply| reply.send(report).is_err()) {
                tracing::debug!("whoever asked for the upgrade is gone");
            }
        }
    }

    async fn upgrade(&mut self) -> Report {
        let begun = Instant::now();
        let before = self.image.version().await;
        let mut after = None;
        let outcome = self.replace_both(&mut after).await;
        Report {
            upgraded: outcome.is_ok(),
            // It runs, so it says its version; if it can't at this moment, no upgrade fails for that.
            before: before.unwrap_or_else(|error| error.to_string()),
            after,
            took_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            why: outcome.err(),
        }
    }

    async fn replace_both(&mut self, version: &mut Option<String>) -> Result<(), String> {
        let image = Image::at(&self.path).map_err(|error| chain(&error))?;
        *version = Some(image.version().await.map_err(|error| chain(&error))?);
        let image = Arc::new(image);
        let words = |error: ReplaceError| chain(&error);
        replace(&self.server, &image).await.map_err(words)?;
        if let Err(failed) = replace(&self.node, &image).await {
            let back = replace(&self.server, &self.image).await;
            return Err(match back {
                Ok(()) => chain(&failed),
                Err(error) => format!(
                    "{}; and the server of before could not be brought back: {}",
                    chain(&failed),
                    chain(&error)
                ),
            });
        }
        self.image = image;
        Ok(())
    }

    fn announce(&self, report: &Report) {
        if self.output.json() {
            let event = serde_json::json!({"event": "upgrade", "report": report});
            return self.output.document(&event);
        }
        self.output.note(&report.words());
    }
}

impl Report {
    /// For people.
    pub(crate) fn words(&self) -> String {
        let seconds = self.took_ms as f64 / 1000.0;
        let after = self.after.as_deref().unwrap_or("a file that does not run");
        match &self.why {
            None => format!("upgraded from {} to {after} in {seconds:.1} s", self.before),
            Some(why) => format!("not upgraded to {after}: {why}; {} serves on", self.before),
        }
    }
}

async fn replace(child: &mpsc::Sender<Replace>, image: &Arc<Image>) -> Result<(), ReplaceError> {
    let (done, outcome) = oneshot::channel();
    let image = Arc::clone(image);
    let asked = child.send(Replace { image, done }).await;
    asked.map_err(|_| ReplaceError::Stopping)?;
    outcome.await.map_err(|_| ReplaceError::Stopping)?
}
