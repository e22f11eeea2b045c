//! What a check sees, how it ends, what is kept of it.

use std::fs;
use std::time::Duration;

use barq_runner::api::{Outcome, PRIORITY, RunState, RunnerError};
use barq_shim::Enforced;
use barq_shim::output::Stream;

use crate::support::{Place, is_alive, line_after, start, texts, until};

fn reason(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Error { reason } => reason,
        other => panic!("{other:?} is no error"),
    }
}

#[tokio::test]
async fn a_check_ends_as_its_command_ends_and_leaves_no_tree() {
    let place = Place::new();
    let commit = place.commit(&[("file", "content")]);
    let runner = place.runner();
    for (key, run, expected) in [
        ("passes", "test \"$(cat file)\" = content", Outcome::Passed),
        ("fails", "exit 3", Outcome::Failed { exit_code: 3 }),
        (
            "signalled",
            "kill -KILL $$",
            Outcome::Signalled { signal: 9 },
        ),
    ] {
        let result = runner.run(place.check(key, &commit, run)).await.unwrap();
        assert_eq!(
            result.outcome,
            expected,
            "{key}: {:?}",
            texts(&runner, key).await
        );
        assert_eq!(runner.state(key).unwrap(), Some(RunState::Finished(result)));
        assert!(!place.tree("test").exists());
    }
    assert_eq!(runner.state("never").unwrap(), None);
    assert!(matches!(
        runner.output("never", 0).await,
        Err(RunnerError::Unknown(_))
    ));
}

#[tokio::test]
async fn what_cannot_run_teaches_why() {
    let place = Place::new();
    let commit = place.commit(&[("file", "x"), ("kept/file", "x")]);
    std::os::unix::fs::symlink("/etc", place.root.join("source/link")).unwrap();
    let linked = place.commit(&[]);
    let runner = place.runner();
    let missing = "1234".repeat(10);

    let result = runner
        .run(place.check("commit", &missing, "true"))
        .await
        .unwrap();
    assert_eq!(
        reason(&result.outcome),
        format!("the commit {missing} is not in the repository")
    );
    let result = runner
        .run(place.check("option", "--help", "true"))
        .await
        .unwrap();
    assert!(reason(&result.outcome).contains("not the full hash"));
    let mut request = place.check("directory", &commit, "true");
    request.directory = "nowhere".to_owned();
    let result = runner.run(request).await.unwrap();
    assert!(reason(&result.outcome).contains("no directory \"nowhere\""));
    let mut request = place.check("linked", &linked, "true");
    request.directory = "link".to_owned();
    assert!(reason(&runner.run(request).await.unwrap().outcome).contains("no directory \"link\""));
    let mut request = place.check("through", &linked, "true");
    request.cache = vec!["link/x".to_owned()];
    assert_eq!(runner.run(request).await.unwrap().outcome, Outcome::Passed);
    let mut request = place.check("repository", &commit, "true");
    request.repository = "/nowhere".into();
    assert!(
        reason(&runner.run(request).await.unwrap().outcome).contains("no repository at /nowhere")
    );

    for name in ["../x", "/etc", "a/../../b", ".", "", ".git", "x/.git/y"] {
        let mut request = place.check("cache", &commit, "true");
        request.cache = vec![name.to_owned()];
        assert!(
            matches!(runner.run(request).await, Err(RunnerError::Request(_))),
            "{name:?}"
        );
    }
    let mut request = place.check("reserved", &commit, "true");
    request.check = "build".to_owned();
    assert!(matches!(
        runner.run(request).await,
        Err(RunnerError::Request(_))
    ));
}

#[tokio::test]
async fn a_check_sees_a_clean_place() {
    let place = Place::new();
    let commit = place.commit(&[("sub/file", "x")]);
    place.git("bare", &["config", "core.fsmonitor", "touch /tmp/never"]);
    let runner = place.runner();
    let mut request = place.check(
        "key",
        &commit,
        "env | cut -d= -f1 | sort | tr '\\n' ' '; echo; pwd; git rev-parse HEAD; git remote; \
         ls ../.git/objects/info/alternates ../.git/hooks; echo \"$BARQ_APP $BARQ_CHECK $CI $EXTRA\"; echo home > ~/x",
    );
    request.directory = "sub".to_owned();
    request
        .environment
        .insert("EXTRA".to_owned(), "more".to_owned());
    let result = runner.run(request).await.unwrap();
    assert_eq!(result.outcome, Outcome::Passed);
    let lines = runner.output("key", 0).await.unwrap().lines;
    let out: Vec<&str> = lines
        .iter()
        .filter(|line| line.stream == Stream::Stdout)
        .map(|line| line.text.as_str())
        .collect();
    let allowed = "BARQ_APP BARQ_CHECK BARQ_COMMIT BARQ_SHIM_TREE CARGO_HOME CI EXTRA HOME LANG OLDPWD PATH PWD \
                   RUSTUP_HOME SHLVL TERM TMPDIR _ npm_config_cache";
    let allowed: Vec<&str> = allowed.split_whitespace().collect();
    assert!(
        out[0]
            .split_whitespace()
            .all(|name| allowed.contains(&name)),
        "{}",
        out[0]
    );
    assert_eq!(
        out[1..],
        [
            place.tree("test").join("sub").to_str().unwrap(),
            &commit,
            "app test true more"
        ]
    );
    assert!(place.root.join("data/runner/home/app/test/x").exists());
}

