//! Where a measurement happens: a temporary directory, free ports, a certificate, the back ends. All of it ends with the
//! value.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::Failure;
use super::process::Process;

/// The host that every request names: barq's node routes by it.
pub(super) const HOST: &str = "bench.localhost";
/// The host that TLS connections name: every machine knows its address, and no program is told another way.
pub(super) const TLS_HOST: &str = "localhost";
/// What the back ends call themselves.
pub(super) const STABLE: &str = "bench-stable";
/// The one that gets a tenth.
pub(super) const CANARY: &str = "bench-canary";
/// The back end's name in its image.
pub(super) const PROGRAM: &str = "backend";

/// The place.
pub(super) struct Place {
    /// `ADDRESS:PORT`, and the process behind it. Before the directory: they end before it is removed.
    pub(super) stable: BackEnd,
    /// The other one.
    pub(super) canary: BackEnd,
    directory: tempfile::TempDir,
}

/// A running back end.
pub(super) struct BackEnd {
    pub(super) address: String,
    _process: Process,
}

impl Place {
    /// Prepared: the back ends listen, the certificate is there.
    pub(super) fn prepare(backend: &Path) -> Result<Self, Failure> {
        let directory = tempfile::Builder::new().prefix("barq-bench-").tempdir()?;
        let image = directory.path().join("image");
        std::fs::create_dir(&image)?;
        std::fs::copy(backend, image.join(PROGRAM))?;
        certificate(directory.path())?;
        let start = |name: &str| BackEnd::start(&image.join(PROGRAM), name, directory.path());
        Ok(Self {
            stable: start(STABLE)?,
            canary: start(CANARY)?,
            directory,
        })
    }

    /// The temporary directory.
    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A new directory for a proxy.
    pub(super) fn directory_for(&self, name: &str) -> Result<tempfile::TempDir, Failure> {
        let prefix = format!("{name}-");
        Ok(tempfile::Builder::new()
            .prefix(&prefix)
            .tempdir_in(self.directory())?)
    }

    /// The directory that barq's instances are started from.
    pub(super) fn image(&self) -> PathBuf {
        self.directory().join("image")
    }

    /// The certificate.
    pub(super) fn certificate(&self) -> PathBuf {
        self.directory().join("certificate.pem")
    }

    /// Its key.
    pub(super) fn key(&self) -> PathBuf {
        self.directory().join("key.pem")
    }

    /// Both in one file.
    pub(super) fn both(&self) -> PathBuf {
        self.directory().join("both.pem")
    }
}

impl BackEnd {
    fn start(program: &Path, name: &str, directory: &Path) -> Result<Self, Failure> {
        let port = free_port()?;
        // In a session of its own, as barq's instances are: the kernel shares the processors among sessions first
        // (`sched(7)`, autogroups).
        let mut command = Command::new("setsid");
        command.arg(program);
        command
            .env("PORT", port.to_string())
            .env("K_REVISION", name);
        Ok(Self {
            address: format!("127.0.0.1:{port}"),
            _process: Process::start(command, name, &directory.join(format!("{name}.log")))?,
        })
    }
}

/// A port of the loopback that nobody listens on now.
pub(super) fn free_port() -> Result<u16, Failure> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port())
}

/// For all names that are used, and for the address: a client that names none finds it, too.
fn certificate(directory: &Path) -> Result<(), Failure> {
    let output = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "7"])
        .args(["-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-subj", &format!("/CN={HOST}")])
        .args([
            "-addext",
            &format!("subjectAltName=DNS:{HOST},DNS:{TLS_HOST},IP:127.0.0.1"),
        ])
        .args(["-keyout", "key.pem", "-out", "certificate.pem"])
        .current_dir(directory)
        .output()
        .map_err(|error| format!("cannot run openssl: {error}; run: scripts/setup bench"))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("openssl made no certificate: {why}").into());
    }
    let mut both = std::fs::read(directory.join("certificate.pem"))?;
    both.extend(std::fs::read(directory.join("key.pem"))?);
    std::fs::write(directory.join("both.pem"), both)?;
    Ok(())
}
