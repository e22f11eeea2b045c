//! The shim itself: starts one process, watches over its whole tree, and records the end.
//!
//! One thread polls everything (orders, output, the reaper, the deadlines); a second one does nothing but reap, since
//! a signal handler would need unsafe code. As the subreaper of all descendants the shim knows that nothing is left
//! exactly when the kernel says that it has no children. Every file is written before what it promises becomes true.
//! It must not know who started it; it never waits for anyone but its tree.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{CWD, FileType, Mode, OFlags};
use serde::{Deserialize, Serialize};

use crate::capture::{OutputWriter, Source};
use crate::execute::{self, Answer};
use crate::handle::{self, timespec};
use crate::identity::Identity;
use crate::launcher::{self, Assignment};
use crate::lead::reaper::Reaper;
use crate::output::Stream;
use crate::record::{Enforced, ExitOutcome, ExitRecord};
use crate::{ShimError, cgroup, files, tree};

mod reaper;

/// Longest time from the start of the last stage until it has become the program.
const SPAWN_TIME_MAX: Duration = Duration::from_secs(30);
/// Longest time that killed descendants have to disappear before the end is recorded without them.
const KILL_TIME_MAX: Duration = Duration::from_secs(10);
/// Pause between two rounds of killing.
const KILL_PAUSE: Duration = Duration::from_millis(20);
/// Longest reason of a failed start, in bytes: the record must fit into the space reserved for it.
const REASON_BYTES_MAX: usize = 1024;
/// Longest order, in bytes.
const ORDERS_BYTES_MAX: usize = 4096;

/// The main of the hidden command `barq shim`: `arguments` are those after `shim`. It is the first stage, the shim
/// itself or the last stage, whichever the arguments ask for.
#[must_use]
pub fn run(arguments: &[OsString]) -> ExitCode {
    match arguments {
        [argument] if argument == execute::ARGUMENT => execute::run(),
        [argument, directory] if argument == launcher::LEAD_ARGUMENT => lead(Path::new(directory)),
        [directory] => match launcher::relay(Path::new(directory)) {
            Ok(words) => say(&words),
            Err(error) => say(&describe(&error)),
        },
        _ => say("the shim takes a directory"),
    }
}

/// What the shim tells about itself in `shim.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ShimState {
    pub(crate) identity: Identity,
    pub(crate) leader_pid: Option<i32>,
    pub(crate) groups: Vec<PathBuf>,
    pub(crate) started_at: Timestamp,
    pub(crate) memory_limit: Enforced,
    pub(crate) cpu_limit: Enforced,
    pub(crate) sandbox: Enforced,
}

/// What a handle asks of the shim.
pub(crate) enum Order {
    /// End the tree, politely first.
    Stop {
        /// Time for politeness.
        grace: Duration,
    },
    /// End the tree now.
    Kill,
}

impl Order {
    pub(crate) fn encode(&self) -> String {
        match self {
            Self::Stop { grace } => format!("stop {}\n", grace.as_millis()),
            Self::Kill => "kill\n".to_owned(),
        }
    }

    fn decode(line: &str) -> Option<Self> {
        match line.split_once(' ') {
            Some(("stop", grace)) => Some(Self::Stop {
                grace: Duration::from_millis(grace.parse().ok()?),
            }),
            None if line == "kill" => Some(Self::Kill),
            _ => None,
        }
    }
}

fn lead(directory: &Path) -> ExitCode {
    match prepare(directory).and_then(|(shim, assignment)| shim.lead(&assignment)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&describe(&error));
            ExitCode::FAILURE
        }
    }
}

/// Takes the directory, once and for all, and records who took it.
fn prepare(directory: &Path) -> Result<(Shim, Assignment), ShimError> {
    let operation = |operation| move |source: io::Error| ShimError::Process { operation, source };
    let lock = handle::lock(directory)?.ok_or_else(|| ShimError::Used {
        directory: directory.to_owned(),
    })?;
    if directory.join(files::EXIT).exists() || directory.join(files::SHIM).exists() {
        return Err(ShimError::Used {
            directory: directory.to_owned(),
        });
    }
    let assignment: Assignment =
        files::read(directory, files::SPEC)?.ok_or_else(|| ShimError::Used {
            directory: directory.to_owned(),
        })?;
    rustix::process::setsid().map_err(|error| operation("leading a session")(error.into()))?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(|error| operation("becoming the subreaper")(error.into()))?;
    files::reserve_exit(directory)?;
    let control = open_control(directory).map_err(|source| ShimError::Write {
        path: directory.join(files::CONTROL),
        source,
    })?;
    let output = OutputWriter::create(directory, assignment.spec.output).map_err(|source| {
        ShimError::Write {
            path: directory.join(crate::output::OUTPUT_FILE),
            source,
        }
    })?;
    let identity = Identity::of_self().map_err(operation("reading its own identity"))?;
    let group_name = format!("barq-{}-{}", identity.pid, identity.start_ticks);
    let groups = cgroup::create(&group_name, &assignment.spec.limits);
    let state = ShimState {
        identity,
        leader_pid: None,
        groups: groups.directories,
        started_at: Timestamp::now(),
        memory_limit: groups.memory,
        cpu_limit: groups.cpu,
        sandbox: Enforced::NotAsked,
    };
    files::write(directory, files::SHIM, &state)?;
    let shim = Shim {
        directory: directory.to_owned(),
        state,
        output,
        sources: Vec::new(),
        control,
        orders: Vec::new(),
        stop: Stop::default(),
        _lock: lock,
    };
    Ok((shim, assignment))
}

