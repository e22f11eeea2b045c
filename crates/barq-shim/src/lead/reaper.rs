//! Reaps every child of the shim, its own and those that were orphaned to it, in a thread that does nothing else.
//!
//! "No children" is the kernel's word that a subreaper's whole tree is gone; the thread ends with it. It must not know
//! which child matters.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver, Sender};

use rustix::process::{WaitOptions, WaitStatus, wait};

use crate::record::ExitOutcome;

/// What the thread found.
#[derive(Debug, PartialEq, Eq)]
enum Reaped {
    /// A child has ended.
    Child { pid: i32, outcome: ExitOutcome },
    /// There are no children, hence no descendants.
    Nobody,
}

/// The thread's other end.
pub(super) struct Reaper {
    news: Receiver<Reaped>,
    wake: UnixStream,
    nobody_left: Cell<bool>,
}

impl Reaper {
    /// Starts to reap. To be called once the first child exists: without any it has nothing to do.
    ///
    /// # Panics
    /// If the kernel refuses a socket or a thread: the shim then dies and its tree with it.
    pub(super) fn start() -> Self {
        let (sender, news) = mpsc::channel();
        let (wake, waker) =
            UnixStream::pair().expect("a process with few descriptors gets two more");
        wake.set_nonblocking(true).expect("a socket takes the flag");
        std::thread::Builder::new()
            .name("reaper".to_owned())
            .spawn(move || reap(&sender, waker))
            .expect("a process with one thread gets another one");
        Self {
            news,
            wake,
            nobody_left: Cell::new(false),
        }
    }

    /// The children that have ended since the last call.
    pub(super) fn take(&self) -> Vec<(i32, ExitOutcome)> {
        let mut buffer = [0; 256];
        // The bytes only wake; that there are none is the usual case.
        while matches!((&self.wake).read(&mut buffer), Ok(length) if length > 0) {}
        let mut children = Vec::new();
        for reaped in self.news.try_iter() {
            match reaped {
                Reaped::Child { pid, outcome } => children.push((pid, outcome)),
                Reaped::Nobody => self.nobody_left.set(true),
            }
        }
        children
    }

    /// Whether, at the last [`Self::take`], there were no children, hence no descendants. It stays so.
    pub(super) fn nobody_left(&self) -> bool {
        self.nobody_left.get()
    }
}

impl AsFd for Reaper {
    /// Readable when there is something to take.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

fn reap(sender: &Sender<Reaped>, mut waker: UnixStream) {
    loop {
        let reaped = match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) => Reaped::Child {
                pid: pid.as_raw_nonzero().get(),
                outcome: outcome(status),
            },
            Ok(None) | Err(rustix::io::Errno::INTR) => continue,
            Err(_) => Reaped::Nobody,
        };
        let last = reaped == Reaped::Nobody;
        let told = sender
            .send(reaped)
            .map_err(io::Error::other)
            .and_then(|()| waker.write_all(b"."));
        if last || told.is_err() {
            return;
        }
    }
}

fn outcome(status: WaitStatus) -> ExitOutcome {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => ExitOutcome::Code(code),
        (None, Some(signal)) => ExitOutcome::Signal(signal),
        (None, None) => ExitOutcome::Lost,
    }
}
