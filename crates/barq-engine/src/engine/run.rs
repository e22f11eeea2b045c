//! The loop itself: whatever arrives, one at a time. It knows the journal and the ports, but none of the rules.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use barq_core::command::Command;
use barq_core::effect::{EffectKey, Outcome};
use barq_core::event::{Actor, Recorded};
use barq_core::identity::ServiceId;
use barq_core::observation::Observation;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::look::{Freshness, Look, look};
use super::storage::Storage;
use super::{CommandError, Request, View};
use crate::codec::{self, CodecError};
use crate::executor::Executor;
use crate::journal::{AppendError, Batch, IdempotencyRecord, OwnershipError, RebuildError};
use crate::machine::Machine;
use crate::moment;
use crate::ports::{Ports, Seen};
use crate::projection;
use crate::recall;

/// Outcomes that wait for their turn.
const OUTCOMES_MAX: usize = 256;
/// The longest sleep: a guard against clocks that jump.
const SLEEP_MAX: Duration = Duration::from_secs(60);
/// The longest wait for a lease's renewal.
const RENEW: Duration = Duration::from_secs(5);

/// Why the loop can't go on. The process should end, and be started again.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Another process owns the journal now, or its end is not where this one left it.
    #[error("this process no longer owns the journal")]
    NotOwner(#[source] Box<AppendError>),
    /// The same, found out by a write of nothing.
    #[error("this process no longer owns the journal")]
    TakenOver(#[source] Box<RebuildError>),
    /// The journal's end does not verify, so it was not taken over.
    #[error("the journal could not be taken over")]
    Ownership(#[source] Box<OwnershipError>),
    /// An event could not be written or read.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

/// Everything that the loop works with.
pub(super) struct Loop {
    machine: Machine,
    storage: Storage,
    executor: Executor,
    outcomes: mpsc::Receiver<(EffectKey, Outcome)>,
    ports: Ports,
    publish: watch::Sender<View>,
    seen: Arc<Seen>,
    freshness: Freshness,
    /// Everything that was due until then has been looked at.
    decided_at: Timestamp,
}

impl Loop {
    pub(super) fn new(
        machine: Machine,
        storage: Storage,
        ports: Ports,
        publish: watch::Sender<View>,
    ) -> Self {
        let (sender, outcomes) = mpsc::channel(OUTCOMES_MAX);
        Self {
            machine,
            storage,
            executor: Executor::new(ports.clone(), sender),
            outcomes,
            ports,
            publish,
            seen: Arc::default(),
            freshness: Freshness::new(),
            decided_at: Timestamp::now(),
        }
    }

    pub(super) async fn run(
        mut self,
        mut requests: mpsc::Receiver<Request>,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), EngineError> {
        let mut shutdown = pin!(shutdown);
        let (looks, mut looked) = mpsc::channel(1);
        let looking = tokio::spawn(look(Arc::clone(&self.ports.data_plane), looks));
        let ageing = tokio::spawn(self.freshness.watch(self.publish.clone()));
        // What the state allowed before the last crash is done first.
        let mut result = self.by_itself(Command::Wake).await;
        while result.is_ok() {
            result = self.look_after_storage().await;
            if result.is_err() {
                break;
            }
            self.begin_effects();
            let wake = self.wake_at();
            result = tokio::select! {
                () = &mut shutdown => break,
                Some((key, outcome)) = self.outcomes.recv() => self.outcome(key, outcome).await,
                Some(request) = requests.recv() => self.request(request).await,
                Some(look) = looked.recv() => self.look(look).await,
                () = tokio::time::sleep_until(wake) => self.by_itself(Command::Wake).await,
            };
        }
        looking.abort();
        ageing.abort();
        result
    }

    /// What was decided while the journal could not be written is decided again, by what holds then.
    async fn look_after_storage(&mut self) -> Result<(), EngineError> {
        if !self.storage.look_after().await? {
            return Ok(());
        }
        self.publish();
        self.by_itself(Command::Wake).await
    }

    fn begin_effects(&mut self) {
        // What can't be recorded when it ends is not begun.
        if self.storage.error().is_some() {
            return;
        }
        for key in self.machine.drop_obsolete() {
            self.executor.drop_task(&key);
        }
        for (key, effect) in self.machine.begin_due(Timestamp::now()) {
            self.executor.begin(key, effect);
        }
    }

    fn wake_at(&self) -> Instant {
        // What became due since the last decision is due at once: its negative pause becomes none.
        let pause = self
            .machine
            .next_deadline(self.decided_at)
            .map(|at| at.duration_since(Timestamp::now()))
            .map_or(SLEEP_MAX, |pause| {
                Duration::try_from(pause).unwrap_or_default().min(SLEEP_MAX)
            });
        let wake = Instant::now() + pause;
        self.storage.try_again_at().map_or(wake, |at| at.min(wake))
    }

    async fn outcome(&mut self, key: EffectKey, outcome: Outcome) -> Result<(), EngineError> {
        // A check that has begun is still in flight.
        if outcome != Outcome::CheckStarted {
            self.machine.end(&key);
            self.executor.ended(&key);
        }
        self.by_itself(Command::Outcome(key, outcome)).await
    }

    async fn look(&mut self, look: Look) -> Result<(), EngineError> {
        let seen = match look.seen {
            Ok(seen) => seen,
            Err(error) => {
                self.freshness.failed(&error);
                self.publish();
                return Ok(());
            }
        };
        let mut judged = self.storage.error().is_none();
        for (service, observation) in self.observations(&seen) {
            self.machine.see(service.clone(), observation.clone());
            let command = Command::Observed(service, Box::new(observation));
            self.by_itself(command).await?;
            judged &= self.storage.error().is_none();
        }
        if judged {
            self.renew_leases(&seen);
        }
        self.seen = Arc::new(seen);
        self.freshness.answered(look.at, look.seen_at);
        self.publish();
        Ok(())
    }

    /// One for each service: a data plane that has lost its disk does not even name those that it should serve.
    fn observations(&self, seen: &Seen) -> Vec<(ServiceId, Observation)> {
        let unknown = self.machine.state().services.keys();
        let unknown = unknown.filter(|id| !seen.services.contains_key(*id));
        let named = seen.services.iter();
        named
            .map(|(id, it)| (id.clone(), it.observation.clone()))
            .chain(unknown.map(|id| (id.clone(), Observation::default())))
            .collect()
    }

    /// Only here: after the observation was judged, and what follows is recorded.
    fn renew_leases(&self, seen: &Seen) {
        for lease in seen.services.values().filter_map(|it| it.lease.as_ref()) {
            if !self.machine.renews(lease) {
                continue;
            }
            let (port, lease) = (Arc::clone(&self.ports.data_plane), lease.clone());
            tokio::spawn(async move {
                match tokio::time::timeout(RENEW, port.renew(&lease)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => {
                        tracing::warn!(service = %lease.service, %error, "a lease was not renewed");
                    }
                    Err(_elapsed) => {
                        tracing::warn!(service = %lease.service, "a lease was not renewed in time");
                    }
                }
            });
        }
    }

    async fn request(&mut self, request: Request) -> Result<(), EngineError> {
        let Request {
            actor,
            command,
            idempotency,
            reply,
        } = request;
        // Whoever waited too long for its turn was told so, and may have done something else by now.
        if reply.is_closed() {
            tracing::debug!("the one who gave a command went away before its turn");
            return Ok(());
        }
        let result = match self.step(&actor, command, idempotency).await {
            Ok(events) => Ok(events),
            Err(StepError::Command(error)) => Err(error),
            Err(StepError::Engine(error)) => return Err(error),
        };
        if reply.send(result).is_err() {
            tracing::debug!("the one who gave a command has gone away");
        }
        Ok(())
    }

    /// What nobody waits for: a failure to record it is tried again by what caused it.
    async fn by_itself(&mut self, command: Command) -> Result<(), EngineError> {
        match self.step(&Actor::barq(), command, None).await {
            Ok(_) => Ok(()),
            // Said once, when it began.
            Err(StepError::Command(CommandError::NotRecorded(_))) => Ok(()),
            Err(StepError::Command(error)) => {
                tracing::error!(%error, "an event could not be recorded");
                Ok(())
            }
            Err(StepError::Engine(error)) => Err(error),
        }
    }

    /// Decide, append, apply, publish: in this order.
    async fn step(
        &mut self,
        actor: &Actor,
        command: Command,
        idempotency: Option<IdempotencyRecord>,
    ) -> Result<Vec<Recorded>, StepError> {
        self.decided_at = Timestamp::now();
        let decided = self
            .machine
            .decide(actor, command, self.decided_at, jitter())
            .map_err(|rejection| StepError::Command(rejection.into()))?;
        if decided.is_empty() {
            return Ok(decided);
        }
        let mut after = self.machine.clone();
        after.apply(&decided);
        let events: Result<Vec<_>, _> = decided.iter().map(codec::encode).collect();
        let batch = Batch {
            events: events.map_err(EngineError::from)?,
            changes: projection::changes(after.state(), &decided),
            idempotency,
        };
        let appended = self.append(batch, recall::request(&decided)).await;
        if self.storage.error().is_some() {
            self.publish();
        }
        appended?;
        let of = moment::of_events(&decided, self.storage.head().sequence);
        moment::reached(moment::APPENDED, &of);
        for recorded in &decided {
            tracing::info!(
                subject = recorded.event.subject(),
                kind = recorded.event.kind(),
                actor = recorded.actor.name,
                "event"
            );
        }
        self.machine = after;
        self.publish();
        Ok(decided)
    }

    /// `answered`: the request that a recall answered, which the journal keeps with it.
    async fn append(
        &mut self,
        batch: Batch,
        answered: Option<IdempotencyRecord>,
    ) -> Result<(), StepError> {
        let Some(record) = answered.filter(|_| batch.idempotency.is_none()) else {
            return self.storage.append(batch).await;
        };
        let with_record = Batch {
            idempotency: Some(record),
            ..batch.clone()
        };
        match self.storage.append(with_record).await {
            // It was answered by something else, too: what has happened is recorded all the same.
            Err(StepError::Command(CommandError::Repeated(_))) => self.storage.append(batch).await,
            other => other,
        }
    }

    fn publish(&self) {
        self.publish.send_replace(View {
            state: Arc::clone(self.machine.state()),
            observed: Arc::clone(self.machine.observed()),
            seen: Arc::clone(&self.seen),
            seen_at: self.freshness.seen_at(),
            data_plane_error: self.freshness.error(),
            storage_error: self.storage.error().cloned(),
        });
    }
}

/// Why a step came to nothing.
pub(super) enum StepError {
    Command(CommandError),
    Engine(EngineError),
}

impl From<EngineError> for StepError {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

/// Between 0 and 1. Without randomness retries are not spread, which is no reason to stop.
fn jitter() -> f64 {
    getrandom::u32().map_or(0.5, |bits| f64::from(bits) / f64::from(u32::MAX))
}
