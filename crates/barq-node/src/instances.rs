//! The processes behind the proxy: started, probed, scaled, drained, restarted, and adopted after a restart of the node.
//!
//! `apply` says what is wanted and returns at once; a fleet for each revision brings it about, a member for each instance
//! drives its `lifecycle`, which is pure and makes all decisions. What the proxy needs is a revision's [`ReadySet`]. The
//! processes do not depend on the node: each runs under its shim, and each one's record is on disk before it starts.
//!
//! **Adoption.** An instance that was ready when the node ended, and still runs, is asked its readiness once, all of them in
//! parallel, and is ready again as soon as it passes; one that does not answer within half a second is trusted, as it
//! would have been without the restart, until its probe fails. [`Instances::start`] returns when that is settled, so whoever
//! accepts connections after it loses no request.
//!
//! It must not know traffic shares, canaries or trips: it keeps what it is told to keep.

mod adoption;
mod autoscaler;
mod backoff;
mod ejection;
mod fleet;
mod janitor;
mod lifecycle;
mod member;
mod node;
pub(crate) mod place;
mod ports;
mod predecessors;
mod probe;
mod process;
mod ready_set;
mod revision;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use barq_shim::Launcher;
use futures::StreamExt;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

pub use adoption::LOOK_MAX;
pub use autoscaler::{SAMPLE_PERIOD, SCALE_DOWN_WINDOW, SCALE_UP_WINDOW, UTILIZATION_TARGET};
pub use backoff::{BACKOFF_MAX, BACKOFF_MIN, READY_RESETS_BACKOFF};
pub use ejection::{EJECTED_FIRST, EJECTED_MAX, FAILURES_MAX};
pub use janitor::{ENDED_RUNS_MAX, GONE_REVISIONS_MAX, LOG_BYTES_PER_REVISION_MAX};
pub use lifecycle::{ADOPTION_TRUST_AFTER, PORT_RETRIES_MAX};
pub use ports::PORT_REST;
pub(crate) use predecessors::Serving;
pub use predecessors::somebody_drains;
pub use process::{OUTPUT_BYTES_PER_RUN_MAX, STOP_GRACE};
pub use ready_set::{Admission, Endpoint, ReadySet, Waiting};
pub use revision::ChangeNotifier;

use crate::api::{ProbeReport, RevisionConfiguration, RevisionObservation};
use adoption::{FoundRevision, FoundState};
use fleet::{End, Fleet};
use member::{Member, Order};
use node::Node;
use place::RunNumbers;
use ports::Ports;
use predecessors::Predecessors;
use revision::{Configured, Revision, Wanted};

/// Health paths asked at a time by [`Instances::probe`].
const PROBES_AT_A_TIME_MAX: usize = 16;

/// How long [`Instances::probe`] may take in all: less than the caller waits (30 s), so that instances which only hang are
/// told as what they are, and not as a node that is silent.
const PROBES_TAKE_MAX: Duration = Duration::from_secs(20);

/// Beyond drain and grace, what the end of everything may take.
const STOP_MARGIN: Duration = Duration::from_secs(5);

/// How long killed instances are waited for: as long as their shims wait.
const KILL_WAIT: Duration = Duration::from_secs(10);

/// Where and how instances run.
#[derive(Debug, Clone)]
pub struct InstancesSettings {
    /// The node's directory; everything of the instances is under `instances` in it.
    pub directory: PathBuf,
    /// How shims are started.
    pub launcher: Launcher,
    /// The data directory that instances must not see but for their image and their own directory; `None`: no sandbox.
    pub hidden: Option<PathBuf>,
}

/// What fails at once; what fails later is observed.
#[derive(Debug, thiserror::Error)]
pub enum InstancesError {
    /// What earlier instances left can't be read: starting without it could run everything twice.
    #[error("the instances in {} can't be found", directory.display())]
    Find {
        /// The directory.
        directory: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A name that can't be a directory's.
    #[error("{name:?} can't be the name of a service or revision")]
    Name {
        /// The name.
        name: String,
    },
    /// Everything is being stopped.
    #[error("the instances are being stopped")]
    Stopping,
}

/// All instances of the node. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Instances {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    node: Arc<Node>,
    runtime: tokio::runtime::Handle,
    fleets: Mutex<BTreeMap<(String, String), Led>>,
    stopping: AtomicBool,
}

