//! The process that holds the runner is killed; the next one goes on.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use barq_runner::api::{CheckRequest, Outcome, RunState, RunnerError};

use crate::support::{Place, is_alive, line_after, texts, until};

/// Tells a copy of this test program where the place is whose runner it shall be.
const HOST_VARIABLE: &str = "BARQ_TEST_RUNNER_HOST";

/// The host: not a test of its own, but what the copy of this program runs, until it is killed.
#[tokio::test]
async fn host() {
    let Some(root) = std::env::var_os(HOST_VARIABLE) else {
        return;
    };
    let request: CheckRequest =
        serde_json::from_slice(&fs::read(Path::new(&root).join("request.json")).unwrap()).unwrap();
    let settings = serde_json_settings(Path::new(&root));
    barq_runner::api::Runner::new(settings)
        .unwrap()
        .run(request)
        .await
        .unwrap();
}

fn serde_json_settings(root: &Path) -> barq_runner::api::RunnerSettings {
    let tests = std::env::current_exe().unwrap();
    let program = tests
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples/runner_shim");
    let launcher = barq_shim::Launcher {
        program,
        leading_arguments: Vec::new(),
    };
    barq_runner::api::RunnerSettings::new(&root.join("data/runner"), &root.join("data"), launcher)
}

fn spawn_host(place: &Place, request: &CheckRequest) -> Child {
    fs::write(
        place.root.join("request.json"),
        serde_json::to_vec(request).unwrap(),
    )
    .unwrap();
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "restarts::host"])
        .env(HOST_VARIABLE, &place.root)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn kill(mut host: Child) {
    host.kill().unwrap();
    host.wait().unwrap();
}

fn waiting(place: &Place) -> CheckRequest {
    let commit = place.commit(&[]);
    let (up, go) = (place.shared("up"), place.shared("go"));
    let run = format!(
        "mkdir -p cache; echo x >> cache/runs; echo $$ > {0}.new; mv {0}.new {0}; \
         while ! [ -e {1} ]; do sleep 0.01; done; echo done; cat cache/runs",
        up.display(),
        go.display()
    );
    let mut request = place.check("key", &commit, &run);
    request.cache = vec!["cache".to_owned()];
    request
}

#[tokio::test]
async fn a_running_check_is_adopted() {
    let place = Place::new();
    let request = waiting(&place);
    let host = spawn_host(&place, &request);
    until(|| place.shared("up").exists()).await;
    kill(host);

    let runner = place.runner();
    assert!(matches!(
        runner.state("key").unwrap(),
        Some(RunState::Queued | RunState::Running)
    ));
    fs::write(place.shared("go"), "").unwrap();
    let result = runner.run(request).await.unwrap();
    assert_eq!(result.outcome, Outcome::Passed);
    assert_eq!(texts(&runner, "key").await, ["done", "x"]);
    assert!(!place.tree("test").exists());
    assert_eq!(
        fs::read_to_string(place.root.join("data/runner/cache/app/test/cache/runs")).unwrap(),
        "x\n"
    );
}

#[tokio::test]
async fn a_check_that_ended_meanwhile_is_found_ended_without_being_asked_for() {
    let place = Place::new();
    let request = waiting(&place);
    let host = spawn_host(&place, &request);
    until(|| place.shared("up").exists()).await;
    kill(host);
    fs::write(place.shared("go"), "").unwrap();
    until(|| {
        place
            .root
            .join("data/runner/runs/key/shim-1/exit.json")
            .exists()
    })
    .await;

    let runner = place.runner();
    until(|| matches!(runner.state("key").unwrap(), Some(RunState::Finished(_)))).await;
    assert_eq!(runner.run(request).await.unwrap().outcome, Outcome::Passed);
}

/// A state file that is damaged or empty is neither the end of everything nor nothing at all.
#[tokio::test]
async fn a_damaged_record_concerns_its_own_run_only() {
    let place = Place::new();
    let commit = place.commit(&[]);
    let ran = place.shared("ran");
    let run = format!("echo x >> {}", ran.display());
    let runner = place.runner();
    for key in ["whole", "half", "empty"] {
        let request = place.check(key, &commit, &run);
        runner.run(request).await.unwrap();
    }
    let runs = place.root.join("data/runner/runs");
    let asked = fs::read(runs.join("whole/request.json")).unwrap();
    for (file, content) in [
        ("half/result.json", &asked[..asked.len() / 2]),
        ("empty/result.json", b"".as_slice()),
        ("new/request.json", b"".as_slice()),
    ] {
        let file = runs.join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }

    let runner = place.runner();
    for (key, expected) in [
        ("whole", true),
        ("half", false),
        ("empty", false),
        ("new", true),
    ] {
        let result = runner.run(place.check(key, &commit, &run)).await;
        match result {
            Ok(result) if expected => assert_eq!(result.outcome, Outcome::Passed, "{key}"),
            Err(RunnerError::Damaged { path, .. }) if !expected => {
                assert_eq!(path, runs.join(key).join("result.json"));
            }
            other => panic!("{key}: {other:?}"),
        }
    }
    let times = fs::read_to_string(ran).unwrap().lines().count();
    assert_eq!(times, 4, "what has a record is not run again");
}

