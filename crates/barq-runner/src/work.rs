//! The work tree of one run: made fresh, and taken apart.
//!
//! Whoever calls holds the check's slot: there is one tree for each check, never two users. The order matters: what a
//! crash leaves is put right by [`take_back`] and [`remove`], which can run any number of times. It must not know why a run ends.

use std::fs;
use std::io;
use std::os::unix::fs::lchown;
use std::path::{Path, PathBuf};

use crate::error::RunnerError;
use crate::request::Job;
use crate::settings::RunnerSettings;
use crate::store::Store;
use crate::{caches, git, store, times};

/// The directories of one check.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) tree: PathBuf,
    pub(crate) home: PathBuf,
    pub(crate) temporary: PathBuf,
    clones: PathBuf,
    kept: PathBuf,
    times: PathBuf,
}

impl Places {
    pub(crate) fn of(store: &Store, job: &Job) -> Result<Self, RunnerError> {
        Ok(Self {
            tree: store.of_check("work", job)?,
            home: store.of_check("home", job)?,
            temporary: store.of_check("temporary", job)?,
            clones: store.of_check("clone", job)?,
            kept: store.of_check("cache", job)?,
            times: store.of_check("times", job)?.with_added_extension("json"),
        })
    }

    /// The directory in which the command runs.
    pub(crate) fn working_directory(&self, job: &Job) -> PathBuf {
        self.tree
            .join(caches::inside(&job.directory).unwrap_or_default())
    }
}

/// Makes the work tree.
///
/// A git that outlives a killed server goes on writing where it was started: so each clone is made in a directory that
/// nobody had before, and is moved to its stable path once it is whole.
pub(crate) async fn prepare(
    settings: &RunnerSettings,
    job: &Job,
    places: &Places,
) -> Result<(), RunnerError> {
    let (fresh, owner) = (places.clone(), settings.user);
    blocking(move || {
        store::remove_tree(&fresh.tree)?;
        store::remove_tree(&fresh.temporary)?;
        if let Some(parent) = fresh.tree.parent() {
            store::create_directory(parent, 0o711)?;
        }
        for directory in [&fresh.temporary, &fresh.home] {
            if let Some(parent) = directory.parent() {
                store::create_directory(parent, 0o711)?;
            }
            store::create_directory(directory, 0o700)?;
        }
        [&fresh.temporary, &fresh.home]
            .into_iter()
            .try_for_each(|directory| own(directory, owner))
    })
    .await?;
    let clone = new_clone(places)?;
    git::clone(&job.repository, &job.commit, &clone).await?;
    fs::rename(&clone, &places.tree).map_err(RunnerError::file("moving", &clone))?;
    let entries = git::entries(&places.tree).await?;
    let (job, places) = (job.clone(), places.clone());
    blocking(move || {
        caches::put_in(&job, &places.tree, &places.kept)?;
        own(&places.tree, owner)?;
        times::restore(&places.tree, &entries, &places.times)?;
        let directory = places.working_directory(&job);
        let resolved = directory
            .canonicalize()
            .ok()
            .filter(|path| path.is_dir() && path.starts_with(&places.tree));
        let missing =
            || RunnerError::Request(format!("the commit has no directory {:?}", job.directory));
        resolved.map(|_| ()).ok_or_else(missing)
    })
    .await
}

/// Takes the caches back; returns remarks on what was not kept.
pub(crate) fn take_back(
    settings: &RunnerSettings,
    job: &Job,
    places: &Places,
) -> Result<Vec<String>, RunnerError> {
    caches::take_back(job, &places.tree, &places.kept, settings.cache_bytes_max)
}

/// Removes what is left of a run; its caches have been taken back.
pub(crate) fn remove(places: &Places) -> Result<(), RunnerError> {
    store::remove_tree(&places.tree)?;
    remove_clones(places);
    store::remove_tree(&places.temporary)
}

/// An empty directory of a name that was never used.
fn new_clone(places: &Places) -> Result<PathBuf, RunnerError> {
    remove_clones(places);
    store::create_directory(&places.clones, 0o700)?;
    let since_1970_ns = jiff::Timestamp::now().as_nanosecond();
    let clone = places.clones.join(since_1970_ns.to_string());
    fs::create_dir(&clone).map_err(RunnerError::file("creating", &clone))?;
    Ok(clone)
}

/// Removes clones that were never finished. One that a git still writes to stays until the next time: it is in nobody's way.
fn remove_clones(places: &Places) {
    if let Err(error) = store::remove_tree(&places.clones) {
        tracing::debug!(%error, "a clone that was not finished is still there");
    }
}

/// Runs something that waits for the disk where it keeps nobody waiting.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RunnerError> + Send + 'static,
) -> Result<T, RunnerError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_gone) => Err(RunnerError::ShutDown),
    }
}

/// Gives a tree to the user that the check runs as.
fn own(path: &Path, owner: Option<(u32, u32)>) -> Result<(), RunnerError> {
    let Some((user, group)) = owner else {
        return Ok(());
    };
    change_owner(path, user, group).map_err(RunnerError::file("giving away", path))
}

fn change_owner(path: &Path, user: u32, group: u32) -> io::Result<()> {
    lchown(path, Some(user), Some(group))?;
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            change_owner(&entry?.path(), user, group)?;
        }
    }
    Ok(())
}
