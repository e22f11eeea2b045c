//! Keeps one child process running until it is told to stop.
//!
//! A child that dies is started again, sooner when it had run for a while. Each start is a new process of the same
//! executable in a process group of its own: Ctrl-C goes to `up` alone, which then stops the children in order.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The first restart waits this long; each further one twice as long.
const RESTART_DELAY_MIN: Duration = Duration::from_millis(50);
/// No restart waits longer than this: users' requests wait for the node meanwhile, and must not wait for a second.
const RESTART_DELAY_MAX: Duration = Duration::from_millis(500);
/// A child that ran this long was well: its next restart waits the shortest time again.
const STEADY_AFTER: Duration = Duration::from_secs(30);
/// After SIGKILL the kernel needs a moment, not more.
const KILL_MAX: Duration = Duration::from_secs(10);

/// One child, and how to stop it.
pub(super) struct ChildSettings {
    /// Its name in messages.
    pub(super) name: &'static str,
    /// What to run.
    pub(super) executable: PathBuf,
    /// With which arguments.
    pub(super) arguments: Vec<OsString>,
    /// How long it may take to end after SIGTERM.
    pub(super) drain_max: Duration,
    /// Cancelled when it shall end.
    pub(super) stop: CancellationToken,
    /// Cancelled when it shall end at once.
    pub(super) hurry: CancellationToken,
}

/// What is known of a child from the outside.
#[derive(Debug, Clone, Default)]
pub(super) struct ChildState {
    /// How often it ended without being asked.
    pub(super) deaths: u32,
    /// How it ended the last time.
    pub(super) last: Option<String>,
}

/// Runs the child until `stop` is cancelled and it has ended.
pub(super) async fn keep(settings: ChildSettings, state: watch::Sender<ChildState>) {
    let mut delay = RESTART_DELAY_MIN;
    loop {
        let started = Instant::now();
        let ended = match spawn(&settings) {
            Ok(mut child) => tokio::select! {
                status = child.wait() => describe(status),
                () = settings.stop.cancelled() => return finish(&settings, child).await,
            },
            Err(error) => format!("a failed start: {error}"),
        };
        if started.elapsed() >= STEADY_AFTER {
            delay = RESTART_DELAY_MIN;
        }
        tracing::warn!(
            child = settings.name,
            ended,
            restart_in_ms = delay.as_millis() as u64,
            "a child ended, starting it again"
        );
        state.send_modify(|state| {
            state.deaths += 1;
            state.last = Some(ended);
        });
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = settings.stop.cancelled() => return,
        }
        delay = (delay * 2).min(RESTART_DELAY_MAX);
    }
}

fn spawn(settings: &ChildSettings) -> std::io::Result<Child> {
    Command::new(&settings.executable)
        .args(&settings.arguments)
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
}

async fn finish(settings: &ChildSettings, mut child: Child) {
    signal(&child, Signal::TERM);
    let ended = tokio::select! {
        status = child.wait() => Some(describe(status)),
        () = tokio::time::sleep(settings.drain_max) => None,
        () = settings.hurry.cancelled() => None,
    };
    if let Some(ended) = ended {
        tracing::info!(child = settings.name, ended, "stopped");
        return;
    }
    tracing::warn!(child = settings.name, "did not stop in time, killed");
    signal(&child, Signal::KILL);
    if tokio::time::timeout(KILL_MAX, child.wait()).await.is_err() {
        tracing::error!(child = settings.name, "does not even end when killed");
    }
}

/// The id is there until the child is reaped, so it cannot have become another process's.
fn signal(child: &Child, signal: Signal) {
    let process = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    let Some(process) = process else { return };
    if let Err(error) = rustix::process::kill_process(process, signal) {
        tracing::debug!(%error, "the child has ended already");
    }
}

fn describe(status: std::io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => status.to_string(),
        Err(error) => format!("an unknown status: {error}"),
    }
}
