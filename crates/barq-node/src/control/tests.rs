//! The control with fake instances behind it: orders of events, restarts, full and damaged disks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::api::{
    CanaryConfiguration, CanaryCounts, HealthConfiguration, InstanceRange, ProbeConfiguration,
    Protocol, RevisionConfiguration, RevisionObservation, ServiceConfiguration, Share,
};
use crate::instances::ReadySet;

use super::Fleet;
use super::disk::Stored;

mod accepting;
mod counting;
mod keeping;
mod order;
mod recalling;

pub(crate) const SERVICE: &str = "shop-production";

/// Instances that somebody else starts: what was applied is remembered, ready sets are filled by the test.
#[derive(Debug, Clone, Default)]
pub(crate) struct FakeFleet {
    pub(crate) applied: Arc<Mutex<Vec<Vec<RevisionConfiguration>>>>,
    ready: Arc<Mutex<BTreeMap<String, Arc<ReadySet>>>>,
}

impl FakeFleet {
    pub(crate) fn set(&self, revision: &str) -> Arc<ReadySet> {
        Arc::clone(
            self.ready
                .lock()
                .unwrap()
                .entry(revision.to_owned())
                .or_default(),
        )
    }
}

impl Fleet for FakeFleet {
    fn apply(&self, _: &str, revisions: &[RevisionConfiguration]) -> Result<(), String> {
        self.applied.lock().unwrap().push(revisions.to_vec());
        Ok(())
    }

    fn ready_set(&self, _: &str, revision: &str) -> Option<Arc<ReadySet>> {
        Some(self.set(revision))
    }

    fn observe(&self, _: &str, _: &str) -> Option<RevisionObservation> {
        None
    }
}

pub(crate) fn revision(name: &str) -> RevisionConfiguration {
    let probe = ProbeConfiguration {
        path: "/health".to_owned(),
        initial_delay_ms: 0,
        period_ms: 1000,
        timeout_ms: 1000,
        failures: 3,
    };
    RevisionConfiguration {
        name: name.to_owned(),
        tags: vec![format!("tag-{name}")],
        root: "/nowhere".to_owned(),
        working_directory: String::new(),
        command: vec!["true".to_owned()],
        environment: BTreeMap::new(),
        instances: InstanceRange { min: 1, max: 1 },
        concurrency: 1000,
        protocol: Protocol::Http1,
        health: HealthConfiguration {
            startup: probe.clone(),
            liveness: probe.clone(),
            readiness: probe,
            detailed_path: "/health".to_owned(),
        },
        cpu_milli: 1000,
        memory_bytes: 1 << 30,
        drain_ms: 1000,
    }
}

/// All traffic to `stable`, with a `canary` beside it that has none.
pub(crate) fn configuration(generation: u64) -> ServiceConfiguration {
    ServiceConfiguration {
        service: SERVICE.to_owned(),
        generation,
        last_trip: 0,
        acknowledges: None,
        domains: vec![],
        tls: None,
        revisions: vec![revision("stable"), revision("canary")],
        traffic: vec![share("stable", 100)],
        canary: None,
        watch: None,
    }
}

/// A trial with this share and limit.
pub(crate) fn trial(generation: u64, percent: u8, max_errors: Option<u64>) -> ServiceConfiguration {
    ServiceConfiguration {
        traffic: vec![share("stable", 100 - percent), share("canary", percent)],
        canary: Some(CanaryConfiguration {
            revision: "canary".to_owned(),
            stable: "stable".to_owned(),
            step: 1,
            max_errors,
            window_ms: Some(60_000),
            counted: CanaryCounts::default(),
            recent: None,
            lease_ms: 60_000,
            shield: true,
        }),
        ..configuration(generation)
    }
}

pub(crate) fn share(revision: &str, percent: u8) -> Share {
    Share {
        revision: revision.to_owned(),
        percent,
    }
}

/// The service's configuration can't be written until what is there now is removed.
pub(crate) fn no_more_writing(directory: &Path) -> PathBuf {
    let obstacle = directory.join(format!("configuration/{SERVICE}.new"));
    std::fs::create_dir(&obstacle).unwrap();
    obstacle
}

pub(super) fn stored(generation: u64) -> Stored {
    Stored {
        configuration: configuration(generation),
        trips: 0,
        last_trip: None,
        latched: BTreeMap::new(),
    }
}
