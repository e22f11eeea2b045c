//! An app's bare repository: making it, and reading from it.
//!
//! Names that reach git's command line are of types that cannot be options; what git prints is read with NUL between
//! fields, so that no text in a commit can be taken for structure. Text that is not UTF-8 is shown with replacement
//! characters rather than refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use jiff::Timestamp;

use super::command::{self, Finished};
use super::{AppName, GitError, ObjectHash, RefName, RefUpdate};

/// Refs of one repository that are read.
const REFS_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Commits (with their messages) that are read at once.
const COMMITS_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Names of changed files that are read at once.
const CHANGED_FILES_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// The answer to a small question.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
/// The fields of one commit, each ended by a NUL.
const COMMIT_FORMAT: &str = "--format=tformat:%H%x00%P%x00%an%x00%ae%x00%ct%x00%s%x00%b%x00";
/// How many fields that is.
const COMMIT_FIELDS: usize = 7;

/// A bare repository's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository(PathBuf);

impl Repository {
    /// The repository of an app below the directory of all; it need not exist.
    pub fn of(repositories: &Path, app: &AppName) -> Self {
        Self(repositories.join(format!("{app}.git")))
    }

    /// Where it is: what `git clone` takes.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Whether it is there.
    pub fn exists(&self) -> bool {
        self.0.join("HEAD").is_file()
    }
}

/// A name and an address, as the commit has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The name; may be empty.
    pub name: String,
    /// The email address; may be empty.
    pub email: String,
}

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitInfo {
    /// Its full hash.
    pub hash: ObjectHash,
    /// Whom it is by. Anybody can write any name here: it is not the actor.
    pub author: Person,
    /// When it was committed, by the committer's clock.
    pub committed_at: Timestamp,
    /// The message's first paragraph, on one line.
    pub subject: String,
    /// The rest of the message.
    pub body: String,
    /// The commits that it builds on; none for a first commit.
    pub parents: Vec<ObjectHash>,
}

/// All apps that have a repository.
///
/// # Errors
/// When the directory cannot be read.
pub fn apps(repositories: &Path) -> Result<Vec<AppName>, GitError> {
    let failed = || GitError::io(format!("read {}", repositories.display()));
    let mut apps = Vec::new();
    for entry in std::fs::read_dir(repositories).map_err(failed())? {
        let name = entry.map_err(failed())?.file_name();
        // Names that are no app's are half-made repositories (see `create`).
        let name = name.to_str().and_then(|name| name.strip_suffix(".git"));
        apps.extend(name.and_then(|name| name.parse::<AppName>().ok()));
    }
    apps.sort();
    Ok(apps)
}

/// All refs and where they point. Annotated tags point at their tag object.
///
/// # Errors
/// When git cannot read them. A ref whose name is not plain text is left out, with a warning in the log.
pub async fn refs(repository: &Repository) -> Result<Vec<(RefName, ObjectHash)>, GitError> {
    let arguments = ["for-each-ref", "--format=%(objectname) %(refname)"];
    let printed = command::read(repository.path(), &arguments, REFS_BYTES_MAX).await?;
    let mut refs = Vec::new();
    for line in String::from_utf8_lossy(&printed).lines() {
        let Some((hash, name)) = line.split_once(' ') else {
            return Err(unexpected("for-each-ref", line));
        };
        match name.parse() {
            Ok(name) => refs.push((name, hash.parse()?)),
            Err(error) => tracing::warn!(%error, "a ref is left out"),
        }
    }
    Ok(refs)
}

/// The commit that a ref leads to, through annotated tags; none when it leads to no commit or does not exist.
///
/// # Errors
/// When git cannot be run.
pub async fn resolve(
    repository: &Repository,
    object: &ObjectHash,
) -> Result<Option<ObjectHash>, GitError> {
    let name = format!("{object}^{{commit}}");
    let arguments = [
        "rev-parse",
        "--verify",
        "--quiet",
        "--end-of-options",
        &name,
    ];
    let finished = command::run(repository.path(), &arguments, ANSWER_BYTES_MAX).await?;
    match finished.status.code() {
        Some(0) => Ok(Some(
            String::from_utf8_lossy(&finished.stdout).trim().parse()?,
        )),
        Some(1 | 128) => Ok(None),
        _ => Err(failed("rev-parse", finished)),
    }
}