struct Shim {
    directory: PathBuf,
    state: ShimState,
    output: OutputWriter,
    sources: Vec<Source>,
    control: File,
    orders: Vec<u8>,
    stop: Stop,
    _lock: File,
}

/// How far stopping has come.
#[derive(Default)]
struct Stop {
    timeout_at: Option<Instant>,
    kill_at: Option<Instant>,
    asked_politely: bool,
    requested: bool,
    timed_out: bool,
}

impl Shim {
    /// From here on every way out writes a record.
    fn lead(mut self, assignment: &Assignment) -> Result<(), ShimError> {
        let outcome = match self.spawn(assignment) {
            Ok((leader, reaper)) => {
                // The starter hears that the shim is up once the program runs: what it sees then is settled.
                say(launcher::UP);
                self.stop.timeout_at = assignment
                    .spec
                    .timeout
                    .and_then(|time| Instant::now().checked_add(time));
                let outcome = self.watch(leader, &reaper, assignment.spec.stop_grace);
                self.record(outcome, &reaper)
            }
            Err(mut reason) => {
                reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
                let recorded = self.record(ExitOutcome::SpawnFailed(reason), &Reaper::start());
                say(launcher::UP);
                recorded
            }
        };
        cgroup::remove(&self.state.groups);
        outcome
    }

