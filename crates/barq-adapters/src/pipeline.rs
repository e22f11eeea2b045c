//! Checks and builds on this machine: the runner, and the registry for what is built.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use barq_core::configuration::{Build, Check, Requirement};
use barq_core::effect::{EffectKey, Outcome};
use barq_core::event::CheckOutcome;
use barq_core::identity::ImageDigest;
use barq_engine::ports::{Pipeline, PortError, Source, Started};
use barq_runner::api::{
    BuildRequest, CheckRequest, CheckResult, Outcome as Ended, RunState, Runner, RunnerError,
};

use crate::images::Images;
use crate::node::failed;

/// The longest build command. `flow.md` gives a build 90 s; a first one on a slow machine compiles everything.
const BUILD_COMMAND: Duration = Duration::from_secs(45 * 60);
/// How often a run is asked whether it has begun or ended; only until then.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// Lines of output that a failure shows.
const TAIL_LINES: usize = 15;

/// The pipeline of one machine.
pub struct EmbeddedPipeline {
    runner: Arc<Runner>,
    images: Arc<Images>,
    repositories: PathBuf,
}

impl EmbeddedPipeline {
    /// `repositories` holds `<app>.git`.
    pub fn new(runner: Arc<Runner>, images: Arc<Images>, repositories: PathBuf) -> Self {
        Self {
            runner,
            images,
            repositories,
        }
    }

    fn repository(&self, source: &Source) -> PathBuf {
        self.repositories
            .join(format!("{}.git", source.delivery.app))
    }

    async fn tell_when_running(&self, key: &str, started: &Started) {
        loop {
            match self.runner.state(key) {
                Ok(Some(RunState::Running | RunState::Finished(_))) => {
                    return started.tell().await;
                }
                Ok(None | Some(RunState::Queued)) => tokio::time::sleep(ASK_EVERY).await,
                // The run itself says what is wrong.
                Err(_) => return,
            }
        }
    }

    async fn stop(&self, started: &EffectKey) -> Result<Outcome, PortError> {
        let key = started.to_string();
        let broken = |error: RunnerError| failed("stop a run", &error);
        self.runner.cancel(&key).await.map_err(broken)?;
        loop {
            match self.runner.state(&key).map_err(broken)? {
                None | Some(RunState::Finished(_)) => return Ok(Outcome::Stopped),
                Some(RunState::Queued | RunState::Running) => tokio::time::sleep(ASK_EVERY).await,
            }
        }
    }

    /// The end of a run's output, for people.
    async fn tail(&self, key: &str) -> String {
        let mut lines = std::collections::VecDeque::new();
        let mut offset = 0;
        while let Ok(page) = self.runner.output(key, offset).await {
            if page.lines.is_empty() {
                break;
            }
            offset = page.next_offset;
            lines.extend(page.lines.into_iter().map(|line| line.text));
            while lines.len() > TAIL_LINES {
                lines.pop_front();
            }
        }
        lines.into_iter().collect::<Vec<_>>().join("\n")
    }

    async fn image(
        &self,
        key: &str,
        command: Vec<String>,
        built: CheckResult,
    ) -> Result<Outcome, PortError> {
        let Some(bundle) = built.bundle else {
            return Ok(Outcome::BuildFailed {
                reason: "the build left no bundle".to_owned(),
            });
        };
        let duration_ms = built.duration_ms;
        let became = self.runner.became(key).await;
        let became = became.map_err(|error| failed("ask for the image", &error))?;
        let (image, size_bytes) = match became.as_deref().and_then(image_of) {
            Some(known) => known,
            None => {
                let built = self.images.build(&bundle, command).await;
                built.map_err(|error| failed("make the image", &error))?
            }
        };
        // The image is in the store; a bundle that stays is only room.
        let words = format!("{image} {size_bytes}");
        if let Err(error) = self.runner.remove_bundle(key, &words).await {
            tracing::warn!(key, %error, "a bundle was not removed");
        }
        Ok(Outcome::ImageBuilt {
            image,
            size_bytes,
            duration_ms,
        })
    }
}

#[async_trait]
impl Pipeline for EmbeddedPipeline {
    async fn run_check(
        &self,
        key: &EffectKey,
        source: Source,
        check: Check,
        started: Started,
    ) -> Result<Outcome, PortError> {
        if check.requires.contains(&Requirement::ContainerEngine) && !container_engine().await {
            return Ok(Outcome::CheckFinished {
                outcome: CheckOutcome::Skipped {
                    reason: "it requires a container engine, and none answers on this machine"
                        .to_owned(),
                },
                duration_ms: 0,
            });
        }
        let repository = self.repository(&source);
        let text = key.to_string();
        let request = CheckRequest {
            key: text.clone(),
            app: source.delivery.app.to_string(),
            check: check.name,
            repository,
            commit: source.commit.to_string(),
            run: check.run,
            directory: check.directory,
            timeout: check.timeout,
            cache: check.cache,
            environment: BTreeMap::new(),
        };
        let mut run = pin!(self.runner.run(request));
        let result = tokio::select! {
            () = self.tell_when_running(&text, &started) => run.await,
            // Sooner than it was seen to run; or it left no trace to see, on a full disk.
            result = &mut run => {
                started.tell().await;
                result
            }
        };
        let result = result.map_err(|error| failed("run a check", &error))?;
        Ok(Outcome::CheckFinished {
            outcome: check_outcome(result.outcome),
            duration_ms: result.duration_ms,
        })
    }

