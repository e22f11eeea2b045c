//! What is kept of an authority: the account, the certificates with their keys, and when to try again.
//!
//! Readable by barq alone. Each file is written to a temporary one, synced, renamed, and its directory synced: after
//! `kill -9` or a power cut there is the old or the new one, whole. Certificate and key are in one file, so they can't be
//! of two kinds. Each authority has a directory of its own: a test authority's certificates are never another's.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use instant_acme::AccountCredentials;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Bytes of the digest in a directory's name: enough to tell authorities apart.
const DIRECTORY_DIGEST_BYTES: usize = 8;
const ACCOUNT: &str = "account.json";

/// The files of one authority.
#[derive(Debug, Clone)]
pub(super) struct Store(PathBuf);

/// The account at the authority.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredAccount {
    pub(super) email: String,
    pub(super) credentials: AccountCredentials,
}

/// After a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Retry {
    /// In a row.
    pub(super) failures: u32,
    /// Not before.
    pub(super) at: Timestamp,
    /// In words.
    pub(super) why: String,
}

/// Why a file can't be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    #[error("{} can't be read", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} can't be written", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{} is damaged", path.display())]
    Damaged {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("{host:?} is no host name")]
    Name { host: String },
}

impl Store {
    /// The files of the authority below `directory`.
    pub(super) fn open(directory: &Path, directory_url: &str) -> io::Result<Self> {
        let digest = Sha256::digest(directory_url);
        let hexadecimal = digest.iter().take(DIRECTORY_DIGEST_BYTES);
        let name: String = hexadecimal.map(|byte| format!("{byte:02x}")).collect();
        let directory = directory.join("acme").join(name);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)?;
        Ok(Self(directory))
    }

    /// The account, if there is one.
    pub(super) fn account(&self) -> Result<Option<StoredAccount>, StoreError> {
        let path = self.0.join(ACCOUNT);
        let Some(bytes) = read(&path)? else {
            return Ok(None);
        };
        serde_json::from_slice(&bytes).map_err(|source| StoreError::Damaged { path, source })
    }

    /// Keeps the account.
    pub(super) fn keep_account(&self, account: &StoredAccount) -> Result<(), StoreError> {
        let path = self.0.join(ACCOUNT);
        match serde_json::to_vec_pretty(account) {
            Ok(bytes) => write(&path, &bytes),
            Err(source) => Err(StoreError::Damaged { path, source }),
        }
    }

    /// The authority does not know the account any more: it is put aside, and another is made.
    pub(super) fn forget_account(&self) {
        let path = self.0.join(ACCOUNT);
        if let Err(error) = fs::rename(&path, path.with_extension("refused")) {
            tracing::warn!(path = %path.display(), %error, "an account can't be put aside");
        }
    }

    /// A host's certificate, chain and key, PEM.
    pub(super) fn certificate(&self, host: &str) -> Result<Option<Vec<u8>>, StoreError> {
        read(&self.path(host, "pem")?)
    }

    /// Keeps a host's certificate, chain and key.
    pub(super) fn keep_certificate(&self, host: &str, pem: &[u8]) -> Result<(), StoreError> {
        write(&self.path(host, "pem")?, pem)
    }

    /// When to try again for a host, if something failed.
    pub(super) fn retry(&self, host: &str) -> Option<Retry> {
        let path = self.path(host, "retry").ok()?;
        serde_json::from_slice(&read(&path).ok()??).ok()
    }

    /// Keeps or forgets it. What can't be kept holds in memory.
    pub(super) fn keep_retry(&self, host: &str, retry: Option<&Retry>) {
        let kept = self.path(host, "retry").and_then(|path| match retry {
            Some(retry) => serde_json::to_vec(retry)
                .map_err(|source| StoreError::Damaged {
                    path: path.clone(),
                    source,
                })
                .and_then(|bytes| write(&path, &bytes)),
            None => match fs::remove_file(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    Err(StoreError::Write { path, source })
                }
                Ok(()) | Err(_) => Ok(()),
            },
        });
        if let Err(error) = kept {
            tracing::warn!(host, %error, "when to try again for a certificate can't be kept");
        }
    }

    /// A host name is a file name; whatever is none must not become one.
    fn path(&self, host: &str, kind: &str) -> Result<PathBuf, StoreError> {
        let is_allowed =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        match host.bytes().all(is_allowed) && !host.starts_with('.') && !host.is_empty() {
            true => Ok(self.0.join(format!("{host}.{kind}"))),
            false => Err(StoreError::Name {
                host: host.to_owned(),
            }),
        }
    }
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StoreError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    replace(path, bytes).map_err(|source| StoreError::Write {
        path: path.to_owned(),
        source,
    })
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    // One that a crash has left may have other rights.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    let directory = path.parent().unwrap_or(Path::new("/"));
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests;
