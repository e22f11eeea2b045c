//! One child in another's place, of another executable.
//!
//! A **server** ends and the next one starts: what comes meanwhile waits in the listening socket. A **node** is followed
//! while it serves: the next one is started first and waits, then the old one hands over, and only once the new one
//! serves the old one is told to end; `barq_node::server` says what each does.
//!
//! Whatever goes wrong, what ran before runs in the end, from the file that it ran from:
//! - The new child does not run at all: for a node, nothing has happened yet.
//! - The old node does not hand over (a full disk): it goes on; the new one is ended.
//! - The old node dies or hangs meanwhile: the new one takes over, as it would have after any death.
//! - The new child dies or hangs before it serves: the executable of before is started instead, again and again. The old
//!   node accepts and serves all that time.
//! - `up` itself is killed: all children end, and the next `up` starts its own; what was on disk is what it goes on from.

use std::sync::Arc;
use std::time::Duration;

use tokio::process::Child;
use tokio::sync::oneshot;

use super::child::{self, ChildSettings, Kept};
use super::image::Image;
use super::line::{Order, Said};
use super::lines::{Line, Switchboard};
use super::ready;

/// From a child's start to its first word.
const FIRST_WORD_MAX: Duration = Duration::from_secs(30);
/// From the word to a node to its answer: it lets canaries settle, writes its state, and finishes what it starts.
const HAND_OVER_MAX: Duration = Duration::from_secs(60);
/// From then on, until the new child serves: a node asks each instance for its readiness, a server brings its journal up
/// to date.
const SERVE_MAX: Duration = Duration::from_secs(120);
/// Between two starts of the executable of before.
const RETRY_DELAY: Duration = Duration::from_millis(500);

/// How a child is replaced.
#[derive(Debug, Clone)]
pub(super) enum Manner {
    /// One ends, the next one starts; the URL is the server's.
    Swap {
        /// Where it answers.
        url: String,
    },
    /// The next one takes over while the one before still serves.
    Succeed {
        /// Where its line is.
        lines: Switchboard,
    },
}

/// What is to run instead.
#[derive(Debug)]
pub(super) struct Replace {
    /// The executable.
    pub(super) image: Arc<Image>,
    /// Told how it went.
    pub(super) done: oneshot::Sender<Result<(), ReplaceError>>,
}

/// Why a child was not replaced; the executable of before runs.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReplaceError {
    /// The new one can't be started.
    #[error("the new {name} can't be started")]
    Start {
        /// The child.
        name: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The new one ended.
    #[error("the new {name} ended with {ended}; its own message is in the log of barq up")]
    Died {
        /// The child.
        name: &'static str,
        /// How.
        ended: String,
    },
    /// The new one runs, but does not serve.
    #[error("the new {name} did not serve within {} s", within.as_secs())]
    Silent {
        /// The child.
        name: &'static str,
        /// How long it had.
        within: Duration,
    },
    /// The old one goes on.
    #[error("the {name} did not hand over: {why}")]
    Kept {
        /// The child.
        name: &'static str,
        /// In its own words.
        why: String,
    },
    /// `up` stops.
    #[error("barq up is being stopped")]
    Stopping,
}

/// A node that is to follow another one.
struct Heir {
    child: Child,
    line: Line,
}

/// Replaces the child that is kept, or leaves everything as it was.
pub(super) async fn replace(settings: &mut ChildSettings, kept: &mut Kept, replace: Replace) {
    let Some(old) = kept.child.take() else {
        return;
    };
    let outcome = match settings.manner.clone() {
        Manner::Swap { url } => swap(settings, kept, old, &replace.image, &url).await,
        Manner::Succeed { lines } => succeed(settings, kept, old, &replace.image, &lines).await,
    };
    if outcome.is_ok() {
        settings.image = replace.image;
    }
    if replace.done.send(outcome).is_err() {
        tracing::debug!("nobody waits for the replaced child");
    }
}

