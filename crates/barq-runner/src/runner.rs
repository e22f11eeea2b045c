//! The runner's face: asks for runs, attaches to them, cancels them, reads their output; and the queue behind it.
//!
//! Each run is driven by a task of its own, so whoever asked may go away. A run first waits for its check's slot (one
//! user of a work tree at a time, in the order of asking), then for one of the places for all, so that those who wait
//! for a slot hold no place. It must not know what happens inside a run.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use barq_shim::output;
use tokio::sync::{OwnedMutexGuard, Semaphore, watch};

use crate::caches;
use crate::drive::{Drive, unstarted};
use crate::error::RunnerError;
use crate::request::BuildRequest;
use crate::request::CheckRequest;
use crate::request::CheckResult;
use crate::request::Outcome;
use crate::request::OutputPage;
use crate::request::RunState;
use crate::request::{BUILD, Job};
use crate::settings::RunnerSettings;
use crate::store::{self, Store};
use crate::work::{self, Places, blocking};

/// Most output that one page holds, in bytes.
const PAGE_BYTES_MAX: usize = 256 * 1024;
/// In a run's directory: what its bundle became.
const BECAME: &str = "became.json";

/// Runs checks and builds. Clones are the same runner; it must live in a tokio runtime.
#[derive(Clone)]
pub struct Runner {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Arc<RunnerSettings>,
    store: Store,
    active: Mutex<HashMap<String, Active>>,
    slots: Mutex<HashMap<AppAndCheck, Slot>>,
    places: Arc<Semaphore>,
}

/// Whose slot it is.
type AppAndCheck = (String, String);
/// Held by the one run that uses the work tree; first come, first served.
type Slot = Arc<tokio::sync::Mutex<()>>;

/// A run in the queue or at work.
#[derive(Clone)]
struct Active {
    state: watch::Receiver<RunState>,
    cancel: watch::Sender<bool>,
}

impl Runner {
    /// Opens the runner's directory, puts in order what a crash left there, and adopts the runs that still go on.
    pub fn new(settings: RunnerSettings) -> Result<Self, RunnerError> {
        let store = Store::open(&settings.directory)?;
        let places = Arc::new(Semaphore::new(settings.checks_at_once_max.max(1)));
        let inner = Inner {
            settings: Arc::new(settings),
            store,
            active: Mutex::default(),
            slots: Mutex::default(),
            places,
        };
        let runner = Self {
            inner: Arc::new(inner),
        };
        runner
            .inner
            .store
            .retain(runner.inner.settings.runs_kept_max)?;
        for job in runner.inner.store.unfinished()? {
            runner.resume(job)?;
        }
        Ok(runner)
    }

    /// Runs a check, or attaches to the run with the same key, or returns its result if it has ended. That the caller
    /// goes away changes nothing for the run.
    pub async fn run(&self, request: CheckRequest) -> Result<CheckResult, RunnerError> {
        if request.check == BUILD {
            return Err(RunnerError::Request(format!(
                "the check name {BUILD:?} is reserved"
            )));
        }
        self.submit(request.into()).await
    }

    /// Builds a bundle; the same promises as [`Self::run`]. If it passed, `bundle` is the directory of the files.
    pub async fn build(&self, request: BuildRequest) -> Result<CheckResult, RunnerError> {
        self.submit(request.into()).await
    }

    /// Cancels a run: out of the queue, or its whole tree of processes killed. Returns once the order stands; the run's
    /// result tells when it is done. A run that has ended stays as it ended; one that was never asked for will not run.
    pub async fn cancel(&self, key: &str) -> Result<(), RunnerError> {
        let directory = self.inner.store.run(key)?;
        let active = self.inner.lock_active().get(key).cloned();
        let result = directory.join("result.json");
        let known = active.is_some();
        blocking(move || {
            if result.exists() {
                return Ok(());
            }
            store::create_directory(&directory, 0o700)?;
            // Survives a crash between here and the end of the run.
            store::write(&directory.join("cancelled.json"), &true)?;
            if known {
                Ok(())
            } else {
                store::write(&result, &unstarted(Outcome::Cancelled))
            }
        })
        .await?;
        if let Some(active) = active {
            active.cancel.send_replace(true);
        }
        Ok(())
    }

