//! What differs between two commits: the files with their counts, and the text of what changed, within limits.
//!
//! For people who judge: what is binary or too long is said so, never left out in silence. Text is read leniently, and is as
//! foreign as everything else in a commit.

use super::repository::Repository;
use super::{GitError, ObjectHash, command};

/// Names and counts of changed files that are read at once.
const COUNTS_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Text of a difference that is read at once; beyond that only its files are told.
const TEXT_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Lines of a file's difference that are kept.
pub const FILE_LINES_MAX: usize = 400;
/// Characters of a line that are kept.
const LINE_CHARACTERS_MAX: usize = 400;

/// What differs between two commits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// The files, in the order of their names.
    pub files: Vec<FileDifference>,
    /// Whether the text was too long to be read: then no file has any.
    pub text_too_long: bool,
}

/// What differs in one file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileDifference {
    /// Its name in the newer commit, or in the older where it was removed.
    pub path: String,
    /// Its name before, where it was renamed.
    pub path_before: Option<String>,
    /// Lines that came and lines that went; none where it is binary.
    pub counts: Option<(u64, u64)>,
    /// What happened to it as a whole: `new`, `removed`, `renamed`, or nothing.
    pub fate: Option<&'static str>,
    /// The lines of its hunks, as git prints them.
    pub lines: Vec<String>,
    /// Lines beyond [`FILE_LINES_MAX`].
    pub lines_left_out: usize,
}

impl Difference {
    /// Lines that came and lines that went, of all files together.
    pub fn counts(&self) -> (u64, u64) {
        let counts = self.files.iter().filter_map(|file| file.counts);
        counts.fold((0, 0), |sum, counts| (sum.0 + counts.0, sum.1 + counts.1))
    }
}

/// What `to` has otherwise than `from`.
///
/// # Errors
/// When either is no commit.
pub async fn difference(
    repository: &Repository,
    from: &ObjectHash,
    to: &ObjectHash,
) -> Result<Difference, GitError> {
    let counts = diff(&["--numstat", "-z"], from, to);
    let printed = command::read(repository.path(), &counts, COUNTS_BYTES_MAX).await?;
    let mut files = parse_counts(&String::from_utf8_lossy(&printed));
    let text = diff(&["--patch", "--unified=3"], from, to);
    let printed = match command::read(repository.path(), &text, TEXT_BYTES_MAX).await {
        Ok(printed) => printed,
        Err(GitError::TooLong { .. }) => {
            return Ok(Difference {
                files,
                text_too_long: true,
            });
        }
        Err(error) => return Err(error),
    };
    fill(&mut files, &String::from_utf8_lossy(&printed));
    Ok(Difference {
        files,
        text_too_long: false,
    })
}

fn diff<'a>(how: &[&'a str], from: &'a ObjectHash, to: &'a ObjectHash) -> Vec<&'a str> {
    let mut arguments = vec![
        "diff",
        "--no-color",
        "--no-ext-diff",
        "--no-textconv",
        "--find-renames",
        "--src-prefix=a/",
        "--dst-prefix=b/",
    ];
    arguments.extend(how);
    arguments.extend([from.as_str(), to.as_str(), "--"]);
    arguments
}

/// `ADDED\tREMOVED\tPATH\0`, and for a renamed file `ADDED\tREMOVED\t\0BEFORE\0AFTER\0`; dashes where it is binary.
fn parse_counts(printed: &str) -> Vec<FileDifference> {
    let mut files = Vec::new();
    let mut parts = printed.split('\0');
    while let Some(entry) = parts.next() {
        let mut fields = entry.trim_start_matches('\n').splitn(3, '\t');
        let (Some(added), Some(removed), Some(path)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let counts = added.parse().ok().zip(removed.parse().ok());
        let (path, path_before) = match path {
            "" => {
                let before = parts.next().unwrap_or_default().to_owned();
                (parts.next().unwrap_or_default().to_owned(), Some(before))
            }
            path => (path.to_owned(), None),
        };
        files.push(FileDifference {
            path,
            path_before,
            counts,
            ..FileDifference::default()
        });
    }
    files
}

/// Gives each file its text: git prints the files in the same order both times.
fn fill(files: &mut [FileDifference], printed: &str) {
    let mut files = files.iter_mut();
    let mut file: Option<&mut FileDifference> = None;
    let mut in_hunks = false;
    for line in printed.lines() {
        // A line of a hunk begins with a space, a sign or a backslash, so this is none.
        if line.starts_with("diff --git ") {
            file = files.next();
            in_hunks = false;
            continue;
        }
        let Some(file) = &mut file else { continue };
        in_hunks |= line.starts_with("@@");
        match in_hunks {
            true => keep(file, line),
            false => heading(file, line),
        }
    }
}

fn heading(file: &mut FileDifference, line: &str) {
    let fates = [
        ("new file", "new"),
        ("deleted file", "removed"),
        ("rename to", "renamed"),
    ];
    let fate = fates.iter().find(|(begins, _)| line.starts_with(begins));
    if let Some((_, fate)) = fate {
        file.fate = Some(fate);
    }
}

fn keep(file: &mut FileDifference, line: &str) {
    if file.lines.len() >= FILE_LINES_MAX {
        file.lines_left_out += 1;
        return;
    }
    let kept: String = line.chars().take(LINE_CHARACTERS_MAX).collect();
    let cut = if kept.len() < line.len() { "…" } else { "" };
    file.lines.push(kept + cut);
}

#[cfg(test)]
mod tests;
