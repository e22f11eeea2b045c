//! Many open browsers: what they cost while nothing happens, and when something does.
//!
//! A browser is here what the server sees of one: its page was asked for once, and one connection brings what changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::HeaderValue;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::super::Failure;
use super::barq::Barq;
use super::client::Connection;
use super::data::APPS;
use super::numbers::{Sample, ms, percent, verdict};

/// Of a core, while nothing happens.
const IDLE_PERCENT_MAX: f64 = 5.0;
/// Until all that follows from so many connections has come to rest.
const SETTLE: Duration = Duration::from_secs(30);
/// The longest time until all browsers have heard of a change.
const HEARD_MAX: Duration = Duration::from_secs(10);
/// Between two changes: nothing of the one before is left.
const BETWEEN_CHANGES: Duration = Duration::from_millis(1_500);
/// Changes that are made.
const CHANGES: usize = 10;

/// What to measure with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Crowd {
    /// How many.
    pub(super) browsers: usize,
    /// How long nothing happens.
    pub(super) idle: Duration,
}

/// All on one page, then on several. Whether it was within the budgets.
pub(super) async fn measure(barq: &Barq, crowd: Crowd) -> Result<bool, Failure> {
    let [many, ..] = APPS;
    let one = vec![format!("/services/{many}-production")];
    let mut several = vec![
        "/".to_owned(),
        "/deliveries".to_owned(),
        "/incidents".to_owned(),
    ];
    for app in APPS {
        several.push(format!("/deliveries?app={app}"));
        several.push(format!("/services/{app}-production"));
    }
    several.truncate(10);
    let alone = share(barq, crowd.idle).await?;
    println!(
        "\nthe server alone, for {:?}: {alone:.2} % of a core",
        crowd.idle
    );
    let mut within = true;
    for pages in [one, several] {
        within &= on(barq, crowd, &pages).await?;
    }
    Ok(within)
}

async fn on(barq: &Barq, crowd: Crowd, pages: &[String]) -> Result<bool, Failure> {
    let place = match pages {
        [page] => format!("on {page}"),
        several => format!("on {} pages", several.len()),
    };
    println!("\n{} browsers {place}", crowd.browsers);
    let mut open = Open::new(barq, crowd.browsers, pages).await?;
    tokio::time::sleep(SETTLE).await;
    let idle = idle(barq, &open, crowd.idle).await?;
    let changes = changes(barq, &mut open, pages.len() == 1).await?;
    open.tasks.shutdown().await;
    Ok(idle && changes)
}

async fn idle(barq: &Barq, open: &Open, span: Duration) -> Result<bool, Failure> {
    let bytes = open.bytes();
    let share = share(barq, span).await?;
    let within = share < IDLE_PERCENT_MAX;
    println!(
        "  nothing happens for {span:?}: {share:.2} % of a core (budget {IDLE_PERCENT_MAX} %), {} bytes sent  {}",
        open.bytes() - bytes,
        verdict(within)
    );
    Ok(within)
}

/// The share of a core that the server takes from now on, in percent.
async fn share(barq: &Barq, span: Duration) -> Result<f64, Failure> {
    let (before, begun) = (barq.processor_time()?, Instant::now());
    tokio::time::sleep(span).await;
    let used = barq.processor_time()?.saturating_sub(before);
    Ok(percent(used, begun.elapsed()))
}

/// Locks and unlocks a service: each is one event that every page of it shows.
async fn changes(barq: &Barq, open: &mut Open, all_hear: bool) -> Result<bool, Failure> {
    let mut api = Connection::open(&barq.address).await?;
    api.bearer(&barq.token()?)?;
    let [app, ..] = APPS;
    // A run that was broken off may have left it locked: a refusal is fine.
    let path = format!("/api/v1/services/{app}-production/unlock");
    api.post(&path, "{}".to_owned()).await?;
    tokio::time::sleep(BETWEEN_CHANGES).await;
    open.forget();
    let before = Costs::now(barq, &mut api, open).await?;
    let (mut first, mut median, mut last) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..CHANGES {
        let verb = if number % 2 == 0 { "lock" } else { "unlock" };
        let path = format!("/api/v1/services/{app}-production/{verb}");
        let body = format!("{{\"message\":\"measured, {number}\"}}");
        let answer = api.post(&path, body).await?;
        let done = Instant::now();
        if answer.status != 200 {
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            return Err(format!("{path} was answered by {}: {text}", answer.status).into());
        }
        let heard = open.heard(done, all_hear).await?;
        first.push(heard.quantile(0));
        median.push(heard.median());
        last.push(heard.max());
        tokio::time::sleep(BETWEEN_CHANGES).await;
    }
    let after = Costs::now(barq, &mut api, open).await?;
    let (first, median, last) = (Sample::new(first), Sample::new(median), Sample::new(last));
    let count = u32::try_from(CHANGES)?;
    println!(
        "  a change, from its answer until a browser has it: first {}, median {}, last {} (worst {})",
        ms(first.median()),
        ms(median.median()),
        ms(last.median()),
        ms(last.max())
    );
    #[expect(clippy::cast_precision_loss, reason = "few renderings")]
    let renderings = (after.renderings - before.renderings) as f64 / CHANGES as f64;
    let allowed = open.pages as f64;
    let within = renderings <= allowed;
    println!(
        "  a change costs {renderings:.1} renderings (of {} open pages), {} of the processor, {} bytes sent  {}",
        open.pages,
        ms(after.used.saturating_sub(before.used) / count),
        (after.bytes - before.bytes) / CHANGES as u64,
        verdict(within)
    );
    Ok(within)
}

