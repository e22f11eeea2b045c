//! The environment of each revision, resolved once and kept: a revision is immutable, whatever the server's own
//! environment is after a restart.
//!
//! **Invariant**: a file here is whole (written beside, synced, renamed) and readable by its owner alone, since values from
//! the server's environment may be secrets.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use barq_core::configuration::EnvironmentValue;
use barq_core::service::Revision;
use barq_engine::ports::PortError;

use super::failed;

type Environment = BTreeMap<String, String>;

pub(super) struct Revisions {
    directory: PathBuf,
}

impl Revisions {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// The revision's environment; the inner error names what the server's environment lacks.
    pub(super) async fn environment(
        &self,
        revision: &Revision,
    ) -> Result<Result<Environment, String>, PortError> {
        let path = self.directory.join(format!("{}.json", revision.name));
        let wanted = revision.settings.env.clone();
        let name = revision.name.to_string();
        tokio::task::spawn_blocking(move || load_or_resolve(&path, &wanted, &name))
            .await
            .map_err(|error| failed("resolve the environment", &error))?
            .map_err(|error| failed("keep the environment", &error))
    }
}

fn load_or_resolve(
    path: &Path,
    wanted: &BTreeMap<String, EnvironmentValue>,
    revision: &str,
) -> std::io::Result<Result<Environment, String>> {
    match std::fs::read(path) {
        Ok(bytes) => return Ok(Ok(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut resolved = Environment::new();
    for (name, value) in wanted {
        let value = match value {
            EnvironmentValue::Literal(text) => text.clone(),
            EnvironmentValue::FromEnvironment(source) => match std::env::var(source) {
                Ok(text) => text,
                Err(error) => {
                    return Ok(Err(format!(
                        "{name} of {revision} is taken from {source} in the server's environment: {error}; \
                         set it and start the server again"
                    )));
                }
            },
        };
        resolved.insert(name.clone(), value);
    }
    write(path, &resolved)?;
    Ok(Ok(resolved))
}

fn write(path: &Path, environment: &Environment) -> std::io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory)?;
    let temporary = path.with_extension("partial");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(&serde_json::to_vec(environment)?)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    std::fs::File::open(directory)?.sync_all()
}
