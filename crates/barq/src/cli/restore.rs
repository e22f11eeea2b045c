//! `barq restore`: a data directory from a backup, without a server.
//!
//! The backup is unpacked beside the data directory and takes its place by a rename, so that a restore that is killed
//! leaves nothing that a server would start from. A directory or a database that holds a journal is never overwritten.
//! Where `DATABASE_URL` names a PostgreSQL, the journal goes there, which is also how it moves from one to the other.

use std::fs::{File, Permissions};
use std::io::{BufReader, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

use barq_engine::journal::Journal;
use serde::Deserialize;
use serde_json::json;

use super::Context;
use crate::data::{DataDirectory, FILE_MODE, make_directory, sync_directory};
use crate::output::{Exit, Failure};
use crate::server::journal;
use crate::server::start::ServerKey;

/// The first file of a backup: says what it is.
const MANIFEST: &str = "barq-backup.json";
/// The backup's form that this version reads.
const FORMAT: u32 = 1;
/// The longest manifest.
const MANIFEST_BYTES_MAX: u64 = 64 * 1024;
/// What a backup may hold, at its top.
const CONTENT: [&str; 6] = [
    "admin.token",
    "server.key",
    "journal.db",
    "git",
    "blobs",
    "revisions",
];

#[derive(Debug, Deserialize)]
struct Manifest {
    format: u32,
    version: String,
}

/// `barq restore FILE`.
pub(super) async fn restore(context: &Context, file: &Path) -> Result<Exit, Failure> {
    let data = context.data()?;
    refuse_used(&data)?;
    let parent = data.root().parent().unwrap_or(Path::new("/")).to_owned();
    make_directory(&parent)?;
    let name = data
        .root()
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let temporary = parent.join(format!(".{name}.restore-{}", std::process::id()));
    let version = match make(file, &data, &temporary, &parent).await {
        Ok(version) => version,
        Err(failure) => {
            if temporary.exists()
                && let Err(error) = std::fs::remove_dir_all(&temporary)
            {
                context
                    .output
                    .warn(&format!("{} is left behind: {error}", temporary.display()));
            }
            return Err(failure);
        }
    };
    context
        .output
        .result(&json!({"data": data.root(), "version": version}), || {
            format!(
                "{} is restored (written by barq {version}); start it with `barq up`",
                data.root().display()
            )
        });
    Ok(Exit::Done)
}

/// Answers the version of barq that wrote the backup.
async fn make(
    file: &Path,
    data: &DataDirectory,
    temporary: &Path,
    parent: &Path,
) -> Result<String, Failure> {
    let version = unpack(file, temporary)?;
    if let Some(url) = journal::on_postgres() {
        move_to_postgres(temporary, url).await?;
    }
    replace(data, temporary, parent)?;
    Ok(version)
}

/// One transaction: a restore that is killed here leaves an empty database, or a whole journal and no data directory.
async fn move_to_postgres(directory: &Path, url: String) -> Result<(), Failure> {
    let failed = |error: anyhow::Error| {
        Failure::failed("the journal could not be put into the database of DATABASE_URL")
            .because(format!("{error:#}"))
            .hint("it must be empty: a restore never overwrites a journal")
    };
    let unpacked = DataDirectory::resolve(Some(directory.to_owned()), None)?;
    let key = ServerKey::open(&unpacked).map_err(failed)?;
    let file = unpacked.journal().to_string_lossy().into_owned();
    let from = Journal::open(journal::settings(file, &key))
        .await
        .map_err(|error| failed(error.into()))?;
    let exported = directory.join("journal.export");
    let into = journal::settings(url, &key);
    let copy = journal::copy(&from, into, &exported)
        .await
        .map_err(failed)?;
    copy.close().await;
    from.close().await;
    for name in [
        "journal.export",
        "journal.db",
        "journal.db-wal",
        "journal.db-shm",
    ] {
        match std::fs::remove_file(directory.join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed(error.into()));
            }
            _ => {}
        }
    }
    Ok(())
}