#[tokio::test]
async fn a_check_is_cancelled_by_the_next_server() {
    let place = Place::new();
    let request = waiting(&place);
    let host = spawn_host(&place, &request);
    until(|| place.shared("up").exists()).await;
    kill(host);
    let leader = fs::read_to_string(place.shared("up")).unwrap();
    assert!(is_alive(&leader));

    let runner = place.runner();
    runner.cancel("key").await.unwrap();
    assert_eq!(
        runner.run(request).await.unwrap().outcome,
        Outcome::Cancelled
    );
    assert!(!is_alive(&leader));
}

#[tokio::test]
async fn a_lost_check_is_run_again_with_its_cache() {
    let place = Place::new();
    let request = waiting(&place);
    let host = spawn_host(&place, &request);
    until(|| place.shared("up").exists()).await;
    kill(host);
    let state: serde_json::Value = serde_json::from_slice(
        &fs::read(place.root.join("data/runner/runs/key/shim-1/shim.json")).unwrap(),
    )
    .unwrap();
    let shim = state["identity"]["pid"].as_i64().unwrap();
    let shim = rustix::process::Pid::from_raw(i32::try_from(shim).unwrap()).unwrap();
    rustix::process::kill_process(shim, rustix::process::Signal::KILL).unwrap();
    fs::write(place.shared("go"), "").unwrap();

    let runner = place.runner();
    assert_eq!(runner.run(request).await.unwrap().outcome, Outcome::Passed);
    line_after(&runner, "key", "done").await;
    assert_eq!(texts(&runner, "key").await, ["done", "x", "x"]);
}

#[tokio::test]
async fn a_crash_while_the_tree_is_made_loses_no_cache() {
    let place = Place::new();
    fs::write(place.shared("go"), "").unwrap();
    let mut request = waiting(&place);
    let runner = place.runner();
    assert_eq!(
        runner.run(request.clone()).await.unwrap().outcome,
        Outcome::Passed
    );
    drop(runner);
    // What is on disk when the server dies between the move of the cache and the start of the shim.
    let runs = place.root.join("data/runner/runs");
    fs::create_dir(runs.join("second")).unwrap();
    let mut job: serde_json::Value =
        serde_json::from_slice(&fs::read(runs.join("key/request.json")).unwrap()).unwrap();
    job["key"] = "second".into();
    fs::write(runs.join("second/request.json"), job.to_string()).unwrap();
    fs::write(runs.join("second/started.json"), "true").unwrap();
    fs::create_dir_all(place.tree("test")).unwrap();
    fs::rename(
        place.root.join("data/runner/cache/app/test/cache"),
        place.tree("test").join("cache"),
    )
    .unwrap();

    let runner = place.runner();
    assert!(!place.tree("test").exists());
    assert_eq!(runner.state("second").unwrap(), Some(RunState::Queued));
    request.key = "second".to_owned();
    assert_eq!(runner.run(request).await.unwrap().outcome, Outcome::Passed);
    assert_eq!(texts(&runner, "second").await, ["done", "x", "x"]);
}

/// A git is no child of a shim: it outlives a killed server, and goes on writing. The next clone must not meet it.
#[tokio::test]
async fn a_git_that_outlives_the_server_spoils_no_later_clone() {
    let place = Place::new();
    let files: Vec<(String, String)> = (0..400_u32)
        .map(|number| (format!("file-{number}"), format!("{number} ").repeat(2_000)))
        .collect();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    place.commit(&[("file", "so that there is a parent")]);
    let commit = place.commit(&files);
    let clones = place.root.join("data/runner/clone/app/test");
    for (round, begun) in [".git", ".git/FETCH_HEAD", ".git/index.lock", "file-7"]
        .iter()
        .enumerate()
    {
        let run = "test $(ls file-* | wc -l) = 400 && git status --porcelain";
        let request = place.check(&format!("key-{round}"), &commit, run);
        let host = spawn_host(&place, &request);
        until(|| {
            let clones = fs::read_dir(&clones).into_iter().flatten().flatten();
            clones
                .into_iter()
                .any(|clone| clone.path().join(begun).exists())
                || place.tree("test").exists()
        })
        .await;
        kill(host);
        let runner = place.runner();
        let key = request.key.clone();
        assert_eq!(
            runner.run(request).await.unwrap().outcome,
            Outcome::Passed,
            "{begun}"
        );
        assert_eq!(texts(&runner, &key).await, Vec::<String>::new(), "{begun}");
    }
}
