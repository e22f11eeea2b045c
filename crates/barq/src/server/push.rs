//! From a pushed ref to a delivery; and the same for refs that moved while nobody was there to be told.
//!
//! The refs are the truth: a push is accepted by git before anybody here hears of it. So the same path is walked at every
//! start, and again after a push that could not be recorded, until the journal has what the repositories have.

use std::sync::Arc;
use std::time::Duration;

use barq_core::command::{Command, PushedRef, Tip};
use barq_core::configuration::{CONFIGURATION_BYTES_MAX, Configuration, Style};
use barq_core::delivery::Delivery;
use barq_core::event::{Actor, Commit, DeliveryEvent, Event, Recorded};
use barq_core::identity::{AppName, CommitHash};
use futures::FutureExt as _;

use super::{Server, Shared};
use crate::git::{
    self, Access, CommitInfo, Credentials, GitError, GitSettings, ObjectHash, OnPush, Principal,
    PushReport, RefUpdate, Refusal, Repository,
};
use crate::output::chain;

/// The file that says how a commit is delivered.
const FILE: &str = "barq.toml";
/// Commits of a push that are remembered.
pub(super) const COMMITS_MAX: usize = 100;
/// After a push that could not be recorded.
const AGAIN: Duration = Duration::from_secs(5);