    /// Where a run stands; `None` if nothing is known of the key.
    pub fn state(&self, key: &str) -> Result<Option<RunState>, RunnerError> {
        let active = self
            .inner
            .lock_active()
            .get(key)
            .map(|active| active.state.borrow().clone());
        if active.is_some() {
            return Ok(active);
        }
        let directory = self.inner.store.run(key)?;
        let result: Option<CheckResult> = store::read(&directory.join("result.json"))?;
        let queued = || {
            directory
                .join("request.json")
                .exists()
                .then_some(RunState::Queued)
        };
        Ok(result.map(RunState::Finished).or_else(queued))
    }

    /// Reads output from a position (0: the start), during the run and after it. Ask again from `next_offset`.
    pub async fn output(&self, key: &str, from_offset: u64) -> Result<OutputPage, RunnerError> {
        let state = self
            .state(key)?
            .ok_or_else(|| RunnerError::Unknown(key.to_owned()))?;
        let finished = matches!(state, RunState::Finished(_));
        let directory = self.inner.store.run(key)?;
        blocking(move || {
            let shim = current_shim(&directory)?;
            let Some(shim) = shim else {
                return Ok(OutputPage {
                    lines: Vec::new(),
                    next_offset: from_offset,
                    finished,
                });
            };
            let chunk = output::read(&shim, from_offset, PAGE_BYTES_MAX)?;
            Ok(OutputPage {
                lines: chunk.lines,
                next_offset: chunk.next_offset,
                finished,
            })
        })
        .await
    }

    /// Removes a bundle that is no longer needed, and keeps in its place what it became, in the caller's words. Building with
    /// its key once more builds nothing: [`Self::became`] tells.
    pub async fn remove_bundle(&self, key: &str, became: &str) -> Result<(), RunnerError> {
        let (directory, became) = (self.inner.store.run(key)?, became.to_owned());
        blocking(move || {
            store::write(&directory.join(BECAME), &became)?;
            store::remove_tree(&directory.join("bundle"))
        })
        .await
    }

    /// What a bundle became that was removed.
    pub async fn became(&self, key: &str) -> Result<Option<String>, RunnerError> {
        let path = self.inner.store.run(key)?.join(BECAME);
        blocking(move || store::read(&path)).await
    }

    async fn submit(&self, job: Job) -> Result<CheckResult, RunnerError> {
        caches::validate(&job)?;
        let directory = self.inner.store.run(&job.key)?;
        let attached = self.inner.lock_active().get(&job.key).cloned();
        let active = match attached {
            Some(active) => active,
            None => {
                if let Some(result) = remembered(&directory)? {
                    return Ok(result);
                }
                self.enqueue(job, None)?
            }
        };
        let mut state = active.state;
        // Not active.cancel: while a sender lives here the channel says nothing of the runner's end.
        let finished = state
            .wait_for(|state| matches!(state, RunState::Finished(_)))
            .await;
        match finished.as_deref() {
            Ok(RunState::Finished(result)) => Ok(result.clone()),
            Ok(RunState::Queued | RunState::Running) | Err(_) => Err(RunnerError::ShutDown),
        }
    }

    /// After a restart: a run whose command was started goes on; one that was only prepared gives its caches back.
    fn resume(&self, job: Job) -> Result<(), RunnerError> {
        let directory = self.inner.store.run(&job.key)?;
        if directory.join("shim-1").exists() {
            let slot = self.inner.slot(&job).try_lock_owned().ok();
            return self.enqueue(job, slot).map(|_| ());
        }
        if directory.join("started.json").exists() {
            let places = Places::of(&self.inner.store, &job)?;
            work::take_back(&self.inner.settings, &job, &places)?;
            work::remove(&places)?;
            store::remove_tree(&directory.join("started.json"))?;
        }
        Ok(())
    }