struct Costs {
    used: Duration,
    renderings: u64,
    bytes: u64,
}

impl Costs {
    async fn now(barq: &Barq, api: &mut Connection, open: &Open) -> Result<Self, Failure> {
        let metrics = api.get("/metrics").await?.body;
        let metrics = String::from_utf8_lossy(&metrics);
        if !metrics.contains("barq_web_renderings_total") {
            return Err("this barq does not count its renderings".into());
        }
        let counts = metrics
            .lines()
            .filter(|line| line.starts_with("barq_web_renderings_total{"))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
        Ok(Self {
            used: barq.processor_time()?,
            renderings: counts.sum(),
            bytes: open.bytes(),
        })
    }
}

/// The open browsers.
struct Open {
    tasks: JoinSet<Result<(), Failure>>,
    messages: mpsc::UnboundedReceiver<Instant>,
    bytes: Arc<AtomicU64>,
    count: usize,
    pages: usize,
}

impl Open {
    async fn new(barq: &Barq, count: usize, pages: &[String]) -> Result<Self, Failure> {
        let mut first = Connection::open(&barq.address).await?;
        let cookie = first.sign_in(&barq.token()?).await?;
        let (told, messages) = mpsc::unbounded_channel();
        let bytes = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        let mut paths = Vec::new();
        for page in pages {
            paths.push(live_path(&mut first, page).await?);
        }
        for path in paths.iter().cycle().take(count) {
            let body = connect(&barq.address, &cookie, path).await?;
            tasks.spawn(listen(body, told.clone(), Arc::clone(&bytes)));
        }
        Ok(Self {
            tasks,
            messages,
            bytes,
            count,
            pages: pages.len(),
        })
    }

    fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// What was heard so far is of no interest.
    fn forget(&mut self) {
        while self.messages.try_recv().is_ok() {}
    }

    /// How long after `done` each browser had its message. Where not all pages show the change: those that had one.
    async fn heard(&mut self, done: Instant, all: bool) -> Result<Sample, Failure> {
        let deadline = done + if all { HEARD_MAX } else { BETWEEN_CHANGES };
        let mut heard = Vec::new();
        while heard.len() < self.count {
            match tokio::time::timeout_at(deadline.into(), self.messages.recv()).await {
                Ok(Some(at)) => heard.push(at.saturating_duration_since(done)),
                Ok(None) => return Err("all browsers have gone".into()),
                Err(_elapsed) if all || heard.is_empty() => {
                    let count = heard.len();
                    return Err(
                        format!("{count} of {} browsers heard of a change", self.count).into(),
                    );
                }
                Err(_elapsed) => break,
            }
        }
        Ok(Sample::new(heard))
    }
}

/// The address of a page's stream, as its script makes it.
async fn live_path(connection: &mut Connection, page: &str) -> Result<String, Failure> {
    let answer = connection.get(page).await?;
    if answer.status != 200 {
        return Err(format!("{page} was answered by {}", answer.status).into());
    }
    let text = String::from_utf8_lossy(&answer.body);
    let attribute = |name: &str| {
        let (_, rest) = text.split_once(&format!("{name}=\""))?;
        rest.split_once('"').map(|(value, _)| value.to_owned())
    };
    let (Some(seen), Some(build)) = (attribute("data-seen"), attribute("data-build")) else {
        return Err(format!("{page} is no live page").into());
    };
    let page = page
        .replace('?', "%3F")
        .replace('=', "%3D")
        .replace('&', "%26");
    Ok(format!("/live?page={page}&seen={seen}&build={build}"))
}

async fn connect(address: &str, cookie: &HeaderValue, path: &str) -> Result<Incoming, Failure> {
    let mut connection = Connection::open(address).await?;
    connection.cookie(cookie);
    connection.stream(path).await
}

/// Listens for ever: tells of each message of the page, not of signs of life.
async fn listen(
    mut body: Incoming,
    told: mpsc::UnboundedSender<Instant>,
    bytes: Arc<AtomicU64>,
) -> Result<(), Failure> {
    let mut text = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        let at = Instant::now();
        bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
        text.extend_from_slice(&data);
        while let Some(end) = text.windows(2).position(|pair| pair == b"\n\n") {
            let is_message = text.starts_with(b"id: ");
            text.drain(..end + 2);
            if is_message {
                told.send(at)?;
            }
        }
    }
    Err("the server has ended the stream".into())
}
