//! Finds the instances that an earlier run of the node left, at its start.
//!
//! Whatever has a record may run; whatever has none has ended, since the record is written before the process starts and
//! removed after its end. All are looked at in parallel: serving resumes when they are found. It must not know
//! configurations, which come later.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use barq_shim::{Adopted, Handle};
use futures::future::join_all;

use super::node::discard;
use super::place::{self, InstanceRecord, Phase};
use super::words;

/// The longest look at one instance. A shim that was being started when the node was killed may need longer to say who it
/// is; it did not serve yet, so it is ended and replaced.
pub const LOOK_MAX: Duration = Duration::from_millis(400);

/// A revision on disk.
pub(super) struct FoundRevision {
    pub(super) service: String,
    pub(super) name: String,
    pub(super) directory: PathBuf,
    pub(super) instances: Vec<FoundInstance>,
}

/// An instance with a record.
pub(super) struct FoundInstance {
    pub(super) record: InstanceRecord,
    pub(super) state: FoundState,
}

/// What became of it.
pub(super) enum FoundState {
    /// It runs.
    Running(Handle),
    /// It has ended: how, in words.
    Ended(String),
}

/// Everything on disk, and the highest run number.
pub(super) async fn find(root: PathBuf) -> io::Result<(Vec<FoundRevision>, u64)> {
    let (revisions, last) = tokio::task::spawn_blocking(move || list(&root))
        .await
        .map_err(io::Error::other)??;
    let found = revisions.into_iter().map(|listed| async move {
        let instances = join_all(listed.instances.into_iter().map(look)).await;
        FoundRevision {
            service: listed.service,
            name: listed.name,
            directory: listed.directory,
            instances,
        }
    });
    Ok((join_all(found).await, last))
}

struct Listed {
    service: String,
    name: String,
    directory: PathBuf,
    instances: Vec<(PathBuf, InstanceRecord)>,
}

fn list(root: &Path) -> io::Result<(Vec<Listed>, u64)> {
    let mut revisions = Vec::new();
    let mut last = 0;
    for service in place::names(root)? {
        for name in place::names(&root.join(&service))? {
            let directory = root.join(&service).join(&name);
            let runs = place::runs(&directory)?;
            last = last.max(runs.last().map_or(0, |run| run.number));
            let instances = records(&directory)?;
            if !instances.is_empty() {
                revisions.push(Listed {
                    service: service.clone(),
                    name,
                    directory,
                    instances,
                });
            }
        }
    }
    Ok((revisions, last))
}

fn records(revision: &Path) -> io::Result<Vec<(PathBuf, InstanceRecord)>> {
    let mut records = Vec::new();
    for instance in place::names(revision)? {
        let instance = revision.join(instance);
        match place::read_record(&instance) {
            Ok(Some(record)) => records.push((instance, record)),
            Ok(None) => {}
            Err(error) => {
                tracing::error!(instance = %instance.display(), %error, "an instance's record is damaged: it is ended");
                place::runs_of(&instance)?
                    .iter()
                    .for_each(|run| discard(&run.directory));
                place::forget(&instance)?;
            }
        }
    }
    Ok(records)
}

async fn look((directory, record): (PathBuf, InstanceRecord)) -> FoundInstance {
    let run = place::run_directory(&directory, record.run);
    let looking = tokio::task::spawn_blocking({
        let run = run.clone();
        move || adopt(&run)
    });
    let state = match tokio::time::timeout(LOOK_MAX, looking).await {
        Ok(Ok(state)) => state,
        Ok(Err(error)) => FoundState::Ended(error.to_string()),
        Err(_) => {
            tokio::task::spawn_blocking(move || discard(&run));
            FoundState::Ended("it was being started when the node ended".to_owned())
        }
    };
    if let FoundState::Ended(_) = &state
        && let Err(error) = place::forget(&directory)
    {
        tracing::warn!(instance = record.id, %error, "an instance's files can't be removed");
    }
    FoundInstance { record, state }
}

fn adopt(run: &Path) -> FoundState {
    if !run.exists() {
        return FoundState::Ended("it was about to be started when the node ended".to_owned());
    }
    match barq_shim::adopt(run) {
        Ok(Adopted::Running(handle)) => FoundState::Running(handle),
        Ok(Adopted::Exited(record)) => FoundState::Ended(words::with_tail(
            &words::exit(Some(&record)),
            &words::tail(run),
        )),
        Ok(Adopted::Lost) => {
            FoundState::Ended(words::with_tail(&words::exit(None), &words::tail(run)))
        }
        Err(error) => FoundState::Ended(words::chain(&error)),
    }
}

/// Whether the end of a found instance was a failed start.
pub(super) fn was_starting(record: &InstanceRecord) -> bool {
    match record.phase {
        Phase::Starting => true,
        Phase::NotReady | Phase::Ready | Phase::Leaving => false,
    }
}
