//! How fast and how completely traffic leaves a revision: by hand and by the tripwire, under load. The shop's own record of
//! what arrived when decides, not what barq says of itself.

mod support;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use support::{Barq, Sample, Settings, failed};

/// From a command, or the error that reaches the limit, until nothing starts there any more.
const SHIFT_MAX_MS: i128 = 100;
/// The limit of the first step.
const MAX_ERRORS: usize = 5;
/// From the shop's note of a request until its answer is judged: nothing but the scheduling of a busy machine.
const TRIP_MAX: Duration = Duration::from_millis(50);

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_by_hand_moves_all_traffic_within_100_ms() {
    let barq = Barq::start().await;
    let shop = barq.repository("shop");
    barq.release(&shop, "good").await;
    let load = barq.load("shop-production");
    barq.release(&shop, "good too").await;
    load.goes_on(100).await;
    let begun_at = Timestamp::now();
    let output = barq.roll_back().await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    load.goes_on(200).await;
    let samples = load.stop().await;

    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let done = &document["rollback"];
    let from = done["from"].as_str().expect("a revision");
    let requested_at: Timestamp = done["requested_at"]
        .as_str()
        .and_then(|at| at.parse().ok())
        .expect("a time");
    let shifted_ms = done["shifted_ms"].as_f64().expect("a span");
    let last = *barq.arrivals(from).last().expect("requests");
    let seen_ms = last.duration_since(requested_at).as_millis();
    println!(
        "{} requests, {} failed; moved in {shifted_ms:.1} ms as barq says; the shop saw the last request {seen_ms} ms after the \
         command came, {} ms after `barq` was started",
        samples.len(),
        failed(&samples).len(),
        last.duration_since(begun_at).as_millis(),
    );
    assert_eq!(failed(&samples), Vec::<String>::new());
    assert!(shifted_ms < 100.0, "{done:#}");
    assert!(seen_ms < SHIFT_MAX_MS, "{seen_ms} ms");
    barq.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_trip_no_request_starts_on_the_canary_and_nobody_saw_an_error() {
    let barq = Barq::start().await;
    let shop = barq.repository("shop");
    shop.configure(&Settings {
        steps: "{ traffic = 50, hold = \"5s\", max_errors = 5 }, { traffic = 100 }".to_owned(),
        ..Settings::default()
    });
    barq.release(&shop, "good").await;
    let load = barq.load("shop-production");
    let id = shop.push("bad");
    barq.approve(&id).await;
    let delivery = barq.delivery_in(&id, &["rolled_back"]).await;
    load.goes_on(400).await;
    let samples = load.stop().await;

    assert_eq!(failed(&samples), Vec::<String>::new());
    let rollout = &delivery["rollouts"][1];
    let bad = rollout["revision"].as_str().expect("a revision");
    let arrivals = barq.arrivals(bad);
    assert!(arrivals.len() >= MAX_ERRORS, "{}", arrivals.len());
    // The shop writes this before it answers, so the trip is a little later.
    let limit_reached = arrivals[MAX_ERRORS - 1];
    let last = *arrivals.last().expect("requests");
    let late_ms = last.duration_since(limit_reached).as_millis();
    let in_flight = samples
        .iter()
        .filter(|it| around(it, limit_reached, limit_reached + TRIP_MAX))
        .count();
    println!(
        "{} requests came to the canary, {in_flight} were in flight at the trip; the last came {late_ms} ms after the one that \
         reached the limit; moved in {} ms as barq says",
        arrivals.len(),
        rollout["rollback"]["shifted_ms"],
    );
    assert!(
        arrivals.len() <= MAX_ERRORS + in_flight,
        "{} > {in_flight}",
        arrivals.len()
    );
    assert!(late_ms < SHIFT_MAX_MS, "{late_ms} ms");
    barq.end();
}

/// Whether a request was under way at some time from `from` to `until`.
fn around(sample: &Sample, from: Timestamp, until: Timestamp) -> bool {
    let wall = |instant: std::time::Instant| Timestamp::now() - instant.elapsed();
    wall(sample.at) <= until && wall(sample.ended) >= from
}
