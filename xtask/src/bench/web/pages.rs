//! Each kind of page: the time from its request to its last byte over one kept connection, and its weight.

use std::time::Duration;

use jiff::Timestamp;

use super::super::Failure;
use super::barq::Barq;
use super::client::{Answer, Connection};
use super::data::{APPS, HISTORY, LONG_CHECK, PUSHED_APP};
use super::numbers::{Sample, ms, verdict};

/// What a page may take on the server.
const TIME_MAX: Duration = Duration::from_millis(20);
/// What a page may weigh, without compression.
const WEIGHT_BYTES_MAX: usize = 100_000;
/// Requests of each page before those that are measured.
const WARM_UP: u32 = 3;

/// A kind of page.
struct Kind {
    name: &'static str,
    path: String,
}

/// Measures all of them. Whether all are within their budgets.
pub(super) async fn measure(barq: &Barq, samples: u32) -> Result<bool, Failure> {
    let mut api = Connection::open(&barq.address).await?;
    api.bearer(&barq.token()?)?;
    let kinds = kinds(&mut api).await?;
    let mut browser = Connection::open(&barq.address).await?;
    browser.sign_in(&barq.token()?).await?;
    println!(
        "\n{:<34} {:>10} {:>10} {:>10} {:>11}",
        "page", "median", "p95", "max", "bytes"
    );
    let mut within = true;
    for kind in &kinds {
        within &= page(&mut browser, kind, samples).await?;
    }
    println!(
        "budget: p95 under {}, under {WEIGHT_BYTES_MAX} bytes",
        ms(TIME_MAX)
    );
    Ok(within)
}

async fn page(browser: &mut Connection, kind: &Kind, samples: u32) -> Result<bool, Failure> {
    let mut took = Vec::new();
    let mut last = browser.get(&kind.path).await?;
    for number in 0..samples + WARM_UP {
        last = browser.get(&kind.path).await?;
        if number >= WARM_UP {
            took.push(last.took);
        }
    }
    let sample = Sample::new(took);
    let bytes = last.body.len();
    let p95 = sample.quantile(95);
    let there = last.status == 200;
    let within = there && p95 < TIME_MAX && bytes < WEIGHT_BYTES_MAX;
    let told = match there {
        true => verdict(within).to_owned(),
        false => format!("{} for {}", last.status, kind.path),
    };
    println!(
        "{:<34} {:>10} {:>10} {:>10} {bytes:>11}  {told}",
        kind.name,
        ms(sample.median()),
        ms(p95),
        ms(sample.max()),
    );
    Ok(within)
}

/// One page of each kind, and of a kind that has them, the heavy ones.
async fn kinds(api: &mut Connection) -> Result<Vec<Kind>, Failure> {
    let [many, few, ..] = APPS;
    let newest = newest_delivery(api, many).await?;
    let deep = deep(api, "/api/v1/deliveries?limit=200", 20).await?;
    let kinds = [
        ("home", "/".to_owned()),
        ("deliveries", "/deliveries".to_owned()),
        ("deliveries, deep", format!("/deliveries?before={deep}")),
        ("deliveries of an app", format!("/deliveries?app={few}")),
        (
            "deliveries that failed",
            "/deliveries?state=failed".to_owned(),
        ),
        (
            "deliveries of an app that failed",
            format!("/deliveries?app={many}&state=rolled_back"),
        ),
        ("delivery, known", format!("/deliveries/{many}-{newest}")),
        ("delivery, forgotten", format!("/deliveries/{few}-2")),
        (
            "check output, long",
            format!("/deliveries/{PUSHED_APP}-1/checks/{LONG_CHECK}"),
        ),
        (
            "rollout to production",
            format!("/rollouts/{many}-{newest}-production"),
        ),
        (
            "rollout, forgotten",
            format!("/rollouts/{few}-2-production"),
        ),
        (
            "service, many revisions",
            format!("/services/{many}-production"),
        ),
        ("logs", format!("/services/{many}-production/logs")),
    ];
    let later = records(api, many, few, newest).await?;
    Ok(kinds
        .into_iter()
        .chain(later)
        .map(|(name, path)| Kind { name, path })
        .collect())
}

/// Pages of what has happened.
async fn records(
    api: &mut Connection,
    many: &str,
    few: &str,
    newest: u64,
) -> Result<Vec<(&'static str, String)>, Failure> {
    let incident = newest_of(api, "/api/v1/incidents?limit=1").await?;
    let deep_event = deep_event(api).await?;
    let of_service = format!("subject=service/{many}-production");
    let plans = format!("/api/v1/audit?order=newest&limit=20&{of_service}");
    let plans = document(&api.get(&plans).await?)?;
    let large_event = largest(&plans).ok_or("a journal has plans")?;
    let middle = (Timestamp::now() - HISTORY / 2).strftime("%Y-%m-%d");
    Ok(vec![
        ("incidents", "/incidents".to_owned()),
        ("incident", format!("/incidents/{incident}")),
        ("journal", "/journal".to_owned()),
        ("journal, deep", format!("/journal?before={deep_event}")),
        ("journal of an app", format!("/journal?app={few}")),
        (
            "journal of a kind",
            "/journal?kind=rollout.rolled_back".to_owned(),
        ),
        ("journal of a person", "/journal?actor=lead-1".to_owned()),
        (
            "journal of an actor with few",
            "/journal?actor=admin".to_owned(),
        ),
        ("journal of a time", format!("/journal?until={middle}")),
        (
            "journal of a delivery",
            format!("/journal?subject=delivery/{many}-{newest}"),
        ),
        ("event, a large plan", format!("/journal/{large_event}")),
        ("tokens", "/tokens".to_owned()),
    ])
}

async fn newest_delivery(api: &mut Connection, app: &str) -> Result<u64, Failure> {
    let id = newest_of(api, &format!("/api/v1/deliveries?app={app}&limit=1")).await?;
    let (_, number) = id.rsplit_once('-').ok_or("a delivery's id has a number")?;
    Ok(number.parse()?)
}

async fn newest_of(api: &mut Connection, path: &str) -> Result<String, Failure> {
    let document = document(&api.get(path).await?)?;
    let id = document["items"][0]["id"].as_str();
    Ok(id.ok_or_else(|| format!("{path} is empty"))?.to_owned())
}

/// The cursor so many pages into a list.
async fn deep(api: &mut Connection, path: &str, pages: u32) -> Result<String, Failure> {
    let mut cursor = String::new();
    for _ in 0..pages {
        let next = format!("{path}&before={cursor}");
        let path = if cursor.is_empty() { path } else { &next };
        let document = document(&api.get(path).await?)?;
        match document["next"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    Ok(cursor)
}

/// The cursor in the middle of the journal.
async fn deep_event(api: &mut Connection) -> Result<u64, Failure> {
    let newest = document(&api.get("/api/v1/audit?order=newest&limit=1").await?)?;
    let sequence = newest["items"][0]["sequence"].as_u64();
    Ok(sequence.ok_or("a journal has events")? / 2)
}

/// The event with the longest details.
fn largest(page: &serde_json::Value) -> Option<u64> {
    let events = page["items"].as_array()?.iter();
    let largest = events.max_by_key(|event| event.to_string().len())?;
    largest["sequence"].as_u64()
}

fn document(answer: &Answer) -> Result<serde_json::Value, Failure> {
    match answer.status {
        200 => Ok(serde_json::from_slice(&answer.body)?),
        status => Err(format!("the API answered {status}").into()),
    }
}
