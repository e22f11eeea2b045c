//! A certificate and a key in files of the operator's: read at the start, and again whenever one of them changes.
//!
//! Looked at by time, not by a watch of the kernel's: tools replace such files by renaming, by symbolic links and over
//! networks, and a look sees all of these. Whoever renews writes two files one after the other, so a pair that does not
//! match is looked at once more before it is called wrong. What is read is used only if it is no worse than what is in
//! force. It must not know what the pair is used for.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rustix::fs::{Mode, OFlags};

use super::pair::PairError;
use super::table::{Crypto, Served};

/// Bytes of a certificate chain or a key: a hundred times a long chain.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Where a chain and its key are. Absolute paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePair {
    /// PEM: the server's own certificate, then its chain.
    pub certificate: PathBuf,
    /// PEM: its private key, without a passphrase.
    pub key: PathBuf,
}

/// Why the files can't be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum FilesError {
    #[error("{} can't be read ({source})", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is no regular file", path.display())]
    NoFile { path: PathBuf },
    #[error("{} has more than {FILE_BYTES_MAX} bytes", path.display())]
    TooLarge { path: PathBuf },
    #[error("{reason} ({} and {})", paths.certificate.display(), paths.key.display())]
    Pair { paths: FilePair, reason: PairError },
    #[error("the certificate in {} is not for {host}", path.display())]
    OtherHost { path: PathBuf, host: String },
    #[error("the certificate in {} expired on {}", path.display(), day(*at))]
    Expired { path: PathBuf, at: Timestamp },
}

/// The files of one host, and what of them is in force.
#[derive(Debug)]
pub(super) struct Watched {
    paths: FilePair,
    /// `None`: the node's default certificate, for any host.
    host: Option<String>,
    seen: Option<Stamps>,
    is_unsettled: bool,
    served: Option<Arc<Served>>,
    problem: Option<FilesError>,
}

/// What changes when a file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

type Stamps = [Option<Stamp>; 2];

impl Watched {
    /// Not looked at yet. `before` is what serves the host now, from wherever it came.
    pub(super) fn new(paths: FilePair, host: Option<String>, before: Option<Arc<Served>>) -> Self {
        Self {
            paths,
            host,
            seen: None,
            is_unsettled: false,
            served: before,
            problem: None,
        }
    }

    /// Where it looks.
    pub(super) fn paths(&self) -> &FilePair {
        &self.paths
    }

    /// What is to be served.
    pub(super) fn served(&self) -> Option<&Arc<Served>> {
        self.served.as_ref()
    }

    /// Why the files as they are now can't be used.
    pub(super) fn problem(&self) -> Option<&FilesError> {
        self.problem.as_ref()
    }

    /// Reads the files if they have changed; whether something else is to be served now. Blocks.
    pub(super) fn look(&mut self, crypto: &Crypto, now: Timestamp) -> bool {
        let stamps = [stamp(&self.paths.certificate), stamp(&self.paths.key)];
        if self.seen == Some(stamps) && !self.is_unsettled {
            return false;
        }
        let read = self.read(crypto, now);
        let may_settle = self.served.is_some() && !self.is_unsettled;
        self.seen = Some(stamps);
        let is_new = read.is_ok();
        match read {
            Ok(served) => {
                self.served = Some(served);
                self.problem = None;
                self.is_unsettled = false;
            }
            // The other file may be on its way.
            Err(FilesError::Pair { .. }) if may_settle => self.is_unsettled = true,
            Err(error) => {
                self.problem = Some(error);
                self.is_unsettled = false;
            }
        }
        is_new
    }

    fn read(&self, crypto: &Crypto, now: Timestamp) -> Result<Arc<Served>, FilesError> {
        let certificate = read_file(&self.paths.certificate)?;
        let key = read_file(&self.paths.key)?;
        let read = crypto.serve(&certificate, &key);
        let served = read.map_err(|reason| FilesError::Pair {
            paths: self.paths.clone(),
            reason,
        })?;
        let pair = &served.pair;
        let path = || self.paths.certificate.clone();
        if let Some(host) = self.host.as_ref().filter(|host| !pair.covers(host)) {
            return Err(FilesError::OtherHost {
                path: path(),
                host: host.clone(),
            });
        }
        // An expired certificate tells clients more than none; but it never takes the place of one that is good.
        let is_better = |before: &Arc<Served>| before.pair.not_after() > now;
        if pair.not_after() <= now && self.served.as_ref().is_some_and(is_better) {
            return Err(FilesError::Expired {
                path: path(),
                at: pair.not_after(),
            });
        }
        Ok(served)
    }
}

/// A day as people write it.
pub(super) fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(path).ok()?;
    Some(Stamp {
        device: metadata.dev(),
        inode: metadata.ino(),
        bytes: metadata.len(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}

/// Without waiting: the path may name a pipe.
fn read_file(path: &Path) -> Result<Vec<u8>, FilesError> {
    let failed = |source| FilesError::Read {
        path: path.to_owned(),
        source,
    };
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let opened = rustix::fs::open(path, flags, Mode::empty());
    let file = File::from(opened.map_err(|error| failed(error.into()))?);
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(FilesError::NoFile {
            path: path.to_owned(),
        });
    }
    let mut bytes = Vec::new();
    let mut limited = file.take(FILE_BYTES_MAX + 1);
    limited.read_to_end(&mut bytes).map_err(failed)?;
    match u64::try_from(bytes.len()) {
        Ok(length) if length <= FILE_BYTES_MAX => Ok(bytes),
        _ => Err(FilesError::TooLarge {
            path: path.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests;
