//! The errors of a canary's step, one line each with its time, in a file that the thread appends to which saw the error,
//! before anything follows from it.
//!
//! The counters are written a moment later and by somebody else; a node that is killed in that moment, of all moments the one
//! in which the limit was reached, would give the canary what is left of a limit that is used up. A line more in a file is a
//! microsecond, and the kernel keeps it when the process dies; it needs no lock, no order and no sync. All lines are of one
//! length, so that their number is that of the file. It must not know what the limit is.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::Duration;

use barq_judge::Noted;

/// The time in milliseconds since 1970 in 13 digits (until the year 2286), the client in 16, and what is between.
const LINE_BYTES: u64 = 31;
/// Lines that are read, from the end: as many as the highest limit counts.
const LINES_MAX: u64 = 1_000_000;
/// In place of a client.
const NOBODY: &str = "----------------";

/// A step's tally, open.
#[derive(Debug)]
pub(super) struct Tally {
    file: File,
}

/// What was noted of a step.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Found {
    /// All errors.
    pub(super) errors: u64,
    /// The last of them, oldest first.
    pub(super) last: Vec<Noted>,
}

impl Tally {
    /// Goes on with the step's tally, or begins it: whatever is there of another step is gone then.
    pub(super) fn open(path: &Path, revision: &str, step: u32) -> io::Result<Self> {
        if body(path, revision, step)?.is_none() {
            let temporary = path.with_extension("new-errors");
            fs::write(&temporary, head(revision, step))?;
            fs::rename(&temporary, path)?;
        }
        let file = OpenOptions::new().append(true).open(path)?;
        Ok(Self { file })
    }

    /// The errors noted of a step until now; none where there is no tally of it. A line that can't be read, since the disk
    /// took only part of it, is an error of now.
    pub(super) fn read(
        path: &Path,
        revision: &str,
        step: u32,
        now_ms: u64,
    ) -> io::Result<Option<Found>> {
        let Some((mut file, bytes)) = body(path, revision, step)? else {
            return Ok(None);
        };
        let errors = bytes.div_ceil(LINE_BYTES);
        let skipped = errors.saturating_sub(LINES_MAX) * LINE_BYTES;
        file.seek_relative(i64::try_from(skipped).unwrap_or(i64::MAX))?;
        let mut text = Vec::new();
        file.take(LINES_MAX * LINE_BYTES).read_to_end(&mut text)?;
        let mut last: Vec<Noted> = text
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| noted(line, now_ms))
            .collect();
        // Threads note without a lock: next to each other, not always in order.
        last.sort_by_key(|error| std::cmp::Reverse(error.age));
        Ok(Some(Found { errors, last }))
    }

    /// One error more.
    pub(super) fn note(&self, at_ms: u64, client: Option<u64>) -> io::Result<()> {
        let client = client.map_or_else(|| NOBODY.to_owned(), |client| format!("{client:016x}"));
        // In one call, so that lines of different threads don't mix.
        (&self.file).write_all(format!("{at_ms:013} {client}\n").as_bytes())
    }
}

/// The file of the step at the end of its head, and how many bytes follow.
fn body(path: &Path, revision: &str, step: u32) -> io::Result<Option<(File, u64)>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let head = head(revision, step);
    let length = file.seek(SeekFrom::End(0))?;
    let Some(bytes) = length.checked_sub(head.len() as u64) else {
        return Ok(None);
    };
    file.rewind()?;
    let mut found = vec![0; head.len()];
    file.read_exact(&mut found)?;
    Ok((found == head.as_bytes()).then_some((file, bytes)))
}

fn noted(line: &[u8], now_ms: u64) -> Noted {
    let readable = std::str::from_utf8(line)
        .ok()
        .and_then(|line| line.split_once(' '))
        .and_then(|(at, client)| Some((at.parse::<u64>().ok()?, client)));
    let Some((at_ms, client)) = readable else {
        return Noted {
            age: Duration::ZERO,
            client: None,
        };
    };
    Noted {
        age: Duration::from_millis(now_ms.saturating_sub(at_ms)),
        client: u64::from_str_radix(client, 16).ok(),
    }
}

/// The number is the form's: a tally of another one is none.
fn head(revision: &str, step: u32) -> String {
    format!("2 {revision} {step}\n")
}

#[cfg(test)]
mod tests;
