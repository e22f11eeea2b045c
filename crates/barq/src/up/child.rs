//! Keeps one child process running until it is told to stop.
//!
//! A child that dies is started again, sooner when it had run for a while. Each start is a new process of the same
//! executable in a process group of its own: Ctrl-C goes to `up` alone, which then stops the children in order. Only
//! [`super::replace`] changes what is run.

use std::ffi::OsString;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::image::Image;
use super::replace::{self, Manner, Replace};

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
    pub(super) image: Arc<Image>,
    /// How another executable takes its place.
    pub(super) manner: Manner,
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

/// A child that runs, and those before it that still let their requests end.
pub(super) struct Kept {
    /// None: it has ended.
    pub(super) child: Option<Child>,
    /// They serve nobody new, and end by themselves.
    pub(super) retired: JoinSet<()>,
}

/// Runs the child until `stop` is cancelled and it has ended. What is to be replaced meanwhile comes by `replaces`.
pub(super) async fn keep(
    mut settings: ChildSettings,
    state: watch::Sender<ChildState>,
    mut replaces: mpsc::Receiver<Replace>,
) {
    let mut kept = Kept {
        child: None,
        retired: JoinSet::new(),
    };
    keep_one(&mut settings, &mut kept, &state, &mut replaces).await;
    if let Some(child) = kept.child.take() {
        finish(&settings, child).await;
    }
    while kept.retired.join_next().await.is_some() {}
}

async fn keep_one(
    settings: &mut ChildSettings,
    kept: &mut Kept,
    state: &watch::Sender<ChildState>,
    replaces: &mut mpsc::Receiver<Replace>,
) {
    let mut delay = RESTART_DELAY_MIN;
    loop {
        let started = Instant::now();
        let ended = match spawn(settings, &settings.image) {
            Ok(child) => {
                kept.child = Some(child);
                match attend(settings, kept, replaces).await {
                    Some(ended) => ended,
                    None => return,
                }
            }
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

/// How the child ended by itself; none: it is to be stopped.
async fn attend(
    settings: &mut ChildSettings,
    kept: &mut Kept,
    replaces: &mut mpsc::Receiver<Replace>,
) -> Option<String> {
    loop {
        let Some(child) = &mut kept.child else {
            return Some("no successor".to_owned());
        };
        tokio::select! {
            status = child.wait() => {
                kept.child = None;
                return Some(describe(status));
            }
            () = settings.stop.cancelled() => return None,
            Some(replace) = replaces.recv() => {
                // To its end, whoever wants to stop meanwhile: half of it would leave instances that nobody drives.
                replace::replace(settings, kept, replace).await;
            }
        }
    }
}

/// Starts a child of an executable.
pub(super) fn spawn(settings: &ChildSettings, image: &Image) -> std::io::Result<Child> {
    Command::new(image.program())
        .args(&settings.arguments)
        .stdin(Stdio::null())
        .process_group(0)
        .arg0("barq")
        .spawn()
}

/// Has a child end, and waits for it.
pub(super) async fn finish(settings: &ChildSettings, mut child: Child) {
    signal(&child, Signal::TERM);
    see_off(
        settings.name,
        &mut child,
        settings.drain_max,
        &settings.hurry,
    )
    .await;
}

/// Waits for the end of a child that was told to end, and kills it after a while.
pub(super) async fn see_off(
    name: &str,
    child: &mut Child,
    drain_max: Duration,
    hurry: &CancellationToken,
) {
    let ended = tokio::select! {
        status = child.wait() => Some(describe(status)),
        () = tokio::time::sleep(drain_max) => None,
        () = hurry.cancelled() => None,
    };
    if let Some(ended) = ended {
        tracing::info!(child = name, ended, "stopped");
        return;
    }
    tracing::warn!(child = name, "did not stop in time, killed");
    kill(name, child).await;
}

/// Kills a child and waits until it is no more.
pub(super) async fn kill(name: &str, child: &mut Child) {
    signal(child, Signal::KILL);
    if tokio::time::timeout(KILL_MAX, child.wait()).await.is_err() {
        tracing::error!(child = name, "does not even end when killed");
    }
}

/// The id is there until the child is reaped, so it cannot have become another process's.
pub(super) fn signal(child: &Child, signal: Signal) {
    let process = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    let Some(process) = process else { return };
    if let Err(error) = rustix::process::kill_process(process, signal) {
        tracing::debug!(%error, "the child has ended already");
    }
}

/// How a child ended, in words.
pub(super) fn describe(status: std::io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => status.to_string(),
        Err(error) => format!("an unknown status: {error}"),
    }
}
