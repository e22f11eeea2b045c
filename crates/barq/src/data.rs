//! The data directory: where each thing lies, who may use it, and who holds it.
//!
//! All of barq's state on a machine is below one directory, so that a backup is one directory and two barqs can live
//! beside each other. Paths are written here and nowhere else. The directory is for its owner alone (mode 0700): it
//! holds the keys and the first token.
//!
//! Three locks keep two processes from serving the same state: `up` holds `lock` alone; a server and a node each hold a
//! lock of their own, and when they run without `up` they also share `lock`, so that neither can start beside an `up`.
//! The kernel drops a lock with its process, so `kill -9` leaves none behind.
//!
//! It must not know what is inside the files.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// Mode of the data directory and of every directory in it.
const DIRECTORY_MODE: u32 = 0o700;
/// Mode of every file that barq writes there.
pub const FILE_MODE: u32 = 0o600;
/// A lock file holds a process id; more than this is not one of ours.
const LOCK_FILE_BYTES_MAX: u64 = 32;
/// How often a held lock is tried again while waiting for it.
const LOCK_RETRY: Duration = Duration::from_millis(50);
/// The same for a node whose turn is about to come.
const TURN_RETRY: Duration = Duration::from_millis(5);

/// Bytes of a Unix socket's path: `sun_path` has 108 with the zero that ends it (unix(7)).
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Why the data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// Neither `--data` nor `HOME` says where it is.
    #[error("there is no HOME to keep the data directory in; say where with --data or BARQ_DATA")]
    NoHome,
    /// The directory holds something else.
    #[error(
        "{path} holds files that are not barq's (for example {example}); choose an empty or a new directory with --data"
    )]
    Foreign {
        /// The directory that was asked for.
        path: PathBuf,
        /// The name of one such file.
        example: String,
    },
    /// Its sockets could not be opened: the system bounds their paths.
    #[error(
        "{path} is {excess} bytes too long: the sockets in it would have no valid path; choose a shorter one with --data"
    )]
    TooLong {
        /// The directory that was asked for.
        path: PathBuf,
        /// By how much.
        excess: usize,
    },
    /// Another process holds the lock.
    #[error("{path} is in use by {holder}; stop it first, or choose another directory with --data")]
    Locked {
        /// The data directory.
        path: PathBuf,
        /// Who holds it, as far as is known: `barq up (process 123)`.
        holder: String,
    },
    /// The file system refused.
    #[error("cannot {operation} {path}")]
    Io {
        /// What was tried: a verb.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
}

/// The data directory's layout. A value of this type does not say that the directory exists: see [`Self::create`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDirectory {
    root: PathBuf,
}

impl DataDirectory {
    /// The directory that was asked for, or `~/.local/share/barq`. Made absolute: children run elsewhere.
    pub fn resolve(asked: Option<PathBuf>, home: Option<PathBuf>) -> Result<Self, DataError> {
        let path = match asked {
            Some(path) => path,
            None => home
                .filter(|home| !home.as_os_str().is_empty())
                .ok_or(DataError::NoHome)?
                .join(".local/share/barq"),
        };
        let root = std::path::absolute(&path).map_err(io("find", &path))?;
        Ok(Self { root })
    }

