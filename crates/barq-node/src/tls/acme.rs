//! Certificates from a certificate authority (RFC 8555), got and renewed by the node itself.
//!
//! Each host has a task and orders of its own, so that one which fails holds up no other. What was got is on disk before
//! it is served, with the key beside it in one file; so is when to try again after a failure, so that a node which restarts
//! over and over never hammers an authority. The proof is HTTP-01: the answer is looked up by the proxy on the plain
//! ingress. It must not know how a certificate is served.

mod account;
mod challenges;
mod client;
mod order;
mod schedule;
mod store;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Mutex, Semaphore, mpsc};
use tokio::task::JoinHandle;

use super::pair::Pair;
use super::table::{Crypto, Served};
use order::OrderError;
use store::{Retry, Store};

pub use challenges::Challenges;

#[cfg(test)]
mod tests;

/// The authority where none is named: Let's Encrypt.
pub const ACME_DIRECTORY_DEFAULT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// Orders at a time: an authority counts them, and each waits for it most of its time.
const ORDERS_MAX: usize = 8;
/// For a whole order: authorities validate and sign within seconds, or tell when to come again.
const ORDER_TIME_MAX: Duration = Duration::from_secs(180);
/// The longest sleep before the clock is looked at again: a machine that was suspended must not renew too late.
const SLEEP_MAX: Duration = Duration::from_secs(600);

/// What the node asks certificates of, and as whom.
#[derive(Debug, Clone)]
pub struct AcmeSettings {
    /// The authority's directory, `https://`.
    pub directory_url: String,
    /// Where the authority writes to when something is wrong. Whoever sets this has agreed to its terms.
    pub email: String,
    /// A PEM file with one more root to trust the authority by, beside the machine's.
    pub root: Option<PathBuf>,
}

/// What all hosts' tasks share.
pub(super) struct Acme {
    settings: AcmeSettings,
    store: Store,
    crypto: Crypto,
    challenges: Challenges,
    orders: Semaphore,
    /// Held while an account is made, so that there is one.
    account: Mutex<()>,
    news: mpsc::Sender<News>,
}

/// What became of a host.
#[derive(Debug)]
pub(super) struct News {
    pub(super) host: String,
    /// What is to be served from now on, if that has changed.
    pub(super) served: Option<Arc<Served>>,
    /// When it is renewed, or tried again.
    pub(super) next_at: Timestamp,
    /// What went wrong, in words.
    pub(super) problem: Option<String>,
}

/// A host's task; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct HostTask(JoinHandle<()>);

impl Drop for HostTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Acme {
    /// Keeps everything below `directory`, apart for each authority.
    ///
    /// # Errors
    /// When the directory can't be made.
    pub(super) fn new(
        settings: AcmeSettings,
        directory: &std::path::Path,
        crypto: Crypto,
        challenges: Challenges,
        news: mpsc::Sender<News>,
    ) -> std::io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            store: Store::open(directory, &settings.directory_url)?,
            settings,
            crypto,
            challenges,
            orders: Semaphore::new(ORDERS_MAX),
            account: Mutex::new(()),
            news,
        }))
    }

    /// Begins to look after a host: what is on disk for it, and the task that keeps it valid. Blocks for the disk.
    pub(super) fn begin(self: &Arc<Self>, host: &str) -> (Option<Arc<Served>>, HostTask) {
        let stored = self.stored(host);
        let task = keep(Arc::clone(self), host.to_owned(), stored.clone());
        (stored, HostTask(tokio::spawn(task)))
    }

    /// A stored pair that can't be used is as good as none: another is got.
    fn stored(&self, host: &str) -> Option<Arc<Served>> {
        let pem = match self.store.certificate(host) {
            Ok(pem) => pem?,
            Err(error) => {
                tracing::warn!(host, %error, "a stored certificate can't be read");
                return None;
            }
        };
        match self.crypto.serve(&pem, &pem) {
            Ok(served) if served.pair.covers(host) => Some(served),
            Ok(_) => None,
            Err(error) => {
                tracing::warn!(host, %error, "a stored certificate can't be used");
                None
            }
        }
    }

    /// One certificate, from the order to the disk.
    async fn get(&self, host: &str) -> Result<Arc<Served>, Failed> {
        let place = self.orders.acquire().await;
        let client = client::Client::new(self.settings.root.as_deref());
        let client = client.map_err(|error| Failed::of(&error))?;
        let asked = client.asked_to_wait();
        let order = async {
            let account = account::open(&self.settings, &self.store, &self.account, client).await?;
            let ordered = order::get(&account, host, &self.challenges).await;
            if ordered.as_ref().is_err_and(OrderError::is_of_account) {
                self.store.forget_account();
            }
            ordered
        };
        let ordered = tokio::time::timeout(ORDER_TIME_MAX, order).await;
        drop(place);
        let pem = ordered
            .unwrap_or(Err(OrderError::TimedOut))
            .map_err(|error| Failed {
                not_before: asked.get(),
                ..Failed::of(&error)
            })?;
        let served = self.crypto.serve(pem.as_bytes(), pem.as_bytes());
        let served = served.map_err(|error| Failed::of(&error))?;
        if !served.pair.covers(host) {
            return Err(Failed::of(&OrderError::OtherHost));
        }
        self.store
            .keep_certificate(host, pem.as_bytes())
            .map_err(|error| Failed::of(&error))?;
        Ok(served)
    }
}

