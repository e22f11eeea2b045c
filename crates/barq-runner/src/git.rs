//! The system's git, with nothing of its surroundings: no configuration, hooks, prompts or templates.
//!
//! It must not know what the files are for.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::error::RunnerError;

/// Longest time of one git command.
const GIT_TIME_MAX: Duration = Duration::from_secs(300);
/// Most of git's words that are shown, in bytes.
const MESSAGE_BYTES_MAX: usize = 2000;
/// Makes any commit fetchable, also one that no branch holds any more (a force push during the delivery).
const UPLOAD_PACK: &str = "--upload-pack=git -c uploadpack.allowAnySHA1InWant=true upload-pack";

/// One entry of a commit's tree.
pub(crate) struct Entry {
    /// The hash of its content.
    pub(crate) object: String,
    /// Its path, as git gives it.
    pub(crate) path: String,
}

/// Makes a clone of one commit, without history, without links to the repository that it came from.
pub(crate) async fn clone(repository: &Path, commit: &str, tree: &Path) -> Result<(), RunnerError> {
    if !is_hash(commit) {
        return Err(RunnerError::Request(format!(
            "{commit:?} is not the full hash of a commit"
        )));
    }
    let object = format!("{commit}^{{commit}}");
    if !repository.is_dir() {
        return Err(RunnerError::Request(format!(
            "there is no repository at {}",
            repository.display()
        )));
    }
    if run(repository, "cat-file", &["-e".as_ref(), object.as_ref()])
        .await
        .is_err()
    {
        return Err(RunnerError::Request(format!(
            "the commit {commit} is not in the repository"
        )));
    }
    run(tree, "init", &["--quiet".as_ref(), "--template=".as_ref()]).await?;
    let mut source = std::ffi::OsString::from("file://");
    source.push(repository);
    let fetch: [&OsStr; 7] = [
        "--quiet".as_ref(),
        "--depth=1".as_ref(),
        "--no-tags".as_ref(),
        "--no-recurse-submodules".as_ref(),
        UPLOAD_PACK.as_ref(),
        &source,
        commit.as_ref(),
    ];
    run(tree, "fetch", &fetch).await?;
    run(
        tree,
        "checkout",
        &["--quiet".as_ref(), "--detach".as_ref(), commit.as_ref()],
    )
    .await?;
    let trace = tree.join(".git/FETCH_HEAD");
    std::fs::remove_file(&trace).map_err(RunnerError::file("removing", trace))
}

/// Everything in the commit that is checked out: files and directories.
pub(crate) async fn entries(tree: &Path) -> Result<Vec<Entry>, RunnerError> {
    let listing = run(
        tree,
        "ls-tree",
        &["-r".as_ref(), "-t".as_ref(), "-z".as_ref(), "HEAD".as_ref()],
    )
    .await?;
    // A name that is no UTF-8 just gets a new time at each run.
    let listing = String::from_utf8_lossy(&listing).into_owned();
    let entry = |line: &str| {
        let (head, path) = line.split_once('\t')?;
        Some(Entry {
            object: head.rsplit(' ').next()?.to_owned(),
            path: path.to_owned(),
        })
    };
    Ok(listing.split('\0').filter_map(entry).collect())
}

fn is_hash(commit: &str) -> bool {
    matches!(commit.len(), 40 | 64) && commit.bytes().all(|byte| byte.is_ascii_hexdigit())
}

async fn run(
    directory: &Path,
    command: &'static str,
    arguments: &[&OsStr],
) -> Result<Vec<u8>, RunnerError> {
    let failed = |message: String| RunnerError::Git { command, message };
    let future = Command::new("git")
        .args([
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "safe.directory=*",
            "-c",
            "protocol.file.allow=always",
        ])
        .args([
            "-c",
            "advice.detachedHead=false",
            "-c",
            "gc.auto=0",
            "-c",
            "init.defaultBranch=main",
        ])
        .arg(command)
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(GIT_TIME_MAX, future)
        .await
        .map_err(|_elapsed| failed(format!("it took longer than {} s", GIT_TIME_MAX.as_secs())))?
        .map_err(|error| failed(format!("git could not be run: {error}")))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let words = words.trim();
    Err(failed(
        words[words.ceil_char_boundary(words.len().saturating_sub(MESSAGE_BYTES_MAX))..].to_owned(),
    ))
}