/// One commit.
///
/// # Errors
/// When there is no such commit.
pub async fn commit_info(
    repository: &Repository,
    commit: &ObjectHash,
) -> Result<CommitInfo, GitError> {
    let commits = log(repository, 1, &[commit.as_str()]).await?;
    commits
        .into_iter()
        .next()
        .ok_or_else(|| unexpected("log", "no commit"))
}

/// The commits that `to` has and `from` has not, newest first; all of `to`'s history without `from`, or where `from` is
/// not there.
///
/// # Errors
/// When `to` is no commit.
pub async fn commits_between(
    repository: &Repository,
    from: Option<&ObjectHash>,
    to: &ObjectHash,
    commits_max: usize,
) -> Result<Vec<CommitInfo>, GitError> {
    let from = match from {
        Some(from) => resolve(repository, from).await?,
        None => None,
    };
    let exclude = from.map(|from| format!("^{from}"));
    let mut revisions = vec![to.as_str()];
    revisions.extend(exclude.as_deref());
    log(repository, commits_max, &revisions).await
}

/// A file's content in a commit; none where the commit has no such file (a directory or a link is no file).
///
/// # Errors
/// [`GitError::FileTooLarge`], or when there is no such commit.
pub async fn read_file(
    repository: &Repository,
    commit: &ObjectHash,
    path: &str,
    bytes_max: u64,
) -> Result<Option<Vec<u8>>, GitError> {
    let arguments = [
        "--literal-pathspecs",
        "ls-tree",
        "-z",
        "--long",
        "--full-tree",
        commit.as_str(),
        "--",
        path,
    ];
    let finished = command::run(repository.path(), &arguments, ANSWER_BYTES_MAX).await?;
    let printed = finished.successful("ls-tree")?;
    let printed = String::from_utf8_lossy(&printed);
    // "100644 blob HASH    SIZE\tNAME\0"
    let Some((entry, _)) = printed.split_once('\t') else {
        return Ok(None);
    };
    let words: Vec<&str> = entry.split_ascii_whitespace().collect();
    let &[mode, "blob", hash, size] = words.as_slice() else {
        return Ok(None);
    };
    if !mode.starts_with("100") {
        return Ok(None);
    }
    let bytes = size
        .parse::<u64>()
        .map_err(|_| unexpected("ls-tree", entry))?;
    if bytes > bytes_max {
        return Err(GitError::FileTooLarge {
            path: path.to_owned(),
            bytes,
            bytes_max,
        });
    }
    let hash: ObjectHash = hash.parse()?;
    let arguments = ["cat-file", "blob", hash.as_str()];
    command::read(repository.path(), &arguments, bytes_max)
        .await
        .map(Some)
}

/// Whether `ancestor` is in the history of `commit` (a commit is in its own). False when either is not there.
///
/// # Errors
/// When git cannot be run.
pub async fn is_ancestor(
    repository: &Repository,
    ancestor: &ObjectHash,
    commit: &ObjectHash,
) -> Result<bool, GitError> {
    let arguments = [
        "merge-base",
        "--is-ancestor",
        ancestor.as_str(),
        commit.as_str(),
    ];
    let finished = command::run(repository.path(), &arguments, ANSWER_BYTES_MAX).await?;
    match finished.status.code() {
        Some(0) => Ok(true),
        // 128: one of the two is not there.
        Some(1 | 128) => Ok(false),
        _ => Err(failed("merge-base", finished)),
    }
}

/// The paths that differ between two commits; all of `to`'s without `from`.
///
/// # Errors
/// When either is no commit.
pub async fn changed_files(
    repository: &Repository,
    from: Option<&ObjectHash>,
    to: &ObjectHash,
) -> Result<Vec<String>, GitError> {
    let arguments = match from {
        Some(from) => vec![
            "diff-tree",
            "-r",
            "-z",
            "--name-only",
            "--no-renames",
            "--no-ext-diff",
            from.as_str(),
            to.as_str(),
        ],
        None => vec!["ls-tree", "-r", "-z", "--name-only", to.as_str()],
    };
    let printed = command::read(repository.path(), &arguments, CHANGED_FILES_BYTES_MAX).await?;
    let paths = printed
        .split(|byte| *byte == 0)
        .filter(|path| !path.is_empty());
    Ok(paths
        .map(|path| String::from_utf8_lossy(path).into_owned())
        .collect())
}

