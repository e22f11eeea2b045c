//! What a check gets to see: its environment and the paths that it may touch.
//!
//! Allowed is a list, so what was forgotten is denied. Tools must work offline from the user's caches, so those are
//! offered: Cargo's registry and git checkouts and npm's cache to be written too (both lock them), the rest of
//! `CARGO_HOME` and `RUSTUP_HOME` to be read. A check that runs as another user cannot reach them and gets a Cargo home
//! of its own. It must not know what a check does.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use barq_shim::Sandbox;

use crate::request::Job;
use crate::settings::RunnerSettings;
use crate::work::Places;

/// Where a Linux system keeps what everybody may read and execute.
const SYSTEM_PATHS: [&str; 11] = [
    "/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", "/opt", "/proc", "/sys", "/run", "/nix",
];
/// What everybody may write.
const SHARED_PATHS: [&str; 3] = ["/dev", "/tmp", "/var/tmp"];
/// Behind the toolchain's directory in `PATH`.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The whole environment of a check.
pub(crate) fn environment(
    settings: &RunnerSettings,
    job: &Job,
    places: &Places,
) -> BTreeMap<String, String> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let cargo_home = if settings.user.is_some() {
        places.home.join(".cargo")
    } else {
        settings.cargo_home.clone()
    };
    let mut environment = BTreeMap::from([
        (
            "PATH".to_owned(),
            format!("{}:{PATH}", settings.cargo_home.join("bin").display()),
        ),
        ("HOME".to_owned(), text(&places.home)),
        ("TMPDIR".to_owned(), text(&places.temporary)),
        ("CARGO_HOME".to_owned(), text(&cargo_home)),
        ("RUSTUP_HOME".to_owned(), text(&settings.rustup_home)),
        ("LANG".to_owned(), "C.UTF-8".to_owned()),
        ("TERM".to_owned(), "dumb".to_owned()),
        ("CI".to_owned(), "true".to_owned()),
        ("BARQ_APP".to_owned(), job.app.clone()),
        ("BARQ_CHECK".to_owned(), job.check.clone()),
        ("BARQ_COMMIT".to_owned(), job.commit.clone()),
    ]);
    let npm_cache = npm_cache(settings);
    if settings.user.is_none() && npm_cache.is_dir() {
        environment.insert("npm_config_cache".to_owned(), text(&npm_cache));
    }
    environment.extend(job.environment.clone());
    environment
}

/// The paths that a check may touch.
pub(crate) fn sandbox(settings: &RunnerSettings, places: &Places) -> Sandbox {
    let mut read_only: Vec<PathBuf> = SYSTEM_PATHS.iter().map(PathBuf::from).collect();
    read_only.extend([settings.rustup_home.clone(), settings.cargo_home.clone()]);
    let mut writable: Vec<PathBuf> = SHARED_PATHS.iter().map(PathBuf::from).collect();
    for name in [
        "registry",
        "git",
        ".package-cache",
        ".package-cache-mutate",
        ".global-cache",
    ] {
        writable.push(settings.cargo_home.join(name));
    }
    writable.push(npm_cache(settings));
    let protected = settings
        .data_directory
        .canonicalize()
        .unwrap_or_else(|_| settings.data_directory.clone());
    let mut writable = without(writable, &protected);
    writable.extend([
        places.tree.clone(),
        places.home.clone(),
        places.temporary.clone(),
    ]);
    Sandbox {
        read_only: without(read_only, &protected),
        writable,
        user: settings.user,
    }
}

fn npm_cache(settings: &RunnerSettings) -> PathBuf {
    settings.home.join(".npm")
}

/// The paths, those that hold the protected directory replaced by what is beside it. A sibling made later is denied.
fn without(paths: Vec<PathBuf>, protected: &Path) -> Vec<PathBuf> {
    let mut allowed = Vec::new();
    let mut pending = paths;
    while let Some(path) = pending.pop() {
        let resolved = path.canonicalize().unwrap_or_else(|_| path.clone());
        if resolved.starts_with(protected) {
            continue;
        }
        if !protected.starts_with(&resolved) {
            allowed.push(path);
            continue;
        }
        pending.extend(
            fs::read_dir(&resolved)
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path()),
        );
    }
    allowed
}

#[cfg(test)]
mod tests;
