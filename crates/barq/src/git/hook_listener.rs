//! The server's side of the hook: who may report, and what a report leads to.
//!
//! For each push that is being served there is one ticket: a random secret in the environment of its git processes.
//! The first complete report that shows it takes the ticket. A ticket that is left when the push has ended tells that
//! the hook was never heard (killed, no memory, …), and the push is then read from the refs instead.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

use super::hook::{ANSWER_TIMEOUT, REPORT_BYTES_MAX, Report};
use super::{AppName, GitError, OnPush, Principal, PushReport};

/// The length of a secret.
const SECRET_BYTES: usize = 32;
/// A failed accept (too many open files) is tried again after this.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// A push that is being served.
#[derive(Debug, Clone)]
pub(super) struct Ticket {
    pub(super) app: AppName,
    pub(super) principal: Principal,
}

/// The tickets of the pushes that are being served now; bounded by the number of git processes.
#[derive(Debug, Default)]
pub(super) struct Tickets(Mutex<HashMap<String, Ticket>>);

impl Tickets {
    /// Makes a ticket, and returns its secret.
    pub(super) fn issue(&self, ticket: Ticket) -> Result<String, GitError> {
        let mut bytes = [0; SECRET_BYTES];
        getrandom::fill(&mut bytes)
            .map_err(|error| GitError::io("make a secret")(std::io::Error::other(error)))?;
        let secret = URL_SAFE_NO_PAD.encode(bytes);
        self.lock().insert(secret.clone(), ticket);
        Ok(secret)
    }

    /// Takes a ticket, once. The secrets are random and short-lived: a look-up is no oracle for guessing one.
    pub(super) fn take(&self, secret: &str) -> Option<Ticket> {
        self.lock().remove(secret)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Ticket>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The listening task; ends when dropped.
#[derive(Debug)]
pub(super) struct HookListener(JoinHandle<()>);

impl HookListener {
    /// Listens on the socket and calls `on_push` for every good report. Needs a runtime.
    pub(super) fn open(
        path: &Path,
        tickets: Arc<Tickets>,
        on_push: OnPush,
    ) -> Result<Self, GitError> {
        let listener = crate::sockets::listen_unix(path)
            .map_err(GitError::io(format!("listen on {}", path.display())))?;
        Ok(Self(tokio::spawn(serve(listener, tickets, on_push))))
    }
}

impl Drop for HookListener {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn serve(listener: UnixListener, tickets: Arc<Tickets>, on_push: OnPush) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (tickets, on_push) = (Arc::clone(&tickets), Arc::clone(&on_push));
                // Not awaited and not bound to the hook's life: a report that was heard is acted upon.
                tokio::spawn(async move {
                    if let Err(error) = attend(stream, &tickets, &on_push).await {
                        tracing::warn!(%error, "a hook's report was not heard or not answered");
                    }
                });
            }
            Err(error) => {
                tracing::error!(%error, "cannot accept a hook's report");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

async fn attend(stream: UnixStream, tickets: &Tickets, on_push: &OnPush) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut read = BufReader::new(read.take(REPORT_BYTES_MAX));
    tokio::time::timeout(ANSWER_TIMEOUT, read.read_line(&mut line)).await??;
    let report: Report = serde_json::from_str(&line)?;
    let ticket = tickets
        .take(&report.secret)
        .ok_or(std::io::ErrorKind::PermissionDenied)?;
    let lines = on_push(PushReport {
        app: ticket.app,
        principal: ticket.principal,
        updates: report.updates,
    })
    .await;
    let mut answer = lines.join("\n");
    answer.push('\n');
    tokio::time::timeout(ANSWER_TIMEOUT, write.write_all(answer.as_bytes())).await??;
    Ok(())
}