#[tokio::test]
async fn the_data_directory_is_out_of_reach_where_there_is_landlock() {
    let place = Place::new();
    let commit = place.commit(&[]);
    let runner = place.runner();
    fs::write(place.root.join("data/admin.token"), "secret").unwrap();
    let run = format!("cat {}/data/admin.token", place.root.display());
    let result = runner.run(place.check("key", &commit, &run)).await.unwrap();
    match result.sandbox {
        Enforced::Yes => assert_eq!(result.outcome, Outcome::Failed { exit_code: 1 }),
        other => println!("skipped: {other:?}"),
    }
}

#[tokio::test]
async fn checks_and_builds_stand_back_from_what_serves() {
    let place = Place::new();
    let commit = place.commit(&[]);
    let runner = place.runner();
    let run = "nice; sh -c nice";
    runner.run(place.check("a", &commit, run)).await.unwrap();
    runner
        .build(place.build("b", &commit, run, &[]))
        .await
        .unwrap();
    let own = rustix::process::getpriority_process(None).unwrap();
    let nice = i32::from(PRIORITY.nice).max(own).to_string();
    for key in ["a", "b"] {
        assert_eq!(texts(&runner, key).await, [nice.clone(), nice.clone()]);
    }
}

#[tokio::test]
async fn one_key_is_one_run() {
    let place = Place::new();
    let commit = place.commit(&[]);
    let runner = place.runner();
    let marks = place.shared("marks");
    let request = place.check("key", &commit, &format!("echo x >> {}", marks.display()));
    let (first, second) = tokio::join!(runner.run(request.clone()), runner.run(request.clone()));
    assert_eq!(first.unwrap(), second.unwrap());
    runner.run(request.clone()).await.unwrap();
    place.runner().run(request).await.unwrap();
    assert_eq!(fs::read_to_string(marks).unwrap(), "x\n");
}

#[tokio::test]
async fn output_is_read_while_it_runs_and_after() {
    let place = Place::new();
    let commit = place.commit(&[]);
    let runner = place.runner();
    let go = place.shared("go");
    let run = format!(
        "echo first; while ! [ -e {} ]; do sleep 0.01; done; echo second",
        go.display()
    );
    let task = start(&runner, place.check("key", &commit, &run));
    line_after(&runner, "key", "first").await;
    let page = runner.output("key", 0).await.unwrap();
    assert!(!page.finished);
    fs::write(go, "").unwrap();
    task.await.unwrap();
    let rest = runner.output("key", page.next_offset).await.unwrap();
    assert_eq!(
        rest.lines
            .iter()
            .map(|line| line.text.as_str())
            .collect::<Vec<_>>(),
        ["second"]
    );
    assert!(rest.finished);
}

#[tokio::test]
async fn too_much_output_is_cut_and_said() {
    let place = Place::new();
    let commit = place.commit(&[]);
    let mut settings = place.settings();
    settings.output_bytes_max = 1000;
    let runner = barq_runner::api::Runner::new(settings).unwrap();
    let result = runner
        .run(place.check("key", &commit, "seq 1 10000"))
        .await
        .unwrap();
    assert_eq!(result.outcome, Outcome::Passed);
    assert!(result.output_truncated);
    assert!(
        texts(&runner, "key")
            .await
            .last()
            .unwrap()
            .contains("its limit is 1000 bytes")
    );
}

#[tokio::test]
async fn a_check_that_hangs_is_out_of_time_and_its_grandchildren_die() {
    let place = Place::new();
    let commit = place.commit(&[]);
    let runner = place.runner();
    let run = "trap '' TERM; setsid sh -c 'trap \"\" TERM; echo grandchild $$; while :; do sleep 1000; done' & wait; \
               while :; do sleep 1000; done";
    let mut request = place.check("key", &commit, run);
    request.timeout = Duration::from_millis(500);
    let result = runner.run(request).await.unwrap();
    assert_eq!(result.outcome, Outcome::TimedOut);
    assert!(!is_alive(&line_after(&runner, "key", "grandchild ").await));
}

