//! Runtime `process`: an instance's process under its shim.
//!
//! The shim is synchronous and its start takes some milliseconds, so all of it runs on threads that may block. It must
//! not know probes or states.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use barq_shim::{
    Adopted, Enforced, ExitRecord, Handle, Launcher, Limits, OnLimit, OutputLimit, Priority,
    Sandbox, ShimError, ShimSpec,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::words;
use crate::api::RevisionConfiguration;

/// Between SIGTERM and SIGKILL, as Cloud Run's container contract.
pub const STOP_GRACE: Duration = Duration::from_secs(10);

/// What is kept of one process's output, in bytes; half of it is dropped when it is full.
pub const OUTPUT_BYTES_PER_RUN_MAX: u64 = 4 * 1024 * 1024;

/// Where programs are looked for when the configuration does not say.
const PATH_DEFAULT: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Entries beside the data directory that a sandbox still lists one by one.
const SIBLINGS_MAX: usize = 512;

/// A process that runs.
#[derive(Debug)]
pub(super) struct Process {
    handle: Arc<Handle>,
    ended: AsyncFd<OwnedFd>,
}

/// What a process is given besides its configuration.
#[derive(Debug, Clone)]
pub(super) struct Assignment {
    pub(super) service: String,
    pub(super) port: u16,
    /// The process's own directory.
    pub(super) scratch: PathBuf,
    /// What it must not see, but for its image and its own directory.
    pub(super) hidden: Option<PathBuf>,
}

