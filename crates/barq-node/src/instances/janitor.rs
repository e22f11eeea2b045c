//! Keeps what ended instances leave on disk within bounds: their output is worth keeping, not for ever.
//!
//! Only ended runs are removed, the oldest first. Called when a run begins or a revision ends, so that a crash loop cannot
//! fill the disk. It must not know what the output says.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use super::place::{self, Run};

/// What the runs of one revision may take, in bytes, those that still run included (but never removed).
pub const LOG_BYTES_PER_REVISION_MAX: u64 = 64 * 1024 * 1024;

/// Ended runs kept for one revision.
pub const ENDED_RUNS_MAX: usize = 64;

/// Revisions of a service whose output is kept after they are gone.
pub const GONE_REVISIONS_MAX: usize = 20;

/// One run, as the janitor sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    run: Run,
    bytes: u64,
    ended: bool,
}

/// Removes what is too much in a revision's directory.
pub(super) fn clean_revision(revision: &Path) {
    if let Err(error) = try_clean_revision(revision) {
        tracing::warn!(directory = %revision.display(), %error, "old output could not be removed");
    }
}

/// Removes what the oldest revisions left that are gone.
pub(super) fn clean_service(service: &Path, known: &BTreeSet<String>) {
    if let Err(error) = try_clean_service(service, known) {
        tracing::warn!(directory = %service.display(), %error, "old output could not be removed");
    }
}

fn try_clean_revision(revision: &Path) -> io::Result<()> {
    let mut kept = Vec::new();
    for instance in place::names(revision)? {
        let instance = revision.join(instance);
        // A record that cannot be read protects nothing; it was reported when it was found.
        let current = place::current_run(&instance).ok().flatten();
        for run in place::runs_of(&instance)? {
            kept.push(Kept {
                bytes: bytes(&run.directory)?,
                ended: current != Some(run.number),
                run,
            });
        }
    }
    for run in surplus(kept) {
        fs::remove_dir_all(&run.directory)?;
        if let Some(runs) = run.directory.parent()
            && let Some(instance) = runs.parent()
            && place::names(runs)?.is_empty()
            && place::current_run(instance).is_ok_and(|run| run.is_none())
        {
            fs::remove_dir_all(instance)?;
        }
    }
    Ok(())
}

fn try_clean_service(service: &Path, known: &BTreeSet<String>) -> io::Result<()> {
    let mut gone = Vec::new();
    for name in place::names(service)?
        .into_iter()
        .filter(|name| !known.contains(name))
    {
        let directory = service.join(name);
        let runs = place::runs(&directory)?;
        gone.push((runs.last().map_or(0, |run| run.number), directory));
    }
    gone.sort();
    let surplus = gone.len().saturating_sub(GONE_REVISIONS_MAX);
    for (_, directory) in gone.into_iter().take(surplus) {
        fs::remove_dir_all(directory)?;
    }
    Ok(())
}

/// The ended runs that are too many or too large, oldest first.
fn surplus(mut kept: Vec<Kept>) -> Vec<Run> {
    kept.sort_by_key(|kept| kept.run.number);
    let mut bytes: u64 = kept.iter().map(|kept| kept.bytes).sum();
    let mut ended = kept.iter().filter(|kept| kept.ended).count();
    let mut surplus = Vec::new();
    for old in kept.into_iter().filter(|kept| kept.ended) {
        if bytes <= LOG_BYTES_PER_REVISION_MAX && ended <= ENDED_RUNS_MAX {
            break;
        }
        bytes -= old.bytes;
        ended -= 1;
        surplus.push(old.run);
    }
    surplus
}

/// The size of the files in a run's directory; it has no directories below it.
fn bytes(run: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(run)? {
        match entry?.metadata() {
            Ok(metadata) if metadata.is_file() => bytes += metadata.len(),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            // A pipe takes no space; a file may have been rotated away meanwhile.
            Ok(_) | Err(_) => {}
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
