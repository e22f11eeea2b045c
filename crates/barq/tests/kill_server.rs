//! `kill -9` of the server, at every kind of event of a delivery and for good: the delivery ends as it would have, and no user
//! notices. What arrived is counted by the shop and by the client, apart from barq.

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use support::{Barq, Load, PATIENCE, Sample, Settings, eventually};

/// The limit of the first step.
const MAX_ERRORS: usize = 5;
/// The shortest time between two looks: kills come soon after the event, wherever its effect is by then.
const LOOK_EVERY: Duration = Duration::from_millis(2);

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_at_every_event_of_a_good_delivery_goes_on() {
    let barq = Barq::start_apart().await;
    let shop = barq.repository("shop");
    barq.release(&shop, "good").await;
    let load = barq.load("shop-production");
    let id = shop.push("good still");
    let (delivery, killed_at) = follow_with_kills(&barq, &id).await;
    let samples = load.stop().await;

    assert_eq!(delivery["state"], "succeeded", "{delivery:#}");
    assert_eq!(failed(&samples), Vec::<String>::new());
    assert_eq!(delivery["rollouts"][1]["traffic"], 100);
    for event in [
        "delivery.check_finished",
        "delivery.image_built",
        "delivery.approved",
        "delivery.succeeded",
    ] {
        assert_eq!(times(&delivery, event), 1, "{event}: {delivery:#}");
    }
    println!("{} kills: {killed_at:?}", killed_at.len());
    for event in [
        "delivery.check_started",
        "delivery.build_started",
        "delivery.approval_asked",
        "delivery.approved",
        "rollout.started",
        "rollout.step_entered",
    ] {
        assert!(
            killed_at.iter().any(|it| it.contains(event)),
            "{event}: {killed_at:?}"
        );
    }
    barq.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_at_every_event_of_a_bad_delivery_takes_it_back() {
    let barq = Barq::start_apart().await;
    let shop = barq.repository("shop");
    barq.release(&shop, "good").await;
    let load = barq.load("shop-production");
    let id = shop.push("bad");
    let (delivery, killed_at) = follow_with_kills(&barq, &id).await;
    requests(&load, 200).await;
    let samples = load.stop().await;

    assert_eq!(delivery["state"], "rolled_back", "{delivery:#}");
    assert_eq!(failed(&samples), Vec::<String>::new());
    println!("{} kills: {killed_at:?}", killed_at.len());
    let rollout = &delivery["rollouts"][1];
    assert_eq!(rollout["traffic"], 0);
    let bad = rollout["revision"].as_str().expect("a revision");
    let arrived = barq.arrivals(bad).len();
    assert!(
        (MAX_ERRORS..MAX_ERRORS + 20).contains(&arrived),
        "{arrived}"
    );
    assert_eq!(times(&delivery, "rollout.rolled_back"), 1, "{delivery:#}");
    let incidents = barq.get("/api/v1/incidents?app=shop").await;
    assert_eq!(
        incidents["items"].as_array().map(Vec::len),
        Some(1),
        "{incidents:#}"
    );
    barq.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lease_brings_the_traffic_back_when_the_server_stays_away() {
    const LEASE: Duration = Duration::from_secs(3);
    let barq = Barq::start_apart().await;
    let shop = barq.repository("shop");
    shop.configure(&Settings {
        steps: "{ traffic = 50, hold = \"2s\", max_errors = 5 }, { traffic = 100 }".to_owned(),
        production: "lease = \"3s\"".to_owned(),
        ..Settings::default()
    });
    barq.release(&shop, "good").await;
    let load = barq.load("shop-production");
    let id = shop.push("good still");
    barq.approve(&id).await;
    let rollout = barq
        .rollout_in(&format!("{id}-production"), &["canary"])
        .await;
    let canary = rollout["revision"].as_str().expect("a revision");
    eventually("a request on the canary", async || {
        (!barq.arrivals(canary).is_empty()).then_some(())
    })
    .await;
    barq.end_server();
    let ended = Instant::now();
    let ended_at = Timestamp::now();
    // Long after the lease, so that a request that still came to the canary would be seen.
    eventually("the lease's end", async || {
        (ended.elapsed() > LEASE + Duration::from_secs(2)).then_some(())
    })
    .await;
    let last = *barq.arrivals(canary).last().expect("a request");
    let moved_ms = last.duration_since(ended_at).as_millis();
    println!("the last request came to the canary {moved_ms} ms after the server's end");
    assert!(
        moved_ms > 0,
        "the canary goes on without a server until the lease ends"
    );
    assert!(moved_ms < 4_000, "{moved_ms} ms");
    // The next server enters the step again: a lease that ran out is no verdict.
    barq.begin_server();
    let delivery = barq.delivery_in(&id, &["succeeded"]).await;
    let samples = load.stop().await;
    assert_eq!(failed(&samples), Vec::<String>::new());
    assert_eq!(times(&delivery, "rollout.interrupted"), 1, "{delivery:#}");
    barq.end();
}

/// Kills the server after each kind of event that it has not been killed after, opens the gate, and gives the delivery once
/// it has ended, and what the server was killed after.
async fn follow_with_kills(barq: &Barq, id: &str) -> (Value, Vec<String>) {
    let path = format!("/api/v1/deliveries/{id}");
    let deadline = Instant::now() + PATIENCE;
    let mut seen = BTreeSet::new();
    let mut kills = Vec::new();
    let mut approved = false;
    while Instant::now() < deadline {
        let delivery = barq.get(&path).await;
        let new: Vec<String> = kinds(&delivery)
            .filter(|kind| seen.insert(kind.clone()))
            .collect();
        if !new.is_empty() {
            barq.end_server();
            barq.begin_server();
            kills.push(new.join(" "));
        } else if !delivery["finished_at"].is_null() {
            return (delivery, kills);
        } else if !approved && delivery["state"] == "awaiting_approval" {
            approve_under_a_kill(barq, id).await;
            approved = true;
        } else {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
    panic!("{id} never ended: {:#}", barq.get(&path).await);
}

/// A client that gets no answer asks again with the same key: it is one approval.
async fn approve_under_a_kill(barq: &Barq, id: &str) {
    let path = format!("/api/v1/deliveries/{id}/approve");
    let body = json!({"message": "go"});
    let asked = barq.request("POST", &path, Some(body), Some("approve-once"));
    let kill = async {
        tokio::time::sleep(LOOK_EVERY).await;
        barq.end_server();
        barq.begin_server();
    };
    let ((status, answer), ()) = tokio::join!(asked, kill);
    assert_eq!(status, 200, "{answer:#}");
}

/// The kinds of events so far, those of each environment apart.
fn kinds(delivery: &Value) -> impl Iterator<Item = String> {
    let timeline = delivery["timeline"].as_array().expect("a timeline");
    timeline.iter().map(|entry| {
        let event = entry["event"].as_str().expect("a kind");
        let message = entry["message"].as_str().expect("words");
        match message.split_once(": ") {
            Some((environment, _)) if event.starts_with("rollout.") => {
                format!("{environment}:{event}")
            }
            _ => event.to_owned(),
        }
    })
}

fn times(delivery: &Value, event: &str) -> usize {
    let timeline = delivery["timeline"].as_array().expect("a timeline");
    timeline
        .iter()
        .filter(|entry| entry["event"] == event)
        .count()
}

/// Waits until so many more were answered.
async fn requests(load: &Load, more: usize) {
    let enough = load.samples().len() + more;
    eventually("more requests", async || {
        (load.samples().len() >= enough).then_some(())
    })
    .await;
}

/// What clients saw that was no success.
fn failed(samples: &[Sample]) -> Vec<String> {
    assert!(samples.len() > 100, "there was hardly any load");
    samples
        .iter()
        .filter(|sample| sample.status != Some(200))
        .map(|sample| format!("{:?} {}", sample.status, sample.said))
        .collect()
}
