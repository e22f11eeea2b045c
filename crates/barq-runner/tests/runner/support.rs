//! A repository, a runner and short ways to ask; what still runs at the end is cancelled.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use barq_runner::api::{BuildRequest, CheckRequest, CheckResult, Runner, RunnerSettings};
use barq_shim::{Adopted, Launcher, adopt};

/// Longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Place {
    pub(crate) root: PathBuf,
    _root: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let place = Self {
            root: root.path().canonicalize().unwrap(),
            _root: root,
        };
        for name in ["source", "shared"] {
            std::fs::create_dir(place.root.join(name)).unwrap();
        }
        place.git("source", &["init", "--quiet", "--initial-branch=main"]);
        place
    }

    /// Commits files and pushes them into the bare repository; returns the commit.
    pub(crate) fn commit(&self, files: &[(&str, &str)]) -> String {
        for (name, content) in files {
            let path = self.root.join("source").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        self.git("source", &["add", "--all"]);
        self.git(
            "source",
            &["commit", "--quiet", "--allow-empty", "--message=x"],
        );
        if self.repository().exists() {
            self.git("source", &["push", "--quiet", "--force", "../bare", "main"]);
        } else {
            self.git(".", &["clone", "--quiet", "--bare", "source", "bare"]);
        }
        self.git("source", &["rev-parse", "HEAD"])
    }

    pub(crate) fn git(&self, directory: &str, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@localhost"])
            .args(arguments)
            .current_dir(self.root.join(directory))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub(crate) fn repository(&self) -> PathBuf {
        self.root.join("bare")
    }

    pub(crate) fn settings(&self) -> RunnerSettings {
        let mut settings = RunnerSettings::new(
            &self.root.join("data/runner"),
            &self.root.join("data"),
            launcher(),
        );
        settings.stop_grace = Duration::from_millis(100);
        settings
    }

    pub(crate) fn runner(&self) -> Runner {
        Runner::new(self.settings()).unwrap()
    }

    pub(crate) fn check(&self, key: &str, commit: &str, run: &str) -> CheckRequest {
        CheckRequest {
            key: key.to_owned(),
            app: "app".to_owned(),
            check: "test".to_owned(),
            repository: self.repository(),
            commit: commit.to_owned(),
            run: run.to_owned(),
            directory: ".".to_owned(),
            timeout: PATIENCE,
            cache: Vec::new(),
            environment: BTreeMap::new(),
        }
    }

    pub(crate) fn build(
        &self,
        key: &str,
        commit: &str,
        run: &str,
        files: &[(&str, &str)],
    ) -> BuildRequest {
        BuildRequest {
            key: key.to_owned(),
            app: "app".to_owned(),
            repository: self.repository(),
            commit: commit.to_owned(),
            run: Some(run.to_owned()),
            timeout: PATIENCE,
            files: files
                .iter()
                .map(|(from, to)| ((*from).to_owned(), (*to).to_owned()))
                .collect(),
            cache: Vec::new(),
            environment: BTreeMap::new(),
        }
    }

    /// A path that checks may write to, for marks.
    pub(crate) fn shared(&self, name: &str) -> PathBuf {
        self.root.join("shared").join(name)
    }

    pub(crate) fn tree(&self, check: &str) -> PathBuf {
        self.root.join("data/runner/work/app").join(check)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for run in std::fs::read_dir(self.root.join("data/runner/runs"))
            .into_iter()
            .flatten()
            .flatten()
        {
            if let Ok(Adopted::Running(handle)) = adopt(&run.path().join("shim-1")) {
                let _ended = handle.kill().and_then(|()| handle.wait(PATIENCE));
            }
        }
    }
}

/// All lines of output so far.
pub(crate) async fn texts(runner: &Runner, key: &str) -> Vec<String> {
    match runner.output(key, 0).await {
        Ok(page) => page.lines.into_iter().map(|line| line.text).collect(),
        Err(_) => Vec::new(),
    }
}

/// Waits for a line that begins so, and returns the rest of it.
pub(crate) async fn line_after(runner: &Runner, key: &str, prefix: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let lines = texts(runner, key).await;
        if let Some(rest) = lines.iter().find_map(|line| line.strip_prefix(prefix)) {
            return rest.to_owned();
        }
        assert!(Instant::now() < deadline, "no {prefix:?} in {lines:?}");
        tokio::task::yield_now().await;
    }
}

pub(crate) async fn until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "it did not happen in time");
        tokio::task::yield_now().await;
    }
}

/// Starts a run in the background.
pub(crate) fn start(
    runner: &Runner,
    request: CheckRequest,
) -> tokio::task::JoinHandle<CheckResult> {
    let runner = runner.clone();
    tokio::spawn(async move { runner.run(request).await.unwrap() })
}

pub(crate) fn is_alive(pid: &str) -> bool {
    let Ok(stat) = std::fs::read_to_string(Path::new("/proc").join(pid.trim()).join("stat")) else {
        return false;
    };
    !matches!(
        stat.rsplit_once(") ").map(|(_, rest)| &rest[..1]),
        Some("Z" | "X") | None
    )
}

fn launcher() -> Launcher {
    let tests = std::env::current_exe().unwrap();
    let program = tests
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples/runner_shim");
    assert!(
        program.exists(),
        "{} is built by cargo with the tests",
        program.display()
    );
    Launcher {
        program,
        leading_arguments: Vec::new(),
    }
}
