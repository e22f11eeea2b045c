//! `barq doctor`: what is installed, what is missing, what to do.
//!
//! Each look is one line with what was seen and, where it is not good, what to do. Only what barq cannot work without
//! makes the exit code 1; the rest is "without this, that is not possible".

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::Serialize;

use super::Context;
use super::context::SERVER;
use crate::output::text::mark;
use crate::output::{Exit, Failure};

/// The oldest git that has all that is used here (`init --initial-branch`, `core.fsync`).
const GIT_MIN: (u32, u32) = (2, 36);
/// Less free space than this is too little for images and caches.
const DISK_BYTES_MIN: u64 = 2 * 1024 * 1024 * 1024;
/// How long a port may take to answer.
const PORT_TIMEOUT: Duration = Duration::from_millis(500);
/// The default addresses of `barq up`.
const PORTS: [(&str, u16); 2] = [("API and web", 7600), ("ingress", 7680)];

/// One look.
#[derive(Debug, Serialize)]
struct Finding {
    name: &'static str,
    /// None: not needed by everybody.
    ok: Option<bool>,
    seen: String,
    hint: Option<&'static str>,
}

impl Finding {
    fn good(name: &'static str, seen: impl Into<String>) -> Self {
        Self {
            name,
            ok: Some(true),
            seen: seen.into(),
            hint: None,
        }
    }

    fn bad(name: &'static str, seen: impl Into<String>, hint: &'static str) -> Self {
        Self {
            ok: Some(false),
            hint: Some(hint),
            ..Self::good(name, seen)
        }
    }

    fn missing(name: &'static str, seen: impl Into<String>, hint: &'static str) -> Self {
        Self {
            ok: None,
            hint: Some(hint),
            ..Self::good(name, seen)
        }
    }
}

/// `barq doctor`.
pub(super) async fn doctor(context: &Context) -> Result<Exit, Failure> {
    let server = server(context).await;
    let runs = server.ok == Some(true);
    let mut findings = vec![
        git(),
        data(context),
        disk(context),
        control_groups(),
        landlock(),
        container_engine(),
        postgres(),
        server,
    ];
    // With a server, its ports are rightly taken.
    if !runs {
        findings.extend(PORTS.map(|(name, port)| free_port(name, port)));
    }
    let well = findings.iter().all(|finding| finding.ok != Some(false));
    context.output.result(
        &serde_json::json!({"ok": well, "findings": findings}),
        || render(&findings),
    );
    Ok(match well {
        true => Exit::Done,
        false => Exit::Failed,
    })
}

