//! A process that the benchmark started, with all that it started: its processor time, its memory, its end. Each is ended
//! by its id, whatever becomes of the measurement.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::super::Failure;

/// The longest polite end: barq's node drains its instances first.
const END_MAX: Duration = Duration::from_secs(20);
/// Between two looks whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Of its log, where it failed.
const LOG_LINES_SHOWN: usize = 12;
/// Ticks of `/proc/PID/stat` in a second: Linux's USER_HZ, the same on all architectures that barq runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Running, until it is dropped.
pub(super) struct Process {
    child: Child,
    name: String,
    log: PathBuf,
}

/// Which processes are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    /// The process alone: what it started is not part of the proxy.
    Alone,
    /// With all its children.
    Tree,
}

/// A line of `/proc/PID/stat`, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    parent: u32,
    ticks: u64,
    /// Since boot; with the number it is one process for ever.
    started_ticks: u64,
}

impl Process {
    /// Started; what it writes goes to the log.
    pub(super) fn start(mut command: Command, name: &str, log: &Path) -> Result<Self, Failure> {
        let file = File::create(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .map_err(|error| format!("cannot start {name}: {error}"))?;
        Ok(Self {
            child,
            name: name.to_owned(),
            log: log.to_owned(),
        })
    }

    /// What it said, where it has ended by itself.
    pub(super) fn ended(&mut self) -> Result<Option<String>, Failure> {
        let status = self.child.try_wait()?;
        Ok(status.map(|status| format!("{} ended ({status}):\n{}", self.name, self.said())))
    }

    /// The end of its log.
    pub(super) fn said(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }

    /// Processor time so far, user and system.
    pub(super) fn processor_time(&self, counted: Counted) -> Result<Duration, Failure> {
        let ticks: u64 = self.counted(counted)?.values().map(|stat| stat.ticks).sum();
        #[expect(clippy::cast_precision_loss, reason = "ticks of minutes")]
        Ok(Duration::from_secs_f64(ticks as f64 / TICKS_PER_SECOND))
    }

    /// Resident memory in bytes; of several processes each has its share of what they share (PSS).
    pub(super) fn memory_bytes(&self, counted: Counted) -> Result<u64, Failure> {
        let processes = self.counted(counted)?;
        let field = if processes.len() > 1 { "Pss:" } else { "Rss:" };
        let mut kibibytes = 0;
        for id in processes.keys() {
            let text = std::fs::read_to_string(format!("/proc/{id}/smaps_rollup"))?;
            let line = text.lines().find_map(|line| line.strip_prefix(field));
            let number = line.and_then(|line| line.split_ascii_whitespace().next());
            kibibytes += number.ok_or("a line of smaps_rollup")?.parse::<u64>()?;
        }
        Ok(kibibytes * 1024)
    }

    fn counted(&self, counted: Counted) -> Result<BTreeMap<u32, Stat>, Failure> {
        let id = self.child.id();
        Ok(match counted {
            Counted::Tree => tree(id)?,
            Counted::Alone => BTreeMap::from([(id, stat(id).ok_or("the process has ended")?)]),
        })
    }

    fn stop(&mut self) -> Result<(), Failure> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        let processes = tree(self.child.id())?;
        signal(self.child.id(), Signal::TERM)?;
        // Nothing is ever sent: to receive is to wait, for at most so long.
        let (_sender, pause) = mpsc::channel::<()>();
        let looks = END_MAX.as_millis() / LOOK_EVERY.as_millis();
        for _ in 0..looks {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            if pause.recv_timeout(LOOK_EVERY).is_ok() {
                break;
            }
        }
        for (id, then) in processes {
            if stat(id).is_some_and(|now| now.started_ticks == then.started_ticks) {
                signal(id, Signal::KILL)?;
            }
        }
        self.child.wait()?;
        Err(format!(
            "{} did not end within {END_MAX:?} and was killed",
            self.name
        )
        .into())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("{error}");
        }
    }
}

fn signal(id: u32, signal: Signal) -> Result<(), Failure> {
    let id = Pid::from_raw(i32::try_from(id)?).ok_or("a process id")?;
    Ok(kill_process(id, signal)?)
}

/// The process and all that it started, directly or not.
fn tree(root: u32) -> Result<BTreeMap<u32, Stat>, Failure> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir("/proc")?.flatten() {
        if let Some(id) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
            && let Some(stat) = stat(id)
        {
            all.insert(id, stat);
        }
    }
    let is_below = |id: u32| {
        let parents = std::iter::successors(Some(id), |id| Some(all.get(id)?.parent));
        parents.take(all.len()).any(|id| id == root)
    };
    Ok(all
        .iter()
        .filter(|(id, _)| is_below(**id))
        .map(|(id, stat)| (*id, *stat))
        .collect())
}

fn stat(id: u32) -> Option<Stat> {
    parsed(&std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?)
}

/// Behind the name, which may hold spaces: fields of proc(5), counted from the state, the third.
fn parsed(line: &str) -> Option<Stat> {
    let (_, fields) = line.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(Stat {
        parent: u32::try_from(number(4)?).ok()?,
        ticks: number(14)? + number(15)?,
        started_ticks: number(22)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_stat_is_read_behind_the_name() {
        let line = "7 (a (b) c) S 3 7 7 0 -1 4 0 0 0 0 120 30 0 0 20 0 1 0 9000 1 1";
        let expected = Stat {
            parent: 3,
            ticks: 150,
            started_ticks: 9000,
        };
        assert_eq!(parsed(line), Some(expected));
        assert_eq!(parsed("7 nothing"), None);
    }

    #[test]
    fn what_was_started_is_counted_and_ends_with_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 1000 & echo started; wait"]);
        let process = Process::start(command, "sh", &directory.path().join("log")).expect("sh");
        let id = process.child.id();
        let mut known = BTreeMap::new();
        while known.len() < 2 {
            known = tree(id).expect("a tree");
        }
        let memory = |counted| process.memory_bytes(counted).expect("its memory");
        assert!(memory(Counted::Alone) > 0 && memory(Counted::Tree) > 0);
        for child in known.keys().filter(|child| **child != id) {
            signal(*child, Signal::TERM).expect("it is ours");
        }
        drop(process);
        assert_eq!(stat(id), None);
    }
}
