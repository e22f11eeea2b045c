//! What every command starts from: the flags, and what they leave to be found out.

use crate::client::Client;
use crate::client::types::{Delivery, Service};
use crate::data::DataDirectory;
use crate::output::{Exit, Failure, Output};

use super::arguments::Global;
use super::discovery::{self, Remote};

/// The server where nothing says another.
pub(super) const SERVER: &str = "http://127.0.0.1:7600";
/// Services that are looked at for the names of environments.
const SERVICES_MAX: usize = 500;
/// The longest token file that is read.
const TOKEN_BYTES_MAX: u64 = 4096;

/// The flags of all commands, and how to print.
pub struct Context {
    global: Global,
    /// How to print.
    pub output: Output,
}

impl Context {
    /// From the flags.
    pub fn new(global: Global, output: Output) -> Self {
        Self { global, output }
    }

    /// The data directory; it need not exist.
    ///
    /// # Errors
    /// When nothing says where it is.
    pub fn data(&self) -> Result<DataDirectory, Failure> {
        let home = std::env::var_os("HOME").map(Into::into);
        DataDirectory::resolve(self.global.data.clone(), home)
            .map_err(|error| Failure::usage(error.to_string()))
    }

    /// The git remote `barq` of the current directory.
    pub(super) fn remote(&self) -> Option<Remote> {
        discovery::remote(std::path::Path::new("."))
    }

    /// The server's URL: flag, environment, git remote, this machine.
    pub fn server(&self) -> String {
        let asked = self.global.server.clone();
        asked
            .or_else(|| self.remote().map(|remote| remote.server))
            .unwrap_or_else(|| SERVER.to_owned())
    }

    /// A client for the server, with the token that is to be used there.
    ///
    /// # Errors
    /// When the server's URL is none.
    pub fn client(&self) -> Result<Client, Failure> {
        let server = self.server();
        let client = Client::new(&server, self.global.token.clone())?;
        if self.global.token.is_some() || !client.is_local() {
            return Ok(client);
        }
        // The admin's token never leaves this machine by itself, wherever a git remote points to.
        Client::new(&server, self.admin_token()?)
    }

    /// The app that is meant: the flag, or the git remote.
    pub fn app(&self) -> Option<String> {
        let asked = self.global.app.clone();
        asked.or_else(|| self.remote().map(|remote| remote.app))
    }

    /// The app, where a command needs one.
    ///
    /// # Errors
    /// When nothing names it.
    pub fn required_app(&self) -> Result<String, Failure> {
        self.app().ok_or_else(|| {
            Failure::usage("which app is not clear")
                .because("this directory has no git remote called barq")
                .hint("name it with --app, or run `barq init`")
        })
    }

    /// The delivery that is meant: the one that is named, or the app's newest.
    ///
    /// # Errors
    /// When there is none.
    pub async fn delivery(&self, client: &Client, id: Option<String>) -> Result<String, Failure> {
        if let Some(id) = id {
            return Ok(id);
        }
        let mut query = vec![("limit", "1".to_owned())];
        query.extend(self.app().map(|app| ("app", app)));
        let newest: Vec<Delivery> = client
            .list(&["api", "v1", "deliveries"], &query, "before", 1)
            .await?;
        newest
            .into_iter()
            .next()
            .map(|delivery| delivery.id)
            .ok_or_else(|| Failure::failed("there is no delivery yet").hint("git push barq main"))
    }

    /// The service of an environment (of the app that is meant), or of that full name.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub async fn service(&self, client: &Client, environment: &str) -> Result<Service, Failure> {
        let app = self.app();
        let mut query = vec![("environment", environment.to_owned())];
        query.extend(app.clone().map(|app| ("app", app)));
        let path = ["api", "v1", "services"];
        let mut found: Vec<Service> = client.list(&path, &query, "before", 2).await?;
        match found.len() {
            1 => Ok(found.remove(0)),
            0 => {
                let path = ["api", "v1", "services", environment];
                match client.get(&path, &[]).await {
                    Err(failure) if failure.exit == Exit::Failed => {
                        Err(no_service(client, app.as_deref(), environment).await?)
                    }
                    answer => answer,
                }
            }
            _ => Err(Failure::usage(format!(
                "more than one app has an environment {environment}"
            ))
            .because("this directory has no git remote called barq")
            .hint("name the app with --app, or give the service's full name")),
        }
    }

    fn admin_token(&self) -> Result<Option<String>, Failure> {
        let path = self.data()?.admin_token();
        let read = std::fs::File::open(&path).and_then(|file| {
            let mut text = String::new();
            std::io::Read::read_to_string(
                &mut std::io::Read::take(file, TOKEN_BYTES_MAX),
                &mut text,
            )?;
            Ok(text)
        });
        match read {
            Ok(text) => Ok(Some(text.trim().to_owned()).filter(|token| !token.is_empty())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => {
                self.output.warn(&format!(
                    "the token in {} cannot be read: {error}",
                    path.display()
                ));
                Ok(None)
            }
        }
    }
}

/// Why there is no such service: the app or the environment is not known, or nothing runs yet.
async fn no_service(
    client: &Client,
    app: Option<&str>,
    environment: &str,
) -> Result<Failure, Failure> {
    let of_app = app.map(|app| ("app", app.to_owned()));
    let query: Vec<_> = of_app.into_iter().collect();
    let path = ["api", "v1", "services"];
    let services: Vec<Service> = client.list(&path, &query, "before", SERVICES_MAX).await?;
    let mut environments: Vec<&str> = Vec::new();
    for service in &services {
        if !environments.contains(&service.environment.as_str()) {
            environments.push(&service.environment);
        }
    }
    if !environments.is_empty() {
        let there = environments.join(", ");
        return Ok(Failure::failed(format!(
            "there is no environment {environment} (there is: {there})"
        ))
        .hint("an environment is there once a release has entered it; `barq status` shows what is under way"));
    }
    let path = ["api", "v1", "deliveries"];
    let deliveries: Vec<Delivery> = client.list(&path, &query, "before", 1).await?;
    Ok(match app {
        Some(app) if deliveries.is_empty() => Failure::failed(format!("there is no app {app}"))
            .hint("`git push barq main` creates it; `barq status` in another directory shows those there are"),
        _ => Failure::failed("nothing runs anywhere yet")
            .hint("`barq status` shows what is under way; `git push barq main` delivers"),
    })
}
