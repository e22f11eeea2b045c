//! Starts a shim.
//!
//! The shim is no child of its starter: a first stage starts it and ends, so nobody must reap it, and a shim that was
//! adopted is the same as one that was started. The starter waits until the shim says that it is up; if it dies
//! meanwhile, the shim goes on and is found by [`crate::adopt`]. It must not know what the shim does.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::handle::Handle;
use crate::lead::ShimState;
use crate::spec::ShimSpec;
use crate::{ShimError, files};

/// The argument that asks for the shim proper, behind the first stage.
pub(crate) const LEAD_ARGUMENT: &str = "--lead";
/// What the shim says when it is up.
pub(crate) const UP: &str = "up";
/// Most bytes of its last words that are shown.
const LAST_WORDS_BYTES_MAX: u64 = 4096;

/// How to run the shim: a program whose main calls [`crate::run`] with the arguments that follow the leading ones.
#[derive(Clone, Debug)]
pub struct Launcher {
    /// The program.
    pub program: PathBuf,
    /// Its arguments before the shim's own, such as `shim`.
    pub leading_arguments: Vec<String>,
}

/// What the launcher leaves for the shim in `spec.json`.
#[derive(Serialize, Deserialize)]
pub(crate) struct Assignment {
    pub(crate) spec: ShimSpec,
    pub(crate) leading_arguments: Vec<String>,
}

impl Launcher {
    /// A launcher that runs this very program, also after its file was replaced by another version.
    #[must_use]
    pub fn current_executable(leading_arguments: &[&str]) -> Self {
        Self {
            program: PathBuf::from("/proc/self/exe"),
            leading_arguments: leading_arguments
                .iter()
                .map(|argument| (*argument).to_owned())
                .collect(),
        }
    }

    /// Starts a shim in a directory (created if need be) that has never led a process. When it returns the shim is up
    /// and recorded; a program that cannot be started is an [`crate::ExitRecord`], no error.
    pub fn start(&self, directory: &Path, spec: &ShimSpec) -> Result<Handle, ShimError> {
        let directory = files::prepare(directory)?;
        if [files::SPEC, files::SHIM, files::EXIT]
            .iter()
            .any(|name| directory.join(name).exists())
        {
            return Err(ShimError::Used { directory });
        }
        let assignment = Assignment {
            spec: spec.clone(),
            leading_arguments: self.leading_arguments.clone(),
        };
        files::write(&directory, files::SPEC, &assignment)?;
        let words = self
            .launch(&directory)
            .map_err(|source| ShimError::Launch {
                program: self.program.clone(),
                source,
            })?;
        match files::read::<ShimState>(&directory, files::SHIM)? {
            Some(state) if words.trim() == UP => Handle::open(directory, state),
            _ => {
                let reason = if words.trim().is_empty() {
                    "it said nothing".to_owned()
                } else {
                    words
                };
                Err(ShimError::GaveUp {
                    directory,
                    reason: reason.trim().to_owned(),
                })
            }
        }
    }

    fn launch(&self, directory: &Path) -> io::Result<String> {
        let log = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(files::FILE_MODE)
            .open(directory.join(files::LOG))?;
        let mut child = Command::new(&self.program)
            .args(&self.leading_arguments)
            .arg(directory)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let mut words = String::new();
        let read = match child.stdout.take() {
            Some(stdout) => stdout.take(LAST_WORDS_BYTES_MAX).read_to_string(&mut words),
            None => Ok(0),
        };
        child.wait()?;
        read?;
        Ok(words)
    }
}

/// The first stage: starts the shim proper, hands its first words on, and ends.
pub(crate) fn relay(directory: &Path) -> Result<String, ShimError> {
    let assignment: Assignment =
        files::read(directory, files::SPEC)?.ok_or_else(|| ShimError::GaveUp {
            directory: directory.to_owned(),
            reason: "it has no specification".to_owned(),
        })?;
    let launch = || -> io::Result<String> {
        let child = Command::new("/proc/self/exe")
            .args(&assignment.leading_arguments)
            .arg(LEAD_ARGUMENT)
            .arg(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        // The shim keeps its end open for life, so its words end at the first end of line.
        let mut words = String::new();
        if let Some(stdout) = child.stdout {
            io::BufRead::read_line(&mut io::BufReader::new(stdout), &mut words)?;
        }
        Ok(words)
    };
    launch().map_err(|source| ShimError::Launch {
        program: PathBuf::from("/proc/self/exe"),
        source,
    })
}