/// Why a ref could not be made known.
#[derive(Debug, thiserror::Error)]
enum PushError {
    #[error("the repository could not be read")]
    Git(#[from] GitError),
    #[error(transparent)]
    Name(#[from] barq_core::identity::InvalidName),
    #[error(transparent)]
    Command(#[from] barq_engine::engine::CommandError),
}

/// What git over HTTP needs.
pub(super) fn git_settings(server: &Shared) -> anyhow::Result<GitSettings> {
    let (authenticating, pushing) = (Arc::clone(server), Arc::clone(server));
    let on_push: OnPush = Arc::new(move |report| {
        let server = Arc::clone(&pushing);
        async move { server.pushed(report).await }.boxed()
    });
    Ok(GitSettings {
        repositories: server.data.repositories(),
        hooks: server.data.hooks(),
        hook_socket: server.data.hook_socket(),
        hook_command: std::env::current_exe()?,
        authenticate: Arc::new(move |credentials| {
            let principal = authenticate(&authenticating, &credentials);
            async move { principal }.boxed()
        }),
        on_push,
    })
}

fn authenticate(server: &Server, credentials: &Credentials) -> Result<Principal, Refusal> {
    let actor = server.owner(&credentials.token).ok_or(Refusal::Unknown)?;
    match credentials.access {
        // Every role may read, and the least one may push.
        Access::Fetch | Access::Push => Ok(Principal { name: actor.name }),
    }
}

/// Makes known what moved while the server was away, then whatever could not be recorded.
pub(super) async fn reconcile_for_ever(server: Shared) {
    loop {
        match server.reconcile().await {
            Ok(()) => server.unrecorded.notified().await,
            Err(error) => {
                tracing::error!(error = %chain(&error), "pushes could not be made known");
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

impl Server {
    /// A push was accepted: the lines are shown to the one who pushed.
    async fn pushed(&self, report: PushReport) -> Vec<String> {
        let actor = self.actor(&report.principal.name);
        let mut lines = Vec::new();
        for update in &report.updates {
            match self.update(&report.app, &actor, update).await {
                Ok(told) => lines.extend(told),
                Err(error) => {
                    tracing::error!(app = %report.app, error = %chain(&error), "a push was not recorded");
                    self.unrecorded.notify_one();
                    lines.push(format!(
                        "barq: the push of {} is stored, but not yet known: {}",
                        update.name,
                        chain(&error)
                    ));
                    lines.push("barq: this is tried again by itself; see `barq status`".to_owned());
                }
            }
        }
        lines
    }

    async fn reconcile(&self) -> Result<(), PushError> {
        let repositories = self.data.repositories();
        for app in git::apps(&repositories)? {
            let repository = Repository::of(&repositories, &app);
            let refs = git::refs(&repository).await?;
            let view = self.engine.view();
            let known = view.state.apps.get(&app).map(|known| known.refs.clone());
            let known = known.unwrap_or_default();
            for (name, old) in &known {
                let there = refs.iter().any(|(found, _)| found.as_str() == name);
                let update = RefUpdate {
                    name: name.parse()?,
                    old: Some(old.to_string().parse()?),
                    new: None,
                };
                if !there {
                    self.update(&app, &Actor::barq(), &update).await?;
                }
            }
            for (name, object) in refs {
                let commit = git::resolve(&repository, &object).await?;
                let old = known.get(name.as_str());
                let moved = commit.as_ref().map(ObjectHash::as_str) != old.map(CommitHash::as_str);
                if commit.is_none() || !moved {
                    continue;
                }
                let update = RefUpdate {
                    name,
                    old: old.map(|old| old.to_string().parse()).transpose()?,
                    new: Some(object),
                };
                let lines = self.update(&app, &Actor::barq(), &update).await?;
                tracing::info!(%app, ?lines, "a push was found in the refs");
            }
        }
        Ok(())
    }

    async fn update(
        &self,
        app: &AppName,
        actor: &Actor,
        update: &RefUpdate,
    ) -> Result<Vec<String>, PushError> {
        // One at a time: what is recorded of a ref must be the order in which it moved.
        let _turn = self.pushes.lock().await;
        if !self.is_present(app, update).await? {
            return Ok(vec![format!("barq: {} has moved on since", update.name)]);
        }
        let Some(pushed) = self.read(app, update).await? else {
            return Ok(Vec::new());
        };
        let tip = pushed.tip.as_ref().map(|tip| tip.commit.hash.clone());
        let events = self
            .engine
            .command(actor.clone(), Command::Push(pushed), None)
            .await?;
        let id = begun(&events);
        let view = self.engine.view();
        let delivery = match (&id, tip) {
            (Some(id), _) => view.state.delivery(id),
            // The same push again: what it began is found by its commit.
            (None, Some(tip)) => view
                .state
                .deliveries
                .values()
                .rev()
                .map(AsRef::as_ref)
                .find(|delivery| {
                    delivery.id.app == *app
                        && delivery.push.commit.hash == tip
                        && update.name.branch() == Some(delivery.push.branch.as_str())
                }),
            (None, None) => None,
        };
        Ok(match delivery {
            Some(delivery) => self.told(delivery),
            None if update.new.is_none() => vec![format!("barq: {} is deleted", update.name)],
            None => vec![format!("barq: {} is stored", update.name)],
        })
    }

    /// Whether the ref still points where the update says: a later push may be told of first.
    async fn is_present(&self, app: &AppName, update: &RefUpdate) -> Result<bool, PushError> {
        let repository = Repository::of(&self.data.repositories(), app);
        let refs = git::refs(&repository).await?;
        let now = refs.iter().find(|(name, _)| *name == update.name);
        Ok(now.map(|(_, object)| object) == update.new.as_ref())
    }

    /// What the repository says of the update; none where it leads to no commit.
    async fn read(
        &self,
        app: &AppName,
        update: &RefUpdate,
    ) -> Result<Option<PushedRef>, PushError> {
        let repository = Repository::of(&self.data.repositories(), app);
        let view = self.engine.view();
        let recorded = view
            .state
            .apps
            .get(app)
            .and_then(|known| known.refs.get(update.name.as_str()))
            .map(|hash| hash.to_string().parse())
            .transpose()?;
        let before = match recorded.as_ref().or(update.old.as_ref()) {
            Some(old) => git::resolve(&repository, old).await?,
            None => None,
        };
        let tip = match &update.new {
            None => None,
            Some(new) => {
                let Some(commit) = git::resolve(&repository, new).await? else {
                    return Ok(None);
                };
                Some(read_tip(&repository, before.as_ref(), &commit).await?)
            }
        };
        Ok(Some(PushedRef {
            app: app.clone(),
            name: update.name.as_str().to_owned(),
            before: before.map(|hash| hash.as_str().parse()).transpose()?,
            tip,
        }))
    }

    /// What the one who pushed is told.
    fn told(&self, delivery: &Delivery) -> Vec<String> {
        let id = &delivery.id;
        let mut lines = vec![format!(
            "barq: delivery {id}  {}  {}",
            delivery.push.commit.hash.short(),
            delivery.push.commit.subject
        )];
        lines.push(format!("barq: {}/deliveries/{id}", self.url));
        if let Err(error) = &delivery.push.configuration {
            lines.push(format!("barq: {id} failed, its {FILE} is not valid:"));
            lines.extend(error.lines().map(|line| format!("barq:   {line}")));
            return lines;
        }
        let next = if delivery.push.delivered {
            "checks, then image and staging"
        } else {
            "checks; this branch is not delivered"
        };
        lines.push(format!(
            "barq: {}: {next}; follow it with `barq watch {id}`",
            delivery.state_name().replace('_', " ")
        ));
        lines
    }
}

fn begun(events: &[Recorded]) -> Option<barq_core::identity::DeliveryId> {
    events.iter().find_map(|recorded| match &recorded.event {
        Event::Delivery(id, DeliveryEvent::Pushed(_)) => Some(id.clone()),
        _ => None,
    })
}

async fn read_tip(
    repository: &Repository,
    before: Option<&ObjectHash>,
    commit: &ObjectHash,
) -> Result<Tip, PushError> {
    let own = git::commit_info(repository, commit).await?;
    let mut commits = git::commits_between(repository, before, commit, COMMITS_MAX).await?;
    // A branch that was put back to an older commit brings nothing new, but that commit is what is delivered.
    if commits.is_empty() {
        commits.push(own.clone());
    }
    Ok(Tip {
        commit: converted(own)?,
        commits: commits
            .into_iter()
            .map(converted)
            .collect::<Result<_, _>>()?,
        configuration: configuration(repository, commit).await?,
    })
}

fn converted(commit: CommitInfo) -> Result<Commit, PushError> {
    Ok(Commit {
        hash: commit.hash.as_str().parse()?,
        author_name: commit.author.name,
        author_email: commit.author.email,
        subject: commit.subject,
        committed_at: commit.committed_at,
    })
}

/// The inner error is for people: the commit has no configuration that could be followed.
async fn configuration(
    repository: &Repository,
    commit: &ObjectHash,
) -> Result<Result<Box<Configuration>, String>, PushError> {
    let bytes_max = u64::try_from(CONFIGURATION_BYTES_MAX).unwrap_or(u64::MAX);
    let bytes = match git::read_file(repository, commit, FILE, bytes_max).await {
        Ok(Some(bytes)) => bytes,
        Ok(None) => {
            return Ok(Err(format!(
                "the commit has no {FILE} at its root; `barq init` writes one"
            )));
        }
        Err(error @ GitError::FileTooLarge { .. }) => return Ok(Err(error.to_string())),
        Err(error) => return Err(error.into()),
    };
    let Ok(text) = String::from_utf8(bytes) else {
        return Ok(Err(format!("{FILE} is not text in UTF-8")));
    };
    Ok(match Configuration::parse(&text, FILE) {
        Ok(parsed) => Ok(Box::new(parsed.configuration)),
        Err(report) => Err(report.render(Style::Plain).trim_end().to_owned()),
    })
}
