//! What the git repository around us says: the remote `barq` names the server and the app.

use std::path::Path;
use std::process::{Command, Stdio};

/// The name of the remote.
pub(super) const REMOTE: &str = "barq";

/// What the remote's URL says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remote {
    /// The server's URL.
    pub(super) server: String,
    /// The app's name.
    pub(super) app: String,
}

/// The remote of the repository around a directory, if there is one with a URL of ours.
pub(super) fn remote(directory: &Path) -> Option<Remote> {
    let url = git(directory, &["config", "--get", "remote.barq.url"])?;
    parse(&url)
}

/// `http://[user@]host[:port]/git/<app>.git`.
pub(super) fn parse(url: &str) -> Option<Remote> {
    let mut url = reqwest::Url::parse(url).ok()?;
    let (prefix, app) = url.path().trim_end_matches('/').rsplit_once("/git/")?;
    let app = app.strip_suffix(".git").unwrap_or(app).to_owned();
    let prefix = prefix.to_owned();
    if !matches!(url.scheme(), "http" | "https") || app.is_empty() || app.contains('/') {
        return None;
    }
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    url.set_path(&prefix);
    Some(Remote {
        server: url.as_str().trim_end_matches('/').to_owned(),
        app,
    })
}

/// What a git command prints, trimmed; none where it fails or prints nothing.
pub(super) fn git(directory: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(directory)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
