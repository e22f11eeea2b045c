//! The shop's working copy: commits that behave as they are told, pushed by the system's git.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

use super::{Barq, PATIENCE};

/// What a test may want otherwise in the shop's `barq.toml`.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The steps in production, in TOML.
    pub(crate) steps: String,
    /// How many instances in production.
    pub(crate) instances: u32,
    /// More keys of production.
    pub(crate) production: String,
    /// The command of the one check.
    pub(crate) check: String,
    /// The command of the build.
    pub(crate) build: String,
    /// The project's own smoke test.
    pub(crate) smoke: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            steps: "{ traffic = 10, hold = \"1s\", max_errors = 5 }, { traffic = 50, hold = \"1s\", max_errors = 10 }, { traffic = 100 }".to_owned(),
            instances: 1,
            production: "lease = \"10s\"".to_owned(),
            check: "test -f mode".to_owned(),
            build: String::new(),
            smoke: String::new(),
        }
    }
}

/// A working copy.
pub(crate) struct Repository {
    path: PathBuf,
    count_file: PathBuf,
    app: String,
}

impl Repository {
    pub(super) fn new(barq: &Barq, app: &str) -> Self {
        let path = barq.place().join(format!("{app}-copy"));
        std::fs::create_dir(&path).expect("a directory");
        let repository = Self {
            path,
            count_file: barq.count_file(),
            app: app.to_owned(),
        };
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        for (key, value) in [("user.name", "Ann"), ("user.email", "ann@example.com")] {
            repository.git(&["config", key, value]);
        }
        let remote = format!(
            "{}/git/{app}.git",
            barq.server
                .replace("http://", &format!("http://x:{}@", barq.token()))
        );
        repository.git(&["remote", "add", "barq", &remote]);
        std::fs::copy(shop(), repository.path.join("app")).expect("the shop is built");
        repository.configure(&Settings::default());
        repository
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the `barq.toml`; the next commit has it.
    pub(crate) fn configure(&self, settings: &Settings) {
        let Settings {
            steps,
            instances,
            production,
            check,
            build,
            smoke,
        } = settings;
        let run = |table: &str, run: &str| match run {
            "" => String::new(),
            run => format!("{table}run = \"{run}\""),
        };
        let (build, smoke) = (run("", build), run("[smoke]\n", smoke));
        let count = self.count_file.display();
        let app = &self.app;
        let text = format!(
            r#"service = "{app}"
[[check]]
name = "unit"
run = "{check}"
[build]
{build}
files = {{ app = "app", mode = "mode" }}
command = ["./app"]
[health]
startup = {{ path = "/health/live", initial_delay = "0s", period = "100ms", timeout = "100ms", failures = 50 }}
liveness = {{ path = "/health/live", period = "1s", timeout = "1s", failures = 5 }}
readiness = {{ path = "/health/ready", period = "200ms", timeout = "200ms", failures = 5 }}
{smoke}
[environments.staging]
instances = {{ min = 1, max = 1 }}
[environments.production]
approval = {{ role = "tech-lead" }}
instances = {{ min = {instances}, max = {instances} }}
env = {{ COUNT_FILE = "{count}" }}
steps = [{steps}]
{production}
"#
        );
        std::fs::write(self.path.join("barq.toml"), text).expect("written");
    }

    /// Commits a mode of the shop and pushes it to `main`; gives the delivery's id.
    pub(crate) fn push(&self, mode: &str) -> String {
        let told = self.push_to("main", mode);
        delivery(&told).unwrap_or_else(|| panic!("no delivery in {told}"))
    }

    /// Pushes a mode of the shop to a server that may die meanwhile, again until git says that it is there.
    pub(crate) fn push_through_kills(&self, mode: &str) {
        self.commit(mode);
        let deadline = Instant::now() + PATIENCE;
        while !self.try_git(&["push", "--quiet", "barq", "HEAD:refs/heads/main"]) {
            assert!(Instant::now() < deadline, "the push never came through");
        }
    }

    /// Commits a mode and pushes it to `main`, whatever comes of that; gives what git printed.
    pub(crate) fn try_push(&self, mode: &str) -> String {
        self.commit(mode);
        let output = self.run_git(&["push", "barq", "HEAD:refs/heads/main"]);
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).into_owned()
    }

    fn commit(&self, mode: &str) {
        std::fs::write(self.path.join("mode"), mode).expect("written");
        self.git(&["add", "--all"]);
        let message = format!("Be {mode}");
        self.git(&["commit", "--quiet", "--allow-empty", "-m", &message]);
    }

    /// As [`Self::push`], to any branch; gives what the push printed.
    pub(crate) fn push_to(&self, branch: &str, mode: &str) -> String {
        self.commit(mode);
        self.git(&[
            "push",
            "--quiet",
            "--force",
            "barq",
            &format!("HEAD:refs/heads/{branch}"),
        ])
    }

    /// Runs git there and gives what it printed.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let output = self.run_git(arguments);
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(output.status.success(), "git {arguments:?}: {text}");
        text
    }

    fn try_git(&self, arguments: &[&str]) -> bool {
        self.run_git(arguments).status.success()
    }

    fn run_git(&self, arguments: &[&str]) -> Output {
        Command::new("git")
            .args(arguments)
            .current_dir(&self.path)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_TERMINAL_PROMPT", "0")
            .output()
            .expect("git runs")
    }
}

/// The id in `remote: barq: delivery shop-1  …`.
fn delivery(told: &str) -> Option<String> {
    let (_, rest) = told.split_once("delivery ")?;
    rest.split_whitespace().next().map(ToOwned::to_owned)
}

/// The example `shop`, which is built with the tests.
fn shop() -> PathBuf {
    let barq = Path::new(env!("CARGO_BIN_EXE_barq"));
    let directory = barq.parent().expect("a directory");
    directory.join("examples").join("shop")
}
