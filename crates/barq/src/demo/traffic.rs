//! The demo's users: requests at a steady pace, whatever the answers (an open loop), counted by what they saw.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::SERVICE;
use super::repository::{Request, Script};
use crate::output::Failure;

/// Requests each second: enough for a tenth of them to decide within seconds, and no more, since the checks need the
/// processors, too.
const RATE: u32 = 60;
/// Requests that may wait for an answer at once; more would be a failure of their own.
const WAITING_MAX: usize = 512;
/// How long a user waits.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the last answers are waited for.
const LAST_ANSWERS: Duration = Duration::from_secs(12);

/// What users saw.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) requests: u64,
    pub(super) server_errors: u64,
    pub(super) unanswered: u64,
}

impl Seen {
    pub(super) fn failed(&self) -> u64 {
        self.server_errors + self.unanswered
    }
}

#[derive(Default)]
struct Counters {
    requests: AtomicU64,
    server_errors: AtomicU64,
    unanswered: AtomicU64,
}

/// Users at work.
pub(super) struct Traffic {
    counters: Arc<Counters>,
    stopping: Arc<AtomicBool>,
    waiting: Arc<Semaphore>,
    pace: JoinHandle<()>,
}

impl Traffic {
    /// Fills the database, then asks and asks.
    pub(super) async fn start(ingress: &str, script: &Script) -> Result<Self, Failure> {
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .build()
            .map_err(|error| Failure::failed("no HTTP client").because(error.to_string()))?;
        let base = format!("http://{ingress}");
        for request in &script.seed {
            let sent = send(&client, &base, request).await;
            let answered = sent.and_then(reqwest::Response::error_for_status);
            answered.map_err(|error| {
                Failure::failed(format!("{} {} failed", request.method, request.path))
                    .because(error.to_string())
            })?;
        }
        let counters = Arc::new(Counters::default());
        let stopping = Arc::new(AtomicBool::new(false));
        let waiting = Arc::new(Semaphore::new(WAITING_MAX));
        let pace = tokio::spawn(pace(
            client,
            base,
            script.requests.clone(),
            Arc::clone(&counters),
            Arc::clone(&stopping),
            Arc::clone(&waiting),
        ));
        Ok(Self {
            counters,
            stopping,
            waiting,
            pace,
        })
    }

    /// Ends the asking, waits for the last answers, and tells what was seen.
    pub(super) async fn stop(self) -> Seen {
        self.stopping.store(true, Ordering::Relaxed);
        // Both are bounded: what is not answered by then is counted as unanswered by its own time-out.
        let all = u32::try_from(WAITING_MAX).unwrap_or(u32::MAX);
        let answers = tokio::time::timeout(LAST_ANSWERS, self.waiting.acquire_many(all)).await;
        drop(answers);
        self.pace.abort();
        Seen {
            requests: self.counters.requests.load(Ordering::Relaxed),
            server_errors: self.counters.server_errors.load(Ordering::Relaxed),
            unanswered: self.counters.unanswered.load(Ordering::Relaxed),
        }
    }
}

async fn pace(
    client: reqwest::Client,
    base: String,
    requests: Vec<Request>,
    counters: Arc<Counters>,
    stopping: Arc<AtomicBool>,
    waiting: Arc<Semaphore>,
) {
    let mut tick = tokio::time::interval(Duration::from_secs(1) / RATE);
    for request in requests.iter().cycle() {
        tick.tick().await;
        if stopping.load(Ordering::Relaxed) {
            return;
        }
        counters.requests.fetch_add(1, Ordering::Relaxed);
        let Ok(permit) = Arc::clone(&waiting).try_acquire_owned() else {
            counters.unanswered.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        let (client, base, request) = (client.clone(), base.clone(), request.clone());
        let counters = Arc::clone(&counters);
        tokio::spawn(async move {
            match send(&client, &base, &request).await {
                Ok(answer) if answer.status().is_server_error() => {
                    counters.server_errors.fetch_add(1, Ordering::Relaxed);
                }
                Ok(_) => {}
                Err(_) => {
                    counters.unanswered.fetch_add(1, Ordering::Relaxed);
                }
            }
            drop(permit);
        });
    }
}

async fn send(
    client: &reqwest::Client,
    base: &str,
    request: &Request,
) -> reqwest::Result<reqwest::Response> {
    let method = reqwest::Method::from_bytes(request.method.as_bytes()).unwrap_or_default();
    let mut builder = client
        .request(method, format!("{base}{}", request.path))
        .header("host", format!("{SERVICE}.localhost"));
    if let Some(body) = &request.body {
        builder = builder.json(body);
    }
    builder.send().await
}