#[tokio::test]
async fn cancel_kills_the_tree_and_keeps_the_cache() {
    let place = Place::new();
    let commit = place.commit(&[]);
    let runner = place.runner();
    let run = "echo kept > cache/file; trap '' TERM; (while :; do sleep 1000; done) & echo child $!; wait; wait";
    let mut request = place.check("key", &commit, &format!("mkdir -p cache; {run}"));
    request.cache = vec!["cache".to_owned()];
    let task = start(&runner, request.clone());
    let child = line_after(&runner, "key", "child ").await;
    runner.cancel("key").await.unwrap();
    assert_eq!(task.await.unwrap().outcome, Outcome::Cancelled);
    assert!(!is_alive(&child));
    runner.cancel("key").await.unwrap();
    assert_eq!(
        runner.run(request.clone()).await.unwrap().outcome,
        Outcome::Cancelled
    );

    request.key = "next".to_owned();
    request.run = "cat cache/file".to_owned();
    assert_eq!(runner.run(request).await.unwrap().outcome, Outcome::Passed);
    assert_eq!(texts(&runner, "next").await, ["kept"]);
}

#[tokio::test]
async fn what_was_cancelled_before_it_was_asked_for_never_runs() {
    let place = Place::new();
    let commit = place.commit(&[]);
    let runner = place.runner();
    runner.cancel("key").await.unwrap();
    let run = format!("touch {}", place.shared("ran").display());
    assert_eq!(
        runner
            .run(place.check("key", &commit, &run))
            .await
            .unwrap()
            .outcome,
        Outcome::Cancelled
    );
    assert!(!place.shared("ran").exists());
}

#[tokio::test]
async fn runs_of_one_check_never_overlap_and_the_waiting_can_be_cancelled() {
    let place = Place::new();
    let commit = place.commit(&[]);
    let runner = place.runner();
    let (busy, go) = (place.shared("busy"), place.shared("go"));
    let run = format!(
        "mkdir {0} || exit 9; while ! [ -e {1} ]; do sleep 0.01; done; rmdir {0}",
        busy.display(),
        go.display()
    );
    let first = start(&runner, place.check("first", &commit, &run));
    until(|| busy.exists()).await;
    let second = start(&runner, place.check("second", &commit, &run));
    until(|| runner.state("second").unwrap().is_some()).await;
    let third = start(&runner, place.check("third", &commit, &run));
    until(|| runner.state("third").unwrap().is_some()).await;
    assert_eq!(runner.state("second").unwrap(), Some(RunState::Queued));
    runner.cancel("third").await.unwrap();
    assert_eq!(third.await.unwrap().outcome, Outcome::Cancelled);
    // Another check of the app does not wait for it.
    let mut other = place.check("other", &commit, "true");
    other.check = "lint".to_owned();
    assert_eq!(runner.run(other).await.unwrap().outcome, Outcome::Passed);
    assert_eq!(runner.state("second").unwrap(), Some(RunState::Queued));
    fs::write(go, "").unwrap();
    assert_eq!(first.await.unwrap().outcome, Outcome::Passed);
    assert_eq!(second.await.unwrap().outcome, Outcome::Passed);
}

#[tokio::test]
async fn only_so_many_run_at_once() {
    let place = Place::new();
    let commit = place.commit(&[]);
    let mut settings = place.settings();
    settings.checks_at_once_max = 1;
    let runner = barq_runner::api::Runner::new(settings).unwrap();
    let busy = place.shared("busy");
    let tasks: Vec<_> = (0..4)
        .map(|number| {
            let run = format!("mkdir {0} || exit 9; sleep 0.05; rmdir {0}", busy.display());
            let mut request = place.check(&format!("key-{number}"), &commit, &run);
            request.check = format!("check-{number}");
            start(&runner, request)
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().outcome, Outcome::Passed);
    }
}

