//! Push and fetch over smart HTTP, and what the server reads out of a repository.
//!
//! The system's git does the work: `git http-backend` as a CGI child for the protocol, plain commands for the reading.
//! Bodies are streamed both ways; no pack is ever held in memory. An app's repository comes into being with the first
//! push that is allowed to make it.
//!
//! How a push becomes a delivery: git's `post-receive` hook (one for all repositories, under the server's control) tells
//! this module over a Unix socket which refs moved; [`OnPush`] is called, and the lines it returns reach the user as
//! `remote: …`. The refs are the truth, the report is a hint: a push is accepted even when the report is lost, and
//! [`refs`] lets the server find it at its next start. [`OnPush`] must therefore be idempotent by app, ref and new hash.
//!
//! It must not know what a delivery is.

mod access;
mod backend;
mod cgi;
mod command;
mod diff;
mod hook;
mod hook_listener;
mod locks;
mod names;
mod repository;
mod routes;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;

pub use access::{Access, Credentials, Principal, Refusal};
pub use command::GitError;
pub use diff::{Difference, FILE_LINES_MAX, FileDifference, difference};
pub use hook::run_post_receive;
pub use names::{ObjectHash, RefName, RefUpdate};
pub use repository::{
    CommitInfo, Person, Repository, apps, changed_files, commit_info, commits_between, is_ancestor,
    read_file, refs, resolve,
};
pub use routes::router;

pub use barq_core::identity::AppName;

/// Says who somebody is and whether they may do this to this app.
pub type Authenticate =
    Arc<dyn Fn(Credentials) -> BoxFuture<'static, Result<Principal, Refusal>> + Send + Sync>;

/// Is told of every accepted push, after its refs have moved. The lines are shown to the one who pushed.
pub type OnPush = Arc<dyn Fn(PushReport) -> BoxFuture<'static, Vec<String>> + Send + Sync>;

/// What git over HTTP needs to know.
#[derive(Clone)]
pub struct GitSettings {
    /// Where the bare repositories are, `<app>.git` each.
    pub repositories: PathBuf,
    /// Where the hooks are written to. Every repository uses them, and no others.
    pub hooks: PathBuf,
    /// The Unix socket on which hooks report. Replaced at start.
    pub hook_socket: PathBuf,
    /// The executable whose `hook post-receive` is the hook: barq's own.
    pub hook_command: PathBuf,
    /// Who may do what.
    pub authenticate: Authenticate,
    /// What happens on a push.
    pub on_push: OnPush,
}

/// An accepted push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushReport {
    /// To which app.
    pub app: AppName,
    /// Who pushed: the token's owner.
    pub principal: Principal,
    /// Which refs moved.
    pub updates: Vec<RefUpdate>,
}
