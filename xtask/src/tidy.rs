//! `cargo xtask tidy`: the house rules that neither the compiler nor clippy can hold.
//!
//! A rule that is only written down is forgotten; here each has a check, and each offence says where, what, why and what
//! to do. The checks read text, not types: fast enough to run before every commit, and independent of whether the
//! code compiles. What needs types belongs into `clippy.toml` or `[workspace.lints]`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use thiserror::Error;

use crate::Outcome;

mod charters;
mod functions;
mod imports;
mod rust_text;
mod words;

/// The most lines of a file of code, below which one can keep it in mind (rule 12).
const FILE_LINES_MAX: usize = 600;

/// Checks the working tree of this repository.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Check this directory instead of the repository
    #[arg(long)]
    root: Option<PathBuf>,
}

/// A file of the project, as text.
#[derive(Debug)]
struct SourceFile {
    /// Relative to the root, with `/`.
    path: String,
    text: String,
}

/// A broken rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Offence {
    path: String,
    line: usize,
    what: String,
    why: &'static str,
    remedy: String,
}

#[derive(Debug, Error)]
enum TidyError {
    #[error("cannot run git in {path}", path = path.display())]
    Git { path: PathBuf, source: io::Error },
    #[error("git could not list the files of {path}: {message}", path = path.display())]
    Listing { path: PathBuf, message: String },
    #[error("cannot read {path}", path = path.display())]
    Read { path: PathBuf, source: io::Error },
}

/// Prints the offences and the summary; fails where there are any.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let root = arguments
        .root
        .clone()
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    let files = source_files(&root)?;
    let offences = offences(&files);
    for Offence {
        path,
        line,
        what,
        why,
        remedy,
    } in &offences
    {
        println!("{path}:{line}: {what}\n    why: {why}\n    do:  {remedy}");
    }
    println!("{}", summary(&files, offences.len()));
    Ok(if offences.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn offences(files: &[SourceFile]) -> Vec<Offence> {
    let mut offences = imports::check(files);
    for file in files {
        offences.extend(words::check(file));
        if file.is_rust() {
            offences.extend(charters::check(file));
            offences.extend(functions::check(file));
        }
        if file.is_code() {
            offences.extend(check_length(file));
        }
    }
    offences.sort();
    offences
}

fn check_length(file: &SourceFile) -> Option<Offence> {
    let lines = file.text.lines().count();
    (lines >= FILE_LINES_MAX).then(|| Offence {
        path: file.path.clone(),
        line: lines,
        what: format!("the file has {lines} lines"),
        why: "a file holds one concept, which fits under 600 lines (rule 12)",
        remedy: "split it into modules of one concept each".to_owned(),
    })
}

fn summary(files: &[SourceFile], offences: usize) -> String {
    let rust: Vec<_> = files.iter().filter(|file| file.is_rust()).collect();
    let mut lengths: Vec<_> = rust
        .iter()
        .flat_map(|file| functions::functions(&file.text))
        .map(|function| function.lines)
        .collect();
    lengths.sort_unstable();
    let median = lengths.get(lengths.len() / 2).copied().unwrap_or_default();
    let longest = lengths.last().copied().unwrap_or_default();
    let longest_file = rust
        .iter()
        .map(|file| file.text.lines().count())
        .max()
        .unwrap_or_default();
    format!(
        "tidy: {offences} offences in {} files; {} Rust files, the longest {longest_file} lines; {} functions, median \
         {median} lines, longest {longest}",
        files.len(),
        rust.len(),
        lengths.len(),
    )
}

/// What git tracks or would track, as far as it is text.
fn source_files(root: &Path) -> Result<Vec<SourceFile>, TidyError> {
    let listed = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root)
        .output()
        .map_err(|source| TidyError::Git {
            path: root.to_owned(),
            source,
        })?;
    if !listed.status.success() {
        let message = String::from_utf8_lossy(&listed.stderr).trim().to_owned();
        return Err(TidyError::Listing {
            path: root.to_owned(),
            message,
        });
    }
    let names = String::from_utf8_lossy(&listed.stdout).into_owned();
    names
        .split_terminator('\0')
        .filter_map(|name| read(root, name).transpose())
        .collect()
}

/// `None` for what is no text, and for what is tracked but was deleted.
fn read(root: &Path, name: &str) -> Result<Option<SourceFile>, TidyError> {
    let path = root.join(name);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(SourceFile {
            path: name.to_owned(),
            text,
        })),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::NotFound
            ) =>
        {
            Ok(None)
        }
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => Ok(None),
        Err(source) => Err(TidyError::Read { path, source }),
    }
}

impl SourceFile {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    fn is_code(&self) -> bool {
        self.is_rust()
            || self.path.ends_with(".ts")
            || self.path.ends_with(".css")
            || self.path.ends_with(".js")
    }

    /// Code that runs only in tests: it may do what the product must not.
    fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs")
            || self.path.contains("/tests/")
            || self.path.contains("/test_support")
    }

    fn offence(&self, offset: usize, what: String, why: &'static str, remedy: String) -> Offence {
        Offence {
            path: self.path.clone(),
            line: line_at(&self.text, offset),
            what,
            why,
            remedy,
        }
    }
}

/// The line, counted from 1, of a byte of the text.
fn line_at(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
        + 1
}

#[cfg(test)]
fn file(path: &str, text: &str) -> SourceFile {
    SourceFile {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}
