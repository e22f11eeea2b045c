//! Signals to all descendants of a shim.
//!
//! A tree that forks while it is killed is frozen first: once a look at the table finds nobody new, nobody is left who
//! could fork. Every signal goes through a descriptor whose start time was compared. It must not know when to kill.

use std::collections::HashSet;
use std::io;

use rustix::process::{Signal, pidfd_send_signal};

use crate::identity::open_process;
use crate::process_table::{self, Process};

/// Looks at the process table while freezing a tree. A look finds all that were there before it, so a tree that grows
/// through so many of them is killed as far as it is seen, and looked at again.
const FREEZE_LOOKS_MAX: usize = 32;

/// Asks the leader's process group to end (the leader and those of its children that stayed in its group).
pub(crate) fn terminate_group(shim: i32, leader: i32) -> io::Result<()> {
    for process in process_table::descendants(shim)? {
        if process.group == leader {
            signal(&process, Signal::TERM)?;
        }
    }
    Ok(())
}

/// Kills all descendants that there are; returns how many it saw.
pub(crate) fn kill_descendants(shim: i32) -> io::Result<usize> {
    let mut frozen = HashSet::new();
    for _ in 0..FREEZE_LOOKS_MAX {
        let mut news = false;
        for process in process_table::descendants(shim)? {
            if frozen.insert((process.pid, process.start_ticks)) {
                signal(&process, Signal::STOP)?;
                news = true;
            }
        }
        if !news {
            break;
        }
    }
    let descendants = process_table::descendants(shim)?;
    for process in &descendants {
        signal(process, Signal::KILL)?;
    }
    Ok(descendants.len())
}

/// Sends a signal to exactly this process; that it is gone, or another user's, is no error.
pub(crate) fn signal(process: &Process, signal: Signal) -> io::Result<()> {
    let Some(descriptor) = open_process(process.pid, process.start_ticks)? else {
        return Ok(());
    };
    match pidfd_send_signal(&descriptor, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH | rustix::io::Errno::PERM) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
