//! A node's instances in a directory of their own, and the end of all their processes with it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use barq_node::api::{
    HealthConfiguration, InstanceRange, InstanceState, ProbeConfiguration, Protocol,
    RevisionConfiguration, RevisionObservation,
};
use barq_node::instances::{Instances, InstancesSettings};
use barq_shim::{Adopted, Launcher};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

pub(crate) const SERVICE: &str = "api";
pub(crate) const REVISION: &str = "api-00001";

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Instances and the directory that they live in.
pub(crate) struct Fixture {
    pub(crate) directory: Directory,
    pub(crate) instances: Instances,
    changes: watch::Receiver<u64>,
}

/// A directory; when it is dropped, everything that runs under it is killed, by its identity.
pub(crate) struct Directory(tempfile::TempDir);

impl Directory {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The shims' directories of all runs ever begun.
    pub(crate) fn runs(&self) -> Vec<PathBuf> {
        let below = |paths: Vec<PathBuf>| -> Vec<PathBuf> {
            let entries = paths
                .into_iter()
                .filter_map(|path| std::fs::read_dir(path).ok());
            entries
                .flat_map(|entries| entries.flatten().map(|entry| entry.path()))
                .collect()
        };
        let instances = below(below(below(vec![self.path().join("instances")])));
        below(
            instances
                .into_iter()
                .map(|instance| instance.join("runs"))
                .collect(),
        )
    }

    /// How many processes are led by shims.
    pub(crate) fn running(&self) -> usize {
        let running = |run: &PathBuf| matches!(barq_shim::adopt(run), Ok(Adopted::Running(_)));
        self.runs().iter().filter(|run| running(run)).count()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        for run in self.runs() {
            if let Ok(Adopted::Running(handle)) = barq_shim::adopt(&run) {
                handle.kill().expect("a shim takes orders");
                assert!(
                    handle.wait(PATIENCE).expect("a shim can be waited for"),
                    "{} ends",
                    run.display()
                );
            }
        }
    }
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::again(Directory::new()).await
    }

    /// Another run of the node in the same directory.
    pub(crate) async fn again(directory: Directory) -> Self {
        Self::hiding(directory, None).await
    }

    /// A node whose instances must not see a directory.
    pub(crate) async fn hiding(directory: Directory, hidden: Option<PathBuf>) -> Self {
        let changes = watch::Sender::new(0);
        let receiver = changes.subscribe();
        let settings = InstancesSettings {
            directory: directory.path().to_owned(),
            launcher: Launcher {
                program: program(),
                leading_arguments: vec!["shim".to_owned()],
            },
            hidden,
        };
        let instances = Instances::start(settings, changes)
            .await
            .expect("instances start");
        Self {
            directory,
            instances,
            changes: receiver,
        }
    }

    /// The node ends, its instances go on.
    pub(crate) fn leave(self) -> Directory {
        self.instances.leave();
        self.directory
    }

    pub(crate) fn apply(&self, revisions: &[RevisionConfiguration]) {
        self.instances
            .apply(SERVICE, revisions)
            .expect("a valid configuration");
    }

    pub(crate) fn observe(&self) -> RevisionObservation {
        self.instances
            .observe(SERVICE, REVISION)
            .unwrap_or_default()
    }

    /// Waits until an observation is as expected.
    pub(crate) async fn until(
        &mut self,
        expect: impl Fn(&RevisionObservation) -> bool,
    ) -> RevisionObservation {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let seen = self.observe();
            if expect(&seen) {
                return seen;
            }
            let changed = tokio::time::timeout_at(deadline.into(), self.changes.changed()).await;
            changed
                .unwrap_or_else(|_| panic!("in time; seen: {seen:#?}"))
                .expect("a node");
        }
    }

    pub(crate) async fn until_ready(&mut self, count: u32) -> RevisionObservation {
        self.until(|seen| seen.ready == count && seen.total == count)
            .await
    }

    pub(crate) async fn until_gone(&mut self) {
        self.until(|seen| seen.total == 0 && seen.instances.is_empty())
            .await;
    }

    /// The process ids of the ready instances, as they say themselves, by instance.
    pub(crate) async fn pids(&self) -> BTreeMap<String, String> {
        let mut pids = BTreeMap::new();
        for instance in self.observe().instances {
            if instance.state == InstanceState::Ready {
                pids.insert(instance.id, get(instance.port, "/pid").await);
            }
        }
        pids
    }
}

/// Where the fixture program was built.
pub(crate) fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a path");
    let profile = test.ancestors().nth(2).expect("target/PROFILE/deps/TEST");
    profile.join("examples").join("fixture")
}

/// A revision of the fixture application with short periods.
pub(crate) fn revision(environment: &[(&str, &str)], min: u32, max: u32) -> RevisionConfiguration {
    let probe = |path: &str, initial_delay_ms, period_ms, failures| ProbeConfiguration {
        path: path.to_owned(),
        initial_delay_ms,
        period_ms,
        timeout_ms: 2_000,
        failures,
    };
    RevisionConfiguration {
        name: REVISION.to_owned(),
        tags: Vec::new(),
        root: "/".to_owned(),
        working_directory: String::new(),
        command: vec![program().to_string_lossy().into_owned(), "app".to_owned()],
        environment: environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        instances: InstanceRange { min, max },
        concurrency: 1,
        protocol: Protocol::Http1,
        health: HealthConfiguration {
            startup: probe("/health/live", 50, 100, 20),
            liveness: probe("/health/live", 0, 100, 3),
            readiness: probe("/health/ready", 0, 100, 3),
            detailed_path: "/health/detailed".to_owned(),
        },
        cpu_milli: 0,
        memory_bytes: 0,
        drain_ms: 20_000,
    }
}

/// The body of the answer to a GET; empty if there is none.
pub(crate) async fn get(port: u16, path: &str) -> String {
    let answer = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream
            .write_all(
                format!("GET {path} HTTP/1.1\r\nx-request-id: test-{port}\r\n\r\n").as_bytes(),
            )
            .await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = answer.await.unwrap_or_default();
    answer
        .split_once("\r\n\r\n")
        .map(|(_, body)| body.to_owned())
        .unwrap_or_default()
}

/// Whether a process exists.
pub(crate) fn exists(pid: &str) -> bool {
    Path::new("/proc").join(pid).exists()
}