    /// Makes the directory and what it needs inside, readable by its owner alone. Does nothing where it is there.
    ///
    /// # Errors
    /// [`DataError::Foreign`] when the directory holds files that are not barq's, [`DataError::TooLong`] when its path
    /// leaves no room for a socket's.
    pub fn create(&self) -> Result<(), DataError> {
        self.refuse_too_long()?;
        self.refuse_foreign()?;
        make_directory(&self.root)?;
        let permissions = fs::Permissions::from_mode(DIRECTORY_MODE);
        fs::set_permissions(&self.root, permissions).map_err(io("protect", &self.root))?;
        for directory in [
            self.repositories(),
            self.blobs(),
            self.images(),
            self.runner(),
            self.node(),
        ] {
            make_directory(&directory)?;
        }
        Ok(())
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The first admin token, in plain text.
    pub fn admin_token(&self) -> PathBuf {
        self.root.join("admin.token")
    }

    /// The embedded journal.
    pub fn journal(&self) -> PathBuf {
        self.root.join("journal.db")
    }

    /// The key of the journal's chain.
    pub fn server_key(&self) -> PathBuf {
        self.root.join("server.key")
    }

    /// The sessions that people signed out of.
    pub fn signed_out(&self) -> PathBuf {
        self.root.join("signed-out.json")
    }

    /// The bare repositories, `<app>.git` each.
    pub fn repositories(&self) -> PathBuf {
        self.root.join("git")
    }

    /// The content-addressed store: images' layers and check output.
    pub fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    /// Unpacked images.
    pub fn images(&self) -> PathBuf {
        self.root.join("images")
    }

    /// Where checks run.
    pub fn runner(&self) -> PathBuf {
        self.root.join("runner")
    }

    /// What the node keeps: its configuration, its instances.
    pub fn node(&self) -> PathBuf {
        self.root.join("node")
    }

    /// What the server shows to the node.
    pub fn node_token(&self) -> PathBuf {
        self.root.join("node.token")
    }

    /// The environments of revisions, resolved once.
    pub fn revisions(&self) -> PathBuf {
        self.root.join("revisions")
    }

    /// What was seen over time, for charts.
    pub fn samples(&self) -> PathBuf {
        self.root.join("samples")
    }

    /// Where a backup's copy of the journal lies while it is sent.
    pub fn backup(&self) -> PathBuf {
        self.root.join("backup")
    }

    /// Where `up` hands out the listening sockets.
    pub fn up_socket(&self) -> PathBuf {
        self.root.join("up.sock")
    }

    /// Where git's hooks tell the server of a push.
    pub fn hook_socket(&self) -> PathBuf {
        self.root.join("git.sock")
    }

    /// The hooks of all repositories: `core.hooksPath`.
    pub fn hooks(&self) -> PathBuf {
        self.root.join("hooks")
    }

    /// The lock of `barq up`: nobody else runs here.
    pub fn lock_for_up(&self) -> Result<Lock, DataError> {
        let file = self.try_lock(&self.root.join("lock"), Mode::Exclusive, "barq up")?;
        Ok(Lock { _files: vec![file] })
    }

    /// The lock of the server; without `up` it also keeps `up` away.
    pub fn lock_for_server(&self, supervised: bool) -> Result<Lock, DataError> {
        self.lock_for_process("server.lock", "barq server", supervised)
    }

    /// The lock of the node; without `up` it also keeps `up` away.
    pub fn lock_for_node(&self, supervised: bool) -> Result<Lock, DataError> {
        self.lock_for_process("node.lock", "barq node", supervised)
    }

    /// Waits until no server and no node of an earlier `up` is left: they end by themselves once it is gone.
    ///
    /// # Errors
    /// [`DataError::Locked`] when one is still there after `patience`.
    pub async fn wait_for_processes(&self, patience: Duration) -> Result<(), DataError> {
        let deadline = Instant::now() + patience;
        loop {
            let held = self
                .lock_for_server(true)
                .and_then(|_| self.lock_for_node(true));
            match held {
                Err(DataError::Locked { .. }) if Instant::now() < deadline => {
                    tokio::time::sleep(LOCK_RETRY).await;
                }
                other => return other.map(drop),
            }
        }
    }

    /// The node's lock under `up`, once the node before is gone or has handed over.
    ///
    /// # Errors
    /// [`DataError::Locked`] when it is still held after `patience`.
    pub async fn wait_for_node(&self, patience: Duration) -> Result<Lock, DataError> {
        let deadline = Instant::now() + patience;
        loop {
            match self.lock_for_node(true) {
                Err(DataError::Locked { .. }) if Instant::now() < deadline => {
                    tokio::time::sleep(TURN_RETRY).await;
                }
                other => return other,
            }
        }
    }

    fn refuse_too_long(&self) -> Result<(), DataError> {
        let sockets = [
            self.up_socket(),
            self.hook_socket(),
            self.node().join(barq_node::server::SOCKET_NAME),
        ];
        let longest = sockets.iter().map(|path| path.as_os_str().len()).max();
        match longest.unwrap_or(0).saturating_sub(SOCKET_PATH_BYTES_MAX) {
            0 => Ok(()),
            excess => Err(DataError::TooLong {
                path: self.root.clone(),
                excess,
            }),
        }
    }

    fn lock_for_process(
        &self,
        name: &str,
        holder: &'static str,
        supervised: bool,
    ) -> Result<Lock, DataError> {
        let mut files = vec![self.try_lock(&self.root.join(name), Mode::Exclusive, holder)?];
        if !supervised {
            files.push(self.try_lock(&self.root.join("lock"), Mode::Shared, "barq up")?);
        }
        Ok(Lock { _files: files })
    }

    fn try_lock(&self, path: &Path, mode: Mode, holder: &'static str) -> Result<File, DataError> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .open(path)
            .map_err(io("open", path))?;
        let outcome = match mode {
            Mode::Exclusive => file.try_lock(),
            Mode::Shared => file.try_lock_shared(),
        };
        match outcome {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(DataError::Locked {
                    path: self.root.clone(),
                    holder: describe_holder(&mut file, holder),
                });
            }
            Err(TryLockError::Error(source)) => return Err(io("lock", path)(source)),
        }
        if matches!(mode, Mode::Exclusive) {
            record_process(&mut file).map_err(io("write", path))?;
        }
        Ok(file)
    }

