//! Drives one instance: waits for what happens, asks its lifecycle what follows, and does it.
//!
//! All decisions are the lifecycle's. Here is only the order in which files, the ready set and the process are touched, so
//! that `kill -9` between any two lines leaves something that the next run of the node can adopt: the record is on disk
//! before the process starts, and an endpoint is closed before its process is told to end.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use barq_shim::{ExitOutcome, ExitRecord, Handle};
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};

use super::lifecycle::{Action, Event, Found, Lifecycle, Probe};
use super::node::Node;
use super::place::{self, InstanceRecord, Phase};
use super::process::{Assignment, Process, ProcessError};
use super::ready_set::Endpoint;
use super::revision::{Configured, Revision, Shown};
use super::{janitor, probe, words};
use crate::api::{InstanceObservation, InstanceState};

/// What a fleet tells its member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Go on.
    Stay,
    /// Drain and end.
    Leave,
}

/// One instance and everything that belongs to it.
pub(super) struct Member {
    node: Arc<Node>,
    revision: Arc<Revision>,
    directory: PathBuf,
    record: InstanceRecord,
    life: Lifecycle,
    process: Option<Process>,
    endpoint: Option<Arc<Endpoint>>,
    probes: FuturesUnordered<BoxFuture<'static, Answer>>,
    orders: watch::Receiver<Order>,
    told: bool,
    killed: bool,
    /// Whether it was ever started: the next start is a restart.
    started: bool,
    last_probe_failure: Option<String>,
    /// The last failure in words, until it is counted.
    failure: String,
    /// Dropped once it is known whether an adopted instance is still ready.
    settling: Option<mpsc::Sender<()>>,
}

struct Answer {
    probe: Probe,
    failure: Option<String>,
}

/// What a member waits for.
enum Occurrence {
    Left,
    Told,
    Kill,
    Answered(Answer),
    Exited(Option<ExitRecord>),
    Drained,
    Time,
}