async fn swap(
    settings: &ChildSettings,
    kept: &mut Kept,
    old: Child,
    image: &Image,
    url: &str,
) -> Result<(), ReplaceError> {
    // A server that waits for something from outside can be replaced by one that waits for it, too.
    let path = match ready::is_well(&format!("{url}/health/ready")).await {
        true => "/health/ready",
        false => "/health/live",
    };
    let url = format!("{url}{path}");
    child::finish(settings, old).await;
    let failed = match start_and_serve(settings, image, ready::until_well(&url)).await {
        Ok(new) => {
            kept.child = Some(new);
            return Ok(());
        }
        Err(failed) => failed,
    };
    tracing::error!(error = %failed, "the server that ran before is started again");
    match start_and_serve(settings, &settings.image, ready::until_well(&url)).await {
        Ok(again) => kept.child = Some(again),
        // Whoever keeps it goes on starting it.
        Err(error) => tracing::error!(%error, "the server that ran before does not start either"),
    }
    Err(failed)
}

async fn succeed(
    settings: &ChildSettings,
    kept: &mut Kept,
    mut old: Child,
    image: &Image,
    lines: &Switchboard,
) -> Result<(), ReplaceError> {
    let mut heir = match start_heir(settings, image, lines).await {
        Ok(heir) => heir,
        Err(failed) => {
            kept.child = Some(old);
            return Err(failed);
        }
    };
    let mut line = None;
    if let Some(process) = old.id() {
        line = tokio::time::timeout(FIRST_WORD_MAX, lines.of(process))
            .await
            .ok();
    }
    if let Answer::Keeps(why) = ask_to_hand_over(settings, &mut old, line.as_mut()).await {
        child::kill(settings.name, &mut heir.child).await;
        if let Some(line) = line {
            lines.give_back(old.id(), line);
        }
        kept.child = Some(old);
        let name = settings.name;
        return Err(ReplaceError::Kept { name, why });
    }
    let outcome = match until_serving(settings, &mut heir).await {
        Ok(()) => Ok(heir),
        Err(failed) => {
            tracing::error!(error = %failed, "the node that ran before is started again");
            Err((failed, start_the_one_before(settings, lines).await))
        }
    };
    let (heir, outcome) = match outcome {
        Ok(heir) => (Some(heir), Ok(())),
        Err((failed, heir)) => (heir, Err(failed)),
    };
    retire(settings, kept, old, line);
    if let Some(heir) = heir {
        lines.give_back(heir.child.id(), heir.line);
        kept.child = Some(heir.child);
    }
    outcome
}

/// What came of the word to hand over.
enum Answer {
    /// The next one may take over: it was left to it, or nobody is there any more.
    Free,
    /// The old one goes on.
    Keeps(String),
}

async fn ask_to_hand_over(
    settings: &ChildSettings,
    old: &mut Child,
    line: Option<&mut Line>,
) -> Answer {
    let answer = async {
        let Some(line) = line else {
            return std::future::pending().await;
        };
        if !line.tell(Order::HandOver).await {
            return std::future::pending().await;
        }
        loop {
            match line.hear().await {
                Some(Said::HandedOver) => return Answer::Free,
                Some(Said::Keeps(why)) => return Answer::Keeps(why),
                // What it said before it was asked.
                Some(Said::Waits | Said::Serves) => {}
                // It ends; its process tells when.
                None => return std::future::pending().await,
            }
        }
    };
    tokio::select! {
        answer = answer => answer,
        status = old.wait() => {
            tracing::warn!(ended = child::describe(status), "the node ended before it had handed over");
            Answer::Free
        }
        () = tokio::time::sleep(HAND_OVER_MAX) => {
            tracing::error!("the node does not hand over, it is killed");
            child::kill(settings.name, old).await;
            Answer::Free
        }
        () = settings.hurry.cancelled() => Answer::Keeps("barq up is being stopped".to_owned()),
    }
}