fn refuse_used(data: &DataDirectory) -> Result<(), Failure> {
    if data.journal().exists() {
        return Err(
            Failure::usage(format!("{} holds a journal", data.root().display()))
                .because("a restore never overwrites one")
                .hint("choose a new directory with --data, or move this one away"),
        );
    }
    if data.root().exists() {
        // Refuses what is not ours, and what is in use.
        data.create()?;
        drop(data.lock_for_up()?);
    }
    Ok(())
}

fn unpack(file: &Path, target: &Path) -> Result<String, Failure> {
    let failed = |error: std::io::Error| {
        Failure::failed(format!("cannot restore {}", file.display())).because(error.to_string())
    };
    let input = File::open(file).map_err(failed)?;
    make_directory(target)?;
    let mut archive = tar::Archive::new(BufReader::new(input));
    archive.set_preserve_permissions(true);
    let mut version = None;
    for entry in archive.entries().map_err(failed)? {
        let mut entry = entry.map_err(failed)?;
        let path = entry.path().map_err(failed)?.into_owned();
        if version.is_none() {
            version = Some(read_manifest(file, &path, &mut entry)?);
            continue;
        }
        let kind = entry.header().entry_type();
        if !is_expected(&path) || !(kind.is_file() || kind.is_dir()) {
            return Err(no_backup(file, &format!("it holds {}", path.display())));
        }
        if let Some(parent) = path.parent() {
            make_directory(&target.join(parent))?;
        }
        entry.unpack(target.join(&path)).map_err(failed)?;
    }
    // A copy that SQLite made has the mode of any file.
    let journal = target.join("journal.db");
    if journal.exists() {
        std::fs::set_permissions(&journal, Permissions::from_mode(FILE_MODE)).map_err(failed)?;
    }
    sync_tree(target).map_err(failed)?;
    version.ok_or_else(|| no_backup(file, "it is empty"))
}

fn read_manifest(file: &Path, path: &Path, entry: &mut impl Read) -> Result<String, Failure> {
    if path != Path::new(MANIFEST) {
        return Err(no_backup(file, "it does not say what it is"));
    }
    let mut text = String::new();
    entry
        .take(MANIFEST_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(|error| no_backup(file, &error.to_string()))?;
    let manifest: Manifest =
        serde_json::from_str(&text).map_err(|error| no_backup(file, &error.to_string()))?;
    match manifest.format {
        FORMAT => Ok(manifest.version),
        format => Err(no_backup(
            file,
            &format!("it has form {format}, this barq reads {FORMAT}"),
        )),
    }
}

/// Below one of the expected names, and nowhere else.
fn is_expected(path: &Path) -> bool {
    let mut parts = path.components();
    let first = parts.next();
    let known = matches!(first, Some(Component::Normal(name))
        if CONTENT.iter().any(|expected| name == *expected));
    known && parts.all(|part| matches!(part, Component::Normal(_)))
}

/// The unpacked directory takes the place of the (empty) data directory.
fn replace(data: &DataDirectory, temporary: &Path, parent: &Path) -> Result<(), Failure> {
    if data.root().exists() {
        std::fs::remove_dir_all(data.root()).map_err(|error| {
            Failure::failed(format!("cannot replace {}", data.root().display()))
                .because(error.to_string())
        })?;
    }
    std::fs::rename(temporary, data.root()).map_err(|error| {
        Failure::failed(format!("cannot make {}", data.root().display())).because(error.to_string())
    })?;
    sync_directory(parent)?;
    data.create()?;
    Ok(())
}

/// All files and directories of a tree are on disk.
fn sync_tree(root: &Path) -> std::io::Result<()> {
    let mut directories: Vec<PathBuf> = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory)? {
            let path = entry?.path();
            if path.is_dir() {
                directories.push(path);
            } else {
                File::open(&path)?.sync_all()?;
            }
        }
        File::open(&directory)?.sync_all()?;
    }
    Ok(())
}

fn no_backup(file: &Path, why: &str) -> Failure {
    Failure::failed(format!("{} is not a whole backup", file.display())).because(why)
}
