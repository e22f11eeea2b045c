//! The last stage before the program: a process that becomes it.
//!
//! What a program must not be able to undo is set between fork and exec, and without unsafe code there is no place
//! between them; so the shim starts itself once more. The stage gets its orders on standard input, a socket: one frame
//! for each time that it is executed (changing the user takes an exec of its own, since it resets the death signal).
//! It answers on the same socket what it enforced; that the socket closes without an error means that the program runs.
//! It must not know the shim's directory: another user cannot read it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use rustix::process::{Resource, Rlimit, Signal};
use serde::{Deserialize, Serialize};

use crate::cgroup;
use crate::record::Enforced;
use crate::sandbox;
use crate::spec::{Priority, Sandbox, ShimSpec};

/// The argument that asks for this stage.
pub(crate) const ARGUMENT: &str = "--exec";
/// Digits of the length before a frame.
const LENGTH_DIGITS: usize = 10;
/// Most bytes of a frame: arguments and environment are limited to about 2 MiB by the kernel.
const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The priority of this process's session where the scheduler groups by session.
const AUTOGROUP: &str = "/proc/self/autogroup";

/// The orders for one execution of the stage.
#[derive(Serialize, Deserialize)]
struct Orders {
    shim: i32,
    step: Step,
}

#[derive(Serialize, Deserialize)]
enum Step {
    /// Join the groups, then execute this stage again, as another user if one is named.
    Enter {
        groups: Vec<PathBuf>,
        priority: Priority,
        user: Option<(u32, u32)>,
        leading_arguments: Vec<String>,
    },
    /// Become the program.
    Become {
        program: PathBuf,
        arguments: Vec<String>,
        environment: BTreeMap<String, String>,
        working_directory: PathBuf,
        sandbox: Option<Sandbox>,
    },
}

/// What the stage tells the shim.
#[derive(Serialize, Deserialize)]
pub(crate) enum Answer {
    /// What became of the sandbox.
    Sandbox(Enforced),
    /// The program could not be started.
    Failed(String),
}

/// Sends the orders for a specification.
pub(crate) fn send_orders(
    mut socket: &UnixStream,
    shim: i32,
    groups: &[PathBuf],
    spec: &ShimSpec,
    tree: String,
    leading_arguments: &[String],
) -> io::Result<()> {
    let user = spec.sandbox.as_ref().and_then(|sandbox| sandbox.user);
    let mut environment = spec.environment.clone();
    environment.insert(crate::TREE_VARIABLE.to_owned(), tree);
    let steps = [
        Step::Enter {
            groups: groups.to_owned(),
            priority: spec.priority,
            user,
            leading_arguments: leading_arguments.to_owned(),
        },
        Step::Become {
            program: spec.program.clone(),
            arguments: spec.arguments.clone(),
            environment,
            working_directory: spec.working_directory.clone(),
            sandbox: spec.sandbox.clone(),
        },
    ];
    for step in steps {
        let bytes = serde_json::to_vec(&Orders { shim, step })?;
        socket.write_all(format!("{:0LENGTH_DIGITS$}", bytes.len()).as_bytes())?;
        socket.write_all(&bytes)?;
    }
    Ok(())
}

/// Reads the stage's answers until it has become the program, or has failed.
pub(crate) fn read_answers(mut socket: &UnixStream) -> io::Result<Vec<Answer>> {
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes)?;
    serde_json::Deserializer::from_slice(&bytes)
        .into_iter()
        .collect::<Result<_, _>>()
        .map_err(io::Error::from)
}

/// The main of the stage: returns only if it failed.
pub(crate) fn run() -> ExitCode {
    // A copy of its own, closed on exec: a failed exec has already replaced standard input.
    let socket = match io::stdin().as_fd().try_clone_to_owned() {
        Ok(descriptor) => UnixStream::from(descriptor),
        Err(error) => {
            tracing::error!(%error, "standard input is no socket");
            return ExitCode::FAILURE;
        }
    };
    let failure = match execute(&socket) {
        Ok(never) => match never {},
        Err(reason) => reason,
    };
    if let Err(error) = answer(&socket, &Answer::Failed(failure)) {
        tracing::error!(%error, "the shim is gone");
    }
    ExitCode::FAILURE
}