/// Starts a node, and returns once it waits for its turn: it runs on this machine, and knows what is meant.
async fn start_heir(
    settings: &ChildSettings,
    image: &Image,
    lines: &Switchboard,
) -> Result<Heir, ReplaceError> {
    let name = settings.name;
    let mut child =
        child::spawn(settings, image).map_err(|source| ReplaceError::Start { name, source })?;
    let process = child.id().unwrap_or_default();
    let first_word = async {
        let mut line = lines.of(process).await;
        match line.hear().await {
            Some(_) => line,
            None => std::future::pending().await,
        }
    };
    let failed = tokio::select! {
        line = first_word => return Ok(Heir { child, line }),
        status = child.wait() => return Err(ReplaceError::Died { name, ended: child::describe(status) }),
        () = tokio::time::sleep(FIRST_WORD_MAX) => ReplaceError::Silent { name, within: FIRST_WORD_MAX },
        () = settings.hurry.cancelled() => ReplaceError::Stopping,
    };
    child::kill(name, &mut child).await;
    Err(failed)
}

/// Returns once the node serves; one that does not is no more.
async fn until_serving(settings: &ChildSettings, heir: &mut Heir) -> Result<(), ReplaceError> {
    let Heir { child, line } = heir;
    let serves = async {
        loop {
            match line.hear().await {
                Some(Said::Serves) => return,
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
    };
    see_serving(settings, child, serves).await
}

/// Starts a child, and returns it once it serves; one that does not is no more.
async fn start_and_serve(
    settings: &ChildSettings,
    image: &Image,
    serves: impl Future<Output = ()>,
) -> Result<Child, ReplaceError> {
    let name = settings.name;
    let mut child =
        child::spawn(settings, image).map_err(|source| ReplaceError::Start { name, source })?;
    see_serving(settings, &mut child, serves).await?;
    Ok(child)
}

async fn see_serving(
    settings: &ChildSettings,
    child: &mut Child,
    serves: impl Future<Output = ()>,
) -> Result<(), ReplaceError> {
    let name = settings.name;
    let failed = tokio::select! {
        // A child that has died serves nobody, whoever else answers.
        biased;
        status = child.wait() => return Err(ReplaceError::Died { name, ended: child::describe(status) }),
        () = serves => return Ok(()),
        () = tokio::time::sleep(SERVE_MAX) => ReplaceError::Silent { name, within: SERVE_MAX },
        () = settings.hurry.cancelled() => ReplaceError::Stopping,
    };
    child::kill(name, child).await;
    Err(failed)
}

/// The old node has left everything, and serves on: somebody must take over. None only if `up` is being stopped.
async fn start_the_one_before(settings: &ChildSettings, lines: &Switchboard) -> Option<Heir> {
    loop {
        let started = match start_heir(settings, &settings.image, lines).await {
            Ok(mut heir) => until_serving(settings, &mut heir).await.map(|()| heir),
            Err(failed) => Err(failed),
        };
        match started {
            Ok(heir) => return Some(heir),
            Err(failed) => {
                tracing::error!(error = %failed, "the node that ran before does not start");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(RETRY_DELAY) => {}
            () = settings.stop.cancelled() => return None,
            () = settings.hurry.cancelled() => return None,
        }
    }
}

/// The new node serves: the old one ends when its requests have.
fn retire(settings: &ChildSettings, kept: &mut Kept, mut old: Child, line: Option<Line>) {
    let (name, drain_max, hurry) = (settings.name, settings.drain_max, settings.hurry.clone());
    while kept.retired.try_join_next().is_some() {}
    kept.retired.spawn(async move {
        let is_told = match &line {
            Some(line) => line.tell(Order::End).await,
            None => false,
        };
        if !is_told {
            child::signal(&old, rustix::process::Signal::TERM);
        }
        child::see_off(name, &mut old, drain_max, &hurry).await;
    });
}
