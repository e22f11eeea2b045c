//! What differs between two commits, against a real repository made by the system's git: counts, limits, binary files.

use std::path::Path;
use std::process::Command;

use super::*;

fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=Ann", "-c", "user.email=ann@example.com"])
        .args(arguments)
        .current_dir(directory)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .expect("git runs");
    assert!(output.status.success(), "git {arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn commit(directory: &Path) -> ObjectHash {
    git(directory, &["add", "--all"]);
    git(directory, &["commit", "--quiet", "--message", "it"]);
    git(directory, &["rev-parse", "HEAD"])
        .parse()
        .expect("a hash")
}

/// Each file: name, counts, fate, lines kept and left out.
fn told(difference: &Difference) -> Vec<String> {
    let tell = |file: &FileDifference| {
        let counts = file.counts.map_or_else(
            || "binary".to_owned(),
            |(added, removed)| format!("+{added} -{removed}"),
        );
        let fate = file.fate.unwrap_or("changed");
        format!(
            "{} {counts} {fate} {}+{}",
            file.path,
            file.lines.len(),
            file.lines_left_out
        )
    };
    difference.files.iter().map(tell).collect()
}

#[tokio::test]
async fn what_changed_is_told_file_by_file() {
    let place = tempfile::tempdir().expect("a directory");
    let apps: crate::git::AppName = "shop".parse().expect("a name");
    let directory = place.path();
    git(directory, &["init", "--quiet", "--initial-branch=main"]);
    let write = |name: &str, content: &[u8]| {
        std::fs::write(directory.join(name), content).expect("written");
    };
    let many: String = (0..30).map(|line| format!("line {line}\n")).collect();
    write("a.txt", b"one\ntwo\n");
    write("gone.txt", b"bye\n");
    write("old name.txt", many.as_bytes());
    write("picture", &[0, 1, 2]);
    let from = commit(directory);
    write("a.txt", b"one\n2\ndiff --git a/x b/x\n");
    write("\u{e9}t\u{e9}.txt", b"new\n");
    write("picture", &[0, 3, 4]);
    write("long.txt", "x\n".repeat(1000).as_bytes());
    write("wide.txt", "y".repeat(1000).as_bytes());
    std::fs::remove_file(directory.join("gone.txt")).expect("removed");
    std::fs::rename(
        directory.join("old name.txt"),
        directory.join("renamed.txt"),
    )
    .expect("moved");
    let to = commit(directory);
    std::os::unix::fs::symlink(directory.join(".git"), directory.join("shop.git")).expect("linked");
    let repository = Repository::of(directory, &apps);

    let difference = difference(&repository, &from, &to).await.expect("told");
    assert_eq!(
        told(&difference),
        [
            "a.txt +2 -1 changed 5+0",
            "gone.txt +0 -1 removed 2+0",
            "long.txt +1000 -0 new 400+601",
            "picture binary changed 0+0",
            "renamed.txt +0 -0 renamed 0+0",
            "wide.txt +1 -0 new 3+0",
            "\u{e9}t\u{e9}.txt +1 -0 new 2+0",
        ]
    );
    assert_eq!(
        difference.files[0].lines,
        [
            "@@ -1,2 +1,3 @@",
            " one",
            "-two",
            "+2",
            "+diff --git a/x b/x"
        ]
    );
    assert_eq!(
        difference.files[4].path_before.as_deref(),
        Some("old name.txt")
    );
    assert_eq!(difference.counts(), (1004, 2));
    assert_eq!(difference.files[5].lines[1].chars().count(), 401);
}
