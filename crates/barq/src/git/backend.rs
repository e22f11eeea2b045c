//! Runs `git http-backend` for one request: the request's body into it, its output out, both as they come.
//!
//! The processes of a request are one process group, killed as a whole when the client goes away, when nothing moves
//! for too long, or when it all takes too long. There is one exception: a push whose body has arrived whole is left to
//! finish without its client, because killing it then could cut between the refs and the report of them.

mod pump;

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use jiff::Timestamp;
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio_stream::wrappers::ReceiverStream;

use super::hook::{SECRET_VARIABLE, SOCKET_VARIABLE};
use super::hook_listener::{HookListener, Ticket, Tickets};
use super::routes::refuse;
use super::{
    AppName, GitError, GitSettings, ObjectHash, Principal, RefName, Repository, command, locks,
    refs, repository,
};
use pump::Exchange;

/// Requests that are served at once; each is two or three processes.
const EXCHANGES_MAX: usize = 32;
/// How long a request waits for its turn.
const TURN_TIMEOUT: Duration = Duration::from_secs(60);
/// The longest header value that is handed to git.
const HEADER_BYTES_MAX: usize = 256;
/// Mode of the hook: an executable file.
const HOOK_MODE: u32 = 0o700;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    UploadPack,
    ReceivePack,
}

impl Service {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "git-upload-pack" => Some(Self::UploadPack),
            "git-receive-pack" => Some(Self::ReceivePack),
            _ => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::UploadPack => "git-upload-pack",
            Self::ReceivePack => "git-receive-pack",
        }
    }
}

/// One admitted request.
pub(super) struct Call {
    pub(super) app: AppName,
    pub(super) principal: Principal,
    pub(super) service: Service,
    /// The list of refs that comes first, rather than the exchange itself.
    pub(super) advertise: bool,
    pub(super) request: Request,
}

/// What a push had before it, so that it can be told afterwards what it did.
pub(super) struct PushWatch {
    pub(super) secret: String,
    pub(super) before: Vec<(RefName, ObjectHash)>,
}

/// Shared by all requests.
pub(super) struct Backend {
    settings: GitSettings,
    tickets: Arc<Tickets>,
    turns: Arc<Semaphore>,
    _listener: HookListener,
}

impl Backend {
    pub(super) fn open(settings: GitSettings) -> Result<Self, GitError> {
        let other = |error| GitError::io("prepare git's directories")(std::io::Error::other(error));
        crate::data::make_directory(&settings.repositories).map_err(other)?;
        crate::data::make_directory(&settings.hooks).map_err(other)?;
        repository::remove_half_made(&settings.repositories)?;
        let hook = settings.hooks.join("post-receive");
        let script = hook_script(&settings);
        // What is there already is not written again: a full disk must not keep a server from starting.
        if std::fs::read(&hook).is_ok_and(|there| there == script.as_bytes()) {
            tracing::debug!("the hook is as it should be");
        } else {
            crate::data::write_file(&hook, script.as_bytes(), HOOK_MODE).map_err(other)?;
        }
        let tickets = Arc::new(Tickets::default());
        let on_push = Arc::clone(&settings.on_push);
        let listener = HookListener::open(&settings.hook_socket, Arc::clone(&tickets), on_push)?;
        Ok(Self {
            settings,
            tickets,
            turns: Arc::new(Semaphore::new(EXCHANGES_MAX)),
            _listener: listener,
        })
    }

    pub(super) fn settings(&self) -> &GitSettings {
        &self.settings
    }

    pub(super) fn tickets(&self) -> &Tickets {
        &self.tickets
    }

    /// Answers a request; what goes wrong before git has answered becomes an error of ours.
    pub(super) async fn serve(self: Arc<Self>, call: Call) -> Response {
        let app = call.app.clone();
        match self.start(call).await {
            Ok(response) => response,
            Err(error) => {
                tracing::error!(%app, error = %crate::output::chain(&error), "git failed");
                refuse(StatusCode::BAD_GATEWAY, &crate::output::chain(&error))
            }
        }
    }