    async fn stop_check(
        &self,
        _key: &EffectKey,
        started: &EffectKey,
        _check: &str,
    ) -> Result<Outcome, PortError> {
        self.stop(started).await
    }

    async fn build(
        &self,
        key: &EffectKey,
        source: Source,
        build: Build,
    ) -> Result<Outcome, PortError> {
        let (run, files, command, cache) = match build {
            Build::Bundle {
                run,
                files,
                command,
                cache,
            } => (run, files, command, cache),
            Build::Dockerfile { dockerfile, .. } => {
                return Ok(Outcome::BuildFailed {
                    reason: format!(
                        "building {dockerfile} needs a container builder, which this barq does not have; \
                         describe a bundle in [build] (run, files, command) instead"
                    ),
                });
            }
        };
        let text = key.to_string();
        let request = BuildRequest {
            key: text.clone(),
            app: source.delivery.app.to_string(),
            repository: self.repository(&source),
            commit: source.commit.to_string(),
            run,
            timeout: BUILD_COMMAND,
            files,
            cache,
            environment: BTreeMap::new(),
        };
        let result = self
            .runner
            .build(request)
            .await
            .map_err(|error| failed("build", &error))?;
        match check_outcome(result.outcome.clone()) {
            CheckOutcome::Passed => self.image(&text, command, result).await,
            CheckOutcome::Error { reason } => Ok(Outcome::BuildFailed { reason }),
            outcome @ (CheckOutcome::Failed { .. }
            | CheckOutcome::Signalled { .. }
            | CheckOutcome::TimedOut
            | CheckOutcome::Cancelled
            | CheckOutcome::Skipped { .. }) => Ok(Outcome::BuildFailed {
                reason: format!("{}\n{}", in_words(&outcome), self.tail(&text).await),
            }),
        }
    }

    async fn stop_build(
        &self,
        _key: &EffectKey,
        started: &EffectKey,
    ) -> Result<Outcome, PortError> {
        self.stop(started).await
    }
}

/// A digest and a size in bytes, as they are kept in a bundle's place.
fn image_of(words: &str) -> Option<(ImageDigest, u64)> {
    let (image, size_bytes) = words.split_once(' ')?;
    Some((image.parse().ok()?, size_bytes.parse().ok()?))
}

fn check_outcome(ended: Ended) -> CheckOutcome {
    match ended {
        Ended::Passed => CheckOutcome::Passed,
        Ended::Failed { exit_code } => CheckOutcome::Failed { code: exit_code },
        Ended::Signalled { signal } => CheckOutcome::Signalled { signal },
        Ended::TimedOut => CheckOutcome::TimedOut,
        Ended::Cancelled => CheckOutcome::Cancelled,
        Ended::Error { reason } => CheckOutcome::Error { reason },
    }
}

fn in_words(outcome: &CheckOutcome) -> String {
    match outcome {
        CheckOutcome::Failed { code } => format!("the build command ended with status {code}:"),
        CheckOutcome::Signalled { signal } => {
            format!("signal {signal} ended the build command:")
        }
        CheckOutcome::TimedOut => format!(
            "the build command ran longer than {} min:",
            BUILD_COMMAND.as_secs() / 60
        ),
        CheckOutcome::Passed
        | CheckOutcome::Cancelled
        | CheckOutcome::Skipped { .. }
        | CheckOutcome::Error { .. } => "the build was cancelled".to_owned(),
    }
}

/// Whether Docker or Podman answers: a client alone builds nothing.
pub async fn container_engine() -> bool {
    let mut sockets = vec![
        PathBuf::from("/var/run/docker.sock"),
        PathBuf::from("/run/podman/podman.sock"),
    ];
    if let Ok(host) = std::env::var("DOCKER_HOST")
        && let Some(path) = host.strip_prefix("unix://")
    {
        sockets.insert(0, PathBuf::from(path));
    }
    if let Some(runtime) = std::env::var_os("XDG_RUNTIME_DIR") {
        sockets.push(PathBuf::from(runtime).join("podman/podman.sock"));
    }
    for socket in sockets {
        if tokio::net::UnixStream::connect(&socket).await.is_ok() {
            return true;
        }
    }
    false
}