#[derive(Debug)]
struct Led {
    revision: Arc<Revision>,
    task: JoinHandle<()>,
}

impl Instances {
    /// Adopts what still runs, and returns when it is known which of it is ready (at most about a second). `changes` is
    /// counted up whenever readiness, a failure or a size changes. Must be called within a tokio runtime, which goes on to
    /// drive everything.
    pub async fn start(
        settings: InstancesSettings,
        changes: ChangeNotifier,
    ) -> Result<Self, InstancesError> {
        let directory = place::root(&settings.directory);
        let unreadable = |source| InstancesError::Find {
            directory: directory.clone(),
            source,
        };
        std::fs::create_dir_all(&directory).map_err(unreadable)?;
        let root = directory.canonicalize().map_err(unreadable)?;
        let (found, last) = adoption::find(root.clone()).await.map_err(unreadable)?;
        let node = Arc::new(Node {
            predecessors: Predecessors::of(&settings.directory),
            directory: root,
            launcher: settings.launcher,
            hidden: settings.hidden,
            ports: Ports::default(),
            numbers: RunNumbers::after(last, Timestamp::now()),
            changes,
            kill: watch::Sender::new(false),
            left: watch::Sender::new(false),
        });
        let runtime = tokio::runtime::Handle::current();
        let fleets = Mutex::default();
        let instances = Self {
            shared: Arc::new(Shared {
                node,
                runtime,
                fleets,
                stopping: AtomicBool::new(false),
            }),
        };
        instances.take_over(found).await;
        Ok(instances)
    }

    /// Takes what is wanted of a service, whole: revisions that are not listed end. Returns at once. The same again changes
    /// nothing; no instance is touched but for a change of what it runs or of how many there are.
    pub fn apply(
        &self,
        service: &str,
        revisions: &[RevisionConfiguration],
    ) -> Result<(), InstancesError> {
        for name in revisions
            .iter()
            .map(|revision| revision.name.as_str())
            .chain([service])
        {
            if !place::is_name(name) {
                return Err(InstancesError::Name {
                    name: name.to_owned(),
                });
            }
        }
        let mut fleets = self.shared.fleets();
        if self.shared.stopping.load(Ordering::SeqCst) {
            return Err(InstancesError::Stopping);
        }
        for configuration in revisions {
            let key = (service.to_owned(), configuration.name.clone());
            let led = fleets
                .entry(key)
                .or_insert_with(|| self.lead(self.new_fleet(service, &configuration.name)));
            want(&led.revision, configuration);
        }
        let unlisted = fleets.iter().filter(|((owner, name), _)| {
            owner == service
                && !revisions
                    .iter()
                    .any(|configuration| configuration.name == *name)
        });
        for (_, led) in unlisted {
            led.revision.wanted.send_replace(Wanted::Gone);
        }
        Ok(())
    }

    /// Ends all services but these. To be called once all configurations on disk have been applied: until then, what was
    /// adopted and is not known goes on.
    pub fn retain(&self, services: &BTreeSet<String>) {
        for ((service, _), led) in self.shared.fleets().iter() {
            if !services.contains(service) {
                led.revision.wanted.send_replace(Wanted::Gone);
            }
        }
    }

    /// The ready instances of a revision: the same object for as long as the revision is known.
    #[must_use]
    pub fn ready_set(&self, service: &str, revision: &str) -> Option<Arc<ReadySet>> {
        self.revision(service, revision)
            .map(|revision| Arc::clone(&revision.ready_set))
    }

    /// What is seen of a revision's instances; everything else in the observation is left at its default.
    #[must_use]
    pub fn observe(&self, service: &str, revision: &str) -> Option<RevisionObservation> {
        self.revision(service, revision)
            .map(|revision| revision.observe())
    }

