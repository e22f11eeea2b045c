//! Open-loop load: requests begin at a steady rate whether earlier ones were answered or not, as users' do.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::{JoinHandle, JoinSet};

/// One request every so often: 200 a second.
const REQUEST_EVERY: Duration = Duration::from_millis(5);
/// A request that is not answered by then has failed.
const REQUEST_MAX: Duration = Duration::from_secs(30);

/// One answer.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    /// When it was begun.
    pub(crate) at: Instant,
    /// When it was answered, or was known not to be.
    pub(crate) ended: Instant,
    /// The status; none: no answer.
    pub(crate) status: Option<u16>,
    /// Which revision the shop said it is, or the error.
    pub(crate) said: String,
}

/// Whether a request may go over the connection of an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Connections {
    /// As most clients do.
    Kept,
    /// One for each request.
    New,
}

/// Load on a service until it is stopped.
pub(crate) struct Load {
    task: JoinHandle<()>,
    stop: Arc<tokio::sync::Notify>,
    samples: Arc<Mutex<Vec<Sample>>>,
}

impl Load {
    pub(super) fn start(ingress: &str, service: &str, connections: Connections) -> Self {
        let url = format!("http://{ingress}/items/7");
        let host = format!("{service}.localhost");
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(REQUEST_MAX)
            .pool_max_idle_per_host(match connections {
                Connections::Kept => usize::MAX,
                Connections::New => 0,
            })
            .build()
            .expect("a client");
        let samples = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(tokio::sync::Notify::new());
        let task = tokio::spawn(run(
            http,
            url,
            host,
            Arc::clone(&samples),
            Arc::clone(&stop),
        ));
        Self {
            task,
            stop,
            samples,
        }
    }

    /// What was answered so far.
    pub(crate) fn samples(&self) -> Vec<Sample> {
        self.samples.lock().expect("not poisoned").clone()
    }

    /// Waits until so many more were answered.
    pub(crate) async fn goes_on(&self, more: usize) {
        let enough = self.samples().len() + more;
        super::eventually("more requests", async || {
            (self.samples().len() >= enough).then_some(())
        })
        .await;
    }

    /// Begins no more requests, waits for the answers, and gives all of them.
    pub(crate) async fn stop(self) -> Vec<Sample> {
        self.stop.notify_one();
        self.task.await.expect("no panic");
        let samples = self.samples.lock().expect("not poisoned");
        samples.clone()
    }
}

async fn run(
    http: reqwest::Client,
    url: String,
    host: String,
    samples: Arc<Mutex<Vec<Sample>>>,
    stop: Arc<tokio::sync::Notify>,
) {
    let mut requests = JoinSet::new();
    let mut ticks = tokio::time::interval(REQUEST_EVERY);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.notified() => break,
        }
        let request = http.get(&url).header("host", &host);
        let samples = Arc::clone(&samples);
        requests.spawn(async move {
            let sample = ask(request).await;
            samples.lock().expect("not poisoned").push(sample);
        });
        while requests.try_join_next().is_some() {}
    }
    while requests.join_next().await.is_some() {}
}

async fn ask(request: reqwest::RequestBuilder) -> Sample {
    let at = Instant::now();
    let answer = async {
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        Ok::<_, reqwest::Error>((status, answer.text().await?))
    };
    match answer.await {
        Ok((status, said)) => Sample {
            at,
            ended: Instant::now(),
            status: Some(status),
            said,
        },
        Err(error) => Sample {
            at,
            ended: Instant::now(),
            status: None,
            said: format!("{error:?}"),
        },
    }
}

/// What clients saw that was no success.
pub(crate) fn failed(samples: &[Sample]) -> Vec<String> {
    assert!(samples.len() > 100, "there was hardly any load");
    samples
        .iter()
        .filter(|sample| sample.status != Some(200))
        .map(|sample| format!("{:?} {}", sample.status, sample.said))
        .collect()
}
