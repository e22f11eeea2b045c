//! Runs the system's git: always with the same environment, bounded in time and output.
//!
//! The environment is built from nothing, so that neither the user's configuration nor a variable of the server's
//! changes what git does. Configuration comes in through `GIT_CONFIG_*`, which counts as given on the command line: it
//! wins over what a repository says, it is the same for repositories made by an older barq, and `safe.directory` is
//! only heeded there (the data directory may belong to another user, on a mounted volume for instance).

use std::ffi::OsStr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

/// How long a command that only reads may take.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// How much of git's standard error is kept for the message.
pub(super) const STDERR_BYTES_MAX: u64 = 8 * 1024;
/// The largest push that is taken, in bytes of pack.
const PUSH_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;

/// Why git did not do it.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// A text from outside is not the name that it should be.
    #[error("{text:?} is not {what}")]
    Name {
        /// What it should have been.
        what: &'static str,
        /// What it was, shortened.
        text: String,
    },
    /// git could not be run.
    #[error("cannot run git {command}; is git installed?")]
    Start {
        /// The sub-command.
        command: String,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// git took too long.
    #[error("git {command} did not end within {} s", READ_TIMEOUT.as_secs())]
    TimedOut {
        /// The sub-command.
        command: String,
    },
    /// git printed more than is taken.
    #[error("git {command} printed more than {bytes_max} bytes")]
    TooLong {
        /// The sub-command.
        command: String,
        /// The limit.
        bytes_max: u64,
    },
    /// git said no.
    #[error("git {command} failed with {status}: {message}")]
    Failed {
        /// The sub-command.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        message: String,
    },
    /// git printed something that is not understood.
    #[error("git {command} printed something unexpected: {what}")]
    Output {
        /// The sub-command.
        command: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// A file is larger than it may be.
    #[error("{path} is {bytes} bytes long, more than {bytes_max}")]
    FileTooLarge {
        /// The file, in the commit.
        path: String,
        /// Its size.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// The file system refused.
    #[error("cannot {operation}")]
    Io {
        /// What was tried.
        operation: String,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
}

impl GitError {
    pub(super) fn io(operation: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let operation = operation.into();
        move |source| Self::Io { operation, source }
    }
}

/// How a command ended, and what it printed.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) status: ExitStatus,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: String,
}

/// A git command with barq's environment and configuration, in a process group of its own.
pub(super) fn git(hooks: Option<&Path>) -> Command {
    let mut command = Command::new("git");
    command
        .env_clear()
        .env(
            "PATH",
            std::env::var_os("PATH").unwrap_or_else(default_path),
        )
        .env("LC_ALL", "C.UTF-8")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_ATTR_NOSYSTEM", "1")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .process_group(0);
    let push_bytes_max = PUSH_BYTES_MAX.to_string();
    let hooks = hooks.map_or_else(|| OsStr::new("/dev/null"), Path::as_os_str);
    let settings: [(&str, &OsStr); 16] = [
        ("safe.directory", "*".as_ref()),
        ("core.hooksPath", hooks),
        // What was accepted is on disk before the one who pushed hears of it.
        ("core.fsync", "committed,reference".as_ref()),
        ("core.fsyncMethod", "batch".as_ref()),
        ("http.receivepack", "true".as_ref()),
        ("receive.fsckObjects", "true".as_ref()),
        ("receive.denyNonFastForwards", "false".as_ref()),
        ("receive.denyDeletes", "false".as_ref()),
        // Also the branch that HEAD names, which git refuses by default.
        ("receive.denyDeleteCurrent", "ignore".as_ref()),
        ("receive.maxInputSize", push_bytes_max.as_ref()),
        // Deliveries refer to commits that no ref holds any more, after a force push: nothing is ever collected.
        ("gc.auto", "0".as_ref()),
        ("receive.autogc", "false".as_ref()),
        ("maintenance.auto", "false".as_ref()),
        ("uploadpack.allowAnySHA1InWant", "true".as_ref()),
        ("core.quotePath", "false".as_ref()),
        ("log.showSignature", "false".as_ref()),
    ];
    command.env("GIT_CONFIG_COUNT", settings.len().to_string());
    for (index, (key, value)) in settings.iter().enumerate() {
        command.env(format!("GIT_CONFIG_KEY_{index}"), key);
        command.env(format!("GIT_CONFIG_VALUE_{index}"), value);
    }
    command
}

/// Runs git on a repository and reads all that it prints, up to `bytes_max`. A non-zero end is not an error here.
pub(super) async fn run(
    repository: &Path,
    arguments: &[&str],
    bytes_max: u64,
) -> Result<Finished, GitError> {
    let name = arguments.first().copied().unwrap_or_default().to_owned();
    let mut command = git(None);
    command
        .arg("--git-dir")
        .arg(repository)
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let work = collect(command, name.clone(), bytes_max);
    tokio::time::timeout(READ_TIMEOUT, work)
        .await
        .unwrap_or(Err(GitError::TimedOut { command: name }))
}

/// As [`run`], and a non-zero end is an error.
pub(super) async fn read(
    repository: &Path,
    arguments: &[&str],
    bytes_max: u64,
) -> Result<Vec<u8>, GitError> {
    let finished = run(repository, arguments, bytes_max).await?;
    finished.successful(arguments.first().copied().unwrap_or_default())
}

impl Finished {
    /// What it printed, if it ended well.
    pub(super) fn successful(self, command: &str) -> Result<Vec<u8>, GitError> {
        if self.status.success() {
            return Ok(self.stdout);
        }
        Err(GitError::Failed {
            command: command.to_owned(),
            status: self.status,
            message: self.stderr,
        })
    }
}

/// Runs a prepared command to its end.
pub(super) async fn collect(
    mut command: Command,
    name: String,
    bytes_max: u64,
) -> Result<Finished, GitError> {
    let start = |source| GitError::Start {
        command: name.clone(),
        source,
    };
    // Dropped on a time-out, which kills git; these commands start no others.
    let mut child = command.spawn().map_err(start)?;
    let stdout = child.stdout.take();
    let stderr = child.stderr.take();
    let (stdout, stderr) = tokio::try_join!(
        async {
            let bytes = read_up_to(stdout, bytes_max + 1).await.map_err(start)?;
            if bytes.len() as u64 > bytes_max {
                // Returned at once: git waits for somebody to read the rest.
                let command = name.clone();
                return Err(GitError::TooLong { command, bytes_max });
            }
            Ok(bytes)
        },
        async { read_and_drain(stderr).await.map_err(start) }
    )?;
    let status = child.wait().await.map_err(start)?;
    Ok(Finished {
        status,
        stdout,
        stderr: String::from_utf8_lossy(&stderr).trim().to_owned(),
    })
}

async fn read_up_to(
    stream: Option<impl AsyncRead + Unpin>,
    bytes_max: u64,
) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        stream.take(bytes_max).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

/// The first bytes of standard error; the rest is read and dropped, so that nobody waits for it.
pub(super) async fn read_and_drain(
    stream: Option<impl AsyncRead + Unpin>,
) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        (&mut stream)
            .take(STDERR_BYTES_MAX)
            .read_to_end(&mut bytes)
            .await?;
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    }
    Ok(bytes)
}

fn default_path() -> std::ffi::OsString {
    "/usr/local/bin:/usr/bin:/bin".into()
}
