//! One service: the judge's state, the configuration in force, and what belongs to its revisions.
//!
//! Plain state behind one lock. It must not know the disk or other services.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use barq_judge::{Control, Run, Standing};
use jiff::Timestamp;
use tokio::sync::watch;

use super::disk::{Stored, StoredCounters, StoredRecent};
use super::tally::Tally;
use super::{lock, wall_ms};
use crate::api::{RevisionConfiguration, ServiceConfiguration, Trip};
use crate::proxy::{Choice, Revision, ServiceRoute, Trial};
use crate::statistics::StepStatistics;

/// A service.
pub(super) struct Service {
    pub(super) name: String,
    state: Mutex<State>,
    /// Held by whoever writes the service's file, so that a later write is of later state.
    pub(super) writing: tokio::sync::Mutex<()>,
    /// Held while a configuration is taken in, from the first look to the answer.
    pub(super) accepting: tokio::sync::Mutex<()>,
}

/// Everything that changes.
pub(super) struct State {
    pub(super) control: Control,
    pub(super) configuration: Option<ServiceConfiguration>,
    pub(super) revisions: BTreeMap<String, Arc<Revision>>,
    pub(super) addresses: BTreeMap<String, OwnAddress>,
    /// Counts of the step in force, over all its generations.
    pub(super) step: Option<Arc<StepStatistics>>,
    /// Where each error of the canary is noted at once.
    pub(super) tally: Option<Arc<Tally>>,
    pub(super) served: Served,
    pub(super) last_trip: Option<Trip>,
    pub(super) latched: BTreeMap<String, Trip>,
    pub(super) durable: bool,
    /// What the configuration on disk asks of the instances, which is what the instances were told last: while another one
    /// is in force in memory alone, a crash must find what it starts from.
    pub(super) on_disk: Vec<RevisionConfiguration>,
    pub(super) watch_exceeded_at: Option<Timestamp>,
}

/// A revision's own address, served until this is dropped.
pub(super) struct OwnAddress {
    pub(super) address: SocketAddr,
    pub(super) _guard: watch::Sender<()>,
}

/// How long the canary had its share and a ready instance.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Served {
    total: Duration,
    since: Option<Duration>,
}

impl Service {
    pub(super) fn new(name: &str, state: State) -> Arc<Self> {
        let name = name.to_owned();
        Arc::new(Self {
            name,
            state: Mutex::new(state),
            writing: tokio::sync::Mutex::default(),
            accepting: tokio::sync::Mutex::default(),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    /// Nothing is known.
    pub(super) fn new(run: Run) -> Self {
        Self {
            control: Control::new(run),
            configuration: None,
            revisions: BTreeMap::new(),
            addresses: BTreeMap::new(),
            step: None,
            tally: None,
            served: Served::default(),
            last_trip: None,
            latched: BTreeMap::new(),
            durable: true,
            on_disk: Vec::new(),
            watch_exceeded_at: None,
        }
    }

    /// What is to be written, once there is a configuration.
    pub(super) fn stored(&self) -> Option<Stored> {
        Some(Stored {
            configuration: self.configuration.clone()?,
            trips: self.control.durable().trips,
            last_trip: self.last_trip.clone(),
            latched: self.latched.clone(),
        })
    }

    /// The counters of the canary, if there is one.
    pub(super) fn counters(&self, now: Duration) -> Option<StoredCounters> {
        let canary = self.canary()?;
        Some(StoredCounters {
            revision: canary.name.clone(),
            step: self.control.canary()?.step,
            tripwire_errors: canary.wire.total(),
            recent: Some(StoredRecent {
                errors: canary.wire.errors(now),
                at_ms: wall_ms(),
            }),
            counts: self.step.as_ref()?.counts(),
            generation: self.control.generation(),
            served_ms: u64::try_from(self.served.total(now).as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// Whether every instance that a configuration asks for is asked for on disk, too: only then may it be in force in
    /// memory alone.
    pub(super) fn asks_for_no_more(&self, configuration: &ServiceConfiguration) -> bool {
        configuration.revisions.iter().all(|wanted| {
            self.on_disk
                .iter()
                .any(|kept| kept.name == wanted.name && wanted.instances.min <= kept.instances.min)
        })
    }

    /// The details of a trip by its number.
    pub(super) fn trip_details(&self, number: u64) -> Option<Trip> {
        self.last_trip
            .iter()
            .chain(self.latched.values())
            .find(|trip| trip.number == number)
            .cloned()
    }

    /// The revision on trial.
    pub(super) fn canary(&self) -> Option<&Arc<Revision>> {
        self.revisions.get(&self.control.canary()?.revision)
    }

    /// Goes on or stops counting the time that the canary is served.
    pub(super) fn count_served(&mut self, now: Duration) {
        let has_share = |canary: &Arc<Revision>| {
            self.control
                .shares()
                .iter()
                .any(|share| share.revision == canary.name && share.percent > 0)
        };
        let is_served = self.control.standing() == Standing::Serving
            && self
                .canary()
                .is_some_and(|canary| has_share(canary) && !canary.ready.endpoints().is_empty());
        self.served.set(is_served, now);
    }

    /// The route by the shares in force.
    pub(super) fn route(&self, service: &str) -> ServiceRoute {
        let shares = self.control.shares();
        let choice = |revision: &Arc<Revision>, percent| Choice {
            revision: Arc::clone(revision),
            endpoints: revision.ready.endpoints(),
            percent,
        };
        let chosen = shares.iter().filter(|share| share.percent > 0);
        let choices = chosen
            .filter_map(|share| Some(choice(self.revisions.get(&share.revision)?, share.percent)))
            .collect();
        let revisions: HashMap<String, Choice> = self
            .revisions
            .iter()
            .map(|(name, revision)| (name.clone(), choice(revision, 0)))
            .collect();
        let trial = self.control.canary().and_then(|canary| {
            Some(Trial {
                canary: Arc::clone(self.revisions.get(&canary.revision)?),
                stable: choice(self.revisions.get(&canary.stable)?, 0),
                shield: canary.shield,
                step: Arc::clone(self.step.as_ref()?),
            })
        });
        let configuration = self.configuration.as_ref();
        let tags = configuration
            .iter()
            .flat_map(|configuration| &configuration.revisions);
        ServiceRoute {
            service: service.to_owned(),
            generation: self.control.generation(),
            domains: configuration
                .map(|configuration| configuration.domains.clone())
                .unwrap_or_default(),
            choices,
            revisions,
            tags: tags
                .flat_map(|revision| {
                    revision
                        .tags
                        .iter()
                        .map(|tag| (tag.clone(), revision.name.clone()))
                })
                .collect(),
            trial,
        }
    }
}

impl Served {
    /// Goes on from what an earlier run counted.
    pub(super) fn after(total: Duration) -> Self {
        Self { total, since: None }
    }

    pub(super) fn total(&self, now: Duration) -> Duration {
        self.total
            + self
                .since
                .map_or(Duration::ZERO, |since| now.saturating_sub(since))
    }

    fn set(&mut self, is_served: bool, now: Duration) {
        self.total = self.total(now);
        self.since = is_served.then_some(now);
    }
}