enum Never {}

fn execute(socket: &UnixStream) -> Result<Never, String> {
    let orders =
        receive(socket).map_err(|error| format!("the shim's orders could not be read: {error}"))?;
    die_with_shim(orders.shim)?;
    match orders.step {
        Step::Enter {
            groups,
            priority,
            user,
            leading_arguments,
        } => {
            stand_back(priority)?;
            for group in &groups {
                cgroup::join(group)
                    .map_err(|error| format!("{} could not be joined: {error}", group.display()))?;
            }
            let mut command = Command::new("/proc/self/exe");
            command.args(leading_arguments).arg(ARGUMENT).env_clear();
            if let Some((user, group)) = user {
                command.uid(user).gid(group);
            }
            Err(format!(
                "the user could not be changed to {user:?}: {}",
                command.exec()
            ))
        }
        Step::Become {
            program,
            arguments,
            environment,
            working_directory,
            sandbox,
        } => {
            forbid_core_files()?;
            let mut command = Command::new(&program);
            command
                .args(arguments)
                .env_clear()
                .envs(environment)
                .current_dir(&working_directory);
            command.stdin(Stdio::null());
            if let Some(sandbox) = sandbox {
                let enforced = sandbox::enter(&sandbox);
                answer(socket, &Answer::Sandbox(enforced)).map_err(|error| error.to_string())?;
            }
            let error = command.exec();
            if working_directory.is_dir() {
                Err(format!(
                    "{} could not be executed: {error}",
                    program.display()
                ))
            } else {
                Err(format!(
                    "the working directory {} cannot be entered: {error}",
                    working_directory.display()
                ))
            }
        }
    }
}

/// Lowers the priority before the user is changed: the group's file is its owner's.
fn stand_back(priority: Priority) -> Result<(), String> {
    let asked = i32::from(priority.nice.min(Priority::NICE_MAX));
    // Whoever stands back further already stays there: only root may come forward.
    let nice = rustix::process::getpriority_process(None).map_or(asked, |own| own.max(asked));
    if asked == 0 {
        return Ok(());
    }
    rustix::process::setpriority_process(None, nice)
        .map_err(|error| format!("the priority could not be lowered: {error}"))?;
    // Where the scheduler groups by session (sched(7), "The autogroup feature") a process's own number counts only within
    // its session, and the session's towards all others. The kernel takes few such changes of users other than root in a
    // short time; a check that missed it is no reason not to run.
    match fs::write(AUTOGROUP, nice.to_string()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, "the session's priority could not be lowered");
        }
        _ => {}
    }
    Ok(())
}

/// The kernel kills this process if the shim's thread ends; the shim may have ended before that was asked for.
fn die_with_shim(shim: i32) -> Result<(), String> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| format!("the death signal could not be set: {error}"))?;
    match rustix::process::getppid() {
        Some(parent) if parent.as_raw_nonzero().get() == shim => Ok(()),
        _ => Err("the shim is gone".to_owned()),
    }
}

/// A crash in a loop must not fill the disk.
fn forbid_core_files() -> Result<(), String> {
    let limit = Rlimit {
        current: Some(0),
        maximum: rustix::process::getrlimit(Resource::Core).maximum,
    };
    rustix::process::setrlimit(Resource::Core, limit)
        .map_err(|error| format!("core files could not be forbidden: {error}"))
}

fn receive(mut socket: &UnixStream) -> io::Result<Orders> {
    let mut length = [0; LENGTH_DIGITS];
    socket.read_exact(&mut length)?;
    let length: usize = std::str::from_utf8(&length)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .filter(|length| *length <= FRAME_BYTES_MAX)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a frame without a length"))?;
    let mut bytes = vec![0; length];
    socket.read_exact(&mut bytes)?;
    Ok(serde_json::from_slice(&bytes)?)
}

fn answer(mut socket: &UnixStream, answer: &Answer) -> io::Result<()> {
    socket.write_all(&serde_json::to_vec(answer)?)
}
