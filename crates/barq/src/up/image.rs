//! An executable that children run: the file as it was when it was opened, whatever becomes of its path.
//!
//! What was checked is what is started, and a child that dies is started again from what it ran before, even when somebody
//! has put another file in its place meanwhile: only an upgrade changes what runs.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// How long an executable may take to say its version.
const VERSION_MAX: Duration = Duration::from_secs(20);

/// An executable file, held open.
#[derive(Debug)]
pub(super) struct Image {
    file: File,
    path: PathBuf,
}

/// Why a file is not what children can run.
#[derive(Debug, thiserror::Error)]
pub(super) enum ImageError {
    /// It can't be opened.
    #[error("{} can't be opened", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It can't be started.
    #[error("{} can't be started", path.display())]
    Start {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It does not even say its version.
    #[error("{} --version ended with {ended}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// How.
        ended: String,
    },
}

impl Image {
    /// What this process itself runs; `path` is where it was started from.
    pub(super) fn own(path: &Path) -> Result<Self, ImageError> {
        Self::held(Path::new("/proc/self/exe"), path)
    }

    /// What is at a path now.
    pub(super) fn at(path: &Path) -> Result<Self, ImageError> {
        Self::held(path, path)
    }

    fn held(opened: &Path, path: &Path) -> Result<Self, ImageError> {
        let path = path.to_owned();
        match File::open(opened) {
            Ok(file) => Ok(Self { file, path }),
            Err(source) => Err(ImageError::Open { path, source }),
        }
    }

    /// What to run: the path for as long as it leads to this file, so that processes have the name that people know.
    pub(super) fn program(&self) -> PathBuf {
        let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        let here = self.file.metadata().map(identity);
        let there = std::fs::metadata(&self.path).map(identity);
        match (here, there) {
            (Ok(here), Ok(there)) if here == there => self.path.clone(),
            _ => {
                let process = std::process::id();
                PathBuf::from(format!("/proc/{process}/fd/{}", self.file.as_raw_fd()))
            }
        }
    }

    /// What it says of itself: that it runs on this machine at all.
    ///
    /// # Errors
    /// When it can't be started, fails, or says nothing in time.
    pub(super) async fn version(&self) -> Result<String, ImageError> {
        let path = self.path.clone();
        let failed = |ended: String| ImageError::Version {
            path: path.clone(),
            ended,
        };
        let asked = Command::new(self.program())
            .arg("--version")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .output();
        let said = match tokio::time::timeout(VERSION_MAX, asked).await {
            Ok(Ok(said)) => said,
            Ok(Err(source)) => return Err(ImageError::Start { path, source }),
            Err(_) => return Err(failed("no answer".to_owned())),
        };
        if !said.status.success() {
            return Err(failed(said.status.to_string()));
        }
        let version = String::from_utf8_lossy(&said.stdout);
        Ok(version.trim().trim_start_matches("barq ").to_owned())
    }
}

#[cfg(test)]
mod tests;
