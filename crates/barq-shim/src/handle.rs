//! The outside view of a shim: find it, ask it to stop, hear of its end.
//!
//! Orders go through a named pipe, since a signal could not carry a grace time and the shim must live to write the
//! record. It must not know how the shim carries them out.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::process::{Signal, pidfd_send_signal};

use crate::identity::Identity;
use crate::lead::{Order, ShimState};
use crate::process_table::{self, Process};
use crate::record::{Enforced, ExitOutcome, ExitRecord};
use crate::spec::TREE_VARIABLE;
use crate::{ShimError, cgroup, files, tree};

/// Longest wait for a shim that holds its directory to say who it is.
const COME_UP_TIME_MAX: Duration = Duration::from_secs(5);
/// Pause between two looks while waiting for that.
const COME_UP_PAUSE: Duration = Duration::from_millis(10);
/// Rounds of killing what a lost shim left behind: each finds what was forked before the one before it.
const SWEEP_ROUNDS_MAX: usize = 8;

/// What [`adopt`] found in a directory.
#[derive(Debug)]
pub enum Adopted {
    /// The shim runs.
    Running(Handle),
    /// The process has ended, and how.
    Exited(ExitRecord),
    /// There is neither a shim nor a record of an end: it was killed, or the machine was restarted. What it had left
    /// behind has been killed as far as it was found.
    Lost,
}

/// A shim that runs, or ran a moment ago.
#[derive(Debug)]
pub struct Handle {
    directory: PathBuf,
    state: ShimState,
    /// The shim's pidfd; for one that had ended before it was opened, a pipe that is at its end.
    descriptor: OwnedFd,
}

impl Handle {
    /// Which process the shim is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.state.identity
    }

    /// The shim's directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The process that the shim leads, as soon as it is started: a root for statistics, never a target for signals.
    pub fn leader_pid(&self) -> Result<Option<i32>, ShimError> {
        Ok(self.current_state()?.leader_pid)
    }

    /// What became of the limits: memory, processor time, sandbox.
    pub fn enforced(&self) -> Result<(Enforced, Enforced, Enforced), ShimError> {
        let state = self.current_state()?;
        Ok((state.memory_limit, state.cpu_limit, state.sandbox))
    }

    /// How the process ended; `None` while it runs. `None` with [`Self::is_running`] false: the shim itself was killed,
    /// [`adopt`] says and does what is left to do.
    pub fn exit(&self) -> Result<Option<ExitRecord>, ShimError> {
        files::read(&self.directory, files::EXIT)
    }

    /// Whether the shim still exists.
    pub fn is_running(&self) -> Result<bool, ShimError> {
        self.wait(Duration::ZERO).map(|ended| !ended)
    }

    /// Waits until the shim has ended, at most so long; returns whether it has.
    pub fn wait(&self, time_max: Duration) -> Result<bool, ShimError> {
        let deadline = Instant::now() + time_max;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut descriptors = [PollFd::new(&self.descriptor, PollFlags::IN)];
            match poll(&mut descriptors, Some(&timespec(left))) {
                Ok(0) if left.is_zero() => return Ok(false),
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok(true),
                Err(error) => return Err(process_error("waiting for the shim")(error.into())),
            }
        }
    }

    /// Asks the shim to stop the process: SIGTERM to the leader's process group, SIGKILL to every descendant after the
    /// grace. Returns at once; asking again can only shorten the grace; one that has ended is no error.
    pub fn stop(&self, grace: Duration) -> Result<(), ShimError> {
        self.order(&Order::Stop { grace })
    }

    /// Asks the shim to kill every descendant now. The shim stays until they are gone and the record is written.
    pub fn kill(&self) -> Result<(), ShimError> {
        self.order(&Order::Kill)?;
        // A process that runs as the same user may have stopped its own shim.
        match pidfd_send_signal(&self.descriptor, Signal::CONT) {
            Ok(()) | Err(rustix::io::Errno::SRCH | rustix::io::Errno::BADF) => Ok(()),
            Err(error) => Err(process_error("waking the shim")(error.into())),
        }
    }

    pub(crate) fn open(directory: PathBuf, state: ShimState) -> Result<Self, ShimError> {
        let open = || -> io::Result<OwnedFd> {
            match state.identity.open()? {
                Some(descriptor) => Ok(descriptor),
                None => Ok(io::pipe()?.0.into()),
            }
        };
        let descriptor = open().map_err(process_error("opening the shim"))?;
        Ok(Self {
            directory,
            state,
            descriptor,
        })
    }

    fn current_state(&self) -> Result<ShimState, ShimError> {
        Ok(files::read(&self.directory, files::SHIM)?.unwrap_or_else(|| self.state.clone()))
    }

    fn order(&self, order: &Order) -> Result<(), ShimError> {
        let path = self.directory.join(files::CONTROL);
        let nonblocking =
            i32::try_from(OFlags::NONBLOCK.bits()).expect("a flag of open(2) is an int");
        let send = || -> io::Result<()> {
            let mut pipe = OpenOptions::new()
                .write(true)
                .custom_flags(nonblocking)
                .open(&path)?;
            pipe.write_all(order.encode().as_bytes())
        };
        match send() {
            Ok(()) => Ok(()),
            // Nobody reads: the shim has ended.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) => {
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(source) => Err(ShimError::Write { path, source }),
        }
    }
}

