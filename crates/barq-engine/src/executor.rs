//! Carries effects out: each in a task of its own, with a time-out, its outcome sent back to the loop.
//!
//! It decides nothing. A port that fails or is too slow yields `Outcome::NoResult`, which the rules answer with another
//! attempt or an end.

use std::collections::HashMap;
use std::time::Duration;

use barq_core::effect::{Effect, EffectKey, Outcome};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::moment;
use crate::ports::{Configuration, PortError, Ports, Source, Started};

/// How long a check may wait for its turn beside its own time-out, which the runner enforces.
const CHECK_QUEUE: Duration = Duration::from_secs(60 * 60);
/// The longest build, waiting included.
const BUILD: Duration = Duration::from_secs(60 * 60);
/// Stopping: SIGTERM, 10 s, SIGKILL, and some.
const STOP: Duration = Duration::from_secs(30);
/// The node answers at once; a first configuration unpacks an image.
const CONFIGURE: Duration = Duration::from_secs(60);
/// Health paths, the project's requests and its script.
const SMOKE: Duration = Duration::from_secs(5 * 60);
/// Health paths of every instance, each with its own time-out.
const PROBE: Duration = Duration::from_secs(30);

/// Runs effects and remembers the tasks, so that those that no longer matter can be dropped.
pub(crate) struct Executor {
    ports: Ports,
    outcomes: mpsc::Sender<(EffectKey, Outcome)>,
    tasks: HashMap<EffectKey, JoinHandle<()>>,
}

impl Executor {
    pub(crate) fn new(ports: Ports, outcomes: mpsc::Sender<(EffectKey, Outcome)>) -> Self {
        Self {
            ports,
            outcomes,
            tasks: HashMap::new(),
        }
    }

    /// Begins an effect; its outcome arrives at the channel.
    pub(crate) fn begin(&mut self, key: EffectKey, effect: Effect) {
        tracing::debug!(%key, "effect begins");
        let (ports, outcomes, own) = (self.ports.clone(), self.outcomes.clone(), key.clone());
        let task = tokio::spawn(async move {
            let started = Started::new(key.clone(), outcomes.clone());
            let (limit, of) = (time_out(&effect), key.to_string());
            moment::reached(moment::BEGUN, &of);
            let outcome =
                match tokio::time::timeout(limit, carry_out(&ports, &key, effect, started)).await {
                    Ok(Ok(outcome)) => outcome,
                    Ok(Err(error)) => Outcome::NoResult {
                        error: error.to_string(),
                    },
                    Err(_elapsed) => Outcome::NoResult {
                        error: format!("no answer within {} s", limit.as_secs()),
                    },
                };
            moment::reached(moment::CARRIED_OUT, &of);
            tracing::debug!(%key, ?outcome, "effect ends");
            if outcomes.send((key, outcome)).await.is_err() {
                tracing::debug!("the engine has stopped before an effect's outcome");
            }
        });
        self.tasks.insert(own, task);
    }

    /// The effect's outcome has arrived.
    pub(crate) fn ended(&mut self, key: &EffectKey) {
        self.tasks.remove(key);
    }

    /// Nobody waits for this effect any more. What it began outside is ended by an effect of its own where that matters.
    pub(crate) fn drop_task(&mut self, key: &EffectKey) {
        if let Some(task) = self.tasks.remove(key) {
            task.abort();
        }
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        for task in self.tasks.values() {
            task.abort();
        }
    }
}

fn time_out(effect: &Effect) -> Duration {
    match effect {
        Effect::RunCheck { check, .. } => check.timeout + CHECK_QUEUE,
        Effect::BuildImage { .. } => BUILD,
        Effect::StopCheck { .. } | Effect::StopBuild { .. } => STOP,
        Effect::Configure { .. } => CONFIGURE,
        Effect::SmokeTest(_) => SMOKE,
        Effect::ProveTarget { .. } | Effect::Verify { .. } | Effect::GatherEvidence { .. } => PROBE,
    }
}

async fn carry_out(
    ports: &Ports,
    key: &EffectKey,
    effect: Effect,
    started: Started,
) -> Result<Outcome, PortError> {
    match effect {
        Effect::RunCheck {
            delivery,
            commit,
            check,
        } => {
            let source = Source { delivery, commit };
            ports.pipeline.run_check(key, source, check, started).await
        }
        Effect::StopCheck { started, check, .. } => {
            ports.pipeline.stop_check(key, &started, &check).await
        }
        Effect::BuildImage {
            delivery,
            commit,
            build,
        } => {
            let source = Source { delivery, commit };
            ports.pipeline.build(key, source, build).await
        }
        Effect::StopBuild { started, .. } => ports.pipeline.stop_build(key, &started).await,
        Effect::Configure {
            service,
            generation,
            plan,
            revisions,
            domains,
            tls,
        } => {
            let configuration = Configuration {
                service,
                generation,
                plan,
                revisions,
                domains,
                tls,
            };
            ports.data_plane.configure(key, configuration).await
        }
        Effect::ProveTarget { service, revision } => {
            ports.data_plane.prove(key, &service, &revision).await
        }
        Effect::GatherEvidence { service, revision } => {
            ports.data_plane.evidence(key, &service, &revision).await
        }
        Effect::SmokeTest(test) => ports.prober.smoke(key, test).await,
        Effect::Verify {
            service,
            revision,
            health,
        } => ports.prober.verify(key, &service, &revision, &health).await,
    }
}
