//! `barq init`: makes a repository ready to be pushed.
//!
//! Writes a `barq.toml` for what it finds (a start that works, to be read and changed), adds the git remote `barq`, and
//! sets a credential helper for that URL alone, in this repository alone, so that `git push` asks for nothing.

mod detect;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::process::{Command, Stdio};

use barq_core::configuration::Configuration;
use serde_json::json;

use super::arguments::InitArguments;
use super::context::SERVER;
use super::discovery::{self, REMOTE};
use super::{Context, discovery::git};
use crate::git::AppName;
use crate::output::{Exit, Failure};

/// The file.
const FILE: &str = "barq.toml";
/// The longest name that leaves room for `-production` in a DNS label.
const NAME_BYTES_MAX: usize = 40;

/// `barq init [NAME]`.
pub(super) fn init(context: &Context, arguments: &InitArguments) -> Result<Exit, Failure> {
    let root = git(Path::new("."), &["rev-parse", "--show-toplevel"]).ok_or_else(|| {
        Failure::usage("this directory is in no git repository")
            .hint("git init --initial-branch=main")
    })?;
    let root = Path::new(&root);
    let file = root.join(FILE);
    let wrote = match file.exists() {
        true => false,
        false => {
            let name = name(root, arguments)?;
            write(&file, &detect::configuration(root, name.as_str()))?;
            true
        }
    };
    let existing = discovery::remote(root);
    if !wrote && existing.is_some() {
        return Err(
            Failure::usage(format!("{FILE} and the remote {REMOTE} are there already"))
                .because("init never overwrites them")
                .hint("`barq config check` validates the file"),
        );
    }
    let added = existing.is_none();
    let remote = match existing {
        Some(remote) => remote,
        None => add_remote(context, root, &name(root, arguments)?)?,
    };
    let helper = set_credentials(context, root, &remote.server)?;
    context.output.result(
        &json!({
            "file": file, "wrote": wrote, "server": remote.server, "app": remote.app,
            "added_remote": added, "credential_helper": helper,
        }),
        || {
            let file = match wrote {
                true => format!("{FILE} is written: read it, its checks are a guess"),
                false => format!("{FILE} was there and is kept"),
            };
            format!(
                "{file}\nremote {REMOTE}: {}/git/{}.git\n\nnext:\n  barq config check\n  git add {FILE} && git commit -m 'Deliver with barq'\n  git push {REMOTE} main",
                remote.server, remote.app
            )
        },
    );
    Ok(Exit::Done)
}

/// The argument, or the directory's name made into one that is allowed.
fn name(root: &Path, arguments: &InitArguments) -> Result<AppName, Failure> {
    let text = match &arguments.name {
        Some(name) => name.clone(),
        None => slug(&root.file_name().unwrap_or_default().to_string_lossy()),
    };
    text.parse().map_err(|error| {
        Failure::usage(format!("{error}")).hint("give a name: barq init my-service")
    })
}

/// Lower case, with dashes for everything else.
fn slug(text: &str) -> String {
    let lower = text.to_lowercase();
    let words = lower
        .split(|character: char| !character.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    let mut slug = words.collect::<Vec<_>>().join("-");
    slug.truncate(NAME_BYTES_MAX);
    slug.trim_end_matches('-').to_owned()
}

/// Only a file that barq itself accepts is written.
fn write(file: &Path, text: &str) -> Result<(), Failure> {
    Configuration::parse(text, FILE).map_err(|faults| {
        Failure::failed(format!("cannot write a good {FILE} for this repository"))
            .because(faults.summary())
            .hint("write it by hand; `barq config schema` describes it")
    })?;
    crate::data::write_file(file, text.as_bytes(), 0o644)?;
    Ok(())
}

fn add_remote(context: &Context, root: &Path, app: &AppName) -> Result<discovery::Remote, Failure> {
    let asked = context.server();
    let server = match asked.trim_end_matches('/') {
        "" => SERVER,
        server => server,
    };
    let url = format!("{server}/git/{app}.git");
    let remote = discovery::parse(&url).ok_or_else(|| {
        Failure::usage(format!("{server:?} is not a server's URL"))
            .hint("--server http://127.0.0.1:7600")
    })?;
    match git(root, &["config", "--get", "remote.barq.url"]) {
        Some(other) => Err(
            Failure::usage(format!("the remote {REMOTE} points to {other}"))
                .because("that is no barq server")
                .hint(format!("git remote set-url {REMOTE} {url}")),
        ),
        None => run_git(root, &["remote", "add", REMOTE, &url]).map(|()| remote),
    }
}

/// For a server on this machine, git reads the admin's token where the command line does. For another one the user's
/// own helper is asked: a token is not written anywhere for them.
fn set_credentials(context: &Context, root: &Path, server: &str) -> Result<bool, Failure> {
    let client = crate::client::Client::new(server, None)?;
    if !client.is_local() {
        return Ok(false);
    }
    let token = context.data()?.admin_token();
    let quoted = token.to_string_lossy().replace('\'', r"'\''");
    // BARQ_TOKEN wins, as on the command line. git calls it with "get", "store" or "erase".
    let helper = format!(
        "!f() {{ test \"$1\" = get || exit 0; echo username=barq; echo \"password=${{BARQ_TOKEN:-$(cat '{quoted}')}}\"; }}; f"
    );
    let key = format!("credential.{server}.helper");
    // The empty first value drops helpers of the user's own for this URL: they would store the token elsewhere.
    run_git(root, &["config", "--local", "--replace-all", &key, ""])?;
    run_git(root, &["config", "--local", "--add", &key, &helper])?;
    Ok(true)
}

fn run_git(root: &Path, arguments: &[&str]) -> Result<(), Failure> {
    let failed = || Failure::failed(format!("git {} failed", arguments[0]));
    let output = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed().because(error.to_string()))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(failed().because(String::from_utf8_lossy(&output.stderr).trim())),
    }
}