impl AsFd for Handle {
    /// Readable when the shim has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// Finds the shim of a directory, or what became of it. A directory whose shim never came up, or is gone without a
/// record, is marked as lost for ever: a shim that comes up late gives way to the mark.
pub fn adopt(directory: &Path) -> Result<Adopted, ShimError> {
    let directory = directory.canonicalize().map_err(|source| ShimError::Read {
        path: directory.to_owned(),
        source,
    })?;
    let deadline = Instant::now() + COME_UP_TIME_MAX;
    loop {
        if let Some(record) = files::read::<ExitRecord>(&directory, files::EXIT)? {
            return Ok(exited(record));
        }
        let state: Option<ShimState> = files::read(&directory, files::SHIM)?;
        if let Some(state) = &state {
            let handle = Handle::open(directory.clone(), state.clone())?;
            if handle.is_running()? {
                return Ok(Adopted::Running(handle));
            }
        }
        if let Some(_lock) = lock(&directory)? {
            // Nobody can come up now. The record may have been written since it was looked for.
            if let Some(record) = files::read::<ExitRecord>(&directory, files::EXIT)? {
                return Ok(exited(record));
            }
            return give_up(&directory, files::read(&directory, files::SHIM)?);
        }
        if Instant::now() >= deadline {
            return Err(ShimError::Stuck { directory });
        }
        pause(COME_UP_PAUSE);
    }
}

/// Locks a directory against any shim; `None` if one holds it.
pub(crate) fn lock(directory: &Path) -> Result<Option<fs::File>, ShimError> {
    let path = directory.join(files::LOCK);
    let file = files::create(&path).map_err(|source| ShimError::Write {
        path: path.clone(),
        source,
    })?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(ShimError::Write {
            path,
            source: error.into(),
        }),
    }
}

/// Waits for a moment where there is nothing to wait for.
pub(crate) fn pause(time: Duration) {
    // An interruption only shortens the pause.
    if let Err(error) = poll(&mut [], Some(&timespec(time))) {
        tracing::trace!(%error, "a pause was cut short");
    }
}

pub(crate) fn timespec(time: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(time.subsec_nanos()),
    }
}

fn exited(record: ExitRecord) -> Adopted {
    if record.outcome == ExitOutcome::Lost {
        Adopted::Lost
    } else {
        Adopted::Exited(record)
    }
}

fn give_up(directory: &Path, state: Option<ShimState>) -> Result<Adopted, ShimError> {
    let now = Timestamp::now();
    if let Some(state) = &state {
        sweep(state).map_err(process_error("killing what a lost shim left behind"))?;
        cgroup::remove(&state.groups);
    }
    let record = ExitRecord {
        outcome: ExitOutcome::Lost,
        timed_out: false,
        stop_requested: false,
        started_at: state.map_or(now, |state| state.started_at),
        finished_at: now,
        output_truncated: false,
        output_bytes_lost: 0,
        survivors: 0,
        memory_limit: Enforced::NotAsked,
        cpu_limit: Enforced::NotAsked,
        sandbox: Enforced::NotAsked,
    };
    files::write_exit(directory, &record)?;
    Ok(Adopted::Lost)
}

/// Kills what a killed shim left behind. The leader died with it; others are known by their group or their environment.
fn sweep(state: &ShimState) -> io::Result<()> {
    let marker = format!("{TREE_VARIABLE}={}", state.identity);
    for _ in 0..SWEEP_ROUNDS_MAX {
        let members: Vec<i32> = state
            .groups
            .iter()
            .flat_map(|group| cgroup::members(group))
            .collect();
        let left: Vec<Process> = process_table::all()?
            .into_iter()
            .filter(|process| !process.ended())
            .filter(|process| members.contains(&process.pid) || is_marked(process.pid, &marker))
            .collect();
        if left.is_empty() {
            break;
        }
        for process in &left {
            tree::signal(process, Signal::KILL)?;
        }
        pause(COME_UP_PAUSE);
    }
    Ok(())
}

fn is_marked(pid: i32, marker: &str) -> bool {
    fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| {
        environment
            .split(|byte| *byte == 0)
            .any(|entry| entry == marker.as_bytes())
    })
}

fn process_error(operation: &'static str) -> impl FnOnce(io::Error) -> ShimError {
    move |source| ShimError::Process { operation, source }
}