/// A queue stalls for ever: however a run ends, the next one gets its place.
#[tokio::test]
async fn whatever_ends_a_run_frees_its_place() {
    let place = Place::new();
    let commit = place.commit(&[]);
    let mut settings = place.settings();
    settings.checks_at_once_max = 1;
    let runner = barq_runner::api::Runner::new(settings).unwrap();
    let cases = [
        ("no-commit", "0".repeat(40), "true"),
        ("killed", commit.clone(), "kill -9 $$"),
        ("hangs", commit.clone(), "sleep 1000"),
        ("lost", commit.clone(), "kill -9 $PPID; sleep 1000"),
    ];
    for (key, commit, run) in &cases {
        let mut request = place.check(key, commit, run);
        request.timeout = Duration::from_millis(500);
        let ended = runner.run(request).await.unwrap().outcome;
        assert_ne!(ended, Outcome::Passed, "{key}");
        let after = place.check(&format!("after-{key}"), &cases[1].1, "true");
        assert_eq!(
            runner.run(after).await.unwrap().outcome,
            Outcome::Passed,
            "{key}"
        );
    }
    let cancelled = start(
        &runner,
        place.check("cancelled", &commit, "echo up; sleep 1000"),
    );
    line_after(&runner, "cancelled", "up").await;
    runner.cancel("cancelled").await.unwrap();
    assert_eq!(cancelled.await.unwrap().outcome, Outcome::Cancelled);
    let last = place.check("last", &commit, "true");
    assert_eq!(runner.run(last).await.unwrap().outcome, Outcome::Passed);
}

#[tokio::test]
async fn unchanged_files_keep_their_time_and_changed_ones_get_a_later_one() {
    let place = Place::new();
    let first = place.commit(&[("same", "1"), ("changes", "1"), ("sub/same", "1")]);
    let second = place.commit(&[("changes", "2"), ("new", "2")]);
    let runner = place.runner();
    let run = "stat -c '%n %.9Y' same changes sub sub/same";
    runner.run(place.check("first", &first, run)).await.unwrap();
    runner
        .run(place.check("second", &second, run))
        .await
        .unwrap();
    let (before, after) = (
        texts(&runner, "first").await,
        texts(&runner, "second").await,
    );
    assert_eq!(before.len(), 4, "{before:?}");
    assert_eq!(
        [&before[0], &before[2], &before[3]],
        [&after[0], &after[2], &after[3]]
    );
    let time = |line: &str| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap();
    assert!(time(&after[1]) > time(&before[1]));
}

#[tokio::test]
async fn a_cache_is_bounded_and_only_a_real_directory_is_kept() {
    let place = Place::new();
    let commit = place.commit(&[]);
    let mut settings = place.settings();
    settings.cache_bytes_max = 100_000;
    let runner = barq_runner::api::Runner::new(settings).unwrap();
    let kept = place.root.join("data/runner/cache/app/test");
    let mut request = place.check(
        "key",
        &commit,
        "mkdir -p small big; echo x > small/x; head -c 200000 /dev/urandom > big/x; ln -s /etc link; echo > file",
    );
    request.cache = ["small", "big", "link", "file", "none"]
        .map(str::to_owned)
        .to_vec();
    assert_eq!(runner.run(request).await.unwrap().outcome, Outcome::Passed);
    let names: Vec<_> = fs::read_dir(kept)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["small"]);
    let remarks = texts(&runner, "key").await;
    assert_eq!(remarks.len(), 3, "{remarks:?}");
    assert!(
        remarks[2].starts_with("the cache big is not kept: "),
        "{remarks:?}"
    );
}

#[tokio::test]
async fn only_the_latest_runs_are_remembered() {
    let place = Place::new();
    let commit = place.commit(&[]);
    let mut settings = place.settings();
    settings.runs_kept_max = 2;
    let runner = barq_runner::api::Runner::new(settings).unwrap();
    for key in ["one", "two", "three"] {
        runner.run(place.check(key, &commit, "true")).await.unwrap();
    }
    let known = ["one", "two", "three"].map(|key| runner.state(key).unwrap().is_some());
    assert_eq!(known, [false, true, true]);
}

#[tokio::test]
async fn cargo_works_offline_and_finds_its_cache_fresh() {
    let place = Place::new();
    let manifest = "[package]\nname = \"tiny\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
    let first = place.commit(&[("Cargo.toml", manifest), ("src/main.rs", "fn main() {}\n")]);
    let second = place.commit(&[("README.md", "more")]);
    let third = place.commit(&[("src/main.rs", "fn main() { println!(); }\n")]);
    let runner = place.runner();
    let mut built = Vec::new();
    for (key, commit) in [("first", first), ("second", second), ("third", third)] {
        let mut request = place.check(key, &commit, "cargo build --offline");
        request.cache = vec!["target".to_owned()];
        request.timeout = Duration::from_secs(300);
        let result = runner.run(request).await.unwrap();
        let lines = texts(&runner, key).await;
        assert_eq!(result.outcome, Outcome::Passed, "{lines:?}");
        built.push(lines.iter().any(|line| line.contains("Compiling tiny")));
    }
    assert_eq!(built, [true, false, true]);
}