    /// Asks the liveness and readiness paths of each ready instance now. `None` if the revision is not known.
    pub async fn probe(&self, service: &str, revision: &str) -> Option<ProbeReport> {
        let revision = self.revision(service, revision)?;
        let desired = revision.observe().desired;
        let endpoints = revision.ready_set.endpoints();
        let ready = u32::try_from(endpoints.len()).unwrap_or(u32::MAX);
        let Wanted::Run(configured) = revision.wanted.borrow().clone() else {
            let failures = vec!["the revision has no configuration in force".to_owned()];
            return Some(ProbeReport {
                ready,
                desired,
                failures,
            });
        };
        let health = &configured.configuration.health;
        let protocol = configured.configuration.protocol;
        let deadline = Instant::now() + PROBES_TAKE_MAX;
        let questions = endpoints.iter().flat_map(|endpoint| {
            [&health.liveness, &health.readiness].map(|probe| async move {
                let left = deadline.saturating_duration_since(Instant::now());
                let timeout = Duration::from_millis(probe.timeout_ms).min(left);
                let answer = probe::ask(endpoint.address(), protocol, &probe.path, timeout).await;
                answer.err().map(|failure| {
                    format!("instance {}: {}", endpoint.id(), words::chain(&failure))
                })
            })
        });
        let questions: Vec<_> = questions.collect();
        let answers = futures::stream::iter(questions).buffered(PROBES_AT_A_TIME_MAX);
        let failures = answers.filter_map(std::future::ready).collect().await;
        Some(ProbeReport {
            ready,
            desired,
            failures,
        })
    }

    /// The node restarts: nothing is driven any more, all processes go on and are adopted by the next run.
    pub fn leave(&self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        for led in self.shared.fleets().values() {
            led.task.abort();
        }
    }

    /// The next node takes over while this one still serves: as [`Self::leave`], but returns only when nothing of this node
    /// touches an instance or its files any more. What is being started is started, recorded, and left; the ready sets stay
    /// as they are.
    pub async fn hand_over(&self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.shared.node.left.send_replace(true);
        let led = std::mem::take(&mut *self.shared.fleets());
        for (_, led) in led {
            if let Err(error) = led.task.await {
                tracing::error!(%error, "what drove a revision's instances failed");
            }
        }
    }

    /// Drains and ends everything; what has not ended after its drain and grace is killed. Returns when nothing runs.
    pub async fn drain_and_stop(&self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        let mut drain = Duration::ZERO;
        for led in self.shared.fleets().values() {
            let before = led.revision.wanted.send_replace(Wanted::Gone);
            if let Wanted::Run(configured) = before {
                drain = drain.max(Duration::from_millis(configured.configuration.drain_ms));
            }
        }
        if !self.ended_within(drain + STOP_GRACE + STOP_MARGIN).await {
            tracing::error!("instances did not end in time, they are killed");
            self.shared.node.kill.send_replace(true);
            if !self.ended_within(KILL_WAIT).await {
                tracing::error!("instances did not even end when killed");
            }
        }
    }

    async fn take_over(&self, found: Vec<FoundRevision>) {
        let (settling, mut settled) = mpsc::channel(1);
        for revision in found {
            let fleet = self.adopted_fleet(revision, &settling);
            let key = (
                fleet.revision().service.clone(),
                fleet.revision().name.clone(),
            );
            let led = self.lead(fleet);
            self.shared.fleets().insert(key, led);
        }
        drop(settling);
        // Ends when each adopted instance has dropped its sender. Twice the trust: a driver may be late, never stuck.
        if tokio::time::timeout(ADOPTION_TRUST_AFTER * 2, settled.recv())
            .await
            .is_err()
        {
            tracing::warn!("it is not yet known which of the adopted instances are ready");
        }
    }