/// Makes the app's repository, if it is not there. It appears whole or not at all: made beside, then renamed. What a
/// killed attempt leaves has no app's name and is removed by the next start ([`remove_half_made`]).
pub(super) async fn create(repositories: &Path, app: &AppName) -> Result<Repository, GitError> {
    let repository = Repository::of(repositories, app);
    if repository.exists() {
        return Ok(repository);
    }
    let mut random = [0; 8];
    getrandom::fill(&mut random)
        .map_err(|error| GitError::io("make a name")(std::io::Error::other(error)))?;
    let temporary = repositories.join(format!("{HALF_MADE}{app}-{}", u64::from_ne_bytes(random)));
    let mut command = command::git(None);
    command
        .args([
            "init",
            "--bare",
            "--quiet",
            "--initial-branch=main",
            "--template=",
            "--",
        ])
        .arg(&temporary)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let finished = command::collect(command, "init".to_owned(), ANSWER_BYTES_MAX).await?;
    finished.successful("init")?;
    let outcome = match std::fs::rename(&temporary, repository.path()) {
        Ok(()) => crate::data::sync_directory(repositories)
            .map_err(|error| GitError::io("store the repository")(std::io::Error::other(error))),
        // Another push was first.
        Err(_) if repository.exists() => std::fs::remove_dir_all(&temporary)
            .map_err(GitError::io(format!("remove {}", temporary.display()))),
        Err(error) => Err(GitError::io(format!(
            "make {}",
            repository.path().display()
        ))(error)),
    };
    outcome.map(|()| repository)
}

/// Removes what killed attempts to make a repository have left.
pub(super) fn remove_half_made(repositories: &Path) -> Result<(), GitError> {
    let failed = || GitError::io(format!("tidy {}", repositories.display()));
    for entry in std::fs::read_dir(repositories).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        if entry.file_name().to_string_lossy().starts_with(HALF_MADE) {
            std::fs::remove_dir_all(entry.path()).map_err(failed())?;
        }
    }
    Ok(())
}

/// What turns the refs `before` into the refs `after`.
pub(super) fn difference(
    before: Vec<(RefName, ObjectHash)>,
    after: Vec<(RefName, ObjectHash)>,
) -> Vec<RefUpdate> {
    let mut before: BTreeMap<_, _> = before.into_iter().collect();
    let mut updates: Vec<RefUpdate> = after
        .into_iter()
        .filter_map(|(name, new)| {
            let old = before.remove(&name);
            (old.as_ref() != Some(&new)).then_some(RefUpdate {
                name,
                old,
                new: Some(new),
            })
        })
        .collect();
    updates.extend(before.into_iter().map(|(name, old)| RefUpdate {
        name,
        old: Some(old),
        new: None,
    }));
    updates
}

/// How the name of a half-made repository begins: no app's name does.
const HALF_MADE: &str = ".new-";

async fn log(
    repository: &Repository,
    commits_max: usize,
    revisions: &[&str],
) -> Result<Vec<CommitInfo>, GitError> {
    let count = format!("--max-count={commits_max}");
    let mut arguments = vec!["log", "--encoding=UTF-8", COMMIT_FORMAT, &count];
    arguments.extend(revisions);
    arguments.push("--");
    let printed = command::read(repository.path(), &arguments, COMMITS_BYTES_MAX).await?;
    let fields: Vec<&[u8]> = printed.split(|byte| *byte == 0).collect();
    fields
        .chunks_exact(COMMIT_FIELDS)
        .map(parse_commit)
        .collect()
}

fn parse_commit(fields: &[&[u8]]) -> Result<CommitInfo, GitError> {
    let text = |index: usize| String::from_utf8_lossy(fields[index]).trim().to_owned();
    let seconds = text(4);
    let committed_at = seconds
        .parse()
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH);
    Ok(CommitInfo {
        // A newline stands between two commits, in front of the second one's hash.
        hash: text(0).parse()?,
        parents: text(1)
            .split_ascii_whitespace()
            .map(str::parse)
            .collect::<Result<_, _>>()?,
        author: Person {
            name: text(2),
            email: text(3),
        },
        committed_at,
        subject: text(5),
        body: text(6),
    })
}

fn unexpected(command: &'static str, what: &str) -> GitError {
    GitError::Output {
        command,
        what: what.chars().take(200).collect(),
    }
}

fn failed(command: &str, finished: Finished) -> GitError {
    GitError::Failed {
        command: command.to_owned(),
        status: finished.status,
        message: finished.stderr,
    }
}