/// Why there is no certificate.
struct Failed {
    words: String,
    /// The authority asked not to be asked before this.
    not_before: Option<Timestamp>,
}

impl Failed {
    /// The whole chain: the cause is what helps.
    fn of(error: &dyn std::error::Error) -> Self {
        let mut words = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            words = format!("{words}: {cause}");
            source = cause.source();
        }
        Self {
            words,
            not_before: None,
        }
    }
}

/// A host's task: sleeps until it is time, gets a certificate, and tells.
async fn keep(acme: Arc<Acme>, host: String, stored: Option<Arc<Served>>) {
    let mut retry = acme.store.retry(&host);
    let mut next_at = stored
        .as_ref()
        .map_or_else(Timestamp::now, |served| renewal(&served.pair));
    if let Some(retry) = &retry {
        next_at = next_at.max(retry.at);
    }
    let mut news = News {
        host: host.clone(),
        served: None,
        next_at,
        problem: retry.as_ref().map(|retry| words(&acme.settings, retry)),
    };
    loop {
        news.next_at = next_at;
        if acme.news.send(news).await.is_err() {
            return;
        }
        sleep_until(next_at).await;
        news = match acme.get(&host).await {
            Ok(served) => {
                retry = None;
                next_at = renewal(&served.pair);
                News {
                    host: host.clone(),
                    served: Some(served),
                    next_at,
                    problem: None,
                }
            }
            Err(failed) => {
                let failures = retry.map_or(0, |retry| retry.failures).saturating_add(1);
                let failed = failure(failed, failures, Timestamp::now());
                next_at = failed.at;
                let problem = Some(words(&acme.settings, &failed));
                retry = Some(failed);
                News {
                    host: host.clone(),
                    served: None,
                    next_at,
                    problem,
                }
            }
        };
        acme.store.keep_retry(&host, retry.as_ref());
    }
}

fn renewal(pair: &Pair) -> Timestamp {
    schedule::renew_at(pair.not_before(), pair.not_after(), random())
}

/// When to try again: by our own measure, or later where the authority asked for it.
fn failure(failed: Failed, failures: u32, now: Timestamp) -> Retry {
    let own = now + schedule::backoff(failures, random());
    let asked = failed
        .not_before
        .unwrap_or(own)
        .min(now + schedule::WAIT_MAX);
    Retry {
        failures,
        at: own.max(asked),
        why: failed.words,
    }
}

fn words(settings: &AcmeSettings, retry: &Retry) -> String {
    let times = match retry.failures {
        1 => "once".to_owned(),
        failures => format!("{failures} times"),
    };
    format!(
        "no certificate from {}: {}. Tried {times}, again at {}",
        settings.directory_url,
        retry.why,
        retry.at.strftime("%Y-%m-%d %H:%M UTC")
    )
}

async fn sleep_until(at: Timestamp) {
    loop {
        let left = at.duration_since(Timestamp::now());
        if left <= SignedDuration::ZERO {
            return;
        }
        let left = Duration::try_from(left).unwrap_or(SLEEP_MAX);
        tokio::time::sleep(left.min(SLEEP_MAX)).await;
    }
}

/// For jitter; without randomness there is none.
fn random() -> u64 {
    let mut bytes = [0; 8];
    match getrandom::fill(&mut bytes) {
        Ok(()) => u64::from_le_bytes(bytes),
        Err(error) => {
            tracing::warn!(%error, "no randomness for jitter");
            0
        }
    }
}