    fn refuse_foreign(&self) -> Result<(), DataError> {
        const OURS: [&str; 5] = [
            "lock",
            "journal.db",
            "server.key",
            "server.lock",
            "node.lock",
        ];
        if OURS.iter().any(|name| self.root.join(name).exists()) {
            return Ok(());
        }
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(io("read", &self.root)(error)),
        };
        for entry in entries {
            let name = entry.map_err(io("read", &self.root))?.file_name();
            let name = name.to_string_lossy().into_owned();
            // A `create` that was cut off leaves some of our directories and no lock; a fresh volume has lost+found.
            let expected = ["lost+found", "git", "blobs", "images", "runner", "node"];
            if !expected.contains(&name.as_str()) {
                return Err(DataError::Foreign {
                    path: self.root.clone(),
                    example: name,
                });
            }
        }
        Ok(())
    }
}

/// Held while it lives; the kernel lets go of it with the process, however that ends.
#[derive(Debug)]
pub struct Lock {
    _files: Vec<File>,
}

#[derive(Debug, Clone, Copy)]
enum Mode {
    Exclusive,
    Shared,
}

/// Writes a file that is whole or not there: temporary file, fsync, rename, fsync of the directory. Mode 0600.
///
/// # Errors
/// [`DataError::Io`] when the file system refuses.
pub fn write_file(path: &Path, content: &[u8], mode: u32) -> Result<(), DataError> {
    let parent = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = parent.join(format!(".{name}.{}", std::process::id()));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&temporary)
        .map_err(io("create", &temporary))?;
    file.write_all(content).map_err(io("write", &temporary))?;
    file.sync_all().map_err(io("write", &temporary))?;
    drop(file);
    fs::rename(&temporary, path).map_err(io("write", path))?;
    sync_directory(parent)
}

/// The content of a file that never changes; where there is no file it is made with `fresh`, mode 0600. Of two processes
/// that start at once both get the one that was first.
///
/// # Errors
/// [`DataError::Io`] when the file system refuses.
pub fn read_or_create(path: &Path, fresh: &[u8]) -> Result<Vec<u8>, DataError> {
    match fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        other => return other.map_err(io("read", path)),
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let own = path.with_file_name(format!(".{name}.{}.new", std::process::id()));
    write_file(&own, fresh, FILE_MODE)?;
    // A link never replaces: whoever is second takes what is there.
    let linked = fs::hard_link(&own, path);
    fs::remove_file(&own).map_err(io("remove", &own))?;
    match linked {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(io("create", path)(error));
        }
        _ => {}
    }
    sync_directory(path.parent().unwrap_or(Path::new(".")))?;
    fs::read(path).map_err(io("read", path))
}

/// Makes a rename or a new file in this directory survive a power cut.
///
/// # Errors
/// [`DataError::Io`] when the file system refuses.
pub fn sync_directory(path: &Path) -> Result<(), DataError> {
    let directory = File::open(path).map_err(io("open", path))?;
    directory.sync_all().map_err(io("write", path))
}

/// Makes a directory and its parents, for the owner alone; does nothing where it is there.
///
/// # Errors
/// [`DataError::Io`] when the file system refuses.
pub fn make_directory(path: &Path) -> Result<(), DataError> {
    DirBuilder::new()
        .recursive(true)
        .mode(DIRECTORY_MODE)
        .create(path)
        .map_err(io("create", path))
}

/// In place, and cut to size after: what is there already needs no room on a full disk. The lock holds without it, too, and
/// then only its holder's name is not known.
fn record_process(file: &mut File) -> std::io::Result<()> {
    let line = format!("{}\n", std::process::id());
    file.rewind()?;
    let written = file.write_all(line.as_bytes());
    match written {
        Err(error) if error.kind() == std::io::ErrorKind::StorageFull => file.set_len(0),
        Err(error) => Err(error),
        Ok(()) => file.set_len(line.len() as u64),
    }
}

fn describe_holder(file: &mut File, holder: &str) -> String {
    let mut text = String::new();
    let read = file.take(LOCK_FILE_BYTES_MAX).read_to_string(&mut text);
    match (read, text.trim().parse::<u32>()) {
        (Ok(_), Ok(process)) => format!("{holder} (process {process})"),
        // A server or node without `up` shares the lock and writes no id there.
        _ => "another barq server or node".to_owned(),
    }
}

fn io(operation: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> DataError {
    let path = path.to_owned();
    move |source| DataError::Io {
        operation,
        path,
        source,
    }
}