    async fn start(self: Arc<Self>, call: Call) -> Result<Response, GitError> {
        let turn = Arc::clone(&self.turns).acquire_owned();
        let Ok(Ok(turn)) = tokio::time::timeout(TURN_TIMEOUT, turn).await else {
            let why = "too many pushes and fetches at once; try again";
            return Ok(refuse(StatusCode::SERVICE_UNAVAILABLE, why));
        };
        let pushes = call.service == Service::ReceivePack && !call.advertise;
        let watch = match pushes {
            true => Some(self.watch(&call.app, &call.principal).await?),
            false => None,
        };
        let command = self.command(&call, watch.as_ref());
        let exchange = Exchange::start(command, call.request.into_body(), pushes);
        let (exchange, client) = match exchange {
            Ok(started) => started,
            Err(source) => {
                if let Some(watch) = watch {
                    self.tickets.take(&watch.secret);
                }
                let command = "http-backend".to_owned();
                return Err(GitError::Start { command, source });
            }
        };
        let repository = Repository::of(&self.settings.repositories, &call.app);
        // Not bound to the request: what a push has begun is brought to its end without the client too.
        tokio::spawn(async move {
            exchange.run().await;
            if let Some(watch) = watch {
                self.settle(&repository, watch).await;
            }
            drop(turn);
        });
        let Ok(head) = client.head.await else {
            let why = "git did not answer; the server's log says why";
            return Ok(refuse(StatusCode::BAD_GATEWAY, why));
        };
        let mut response = Response::new(Body::from_stream(ReceiverStream::new(client.body)));
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers;
        Ok(response)
    }

    /// For a push: the ticket for its hook, and the refs before it.
    async fn watch(&self, app: &AppName, principal: &Principal) -> Result<PushWatch, GitError> {
        let repository = Repository::of(&self.settings.repositories, app);
        free(&repository).await;
        let before = refs(&repository).await?;
        let secret = self.tickets.issue(Ticket {
            app: app.clone(),
            principal: principal.clone(),
        })?;
        Ok(PushWatch { secret, before })
    }

    /// After a push: when its hook was never heard, what it did is read from the refs and reported all the same.
    async fn settle(&self, repository: &Repository, watch: PushWatch) {
        let Some(ticket) = self.tickets().take(&watch.secret) else {
            return;
        };
        let updates = match refs(repository).await {
            Ok(after) => repository::difference(watch.before, after),
            Err(error) => {
                // Found again at the next start.
                tracing::error!(error = %crate::output::chain(&error), "cannot read the refs after a push");
                return;
            }
        };
        if updates.is_empty() {
            return;
        }
        tracing::warn!(app = %ticket.app, "a push's hook was not heard; its refs are read instead");
        let report = super::PushReport {
            app: ticket.app,
            principal: ticket.principal,
            updates,
        };
        (self.settings.on_push)(report).await;
    }

    fn command(&self, call: &Call, watch: Option<&PushWatch>) -> Command {
        let mut command = command::git(Some(&self.settings.hooks));
        let path = match call.advertise {
            true => "info/refs",
            false => call.service.as_str(),
        };
        command
            .arg("http-backend")
            .env("GIT_PROJECT_ROOT", &self.settings.repositories)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("PATH_INFO", format!("/{}.git/{path}", call.app))
            .env("REQUEST_METHOD", call.request.method().as_str())
            .env("REMOTE_ADDR", "127.0.0.1")
            .env("REMOTE_USER", printable(&call.principal.name))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if call.advertise {
            command.env("QUERY_STRING", format!("service={}", call.service.as_str()));
        } else {
            command.stdin(Stdio::piped());
        }
        let passed = [
            (CONTENT_TYPE, "CONTENT_TYPE"),
            (CONTENT_LENGTH, "CONTENT_LENGTH"),
            (CONTENT_ENCODING, "HTTP_CONTENT_ENCODING"),
            (HeaderName::from_static("git-protocol"), "GIT_PROTOCOL"),
        ];
        for (header, variable) in passed {
            let value = call.request.headers().get(header);
            let value = value.and_then(|value| value.to_str().ok());
            if let Some(value) = value.filter(|value| value.len() <= HEADER_BYTES_MAX) {
                command.env(variable, value);
            }
        }
        if let Some(watch) = watch {
            command
                .env(SOCKET_VARIABLE, &self.settings.hook_socket)
                .env(SECRET_VARIABLE, &watch.secret);
        }
        command
    }
}

/// Takes away the locks that a killed git has left. Where that is not possible git says which one stands in its way.
async fn free(repository: &Repository) {
    let path = repository.path().to_owned();
    let removing =
        tokio::task::spawn_blocking(move || locks::remove_orphans(&path, Timestamp::now()));
    match removing.await.map_err(std::io::Error::other).flatten() {
        Ok(removed) if removed.is_empty() => {}
        Ok(removed) => tracing::warn!(?removed, "a killed git had left its locks"),
        Err(error) => tracing::warn!(%error, "cannot look for locks that a killed git has left"),
    }
}

fn printable(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .collect()
}

/// Single quotes for the shell; one inside is written as `'\''`.
fn hook_script(settings: &GitSettings) -> String {
    let command = settings.hook_command.to_string_lossy();
    let quoted = command.replace('\'', r"'\''");
    format!("#!/bin/sh\nexec '{quoted}' hook post-receive\n")
}