fn render(findings: &[Finding]) -> String {
    let lines = findings.iter().map(|finding| {
        let hint = finding
            .hint
            .map_or_else(String::new, |hint| format!("\n    → {hint}"));
        format!(
            "{} {:<17} {}{hint}",
            mark(finding.ok),
            finding.name,
            finding.seen
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn git() -> Finding {
    let name = "git";
    let hint = "install git 2.36 or newer: apt install git";
    let Some(version) = first_line_of("git", &["--version"]) else {
        return Finding::bad(name, "not found", hint);
    };
    let mut numbers = version
        .split(|character: char| !character.is_ascii_digit())
        .filter_map(|number| number.parse::<u32>().ok());
    let found = (
        numbers.next().unwrap_or_default(),
        numbers.next().unwrap_or_default(),
    );
    if found < GIT_MIN {
        return Finding::bad(name, version, hint);
    }
    let backend = first_line_of("git", &["--exec-path"])
        .is_some_and(|path| Path::new(&path).join("git-http-backend").exists());
    match backend {
        true => Finding::good(name, version),
        false => Finding::bad(
            name,
            format!("{version}, without git-http-backend"),
            "install git's full package: pushes need git-http-backend",
        ),
    }
}

fn data(context: &Context) -> Finding {
    let name = "data directory";
    match context.data() {
        Err(failure) => Finding::bad(name, failure.what, "say where it is with --data"),
        Ok(data) if !data.root().exists() => Finding::good(
            name,
            format!("{} (made by `barq up`)", data.root().display()),
        ),
        Ok(data) => {
            let access = rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK;
            match rustix::fs::access(data.root(), access) {
                Ok(()) => Finding::good(name, data.root().display().to_string()),
                Err(error) => Finding::bad(
                    name,
                    format!("{}: {error}", data.root().display()),
                    "run as its owner, or choose another with --data",
                ),
            }
        }
    }
}

fn disk(context: &Context) -> Finding {
    let name = "disk space";
    let root = context
        .data()
        .map_or_else(|_| PathBuf::from("/"), |data| data.root().to_owned());
    let existing = root.ancestors().find(|path| path.exists());
    match rustix::fs::statvfs(existing.unwrap_or(Path::new("/"))) {
        Err(error) => {
            Finding::missing(name, error.to_string(), "look at the data directory's disk")
        }
        Ok(disk) => {
            let bytes = disk.f_bavail.saturating_mul(disk.f_frsize);
            let seen = format!("{:.1} GiB free", bytes as f64 / f64::from(1 << 30));
            match bytes >= DISK_BYTES_MIN {
                true => Finding::good(name, seen),
                false => Finding::bad(name, seen, "free at least 2 GiB: images and caches need it"),
            }
        }
    }
}

fn control_groups() -> Finding {
    let name = "control groups";
    let hint = "CPU and memory limits of instances are shown as not enforced";
    for root in ["/sys/fs/cgroup", "/sys/fs/cgroup/memory"] {
        if rustix::fs::access(root, rustix::fs::Access::WRITE_OK).is_ok()
            && Path::new(root).join("cgroup.procs").exists()
        {
            return Finding::good(name, format!("{root} is writable"));
        }
    }
    Finding::missing(name, "not writable", hint)
}

fn landlock() -> Finding {
    let name = "Landlock";
    let list = std::fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
    if list.split(',').any(|module| module.trim() == "landlock") {
        return Finding::good(name, "checks cannot reach the data directory");
    }
    match rustix::process::getuid().is_root() {
        true => Finding::good(name, "not seen; checks run as another user instead"),
        false => Finding::missing(
            name,
            "not seen in /sys/kernel/security/lsm",
            "checks that run as you can read your files; a kernel with Landlock prevents it",
        ),
    }
}

fn container_engine() -> Finding {
    let name = "container engine";
    for engine in ["docker", "podman"] {
        let version = first_line_of(engine, &["version", "--format", "{{.Server.Version}}"]);
        if let Some(version) = version.filter(|version| !version.is_empty()) {
            return Finding::good(name, format!("{engine} {version}"));
        }
    }
    Finding::missing(
        name,
        "none that answers",
        "checks with `requires = [\"container-engine\"]` are skipped",
    )
}

fn postgres() -> Finding {
    let name = "PostgreSQL";
    match std::env::var("DATABASE_URL") {
        Ok(url) if url.starts_with("postgres") => {
            Finding::good(name, "the journal goes to DATABASE_URL")
        }
        _ => match first_line_of("postgres", &["--version"]) {
            Some(version) => Finding::good(name, format!("{version}; the journal is SQLite")),
            None => Finding::missing(
                name,
                "not installed; the journal is SQLite",
                "only apps and teams that want it need it",
            ),
        },
    }
}

async fn server(context: &Context) -> Finding {
    let name = "server";
    let server = context.server();
    let hint = "start it with `barq up`";
    let client = match context.client() {
        Ok(client) => client,
        Err(failure) => return Finding::bad(name, failure.what, "check --server"),
    };
    let answer = client.text(&["health", "ready"], &[], "*/*").await;
    match answer {
        Ok(_) => Finding::good(name, format!("{server} is ready")),
        Err(failure) if failure.exit == Exit::Unreachable => match server == SERVER {
            true => Finding::missing(name, format!("none at {server}"), hint),
            false => Finding::bad(name, format!("none at {server}"), hint),
        },
        Err(failure) => Finding::bad(name, format!("{server}: {failure}"), "look at its log"),
    }
}

fn free_port(name: &'static str, port: u16) -> Finding {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    match TcpStream::connect_timeout(&address, PORT_TIMEOUT) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            Finding::good(name, format!("port {port} is free"))
        }
        Err(error) => Finding::missing(name, format!("port {port}: {error}"), "look at it"),
        Ok(_) => Finding::missing(
            name,
            format!("port {port} is taken"),
            "stop what listens there, or use --listen and --ingress",
        ),
    }
}

fn first_line_of(command: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(command)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next().unwrap_or_default().trim().to_owned();
    output.status.success().then_some(line)
}