    fn enqueue(&self, job: Job, slot: Option<OwnedMutexGuard<()>>) -> Result<Active, RunnerError> {
        let directory = self.inner.store.run(&job.key)?;
        let mut active = self.inner.lock_active();
        if let Some(active) = active.get(&job.key) {
            return Ok(active.clone());
        }
        store::create_directory(&directory, 0o700)?;
        let request = directory.join("request.json");
        if !request.exists() {
            store::write(&request, &job)?;
        }
        let (cancel, cancelled) = watch::channel(directory.join("cancelled.json").exists());
        let (state, receiver) = watch::channel(RunState::Queued);
        let run = Active {
            state: receiver,
            cancel,
        };
        active.insert(job.key.clone(), run.clone());
        drop(active);
        tokio::spawn(drive(self.inner.clone(), job, slot, cancelled, state));
        Ok(run)
    }
}

impl Inner {
    fn lock_active(&self) -> MutexGuard<'_, HashMap<String, Active>> {
        // Nothing is done under the lock that could leave the map half changed.
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self, job: &Job) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots
            .entry((job.app.clone(), job.check.clone()))
            .or_default()
            .clone()
    }
}

async fn drive(
    inner: Arc<Inner>,
    job: Job,
    slot: Option<OwnedMutexGuard<()>>,
    mut cancelled: watch::Receiver<bool>,
    state: watch::Sender<RunState>,
) {
    let key = job.key.clone();
    // What already runs is never made to wait: it holds its tree whatever the queue says.
    let adopted = slot.is_some();
    let queue = async {
        let slot = match slot {
            Some(slot) => slot,
            None => inner.slot(&job).lock_owned().await,
        };
        let place = if adopted {
            None
        } else {
            inner.places.clone().acquire_owned().await.ok()
        };
        (slot, place)
    };
    let turn = tokio::select! {
        biased;
        _ = cancelled.wait_for(|cancelled| *cancelled), if !adopted => None,
        turn = queue => Some(turn),
    };
    let result = match &turn {
        Some(_) => {
            state.send_replace(RunState::Running);
            let drive = Drive {
                settings: inner.settings.clone(),
                store: inner.store.clone(),
                job: job.clone(),
                cancelled: cancelled.clone(),
            };
            drive.run().await
        }
        None => {
            let result = unstarted(Outcome::Cancelled);
            let written = inner
                .store
                .run(&key)
                .map(|directory| store::write(&directory.join("result.json"), &result));
            if let Err(error) = written.and_then(|written| written) {
                tracing::error!(
                    key,
                    reason = error.reason(),
                    "a cancelled run could not be recorded"
                );
            }
            result
        }
    };
    drop(turn);
    state.send_replace(RunState::Finished(result));
    inner.lock_active().remove(&key);
}

/// The result of an earlier run, unless it is a bundle that has been removed since.
fn remembered(directory: &std::path::Path) -> Result<Option<CheckResult>, RunnerError> {
    let path = directory.join("result.json");
    let result: Option<CheckResult> = store::read(&path)?;
    match result {
        Some(CheckResult {
            bundle: Some(bundle),
            ..
        }) if !bundle.is_dir() && !directory.join(BECAME).exists() => {
            store::remove_tree(directory)?;
            Ok(None)
        }
        result => Ok(result),
    }
}

/// The directory of the last start that has output.
fn current_shim(directory: &std::path::Path) -> Result<Option<PathBuf>, RunnerError> {
    let shims = (1..)
        .map(|number| directory.join(format!("shim-{number}")))
        .take_while(|shim| shim.exists());
    Ok(shims.last())
}
