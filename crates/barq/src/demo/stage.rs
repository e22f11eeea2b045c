//! What the demo plays on: a directory, two databases, a `barq up`, and the end of all three.
//!
//! The directory is kept from one demo to the next for its build caches; everything else in it is removed first.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use crate::client::Client;
use crate::output::Failure;

/// How long `barq up` may take to be ready.
const READY: Duration = Duration::from_secs(30);
/// How often it is asked.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// How long it may take to end.
const END: Duration = Duration::from_secs(60);
/// What is kept in the data directory from one demo to the next.
const KEPT: &str = "runner";
/// And of that, only this: caches, and the file times that they need.
const KEPT_OF_RUNNER: [&str; 4] = ["cache", "times", "home", "temporary"];

/// The demo's surroundings.
pub(super) struct Stage {
    root: PathBuf,
    directory: PathBuf,
    listen: String,
    ingress: String,
    up: Child,
}

impl Stage {
    /// Starts everything; what was started is ended again where the rest fails.
    pub(super) async fn set() -> Result<Self, Failure> {
        let root = project_root()?;
        let directory = demo_directory()?;
        clear(&directory).map_err(|error| {
            Failure::failed(format!("cannot clear {}", directory.display()))
                .because(error.to_string())
        })?;
        let (staging, production) =
            tokio::try_join!(database(&root, "staging"), database(&root, "production"))?;
        let (listen, ingress) = (address(7600)?, address(7680)?);
        let up = start(&directory, &listen, &ingress, &staging, &production)?;
        let mut stage = Self {
            root,
            directory,
            listen,
            ingress,
            up,
        };
        match stage.wait_until_ready().await {
            Ok(()) => Ok(stage),
            Err(failure) => {
                stage.strike().await?;
                Err(failure)
            }
        }
    }

    /// Ends everything, and says what did not end.
    pub(super) async fn strike(mut self) -> Result<(), Failure> {
        let stopped = self.stop_up().await;
        for name in ["staging", "production"] {
            postgres(&self.root, "stop", &database_directory(name)).await?;
        }
        stopped
    }

    async fn stop_up(&mut self) -> Result<(), Failure> {
        let failed = |why: String| Failure::failed("barq up did not end").because(why);
        let pid = self.up.id().and_then(|id| i32::try_from(id).ok());
        if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw)
            && let Err(error) = rustix::process::kill_process(pid, rustix::process::Signal::TERM)
        {
            return Err(failed(error.to_string()));
        }
        match tokio::time::timeout(END, self.up.wait()).await {
            Ok(Ok(_status)) => Ok(()),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(_elapsed) => Err(failed(format!("after {} s", END.as_secs()))),
        }
    }

    async fn wait_until_ready(&mut self) -> Result<(), Failure> {
        let deadline = tokio::time::Instant::now() + READY;
        let log = self.directory.join("up.log");
        let hint = format!("its log: {}", log.display());
        loop {
            if self
                .client()?
                .text(&["health", "ready"], &[], "*/*")
                .await
                .is_ok()
                && self.data().join("admin.token").exists()
            {
                return Ok(());
            }
            if let Ok(Some(status)) = self.up.try_wait() {
                return Err(Failure::failed(format!("barq up ended: {status}")).hint(hint));
            }
            if tokio::time::Instant::now() > deadline {
                return Err(Failure::failed("barq up was not ready in time").hint(hint));
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    /// A client with the admin's token.
    pub(super) fn client(&self) -> Result<Client, Failure> {
        let token = std::fs::read_to_string(self.data().join("admin.token")).ok();
        Client::new(&self.url(), token.map(|token| token.trim().to_owned()))
    }

    /// The admin's token, for git.
    pub(super) fn token(&self) -> Result<String, Failure> {
        let path = self.data().join("admin.token");
        std::fs::read_to_string(&path)
            .map(|token| token.trim().to_owned())
            .map_err(|error| {
                Failure::failed(format!("cannot read {}", path.display()))
                    .because(error.to_string())
            })
    }

    /// Of the server.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.listen)
    }

    /// Where users' requests go.
    pub(super) fn ingress(&self) -> &str {
        &self.ingress
    }

    /// barq's data directory.
    pub(super) fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// Where the demo's working copy goes.
    pub(super) fn working_copy(&self) -> PathBuf {
        self.directory.join("fleet")
    }

    /// The example that is delivered.
    pub(super) fn example(&self) -> PathBuf {
        self.root.join("examples/fleet")
    }
}

/// The directory that holds `examples/fleet`, above the current one or above the executable.
fn project_root() -> Result<PathBuf, Failure> {
    let starts = [std::env::current_dir(), std::env::current_exe()];
    starts
        .iter()
        .flatten()
        .flat_map(|start| start.ancestors())
        .find(|directory| directory.join("examples/fleet/barq.toml").is_file())
        .map(Path::to_owned)
        .ok_or_else(|| {
            Failure::usage("the demo's application is not here")
                .because("no directory above this one has examples/fleet")
                .hint("run it in a checkout of barq: scripts/demo")
        })
}

fn demo_directory() -> Result<PathBuf, Failure> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    cache
        .map(|cache| cache.join("barq/demo"))
        .ok_or_else(|| Failure::usage("neither HOME nor XDG_CACHE_HOME says where to put the demo"))
}