    fn adopted_fleet(&self, found: FoundRevision, settling: &mpsc::Sender<()>) -> Fleet {
        let node = &self.shared.node;
        let revision = Revision::new(
            &found.service,
            &found.name,
            found.directory,
            node.changes.clone(),
        );
        let mut fleet = Fleet::new(Arc::clone(node), Arc::clone(&revision));
        for instance in found.instances {
            let record = instance.record;
            let id = record.id.clone();
            let failed_start = adoption::was_starting(&record);
            let handle = match instance.state {
                FoundState::Running(handle) => handle,
                FoundState::Ended(how) => {
                    revision.failed(
                        format!("instance {id}: while the node was away: {how}"),
                        failed_start,
                    );
                    fleet.count_found();
                    continue;
                }
            };
            let (orders, receiver) = watch::channel(Order::Stay);
            let (node, revision) = (Arc::clone(node), Arc::clone(&revision));
            match Member::adopted(node, revision, record, handle, receiver, settling.clone()) {
                Ok(member) => fleet.adopt(id, member, orders),
                Err(error) => {
                    tracing::error!(
                        instance = id,
                        error = words::chain(&error),
                        "an instance can't be adopted"
                    );
                }
            }
        }
        fleet
    }

    fn new_fleet(&self, service: &str, name: &str) -> Fleet {
        let node = &self.shared.node;
        let directory = node.directory.join(service).join(name);
        Fleet::new(
            Arc::clone(node),
            Revision::new(service, name, directory, node.changes.clone()),
        )
    }

    fn lead(&self, mut fleet: Fleet) -> Led {
        let revision = Arc::clone(fleet.revision());
        let shared = Arc::clone(&self.shared);
        let leading = Arc::clone(&revision);
        let task = self.shared.runtime.spawn(async move {
            loop {
                match fleet.run().await {
                    End::Left => return,
                    End::Gone if shared.retire(&leading) => break,
                    End::Gone => {}
                }
            }
            shared.clean_up_after(&leading).await;
        });
        Led { revision, task }
    }

    fn revision(&self, service: &str, revision: &str) -> Option<Arc<Revision>> {
        let fleets = self.shared.fleets();
        fleets
            .get(&(service.to_owned(), revision.to_owned()))
            .map(|led| Arc::clone(&led.revision))
    }

    async fn ended_within(&self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        let mut changes = self.shared.node.changes.subscribe();
        loop {
            if self.shared.fleets().is_empty() {
                return true;
            }
            let changed = tokio::time::timeout_at(deadline.into(), changes.changed()).await;
            if changed.is_err() {
                return self.shared.fleets().is_empty();
            }
        }
    }
}

impl Shared {
    fn fleets(&self) -> MutexGuard<'_, BTreeMap<(String, String), Led>> {
        self.fleets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets a revision of which nothing runs; false if it is wanted again.
    fn retire(&self, revision: &Arc<Revision>) -> bool {
        let mut fleets = self.fleets();
        let gone = matches!(*revision.wanted.borrow(), Wanted::Gone);
        if gone {
            fleets.remove(&(revision.service.clone(), revision.name.clone()));
        }
        drop(fleets);
        revision.changed();
        gone
    }

    async fn clean_up_after(&self, revision: &Revision) {
        let Some(service) = revision.directory.parent().map(ToOwned::to_owned) else {
            return;
        };
        let known: BTreeSet<String> = self
            .fleets()
            .keys()
            .filter(|(owner, _)| *owner == revision.service)
            .map(|(_, name)| name.clone())
            .collect();
        let cleaned =
            tokio::task::spawn_blocking(move || janitor::clean_service(&service, &known)).await;
        if let Err(error) = cleaned {
            tracing::warn!(%error, "old output could not be removed");
        }
    }
}

/// Sets what is wanted of a revision, if it is not that already.
fn want(revision: &Revision, configuration: &RevisionConfiguration) {
    revision.wanted.send_if_modified(|wanted| {
        if matches!(wanted, Wanted::Run(current) if *current.configuration == *configuration) {
            return false;
        }
        let fingerprint = place::fingerprint(configuration);
        *wanted = Wanted::Run(Arc::new(Configured {
            configuration: Arc::new(configuration.clone()),
            fingerprint,
        }));
        true
    });
}
