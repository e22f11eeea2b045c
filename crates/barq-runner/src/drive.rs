//! One run from its request to its result.
//!
//! Every step is found done or not done after `kill -9`, and then skipped or repeated: the tree is made afresh, the
//! shim is adopted, the bundle and the result appear whole by a rename. A command whose shim is lost (the machine was
//! restarted) is started again a few times, since a check may be repeated. It must not know who else runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use barq_shim::{
    Adopted, Enforced, ExitOutcome, ExitRecord, Handle, Limits, OnLimit, OutputLimit, ShimSpec,
    adopt, output,
};
use jiff::Timestamp;
use tokio::sync::{oneshot, watch};

use crate::error::RunnerError;
use crate::request::{CheckResult, Job, Outcome};
use crate::settings::RunnerSettings;
use crate::store::{self, Store};
use crate::work::{self, Places, blocking};
use crate::{bundle, confine};

/// Starts of one command, those included whose shim was lost.
const STARTS_MAX: u32 = 3;

/// Time after which a thread that waits for a shim looks whether anyone still wants to know.
const WAIT_TIME_MAX: Duration = Duration::from_secs(60);

/// What a run needs of the runner.
pub(crate) struct Drive {
    pub(crate) settings: Arc<RunnerSettings>,
    pub(crate) store: Store,
    pub(crate) job: Job,
    /// True once the run is cancelled.
    pub(crate) cancelled: watch::Receiver<bool>,
}

impl Drive {
    /// Runs to the end; the result is on disk, unless the disk refuses it.
    pub(crate) async fn run(mut self) -> CheckResult {
        let result = match self.try_run().await {
            Ok(result) => result,
            Err(error) => unstarted(Outcome::Error {
                reason: error.reason(),
            }),
        };
        self.conclude(&result).await;
        result
    }

    async fn try_run(&mut self) -> Result<CheckResult, RunnerError> {
        let directory = self.store.run(&self.job.key)?;
        let places = Places::of(&self.store, &self.job)?;
        for number in 1..=STARTS_MAX {
            let shim = directory.join(format!("shim-{number}"));
            let found = match shim.exists() {
                true => {
                    let shim = shim.clone();
                    blocking(move || Ok(Some(adopt(&shim)?))).await?
                }
                false => None,
            };
            let end = match found {
                Some(Adopted::Running(handle)) => self.wait(handle).await?,
                Some(Adopted::Exited(record)) => Some(record),
                Some(Adopted::Lost) => None,
                None if *self.cancelled.borrow() => return Ok(unstarted(Outcome::Cancelled)),
                None => {
                    self.prepare(&directory, &places).await?;
                    match self.start(&shim, &places).await? {
                        Some(handle) => self.wait(handle).await?,
                        None => return self.finish(None, &directory, places).await,
                    }
                }
            };
            if let Some(record) = end {
                return self.finish(Some((record, shim)), &directory, places).await;
            }
            self.take_back(&places).await?;
        }
        Err(RunnerError::Request(format!(
            "its process was lost {STARTS_MAX} times: it was killed from outside"
        )))
    }

    async fn prepare(&self, directory: &Path, places: &Places) -> Result<(), RunnerError> {
        // From here on a crash leaves a tree to put in order.
        store::write(&directory.join("started.json"), &true)?;
        work::prepare(&self.settings, &self.job, places).await
    }

    /// Starts the command; `None` if there is none.
    async fn start(&self, shim: &Path, places: &Places) -> Result<Option<Handle>, RunnerError> {
        let Some(run) = self.job.run.clone() else {
            return Ok(None);
        };
        let spec = ShimSpec {
            program: PathBuf::from("sh"),
            arguments: vec!["-c".to_owned(), run],
            environment: confine::environment(&self.settings, &self.job, places),
            working_directory: places.working_directory(&self.job),
            output: OutputLimit {
                bytes_max: self.settings.output_bytes_max,
                on_limit: OnLimit::Truncate,
            },
            timeout: Some(self.job.timeout),
            stop_grace: self.settings.stop_grace,
            sandbox: Some(confine::sandbox(&self.settings, places)),
            limits: Limits::default(),
            priority: self.settings.priority,
        };
        let (launcher, shim) = (self.settings.launcher.clone(), shim.to_owned());
        blocking(move || Ok(Some(launcher.start(&shim, &spec)?))).await
    }

    /// Waits for the end of a shim; `None` if it was lost.
    async fn wait(&mut self, handle: Handle) -> Result<Option<ExitRecord>, RunnerError> {
        let handle = Arc::new(handle);
        let mut ended = watch_end(&handle)?;
        let mut stopping = false;
        loop {
            tokio::select! {
                waited = &mut ended => {
                    waited.map_err(|_gone| RunnerError::ShutDown)??;
                    break;
                }
                cancelled = self.cancelled.wait_for(|cancelled| *cancelled), if !stopping => {
                    stopping = true;
                    // An error means that the runner is gone: the check goes on without it.
                    if cancelled.is_ok() {
                        handle.stop(self.settings.stop_grace)?;
                    }
                }
            }
        }
        let directory = handle.directory().to_owned();
        blocking(move || match adopt(&directory)? {
            Adopted::Exited(record) => Ok(Some(record)),
            Adopted::Running(_) | Adopted::Lost => Ok(None),
        })
        .await
    }

