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

use super::{CommandError, Request, View};
use crate::codec::{self, CodecError};
use crate::executor::Executor;
use crate::journal::{AppendError, Batch, Head, IdempotencyRecord, JournalWriter, Sequence};
use crate::machine::Machine;
use crate::moment;
use crate::ports::{DataPlane, PortError, Ports, Seen};
use crate::projection;

/// Outcomes that wait for their turn.
const OUTCOMES_MAX: usize = 256;
/// Without a change, the data plane is looked at so often: the resolution of holds and of what people see.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// After a failure to look.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// After the journal could not be written, until effects are begun again.
const STORAGE_PAUSE: Duration = Duration::from_secs(1);
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
    /// An event could not be written or read.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

/// Everything that the loop works with.
pub(super) struct Loop {
    machine: Machine,
    writer: JournalWriter,
    head: Head,
    executor: Executor,
    outcomes: mpsc::Receiver<(EffectKey, Outcome)>,
    ports: Ports,
    publish: watch::Sender<View>,
    seen: Arc<Seen>,
    data_plane_error: Option<String>,
    storage_error: Option<String>,
    /// Everything that was due until then has been looked at.
    decided_at: Timestamp,
    /// Since the journal could not be written: nothing new is begun before this.
    paused_until: Option<Instant>,
}

impl Loop {
    pub(super) fn new(
        machine: Machine,
        writer: JournalWriter,
        head: Head,
        ports: Ports,
        publish: watch::Sender<View>,
    ) -> Self {
        let (sender, outcomes) = mpsc::channel(OUTCOMES_MAX);
        Self {
            machine,
            writer,
            head,
            executor: Executor::new(ports.clone(), sender),
            outcomes,
            ports,
            publish,
            seen: Arc::default(),
            data_plane_error: None,
            storage_error: None,
            decided_at: Timestamp::now(),
            paused_until: None,
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
        // What the state allowed before the last crash is done first.
        let mut result = self.by_itself(Command::Wake).await;
        while result.is_ok() {
            self.begin_effects();
            let wake = self.wake_at();
            result = tokio::select! {
                () = &mut shutdown => break,
                Some((key, outcome)) = self.outcomes.recv() => self.outcome(key, outcome).await,
                Some(request) = requests.recv() => self.request(request).await,
                Some(seen) = looked.recv() => self.look(seen).await,
                () = tokio::time::sleep_until(wake) => self.by_itself(Command::Wake).await,
            };
        }
        looking.abort();
        result
    }

    fn begin_effects(&mut self) {
        if self
            .paused_until
            .is_some_and(|until| until > Instant::now())
        {
            return;
        }
        self.paused_until = None;
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
        self.paused_until.map_or(wake, |until| until.min(wake))
    }

    async fn outcome(&mut self, key: EffectKey, outcome: Outcome) -> Result<(), EngineError> {
        // A check that has begun is still in flight.
        if outcome != Outcome::CheckStarted {
            self.machine.end(&key);
            self.executor.ended(&key);
        }
        self.by_itself(Command::Outcome(key, outcome)).await
    }

    async fn look(&mut self, seen: Result<Seen, PortError>) -> Result<(), EngineError> {
        let seen = match seen {
            Ok(seen) => seen,
            Err(error) => {
                if self.data_plane_error.is_none() {
                    tracing::warn!(%error, "the data plane can't be seen");
                }
                self.data_plane_error = Some(error.to_string());
                self.publish();
                return Ok(());
            }
        };
        self.data_plane_error = None;
        let mut judged = self.storage_error.is_none();
        for (service, observation) in self.observations(&seen) {
            self.machine.see(service.clone(), observation.clone());
            let command = Command::Observed(service, Box::new(observation));
            self.by_itself(command).await?;
            judged &= self.storage_error.is_none();
        }
        if judged {
            self.renew_leases(&seen);
        }
        self.seen = Arc::new(seen);
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
        self.append(batch).await?;
        let of = moment::of_events(&decided, self.head.sequence);
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

    async fn append(&mut self, batch: Batch) -> Result<(), StepError> {
        match self.writer.append(self.head, batch).await {
            Ok(appended) => {
                self.head = appended.head;
                self.storage_error = None;
                Ok(())
            }
            Err(AppendError::OutcomeUnknown {
                after,
                batch,
                source,
            }) => {
                tracing::error!(%source, "it is unknown whether an append landed");
                self.resolve(after, batch).await
            }
            Err(
                error @ (AppendError::Conflict { .. }
                | AppendError::Superseded { .. }
                | AppendError::Stopped),
            ) => Err(EngineError::NotOwner(Box::new(error)).into()),
            Err(AppendError::Repeated { earlier }) => {
                Err(StepError::Command(CommandError::Repeated(earlier)))
            }
            Err(
                error
                @ (AppendError::Invalid(_) | AppendError::Storage(_) | AppendError::Random(_)),
            ) => {
                self.paused_until = Some(Instant::now() + STORAGE_PAUSE);
                self.storage_error = Some(in_full(&error));
                self.publish();
                Err(StepError::Command(CommandError::NotRecorded(Box::new(
                    error,
                ))))
            }
        }
    }

    /// Nothing else may be decided before it is known whether the batch is in the journal.
    async fn resolve(
        &mut self,
        after: Sequence,
        batch: crate::journal::BatchId,
    ) -> Result<(), StepError> {
        loop {
            match self.writer.resolve(after, batch).await {
                Ok(true) => {
                    let head = self.writer.journal().head().await;
                    if let Ok(head) = head {
                        self.head = head;
                        return Ok(());
                    }
                }
                Ok(false) => {
                    let error = AppendError::Stopped;
                    return Err(StepError::Command(CommandError::NotRecorded(Box::new(
                        error,
                    ))));
                }
                Err(error) => tracing::error!(%error, "the journal can't be asked"),
            }
            tokio::time::sleep(STORAGE_PAUSE).await;
        }
    }

    fn publish(&self) {
        self.publish.send_replace(View {
            state: Arc::clone(self.machine.state()),
            observed: Arc::clone(self.machine.observed()),
            seen: Arc::clone(&self.seen),
            data_plane_error: self.data_plane_error.clone(),
            storage_error: self.storage_error.clone(),
        });
    }
}

enum StepError {
    Command(CommandError),
    Engine(EngineError),
}

impl From<EngineError> for StepError {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

/// Looks at the data plane for ever; a slow loop is not flooded, since the channel holds one look.
async fn look(port: Arc<dyn DataPlane>, looks: mpsc::Sender<Result<Seen, PortError>>) {
    let mut after = 0;
    loop {
        let seen = port.observe(after, LOOK_EVERY).await;
        let failed = seen.is_err();
        if let Ok(seen) = &seen {
            after = seen.change;
        }
        if looks.send(seen).await.is_err() {
            return;
        }
        if failed {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

/// Between 0 and 1. Without randomness retries are not spread, which is no reason to stop.
fn jitter() -> f64 {
    getrandom::u32().map_or(0.5, |bits| f64::from(bits) / f64::from(u32::MAX))
}

/// An error with its causes in one line.
fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
