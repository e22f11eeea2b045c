//! The machine's processes, read from `/proc`.
//!
//! A snapshot is never complete: processes fork while it is read. Those who need all of them look again until nothing
//! changes. It must not know whom to signal.

use std::collections::HashMap;
use std::fs;
use std::io;

use crate::identity::is_gone;

/// One row of the process table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    pub(crate) group: i32,
    pub(crate) start_ticks: u64,
    pub(crate) state: char,
}

impl Process {
    /// The process with this pid.
    pub(crate) fn read(pid: i32) -> io::Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        Self::parse(pid, &text)
            .ok_or_else(|| io::Error::other(format!("/proc/{pid}/stat cannot be understood")))
    }

    /// Whether it has ended and only waits for its parent to notice.
    pub(crate) fn ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }

    /// Parses `/proc/PID/stat` (proc_pid_stat(5)). The name is in parentheses and may hold blanks and parentheses.
    fn parse(pid: i32, text: &str) -> Option<Self> {
        let (_, fields) = text.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        Some(Self {
            pid,
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            start_ticks: fields.get(19)?.parse().ok()?,
        })
    }
}

/// All processes that can be seen.
pub(crate) fn all() -> io::Result<Vec<Process>> {
    let mut processes = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        match Process::read(pid) {
            Ok(process) => processes.push(process),
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(processes)
}

/// All descendants of a process, those that have ended left out.
pub(crate) fn descendants(of: i32) -> io::Result<Vec<Process>> {
    Ok(select_descendants(all()?, of))
}

fn select_descendants(processes: Vec<Process>, of: i32) -> Vec<Process> {
    let mut children: HashMap<i32, Vec<Process>> = HashMap::new();
    for process in processes {
        children.entry(process.parent).or_default().push(process);
    }
    let mut found = Vec::new();
    let mut parents = vec![of];
    while let Some(parent) = parents.pop() {
        for process in children.remove(&parent).unwrap_or_default() {
            parents.push(process.pid);
            found.push(process);
        }
    }
    found.retain(|process| !process.ended());
    found
}

#[cfg(test)]
mod tests;
