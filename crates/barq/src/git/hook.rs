//! `barq hook post-receive`: the process that git starts after a push has moved its refs.
//!
//! It tells the server which refs moved, and prints the lines that the server answers; git passes them on to the one
//! who pushed. It cannot refuse the push (that has happened), so it never fails: without a server it says so in words,
//! and the server finds the push in the refs at its next start.

use std::io::{BufRead as _, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{GitError, RefUpdate};

/// Names the server's socket to the hook.
pub(super) const SOCKET_VARIABLE: &str = "BARQ_HOOK_SOCKET";
/// Proves to the server that the hook belongs to a push that it is serving. Good for one report.
pub(super) const SECRET_VARIABLE: &str = "BARQ_HOOK_SECRET";
/// A report of a push of this many bytes holds some 60,000 refs.
pub(super) const REPORT_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// The server answers when the push is in its journal.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest answer that is shown.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// What the hook sends, as one line of JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) secret: String,
    pub(super) updates: Vec<RefUpdate>,
}

/// The hook's whole main function. Reads git's list of updates from standard input.
pub fn run_post_receive() {
    let mut stdout = std::io::stdout().lock();
    let outcome = read_updates(std::io::stdin().lock()).and_then(report);
    let lines = match outcome {
        Ok(lines) => lines,
        Err(error) => {
            let why = std::error::Error::source(&error)
                .map_or_else(String::new, |source| format!(": {source}"));
            format!(
                "barq: the push is stored, but the server could not be told ({error}{why}).\nbarq: it finds it by itself; see `barq status`.\n"
            )
        }
    };
    // Nobody is left to be told when the connection to the client is gone.
    if stdout.write_all(lines.as_bytes()).is_err() {
        return;
    }
    drop(stdout.flush());
}

fn read_updates(input: impl Read) -> Result<Vec<RefUpdate>, GitError> {
    std::io::BufReader::new(input.take(REPORT_BYTES_MAX))
        .split(b'\n')
        .map(|line| {
            let line = line.map_err(GitError::io("read the list of refs"))?;
            RefUpdate::parse(&String::from_utf8_lossy(&line))
        })
        .collect()
}

fn report(updates: Vec<RefUpdate>) -> Result<String, GitError> {
    let variable = |name: &str| {
        std::env::var(name).map_err(|_| GitError::Name {
            what: "set; the hook is started by barq's git server only",
            text: name.to_owned(),
        })
    };
    let socket = variable(SOCKET_VARIABLE)?;
    let secret = variable(SECRET_VARIABLE)?;
    let failed = || GitError::io("talk to the server");
    let stream = crate::sockets::connect_unix(Path::new(&socket)).map_err(failed())?;
    exchange(&stream, &Report { secret, updates }).map_err(failed())
}

fn exchange(mut stream: &UnixStream, report: &Report) -> std::io::Result<String> {
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    let mut line = serde_json::to_vec(report)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    if answer.is_empty() {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
