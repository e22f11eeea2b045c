//! Which process: pid, start time and boot. A pid alone is reused, and a signal to a reused pid hits a stranger.
//!
//! It must not know what the process is for.

use std::fmt;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};

use crate::process_table::Process;

/// One process, for all time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The process id.
    pub pid: i32,
    /// When it was started, in clock ticks since boot (field 22 of `/proc/PID/stat`).
    pub start_ticks: u64,
    /// The boot in which it was started (`/proc/sys/kernel/random/boot_id`).
    pub boot_id: String,
}

impl Identity {
    /// The identity of the process that has this pid now.
    pub(crate) fn of(pid: i32) -> io::Result<Self> {
        Ok(Self {
            pid,
            start_ticks: Process::read(pid)?.start_ticks,
            boot_id: boot_id()?,
        })
    }

    /// The identity of this process.
    pub(crate) fn of_self() -> io::Result<Self> {
        Self::of(rustix::process::getpid().as_raw_nonzero().get())
    }

    /// A descriptor of the process if it still exists; whatever gets its pid later is never reached by it.
    pub(crate) fn open(&self) -> io::Result<Option<OwnedFd>> {
        if self.boot_id != boot_id()? {
            return Ok(None);
        }
        open_process(self.pid, self.start_ticks)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}.{}.{}",
            self.pid, self.start_ticks, self.boot_id
        )
    }
}

/// A descriptor of the process with this pid and start time in this boot, if it exists.
pub(crate) fn open_process(pid: i32, start_ticks: u64) -> io::Result<Option<OwnedFd>> {
    let Some(pid_checked) = Pid::from_raw(pid) else {
        return Ok(None);
    };
    let descriptor = match pidfd_open(pid_checked, PidfdFlags::empty()) {
        Ok(descriptor) => descriptor,
        Err(rustix::io::Errno::SRCH) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    // Compared after the descriptor is open: from here on the pid cannot change its owner unseen.
    match Process::read(pid) {
        Ok(process) if process.start_ticks == start_ticks => Ok(Some(descriptor)),
        Ok(_) => Ok(None),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether an error of `/proc` means that the process ended meanwhile.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?
        .trim()
        .to_owned())
}
