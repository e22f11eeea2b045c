//! The tasks of a node that serves, and the order in which they end: for good, or in favour of the next node.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fd::OwnedFd;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::api::{self, Api};
use super::secured::Secured;
use super::succession::{HandOverError, Succession};
use super::{NodeError, SOCKET_NAME, Stop, open_socket};
use crate::control::Services;
use crate::instances::{Instances, Serving};
use crate::proxy::Proxy;

/// Everything of a node but its proxy.
pub(super) struct Running {
    directory: PathBuf,
    services: Arc<Services>,
    instances: Instances,
    tasks: Tasks,
    writer: Task,
    api: Task,
    hold: Hold,
}

/// What looks after things for as long as the directory is the node's own.
pub(super) struct Tasks {
    /// What time does.
    pub(super) keeper: JoinHandle<()>,
    /// Certificates; those that are loaded serve on without it.
    pub(super) secured: Option<Secured>,
}

/// Which lock on the directory it has.
enum Hold {
    /// The directory is its own.
    Own { _lock: OwnedFd },
    /// The directory is the next node's; this one still serves.
    HandedOver { _serving: Serving },
}

/// A task that ends when it is told.
struct Task {
    what: &'static str,
    ends: watch::Sender<bool>,
    handle: Option<JoinHandle<()>>,
}

impl Task {
    fn start<F: Future<Output = ()> + Send + 'static>(
        what: &'static str,
        run: impl FnOnce(watch::Receiver<bool>) -> F,
    ) -> Self {
        let (ends, told) = watch::channel(false);
        let handle = Some(tokio::spawn(run(told)));
        Self { what, ends, handle }
    }

    /// Tells it, and waits for its end; at once where it has ended.
    async fn end(&mut self) {
        self.ends.send_replace(true);
        if let Some(handle) = self.handle.take() {
            wait(self.what, handle).await;
        }
    }
}

impl Running {
    /// Starts what writes and answers. The API comes last.
    pub(super) fn start(
        directory: PathBuf,
        lock: OwnedFd,
        services: Arc<Services>,
        instances: Instances,
        tasks: Tasks,
        answers: Api,
    ) -> Result<Self, NodeError> {
        Ok(Self {
            writer: writer(&services),
            api: answering(&directory, answers)?,
            tasks,
            directory,
            services,
            instances,
            hold: Hold::Own { _lock: lock },
        })
    }

    /// Serves until told how to end; hands over meanwhile if asked.
    pub(super) async fn until(
        &mut self,
        stop: impl Future<Output = Stop>,
        succession: &mut Succession,
    ) -> Stop {
        tokio::pin!(stop);
        loop {
            let ask = tokio::select! {
                how = &mut stop => return how,
                ask = succession.asked() => ask,
            };
            // To its end, whatever else is asked meanwhile: half a hand-over is none.
            let answer = self.hand_over().await;
            if ask.send(answer).is_err() {
                tracing::warn!("whoever asked for a hand-over is gone");
            }
        }
    }

    /// Lets requests in flight end, then the rest. What was handed over is not touched.
    pub(super) async fn end(mut self, proxy: Proxy, how: Stop) {
        self.api.end().await;
        let stopping = tokio::task::spawn_blocking(move || proxy.stop());
        wait("the proxy", stopping).await;
        if let Hold::HandedOver { .. } = self.hold {
            return;
        }
        self.writer.end().await;
        if !self.services.keep_all().await {
            tracing::error!("not everything could be written");
        }
        self.tasks.keeper.abort();
        match how {
            Stop::Leave => self.instances.leave(),
            Stop::Drain => self.instances.drain_and_stop().await,
        }
    }

    /// Nothing of this node writes to its directory once this has returned; it accepts and serves as before.
    async fn hand_over(&mut self) -> Result<(), HandOverError> {
        if let Hold::HandedOver { .. } = self.hold {
            return Ok(());
        }
        self.services.freeze().await;
        self.writer.end().await;
        if !self.services.keep_all().await {
            self.go_on();
            return Err(HandOverError::NotKept);
        }
        let serving = Serving::say(&self.directory).map_err(|error| {
            tracing::error!(%error, "the node's directory can't be locked");
            self.go_on();
            HandOverError::Lock
        })?;
        // Those who wait for a change would hold the API open.
        self.api.ends.send_replace(true);
        self.services.wake_observers();
        self.api.end().await;
        self.tasks.keeper.abort();
        self.tasks.secured = None;
        self.instances.hand_over().await;
        // Not before: the next node looks for who serves once it has the lock.
        self.hold = Hold::HandedOver { _serving: serving };
        Ok(())
    }

    fn go_on(&mut self) {
        self.writer = writer(&self.services);
        self.services.thaw();
    }
}

fn writer(services: &Arc<Services>) -> Task {
    let services = Arc::clone(services);
    Task::start("the writer", |ends| async move {
        services.write_what_changes(ends).await;
    })
}

fn answering(directory: &Path, answers: Api) -> Result<Task, NodeError> {
    let listener = open_socket(&directory.join(SOCKET_NAME))?;
    Ok(Task::start("the API", |ends| {
        api::serve(listener, Arc::new(answers), ends)
    }))
}

async fn wait(what: &str, task: JoinHandle<()>) {
    if let Err(error) = task.await {
        tracing::error!(%error, "{what} ended badly");
    }
}