/// Removes what an earlier demo left, but for its build caches.
fn clear(directory: &Path) -> std::io::Result<()> {
    let data = directory.join("data");
    std::fs::create_dir_all(data.join(KEPT))?;
    remove_all_but(
        directory,
        &["data", "postgres-staging", "postgres-production"],
    )?;
    remove_all_but(&data, &[KEPT])?;
    remove_all_but(&data.join(KEPT), &KEPT_OF_RUNNER)
}

fn remove_all_but(directory: &Path, kept: &[&str]) -> std::io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if kept.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())?;
        } else {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// The usual port where it is free, so that a browser finds it; else any.
fn address(usual: u16) -> Result<String, Failure> {
    let free =
        TcpListener::bind(("127.0.0.1", usual)).or_else(|_taken| TcpListener::bind("127.0.0.1:0"));
    free.and_then(|listener| listener.local_addr())
        .map(|address| address.to_string())
        .map_err(|error| Failure::failed("no port is free").because(error.to_string()))
}

/// Where PostgreSQL's own user may enter too, which a home directory is not where barq runs as root.
fn database_directory(name: &str) -> PathBuf {
    let user = rustix::process::getuid().as_raw();
    std::env::temp_dir().join(format!("barq-demo-{user}-{name}"))
}

/// A new, empty database; its URL.
async fn database(root: &Path, name: &str) -> Result<String, Failure> {
    let directory = database_directory(name);
    // One may still run from a demo that was killed.
    postgres(root, "stop", &directory).await?;
    if directory.exists() {
        std::fs::remove_dir_all(&directory).map_err(|error| {
            Failure::failed(format!("cannot remove {}", directory.display()))
                .because(error.to_string())
        })?;
    }
    postgres(root, "start", &directory).await
}

async fn postgres(root: &Path, verb: &str, directory: &Path) -> Result<String, Failure> {
    let program = root.join("scripts/postgres");
    let failed = |why: String| {
        Failure::failed(format!("PostgreSQL did not {verb}"))
            .because(why)
            .hint("scripts/setup installs what is missing")
    };
    let output = Command::new(&program)
        .arg(verb)
        .arg(directory)
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(|error| failed(format!("{}: {error}", program.display())))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()))
    }
}

fn start(
    directory: &Path,
    listen: &str,
    ingress: &str,
    staging: &str,
    production: &str,
) -> Result<Child, Failure> {
    let failed = |error: std::io::Error| {
        Failure::failed("barq up could not be started").because(error.to_string())
    };
    let log = std::fs::File::create(directory.join("up.log")).map_err(failed)?;
    Command::new(std::env::current_exe().map_err(failed)?)
        .args(["up", "--listen", listen, "--ingress", ingress, "--data"])
        .arg(directory.join("data"))
        .env("FLEET_STAGING_DATABASE_URL", staging)
        .env("FLEET_PRODUCTION_DATABASE_URL", production)
        .env_remove("DATABASE_URL")
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(failed)?)
        .stderr(log)
        // Ctrl-C is for the demo, which ends this process itself.
        .process_group(0)
        .spawn()
        .map_err(failed)
}