    fn spawn(&mut self, assignment: &Assignment) -> Result<(i32, Reaper), String> {
        let spec = &assignment.spec;
        let shim = self.state.identity.pid;
        let (ours, theirs) = UnixStream::pair().map_err(|error| error.to_string())?;
        let mut child = Command::new("/proc/self/exe")
            .args(&assignment.leading_arguments)
            .arg(execute::ARGUMENT)
            .env_clear()
            .process_group(0)
            .stdin(std::os::fd::OwnedFd::from(theirs))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("the last stage could not be started: {error}"))?;
        let reaper = Reaper::start();
        let leader = i32::try_from(child.id()).map_err(|error| error.to_string())?;
        self.take_pipes(&mut child)
            .map_err(|error| error.to_string())?;
        let tree = self.state.identity.to_string();
        let orders = ours.set_read_timeout(Some(SPAWN_TIME_MAX)).and_then(|()| {
            execute::send_orders(
                &ours,
                shim,
                &self.state.groups,
                spec,
                tree,
                &assignment.leading_arguments,
            )
        });
        let answers = orders.and_then(|()| execute::read_answers(&ours));
        for answer in answers.map_err(|error| format!("the last stage did not come up: {error}"))? {
            match answer {
                Answer::Sandbox(enforced) => self.state.sandbox = enforced,
                Answer::Failed(reason) => return Err(reason),
            }
        }
        self.state.leader_pid = Some(leader);
        if let Err(error) = files::write(&self.directory, files::SHIM, &self.state) {
            // The process runs and can be found by what was written before; only its pid and limits are unknown.
            self.output.remark(&describe(&error));
        }
        Ok((leader, reaper))
    }

    fn take_pipes(&mut self, child: &mut std::process::Child) -> io::Result<()> {
        if let Some(pipe) = child.stdout.take() {
            self.sources.push(Source::new(pipe, Stream::Stdout)?);
        }
        if let Some(pipe) = child.stderr.take() {
            self.sources.push(Source::new(pipe, Stream::Stderr)?);
        }
        Ok(())
    }

    /// Serves the tree until the leader has ended.
    fn watch(&mut self, leader: i32, reaper: &Reaper, grace: Duration) -> ExitOutcome {
        loop {
            let deadline = [self.stop.timeout_at, self.stop.kill_at]
                .into_iter()
                .flatten()
                .min();
            let wait = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            self.serve(reaper, wait);
            if let Some((_, outcome)) = reaper.take().into_iter().find(|(pid, _)| *pid == leader) {
                return outcome;
            }
            if reaper.nobody_left() {
                return ExitOutcome::Lost;
            }
            for order in self.take_orders() {
                match order {
                    Order::Stop { grace } => self.begin_stop(leader, grace),
                    Order::Kill => self.begin_stop(leader, Duration::ZERO),
                }
                self.stop.requested = true;
            }
            if self.stop.timeout_at.is_some_and(|at| at <= Instant::now()) {
                self.stop.timeout_at = None;
                self.stop.timed_out = true;
                self.begin_stop(leader, grace);
            }
            if self.stop.kill_at.is_some_and(|at| at <= Instant::now()) {
                self.kill_round();
                self.stop.kill_at = Some(Instant::now() + KILL_PAUSE);
            }
        }
    }

    fn begin_stop(&mut self, leader: i32, grace: Duration) {
        let kill_at = Instant::now() + grace;
        self.stop.kill_at = Some(self.stop.kill_at.map_or(kill_at, |at| at.min(kill_at)));
        if self.stop.asked_politely || grace.is_zero() {
            return;
        }
        self.stop.asked_politely = true;
        if let Err(error) = tree::terminate_group(self.state.identity.pid, leader) {
            self.output
                .remark(&format!("SIGTERM could not be sent: {error}"));
            self.stop.kill_at = Some(Instant::now());
        }
    }

    fn kill_round(&mut self) {
        if let Err(error) = tree::kill_descendants(self.state.identity.pid) {
            tracing::error!(%error, "the descendants could not be killed");
        }
    }

    /// Kills what the leader left behind, empties the pipes, and writes the record.
    fn record(&mut self, outcome: ExitOutcome, reaper: &Reaper) -> Result<(), ShimError> {
        let deadline = Instant::now() + KILL_TIME_MAX;
        reaper.take();
        while !reaper.nobody_left() && Instant::now() < deadline {
            self.kill_round();
            self.serve(reaper, Some(KILL_PAUSE));
            reaper.take();
        }
        let survivors = if reaper.nobody_left() {
            0
        } else {
            crate::process_table::descendants(self.state.identity.pid).map_or(1, |left| left.len())
        };
        self.drain();
        let record = ExitRecord {
            outcome,
            timed_out: self.stop.timed_out,
            stop_requested: self.stop.requested,
            started_at: self.state.started_at,
            finished_at: Timestamp::now(),
            output_truncated: self.output.truncated(),
            output_bytes_lost: self.output.lost_bytes(),
            survivors: u32::try_from(survivors).unwrap_or(u32::MAX),
            memory_limit: self.state.memory_limit.clone(),
            cpu_limit: self.state.cpu_limit.clone(),
            sandbox: self.state.sandbox.clone(),
        };
        files::write_exit(&self.directory, &record)
    }

    fn drain(&mut self) {
        let mut sources = std::mem::take(&mut self.sources);
        for source in &mut sources {
            // Nobody writes any more, so this ends: a pipe holds at most its capacity, which one turn can read.
            if let Err(error) = source.pump(&mut self.output) {
                self.output.remark(&format!(
                    "the rest of the output could not be read: {error}"
                ));
            }
            source.finish(&mut self.output);
        }
    }

    /// Waits for anything to happen, and moves output.
    fn serve(&mut self, reaper: &Reaper, wait: Option<Duration>) {
        let mut descriptors = vec![
            PollFd::from_borrowed_fd(self.control.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(reaper.as_fd(), PollFlags::IN),
        ];
        let pipes = self.sources.iter().filter_map(Source::descriptor);
        descriptors.extend(pipes.map(|pipe| PollFd::from_borrowed_fd(pipe, PollFlags::IN)));
        let wait = wait.map(timespec);
        match poll(&mut descriptors, wait.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => {
                tracing::error!(%error, "poll failed");
                handle::pause(KILL_PAUSE);
            }
        }
        let mut sources = std::mem::take(&mut self.sources);
        sources.retain_mut(|source| match source.pump(&mut self.output) {
            Ok(()) => source.descriptor().is_some(),
            Err(error) => {
                self.output
                    .remark(&format!("a stream of output could not be read on: {error}"));
                false
            }
        });
        self.output.flush();
        self.sources = sources;
    }

    fn take_orders(&mut self) -> Vec<Order> {
        let mut buffer = [0; ORDERS_BYTES_MAX];
        // Opened for both directions, the pipe never ends; nothing there is the usual error.
        if let Ok(length) = self.control.read(&mut buffer) {
            self.orders.extend_from_slice(&buffer[..length]);
        }
        let whole = self
            .orders
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let lines: Vec<u8> = self.orders.drain(..whole).collect();
        self.orders.truncate(ORDERS_BYTES_MAX);
        String::from_utf8_lossy(&lines)
            .lines()
            .filter_map(Order::decode)
            .collect()
    }
}

fn open_control(directory: &Path) -> io::Result<File> {
    let path = directory.join(files::CONTROL);
    rustix::fs::mknodat(
        CWD,
        &path,
        FileType::Fifo,
        Mode::from_raw_mode(files::FILE_MODE),
        0,
    )?;
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).expect("a flag of open(2) is an int");
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(nonblocking)
        .open(path)
}

/// Tells whoever listens; that nobody does is as well.
fn say(words: &str) -> ExitCode {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{}", words.trim_end()).and_then(|()| stdout.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
