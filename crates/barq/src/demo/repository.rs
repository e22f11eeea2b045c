//! The demo's working copy: the example's files, its commits, and its pushes by the system's git.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use base64::Engine as _;
use serde::Deserialize;
use tokio::process::Command;

use super::APP;
use super::stage::Stage;
use crate::output::Failure;

/// Directories of the example that are made, not written, and the demo's own material.
const LEFT_OUT: [&str; 5] = ["target", "node_modules", "dist", ".git", "demo"];
/// Where the probes of `flow.md` section 4 take a minute, the demo takes a second.
const HEALTH: &str = r#"[health]
startup = { path = "/health/live", initial_delay = "100ms", period = "500ms", timeout = "500ms", failures = 40 }
liveness = { path = "/health/live", period = "5s", timeout = "2s" }
readiness = { path = "/health/ready", period = "1s", timeout = "1s" }
detailed = { path = "/health/detailed" }
"#;
/// Where the canary of `flow.md` section 3 takes ten minutes, the demo takes ten seconds.
const PRODUCTION: &str = r#"[environments.production]
steps = [
  { traffic = 10, hold = "5s", max_errors = 5 },
  { traffic = 50, hold = "4s", max_errors = 10 },
  { traffic = 100 },
]
drain = "5s"
"#;

/// The release build optimises, which takes most of a minute; the quick one is for trying things out.
const BUILD: &str = "run = \"scripts/build\"\n";
/// See `BUILD`.
const QUICK_BUILD: &str = "run = \"scripts/build quick\"\n";

/// What users ask in the demo.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Script {
    /// Once, in this order.
    pub(super) seed: Vec<Request>,
    /// Again and again.
    pub(super) requests: Vec<Request>,
}

/// One request.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) body: Option<serde_json::Value>,
}

/// A working copy with the remote `barq`.
pub(super) struct Repository {
    directory: PathBuf,
    material: PathBuf,
    authorization: String,
    /// `barq.toml` with all its checks.
    configuration: String,
}

impl Repository {
    pub(super) fn create(stage: &Stage) -> Result<Self, Failure> {
        let directory = stage.working_copy();
        copy(&stage.example(), &directory).map_err(|error| {
            Failure::failed("the example could not be copied").because(error.to_string())
        })?;
        let credentials =
            base64::engine::general_purpose::STANDARD.encode(format!("demo:{}", stage.token()?));
        let configuration = shortened(&directory.join("barq.toml"))?;
        let repository = Self {
            directory,
            material: stage.example().join("demo"),
            authorization: format!("Authorization: Basic {credentials}"),
            configuration,
        };
        repository.configure(&without_checks(&repository.configuration))?;
        repository.git(&["init", "--quiet", "--initial-branch=main"])?;
        let remote = format!("{}/git/{APP}.git", stage.url());
        repository.git(&["remote", "add", "barq", &remote])?;
        Ok(repository)
    }

    /// What users ask.
    pub(super) fn traffic(&self) -> Result<Script, Failure> {
        let path = self.material.join("traffic.json");
        let unreadable =
            |why: String| Failure::failed(format!("cannot read {}", path.display())).because(why);
        let text = std::fs::read(&path).map_err(|error| unreadable(error.to_string()))?;
        serde_json::from_slice(&text).map_err(|error| unreadable(error.to_string()))
    }

    /// From now on every commit is checked.
    pub(super) fn add_checks(&self) -> Result<(), Failure> {
        self.configure(&self.configuration)
    }

    fn configure(&self, text: &str) -> Result<(), Failure> {
        std::fs::write(self.directory.join("barq.toml"), text).map_err(|error| {
            Failure::failed("barq.toml could not be written").because(error.to_string())
        })
    }

    /// Changes the working copy by one of the demo's patches.
    pub(super) fn apply(&self, patch: &str) -> Result<(), Failure> {
        let patch = self.material.join(patch);
        self.git(&["apply", "--index", &patch.to_string_lossy()])
    }

    pub(super) fn commit(&self, message: &str) -> Result<(), Failure> {
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "-m", message])
    }

    /// What git prints, barq's own lines among it, goes to the terminal as it comes.
    pub(super) async fn push(&self) -> Result<(), Failure> {
        let status = self
            .command(&["push", "--quiet", "barq", "main"])
            .status()
            .await
            .map_err(|error| Failure::failed("git can't be run").because(error.to_string()))?;
        if status.success() {
            Ok(())
        } else {
            Err(Failure::failed(format!("git push failed: {status}")))
        }
    }

    fn git(&self, arguments: &[&str]) -> Result<(), Failure> {
        let failed = |why: String| {
            Failure::failed(format!("git {} failed", arguments.join(" "))).because(why)
        };
        let output = self
            .command(arguments)
            .into_std()
            .output()
            .map_err(|error| failed(error.to_string()))?;
        if output.status.success() {
            Ok(())
        } else {
            Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()))
        }
    }

    /// The token is in the environment: it is in no file and in no list of processes.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command
            .args(arguments)
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", "http.extraHeader")
            .env("GIT_CONFIG_VALUE_0", &self.authorization)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_AUTHOR_NAME", "Demo")
            .env("GIT_AUTHOR_EMAIL", "demo@localhost")
            .env("GIT_COMMITTER_NAME", "Demo")
            .env("GIT_COMMITTER_EMAIL", "demo@localhost");
        command
    }
}

/// The example's `barq.toml` with shorter probes, holds and build, and nothing else changed.
fn shortened(path: &Path) -> Result<String, Failure> {
    let failed = |why: String| Failure::failed("barq.toml could not be shortened").because(why);
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let production = "[environments.production]\n";
    replace_table(&text, "[health]", HEALTH)
        .filter(|text| text.contains(production) && text.contains(BUILD))
        .map(|text| text.replace(production, PRODUCTION))
        .map(|text| text.replace(BUILD, QUICK_BUILD))
        .ok_or_else(|| {
            failed("it lacks [health], [environments.production] or the build".to_owned())
        })
}

fn without_checks(text: &str) -> String {
    let mut text = text.to_owned();
    while let Some(less) = replace_table(&text, "[[check]]", "") {
        text = less;
    }
    text
}

/// The text with one table replaced, up to the next one; none where there is no such table.
fn replace_table(text: &str, header: &str, table: &str) -> Option<String> {
    let start = text.find(header)?;
    let rest = &text[start + header.len()..];
    let end = rest.find("\n[").map_or(rest.len(), |end| end + 1);
    Some(format!("{}{table}\n{}", &text[..start], &rest[end..]))
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if LEFT_OUT.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