/// Why a process could not be started.
#[derive(Debug, thiserror::Error)]
enum LaunchError {
    #[error("the revision ends")]
    Gone,
    #[error("the next node takes over")]
    Left,
    #[error("no port could be found")]
    Port(#[source] std::io::Error),
    #[error("its record could not be written")]
    Record(#[source] std::io::Error),
    #[error("the process could not be started")]
    Process(#[source] ProcessError),
}

impl Member {
    /// An instance that does not exist yet.
    pub(super) fn new(
        node: Arc<Node>,
        revision: Arc<Revision>,
        configured: &Configured,
        id: String,
        orders: watch::Receiver<Order>,
    ) -> Self {
        let configuration = &configured.configuration;
        let record = InstanceRecord {
            id,
            fingerprint: configured.fingerprint.clone(),
            run: 0,
            port: 0,
            started_at: Timestamp::now(),
            restarts: 0,
            phase: Phase::Starting,
            health: configuration.health.clone(),
            protocol: configuration.protocol,
            drain_ms: configuration.drain_ms,
        };
        let drain = Duration::from_millis(configuration.drain_ms);
        let life = Lifecycle::new(configuration.health.clone(), drain, Instant::now());
        Self::with(node, revision, record, life, orders)
    }

    /// An instance that an earlier run of the node left running.
    pub(super) fn adopted(
        node: Arc<Node>,
        revision: Arc<Revision>,
        record: InstanceRecord,
        handle: Handle,
        orders: watch::Receiver<Order>,
        settling: mpsc::Sender<()>,
    ) -> Result<Self, ProcessError> {
        let age = Timestamp::now().duration_since(record.started_at);
        let found = match record.phase {
            Phase::Starting => Found::Starting {
                age: Duration::try_from(age).unwrap_or_default(),
            },
            Phase::NotReady => Found::NotReady,
            Phase::Ready => Found::Ready,
            Phase::Leaving => Found::Leaving,
        };
        let drain = Duration::from_millis(record.drain_ms);
        let life = Lifecycle::adopted(record.health.clone(), drain, found, Instant::now());
        node.ports.reserve(record.port);
        let mut member = Self::with(node, revision, record, life, orders);
        let process = Process::watch(handle)?;
        member
            .revision
            .set_limits_enforced(process.limits_enforced());
        member.process = Some(process);
        member.endpoint = Some(Endpoint::new(
            member.record.id.clone(),
            address(member.record.port),
        ));
        member.started = true;
        member.settling = (found == Found::Ready).then_some(settling);
        member.show();
        Ok(member)
    }

    /// Lives until the instance is gone, or the next node takes over: between two events, when nothing is half-done, so that
    /// it is found as it is.
    pub(super) async fn live(mut self) {
        self.show();
        while !self.life.is_gone() {
            let event = match self.next().await {
                Occurrence::Left => return,
                Occurrence::Told => {
                    self.told = true;
                    self.withdraw().await;
                    self.keep(Phase::Leaving).await;
                    Event::Unwanted
                }
                Occurrence::Kill => {
                    self.kill();
                    Event::Unwanted
                }
                Occurrence::Answered(answer) => self.answered(answer),
                Occurrence::Exited(record) => self.exited(record).await,
                Occurrence::Drained => Event::Drained,
                Occurrence::Time => Event::Time,
            };
            self.take(event).await;
        }
        self.revision.hide(&self.record.id);
    }

    fn with(
        node: Arc<Node>,
        revision: Arc<Revision>,
        record: InstanceRecord,
        life: Lifecycle,
        orders: watch::Receiver<Order>,
    ) -> Self {
        let directory = revision.directory.join(&record.id);
        Self {
            node,
            revision,
            directory,
            record,
            life,
            process: None,
            endpoint: None,
            probes: FuturesUnordered::new(),
            orders,
            told: false,
            killed: false,
            started: false,
            last_probe_failure: None,
            failure: String::new(),
            settling: None,
        }
    }

    async fn next(&mut self) -> Occurrence {
        let draining = self.life.is_draining();
        let deadline = self.life.next_deadline();
        tokio::select! {
            biased;
            () = self.node.left() => Occurrence::Left,
            record = end(self.process.as_ref()) => Occurrence::Exited(record),
            () = killed(&self.node), if !self.killed => Occurrence::Kill,
            () = told(&mut self.orders), if !self.told => Occurrence::Told,
            Some(answer) = self.probes.next() => Occurrence::Answered(answer),
            () = drained(self.endpoint.as_deref(), &self.node), if draining => Occurrence::Drained,
            () = time(deadline) => Occurrence::Time,
        }
    }

    /// Takes an event and all that follows from it at once.
    async fn take(&mut self, event: Event) {
        let before = self.life.shown();
        let mut next = Some(event);
        while let Some(event) = next.take() {
            for action in self.life.on(event, Instant::now(), jitter()) {
                next = self.act(action).await.or(next);
            }
        }
        let settled = self.life.shown() == InstanceState::Ready || !matches!(event, Event::Time);
        if settled {
            self.settling = None;
        }
        if self.life.shown() != before || matches!(event, Event::Failed(_)) {
            if before == InstanceState::Starting && self.life.shown() == InstanceState::NotReady {
                self.keep(Phase::NotReady).await;
            }
            self.show();
        }
    }

    async fn act(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Launch => return Some(self.launch().await),
            Action::Ask(probe) => self.ask(probe),
            Action::Admit => self.admit().await,
            Action::Withdraw => self.withdraw().await,
            Action::Stop => self.stop().await,
            Action::CountFailedStart => self.report(true).await,
            Action::Explain => self.report(false).await,
            Action::Retire => self.retire().await,
        }
        None
    }

    async fn launch(&mut self) -> Event {
        match self.try_launch().await {
            Ok(()) => Event::Launched,
            Err(error) => {
                self.failure = words::chain(&error);
                Event::LaunchFailed
            }
        }
    }

    async fn try_launch(&mut self) -> Result<(), LaunchError> {
        let configured = tokio::select! {
            biased;
            () = self.node.left() => return Err(LaunchError::Left),
            configured = self.revision.configured() => configured.ok_or(LaunchError::Gone)?,
        };
        let port = self
            .node
            .ports
            .take(Instant::now())
            .map_err(LaunchError::Port)?;
        self.record.run = self.node.numbers.next();
        self.record.port = port;
        self.record.started_at = Timestamp::now();
        self.record.restarts += u32::from(std::mem::replace(&mut self.started, true));
        self.record.phase = Phase::Starting;
        self.last_probe_failure = None;
        let run = place::run_directory(&self.directory, self.record.run);
        let started = self.start(run.clone(), configured).await;
        match started {
            Ok(process) => {
                self.revision.set_limits_enforced(process.limits_enforced());
                self.process = Some(process);
                self.endpoint = Some(Endpoint::new(self.record.id.clone(), address(port)));
                Ok(())
            }
            Err(error) => {
                self.node.ports.release(port, Instant::now());
                // Whether it came up none the less: nothing may run of which the node does not know.
                self.node.discard(run).await;
                Err(error)
            }
        }
    }

    async fn start(
        &mut self,
        run: PathBuf,
        configured: Arc<Configured>,
    ) -> Result<Process, LaunchError> {
        let (directory, record, revision) = (
            self.directory.clone(),
            self.record.clone(),
            Arc::clone(&self.revision),
        );
        let prepared = tokio::task::spawn_blocking(move || {
            janitor::clean_revision(&revision.directory);
            place::prepare(&directory)?;
            place::write_record(&directory, &record)
        });
        prepared
            .await
            .map_err(std::io::Error::other)
            .flatten()
            .map_err(LaunchError::Record)?;
        let assignment = Assignment {
            service: self.revision.service.clone(),
            port: self.record.port,
            scratch: place::scratch(&self.directory),
            hidden: self.node.hidden.clone(),
        };
        let configuration = Arc::clone(&configured.configuration);
        let launcher = self.node.launcher.clone();
        Process::start(launcher, run, configuration, assignment)
            .await
            .map_err(LaunchError::Process)
    }

    fn ask(&self, probe: Probe) {
        let health = &self.record.health;
        let configuration = match probe {
            Probe::Startup => &health.startup,
            Probe::Liveness => &health.liveness,
            Probe::Readiness => &health.readiness,
        };
        let (path, timeout) = (
            configuration.path.clone(),
            Duration::from_millis(configuration.timeout_ms),
        );
        let (address, protocol) = (address(self.record.port), self.record.protocol);
        self.probes.push(Box::pin(async move {
            let answer = probe::ask(address, protocol, &path, timeout).await;
            Answer {
                probe,
                failure: answer.err().map(|failure| words::chain(&failure)),
            }
        }));
    }

    fn answered(&mut self, answer: Answer) -> Event {
        let Answer { probe, failure } = answer;
        let Some(failure) = failure else {
            return Event::Passed(probe);
        };
        let name = match probe {
            Probe::Startup => "startup",
            Probe::Liveness => "liveness",
            Probe::Readiness => "readiness",
        };
        self.failure = format!("the {name} probe failed: {failure}");
        self.last_probe_failure = Some(format!("{name}: {failure}"));
        Event::Failed(probe)
    }

    async fn exited(&mut self, record: Option<ExitRecord>) -> Event {
        if let Some(endpoint) = self.endpoint.take() {
            self.revision.ready_set.remove(&endpoint);
        }
        self.process = None;
        self.probes.clear();
        self.node.ports.release(self.record.port, Instant::now());
        if !self.life.is_leaving() {
            self.failure = words::exit(record.as_ref());
        }
        let failed = record
            .as_ref()
            .is_none_or(|record| record.outcome != ExitOutcome::Code(0));
        Event::Exited {
            port_taken: failed && words::says_port_taken(&self.tail().await),
        }
    }

    async fn admit(&mut self) {
        self.keep(Phase::Ready).await;
        if let Some(endpoint) = &self.endpoint {
            self.revision.ready_set.insert(endpoint);
        }
        self.revision.became_ready();
        self.last_probe_failure = None;
    }

    async fn withdraw(&mut self) {
        if let Some(endpoint) = &self.endpoint {
            self.revision.ready_set.remove(endpoint);
            self.revision.changed();
        }
        if self.record.phase == Phase::Ready {
            self.keep(Phase::NotReady).await;
        }
    }

    async fn stop(&mut self) {
        self.probes.clear();
        self.keep(Phase::Leaving).await;
        let Some(process) = &self.process else { return };
        if let Err(error) = process.stop().await {
            tracing::error!(
                instance = self.record.id,
                error = words::chain(&error),
                "an instance can't be told to end"
            );
            self.kill();
        }
    }

    fn kill(&mut self) {
        self.killed = true;
        let Some(process) = &self.process else { return };
        if let Err(error) = process.kill() {
            tracing::error!(
                instance = self.record.id,
                error = words::chain(&error),
                "an instance can't be killed"
            );
        }
    }

    async fn report(&mut self, start: bool) {
        let failure = format!("instance {}: {}", self.record.id, self.failure);
        let tail = self.tail().await;
        self.revision
            .failed(words::with_tail(&failure, &tail), start);
    }

    async fn retire(&mut self) {
        let directory = self.directory.clone();
        let forgotten = tokio::task::spawn_blocking(move || place::forget(&directory)).await;
        if let Err(error) = forgotten.map_err(std::io::Error::other).flatten() {
            tracing::warn!(instance = self.record.id, %error, "an instance's files can't be removed");
        }
    }

    /// Remembers how far it is. A hint for the next run of the node: if it can't be written, that run probes once more.
    async fn keep(&mut self, phase: Phase) {
        if self.record.phase == phase {
            return;
        }
        self.record.phase = phase;
        let (directory, record) = (self.directory.clone(), self.record.clone());
        let written =
            tokio::task::spawn_blocking(move || place::write_record(&directory, &record)).await;
        if let Err(error) = written.map_err(std::io::Error::other).flatten() {
            tracing::warn!(instance = self.record.id, %error, "an instance's state can't be kept");
        }
    }

    async fn tail(&mut self) -> String {
        let run = place::run_directory(&self.directory, self.record.run);
        tokio::task::spawn_blocking(move || words::tail(&run))
            .await
            .unwrap_or_default()
    }

    /// Shows what is seen of it.
    pub(super) fn show(&self) {
        self.revision.show(Shown {
            observation: InstanceObservation {
                id: self.record.id.clone(),
                state: self.life.shown(),
                port: self.record.port,
                started_at: self.record.started_at,
                restarts: self.record.restarts,
                last_probe_failure: self.last_probe_failure.clone(),
            },
            fingerprint: self.record.fingerprint.clone(),
            runs: self.process.is_some(),
        });
    }
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// 0 to 1. Where the system has no randomness to give, restarts are not spread: that is all it is for.
fn jitter() -> f64 {
    getrandom::u32().map_or(0.0, |random| f64::from(random) / f64::from(u32::MAX))
}

async fn end(process: Option<&Process>) -> Option<ExitRecord> {
    match process {
        Some(process) => process.exited().await,
        None => std::future::pending().await,
    }
}

/// Nothing is in flight: neither what this node has admitted, nor what one before it may have.
async fn drained(endpoint: Option<&Endpoint>, node: &Node) {
    match endpoint {
        Some(endpoint) => endpoint.drained().await,
        None => std::future::pending().await,
    }
    node.predecessors.gone().await;
}

async fn told(orders: &mut watch::Receiver<Order>) {
    // A fleet that is gone leaves its members as they are.
    if orders
        .wait_for(|order| *order == Order::Leave)
        .await
        .is_err()
    {
        std::future::pending::<()>().await;
    }
}

async fn killed(node: &Node) {
    if node.kill.subscribe().wait_for(|kill| *kill).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn time(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
