//! What is new in the release: commits, files with their counts, and the text of what changed, each file folded.
//!
//! A page has a limit, so what does not fit is named with the command that shows it. What is in a commit is foreign text.

use maud::{Markup, html};

use super::super::super::problem::Problem;
use super::super::elements;
use super::Sight;
use crate::git::{Difference, FileDifference};

/// Commits that are shown; the rest is counted.
const COMMITS_SHOWN_MAX: usize = 30;
/// Files that are listed; the rest is counted.
const FILES_SHOWN_MAX: usize = 80;
/// Bytes of text of what changed, over all files: a page has 100 KB.
const TEXT_BYTES_MAX: usize = 36 * 1024;

/// The commits, newest first.
pub(super) fn commits(sight: &Sight<'_>) -> Markup {
    let commits = match sight.material {
        Ok(material) => &material.commits,
        Err(problem) => return untold(problem),
    };
    let left_out = commits.len().saturating_sub(COMMITS_SHOWN_MAX);
    html! {
        div.card {
            h2 { (commits.len()) @if commits.len() == 1 { " new commit" } @else { " new commits" } }
            @if commits.is_empty() {
                p.quiet { "None: what serves there has all of it." }
            }
            ol.plain {
                @for commit in commits.iter().take(COMMITS_SHOWN_MAX) {
                    li { (elements::hash(&commit.commit)) " " (elements::subject(&commit.subject)) span.quiet { " " (commit.author) } }
                }
            }
            @if left_out > 0 { p.quiet { "and " (left_out) " more" } }
        }
    }
}

/// The files, each with what changed in it.
pub(super) fn files(sight: &Sight<'_>) -> Markup {
    let Ok(material) = sight.material else {
        return html! {};
    };
    let Some(difference) = &material.difference else {
        return html! {
            div.card { h2 { "Changes" } p.quiet { "Nothing serves there yet, so all of it is new." } }
        };
    };
    let (added, removed) = difference.counts();
    let since = sight.evidence.changes_since.as_deref().unwrap_or_default();
    let to = &sight.evidence.commit;
    let left_out = difference.files.len().saturating_sub(FILES_SHOWN_MAX);
    html! {
        div.card {
            h2 {
                (difference.files.len()) @if difference.files.len() == 1 { " file changed " } @else { " files changed " }
                (counts((added, removed)))
            }
            p.quiet { "From " (elements::hash(since)) ", which serves there now, to " (elements::hash(to)) "." }
            @if difference.files.is_empty() { p.quiet { "The files of both are the same." } }
            (list(difference, since, to))
            @if left_out > 0 { p.quiet { "and " (left_out) " more files: " (command(since, to, None)) } }
        }
    }
}

fn untold(problem: &Problem) -> Markup {
    html! {
        div.card {
            h2 { "What is new can't be shown" }
            p { (problem.title()) @if let Some(detail) = problem.detail() { ": " (detail) } "." }
            p.hint { "Everything else on this page is known. Look at the changes elsewhere before you decide." }
        }
    }
}

fn list(difference: &Difference, since: &str, to: &str) -> Markup {
    let mut room = TEXT_BYTES_MAX;
    html! {
        @for (index, file) in difference.files.iter().take(FILES_SHOWN_MAX).enumerate() {
            @let bytes: usize = file.lines.iter().map(|line| line.len() + 1).sum();
            @let fits = bytes <= room;
            @if fits { ({ room -= bytes; "" }) }
            details.file id=(format!("file-{index}")) {
                summary {
                    @if let Some(before) = &file.path_before { (before) " → " }
                    span.path { (file.path) } " "
                    @if let Some(fate) = file.fate { span.mark { (fate) } " " }
                    @match file.counts { Some(it) => (counts(it)), None => span.quiet { "binary" } }
                }
                (content(file, fits && !difference.text_too_long, since, to))
            }
        }
    }
}

fn content(file: &FileDifference, fits: bool, since: &str, to: &str) -> Markup {
    let shown = command(since, to, Some(&file.path));
    if file.counts.is_none() {
        return html! { p.quiet { "Binary: there is nothing to read." } };
    }
    if !fits {
        return html! { p.quiet { "Too long for this page: " (shown) } };
    }
    if file.lines.is_empty() {
        return html! { p.quiet { "No line is different." } };
    }
    html! {
        pre.diff tabindex="0" role="region" aria-label=(format!("What changed in {}", file.path)) {
            @for (sign, lines) in runs(&file.lines) {
                @match sign {
                    '+' => ins { (lines) },
                    '-' => del { (lines) },
                    '@' => span.hunk { (lines) },
                    _ => span.same { (lines) },
                }
            }
        }
        @if file.lines_left_out > 0 { p.quiet { "and " (file.lines_left_out) " more lines: " (shown) } }
    }
}

/// Lines that begin alike, together: a page of single lines would be twice as long.
fn runs(lines: &[String]) -> Vec<(char, String)> {
    let mut runs: Vec<(char, String)> = Vec::new();
    for line in lines {
        let sign = line.chars().next().unwrap_or(' ');
        match runs.last_mut().filter(|(last, _)| *last == sign) {
            Some((_, run)) => run.extend([line, "\n"]),
            None => runs.push((sign, format!("{line}\n"))),
        }
    }
    runs
}

fn counts((added, removed): (u64, u64)) -> Markup {
    html! {
        span.counts {
            span.good { "+" (elements::number(added)) } " " span.bad { "−" (elements::number(removed)) }
        }
    }
}

fn command(since: &str, to: &str, path: Option<&str>) -> Markup {
    let short = |hash: &str| hash.get(..12).unwrap_or(hash).to_owned();
    let path = path.map_or_else(String::new, |path| format!(" -- '{path}'"));
    html! { code { "git diff " (short(since)) " " (short(to)) (path) } }
}

#[cfg(test)]
mod tests {
    use super::runs;

    #[test]
    fn lines_that_begin_alike_go_together() {
        let lines = ["@@ -1 +1,2 @@", "-a", "+b", "+c", " d", ""].map(ToOwned::to_owned);
        let runs: Vec<_> = runs(&lines);
        let expect = [
            ('@', "@@ -1 +1,2 @@\n"),
            ('-', "-a\n"),
            ('+', "+b\n+c\n"),
            (' ', " d\n\n"),
        ];
        assert_eq!(runs, expect.map(|(sign, text)| (sign, text.to_owned())));
    }
}
