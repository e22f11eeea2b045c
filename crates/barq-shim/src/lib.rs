//! The shim process and the handle to start, find, adopt and stop what it leads.
//!
//! An instance or a check must outlive the process that started it, and nothing that it leaves behind may outlive it.
//! Both need a parent of its own that does nothing else: the shim. It leads a session, is the subreaper of all
//! descendants, writes their output to files and their end to a record. Everything that it agrees with its user is a
//! file in one directory, so whoever comes next (after `kill -9`, after an upgrade) finds it again with [`adopt`].
//!
//! A directory leads one process in its life: a shim holds a lock on it, and a directory that was given up is marked
//! so under the same lock. Hence a process is started at most once, whatever is killed when.
//!
//! It must not know what it runs, nor why: no instances, checks or ports; and it is synchronous, so that both an
//! asynchronous runtime and a plain test can use it.

mod capture;
mod cgroup;
mod error;
mod execute;
mod files;
mod handle;
mod identity;
mod launcher;
mod lead;
pub mod output;
mod process_table;
mod record;
mod sandbox;
mod spec;
mod tree;

pub use error::ShimError;
pub use handle::{Adopted, Handle, adopt};
pub use identity::Identity;
pub use launcher::Launcher;
pub use lead::run;
pub use record::{Enforced, ExitOutcome, ExitRecord};
pub use spec::{Limits, OnLimit, OutputLimit, Priority, Sandbox, ShimSpec, TREE_VARIABLE};