/// A process that could not be started, watched or stopped.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProcessError {
    #[error("the command is empty")]
    NoCommand,
    #[error("its shim could not be used")]
    Shim(#[source] ShimError),
    #[error("its end can't be watched")]
    Watch(#[source] std::io::Error),
    #[error("the thread that started it ended")]
    Thread(#[source] tokio::task::JoinError),
}

impl Process {
    /// Starts a process in a run's directory, which must be new.
    pub(super) async fn start(
        launcher: Launcher,
        run: PathBuf,
        configuration: Arc<RevisionConfiguration>,
        assignment: Assignment,
    ) -> Result<Self, ProcessError> {
        let handle = blocking(move || {
            let spec = specification(&configuration, &assignment)?;
            launcher.start(&run, &spec).map_err(ProcessError::Shim)
        })
        .await?;
        Self::watch(handle)
    }

    /// Takes over a process that an earlier run of the node started.
    pub(super) fn watch(handle: Handle) -> Result<Self, ProcessError> {
        let descriptor = handle
            .as_fd()
            .try_clone_to_owned()
            .map_err(ProcessError::Watch)?;
        // The lint warns of a descriptor that is closed while it is watched. This one is owned by the watch, and the
        // replacement needs unsafe code.
        #[expect(deprecated, reason = "sound for an OwnedFd")]
        let ended =
            AsyncFd::with_interest(descriptor, Interest::READABLE).map_err(ProcessError::Watch)?;
        Ok(Self {
            handle: Arc::new(handle),
            ended,
        })
    }

    /// Waits for its end; `None` if nothing is known of it.
    pub(super) async fn exited(&self) -> Option<ExitRecord> {
        if let Err(error) = self.ended.readable().await {
            tracing::warn!(%error, "the end of a process could not be waited for");
        }
        let handle = Arc::clone(&self.handle);
        let found = blocking(move || end_of(&handle)).await;
        found.unwrap_or_else(|error| {
            tracing::warn!(
                error = words::chain(&error),
                "the end of a process could not be read"
            );
            None
        })
    }

    /// SIGTERM, then SIGKILL after [`STOP_GRACE`]; does not wait.
    pub(super) async fn stop(&self) -> Result<(), ProcessError> {
        let handle = Arc::clone(&self.handle);
        blocking(move || handle.stop(STOP_GRACE).map_err(ProcessError::Shim)).await
    }

    /// SIGKILL now; does not wait.
    pub(super) fn kill(&self) -> Result<(), ProcessError> {
        self.handle.kill().map_err(ProcessError::Shim)
    }

    /// Whether processor and memory limits are enforced.
    pub(super) fn limits_enforced(&self) -> bool {
        match self.handle.enforced() {
            Ok((memory, processor, _)) => ![memory, processor]
                .iter()
                .any(|limit| matches!(limit, Enforced::No(_))),
            Err(error) => {
                tracing::warn!(
                    error = words::chain(&error),
                    "the limits of a process are unknown"
                );
                false
            }
        }
    }
}

/// What became of a shim that has ended. One that was killed itself left no record: adopting it kills what it led.
fn end_of(handle: &Handle) -> Result<Option<ExitRecord>, ProcessError> {
    if let Some(record) = handle.exit().map_err(ProcessError::Shim)? {
        return Ok(Some(record));
    }
    match barq_shim::adopt(handle.directory()).map_err(ProcessError::Shim)? {
        Adopted::Exited(record) => Ok(Some(record)),
        Adopted::Lost | Adopted::Running(_) => Ok(None),
    }
}

fn specification(
    configuration: &RevisionConfiguration,
    given: &Assignment,
) -> Result<ShimSpec, ProcessError> {
    let root = PathBuf::from(&configuration.root);
    let working_directory = root.join(configuration.working_directory.trim_start_matches('/'));
    let (program, arguments) = configuration
        .command
        .split_first()
        .ok_or(ProcessError::NoCommand)?;
    Ok(ShimSpec {
        program: locate(program, &working_directory),
        arguments: arguments.to_vec(),
        environment: environment(configuration, given),
        working_directory,
        output: OutputLimit {
            bytes_max: OUTPUT_BYTES_PER_RUN_MAX,
            on_limit: OnLimit::Rotate,
        },
        timeout: None,
        stop_grace: STOP_GRACE,
        sandbox: given
            .hidden
            .as_deref()
            .map(|hidden| sandbox(hidden, &root, &given.scratch)),
        limits: Limits {
            memory_bytes: (configuration.memory_bytes > 0).then_some(configuration.memory_bytes),
            cpus: (configuration.cpu_milli > 0)
                .then(|| f64::from(configuration.cpu_milli) / 1000.0),
        },
        priority: Priority::default(),
    })
}

/// A bare name is the image's own program if there is one, else one of the machine's.
fn locate(program: &str, working_directory: &Path) -> PathBuf {
    let own = Path::new(".").join(program);
    if !program.contains('/') && working_directory.join(program).is_file() {
        own
    } else {
        PathBuf::from(program)
    }
}

/// Cloud Run's container contract, and what it would be surprising to miss.
fn environment(
    configuration: &RevisionConfiguration,
    given: &Assignment,
) -> BTreeMap<String, String> {
    let mut environment = configuration.environment.clone();
    let scratch = given.scratch.to_string_lossy().into_owned();
    for (name, value) in [
        ("HOST", "127.0.0.1"),
        ("PATH", PATH_DEFAULT),
        ("HOME", scratch.as_str()),
        ("TMPDIR", scratch.as_str()),
    ] {
        environment
            .entry(name.to_owned())
            .or_insert_with(|| value.to_owned());
    }
    for (name, value) in [
        ("PORT", given.port.to_string()),
        ("K_SERVICE", given.service.clone()),
        ("K_REVISION", configuration.name.clone()),
        ("K_CONFIGURATION", given.service.clone()),
    ] {
        environment.insert(name.to_owned(), value);
    }
    environment
}

/// All but the hidden directory, since Landlock knows only what is allowed: what lies beside each directory on the way to
/// it. Of the hidden directory itself only the image, to be read, and the process's own directory.
fn sandbox(hidden: &Path, root: &Path, scratch: &Path) -> Sandbox {
    let hidden = hidden.canonicalize().unwrap_or_else(|_| hidden.to_owned());
    let mut writable = vec![scratch.to_owned()];
    for directory in hidden.ancestors().skip(1) {
        let Ok(entries) = std::fs::read_dir(directory) else {
            continue;
        };
        let beside = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| !hidden.starts_with(path));
        writable.extend(beside.take(SIBLINGS_MAX));
    }
    Sandbox {
        read_only: vec![root.to_owned()],
        writable,
        user: None,
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ProcessError> + Send + 'static,
) -> Result<T, ProcessError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(ProcessError::Thread)?
}

#[cfg(test)]
mod tests;