    /// Collects what is kept of a run whose processes are gone.
    async fn finish(
        &self,
        end: Option<(ExitRecord, PathBuf)>,
        directory: &Path,
        places: Places,
    ) -> Result<CheckResult, RunnerError> {
        let mut result = match end {
            Some((record, shim)) => ended(&record, shim),
            None => unstarted(Outcome::Passed),
        };
        if let Some(files) = self
            .job
            .files
            .clone()
            .filter(|_| result.outcome == Outcome::Passed)
        {
            let (tree, target) = (places.tree.clone(), directory.join("bundle"));
            result.bundle = Some(target.clone());
            if let Err(error) = blocking(move || bundle::collect(&tree, &files, &target)).await {
                result.bundle = None;
                result.outcome = Outcome::Error {
                    reason: error.reason(),
                };
            }
        }
        let remarks = self.take_back(&places).await?;
        if let Some(output) = &result.output {
            remarks
                .iter()
                .try_for_each(|text| output::remark(output, text))?;
        }
        Ok(result)
    }

    async fn take_back(&self, places: &Places) -> Result<Vec<String>, RunnerError> {
        let (settings, job, places) = (self.settings.clone(), self.job.clone(), places.clone());
        blocking(move || work::take_back(&settings, &job, &places)).await
    }

    /// Makes the result durable, then removes the tree. What fails here is put right at the next start.
    async fn conclude(&self, result: &CheckResult) {
        let (settings, store, job, result) = (
            self.settings.clone(),
            self.store.clone(),
            self.job.clone(),
            result.clone(),
        );
        let concluded = blocking(move || {
            let places = Places::of(&store, &job)?;
            for remark in work::take_back(&settings, &job, &places)? {
                tracing::warn!(key = job.key, "{remark}");
            }
            store::write(&store.run(&job.key)?.join("result.json"), &result)?;
            work::remove(&places)?;
            store.retain(settings.runs_kept_max)
        });
        if let Err(error) = concluded.await {
            tracing::error!(
                key = self.job.key,
                reason = error.reason(),
                "a run could not be concluded"
            );
        }
    }
}

/// Tells of the end of a shim. The thread that waits ends with the shim, and keeps no runtime from shutting down.
fn watch_end(
    handle: &Arc<Handle>,
) -> Result<oneshot::Receiver<Result<(), RunnerError>>, RunnerError> {
    let (sender, receiver) = oneshot::channel();
    let waiting = handle.clone();
    let wait = move || {
        let ended = loop {
            match waiting.wait(WAIT_TIME_MAX) {
                Ok(true) => break Ok(()),
                Ok(false) if sender.is_closed() => return,
                Ok(false) => {}
                Err(error) => break Err(RunnerError::from(error)),
            }
        };
        if sender.send(ended).is_err() {
            tracing::debug!("nobody waits for this end any more");
        }
    };
    std::thread::Builder::new()
        .name("shim-end".to_owned())
        .spawn(wait)
        .map_err(RunnerError::file("watching", handle.directory()))?;
    Ok(receiver)
}

/// The result of a run whose command was never started.
pub(crate) fn unstarted(outcome: Outcome) -> CheckResult {
    let now = Timestamp::now();
    CheckResult {
        outcome,
        started_at: now,
        finished_at: now,
        duration_ms: 0,
        output: None,
        output_truncated: false,
        sandbox: Enforced::NotAsked,
        bundle: None,
    }
}

fn ended(record: &ExitRecord, shim: PathBuf) -> CheckResult {
    let outcome = match &record.outcome {
        // Also with code 0: what was told to end has proved nothing.
        _ if record.timed_out => Outcome::TimedOut,
        _ if record.stop_requested => Outcome::Cancelled,
        ExitOutcome::Code(0) => Outcome::Passed,
        ExitOutcome::Code(code) => Outcome::Failed { exit_code: *code },
        ExitOutcome::Signal(signal) => Outcome::Signalled { signal: *signal },
        ExitOutcome::SpawnFailed(reason) => Outcome::Error {
            reason: reason.clone(),
        },
        ExitOutcome::Lost => Outcome::Error {
            reason: "its process was lost".to_owned(),
        },
    };
    let duration = record.finished_at.duration_since(record.started_at);
    CheckResult {
        outcome,
        started_at: record.started_at,
        finished_at: record.finished_at,
        duration_ms: u64::try_from(duration.as_millis()).unwrap_or(0),
        output: Some(shim),
        output_truncated: record.output_truncated,
        sandbox: record.sandbox.clone(),
        bundle: None,
    }
}
