//! `kill -9` of the node under load, also between the swap of its table and the write to disk: the instances live on, the next
//! node adopts them and serves at once, and a canary is never left half-way. What arrived is counted by the client and by the
//! shop, apart from barq.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use support::{
    Barq, Death, Deaths, Load, Repository, Settings, eventually, moments,
    only_those_in_flight_broke,
};

/// The longest that no request is answered.
const RESUME_MAX: Duration = Duration::from_secs(1);
/// The limit of the first step.
const MAX_ERRORS: usize = 5;
/// No node that follows one that died serves sooner: `up` waits so long. What a shop notes until then, the dead one had sent.
const NEXT_NODE_MIN: Duration = Duration::from_millis(50);
/// Requests that may be in flight on a canary, each answered in milliseconds.
const IN_FLIGHT_MAX: usize = 5;
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_node_adopts_its_instances_and_serves_within_a_second() {
    let (barq, shop, load) = released("2s").await;
    let before = barq.instances();
    assert!(!before.is_empty());
    let mut deaths = vec![kill(&barq, &load).await];
    assert_eq!(barq.instances(), before);

    let id = shop.push("good still");
    barq.approve(&id).await;
    barq.canary_of(&id).await;
    let before = barq.instances();
    deaths.push(kill(&barq, &load).await);
    let delivery = barq.delivery_in(&id, &["succeeded"]).await;
    assert_eq!(interruptions(&delivery).len(), 1, "{delivery:#}");
    assert_eq!(delivery["rollouts"][1]["traffic"], 100);
    survived(&barq, &before);
    users_saw(barq, load, &deaths).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_killed_around_each_swap_of_its_table_goes_on() {
    let (barq, shop, load) = released("3s").await;
    let id = shop.push("good still");
    barq.approve(&id).await;
    let canary = barq.canary_of(&id).await;
    let before = barq.instances();
    // The last step moves traffic away from stable: written first. What follows success moves none: swapped first.
    let around_the_swap = [
        "node-file-beside",
        "node-written-ahead",
        "node-swapped-last",
        "node-swapped-first",
    ];
    let deaths = Deaths::watch(&barq);
    arm_in_production(&barq, &around_the_swap);
    let delivery = barq.delivery_in(&id, &["succeeded"]).await;
    eventually("a death at each moment", async || {
        (barq.fired().len() >= around_the_swap.len()).then_some(())
    })
    .await;
    follows_the_last_plan(&barq).await;
    let deaths = deaths.end();

    assert_eq!(moments(&deaths), BTreeSet::from(around_the_swap));
    assert_eq!(delivery["rollouts"][1]["traffic"], 100);
    survived(&barq, &before);
    // Two deaths met a canary: each time it came back at 0 %, and got its traffic by a new generation only.
    let interruptions = interruptions(&delivery);
    assert_eq!(interruptions.len(), 2, "{delivery:#}");
    let met = ["node-written-ahead", "node-swapped-last"];
    for (moment, interrupted_at) in met.iter().zip(interruptions) {
        let death = deaths.iter().find(|it| it.moment.starts_with(moment));
        let died_at = death.expect("it died there").over_at;
        let arrivals = barq.arrivals(&canary);
        let between = arrivals
            .iter()
            .filter(|at| **at > died_at + NEXT_NODE_MIN && **at < interrupted_at);
        let late: Vec<_> = between.map(|at| at.duration_since(died_at)).collect();
        assert!(late.is_empty(), "{moment}: {late:?}");
    }
    users_saw(barq, load, &deaths).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_killed_as_its_tripwire_trips_gives_the_canary_nothing_more() {
    let (barq, shop, load) = released("30s").await;
    let before = barq.instances();
    let deaths = Deaths::watch(&barq);
    arm_in_production(&barq, &["node-tripped"]);
    let id = shop.push("bad");
    barq.approve(&id).await;
    let delivery = barq.delivery_in(&id, &["rolled_back"]).await;
    let deaths = deaths.end();
    load.goes_on(100).await;

    assert_eq!(moments(&deaths), BTreeSet::from(["node-tripped"]));
    let rollout = &delivery["rollouts"][1];
    assert_eq!(rollout["traffic"], 0);
    let arrivals = barq.arrivals(rollout["revision"].as_str().expect("one"));
    println!("{} requests came to the canary", arrivals.len());
    assert!(arrivals.len() >= MAX_ERRORS, "{}", arrivals.len());
    assert!(
        arrivals.len() <= MAX_ERRORS + IN_FLIGHT_MAX,
        "{}",
        arrivals.len()
    );
    survived(&barq, &before);
    follows_the_last_plan(&barq).await;
    users_saw(barq, load, &deaths).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_killed_while_a_canary_is_taken_back_leaves_it_without_traffic() {
    let (barq, shop, load) = released("30s").await;
    let before = barq.instances();
    let id = shop.push("good still");
    barq.approve(&id).await;
    let canary = barq.canary_of(&id).await;
    let towards_stable = [
        "node-file-beside",
        "node-swapped-first",
        "node-written-last",
    ];
    let deaths = Deaths::watch(&barq);
    arm_in_production(&barq, &towards_stable);
    roll_back(&barq).await;
    let delivery = barq.delivery_in(&id, &["rolled_back"]).await;
    load.goes_on(100).await;
    let deaths = deaths.end();

    assert_eq!(moments(&deaths), BTreeSet::from(towards_stable));
    assert_eq!(delivery["rollouts"][1]["traffic"], 0);
    let last = *barq.arrivals(&canary).last().expect("requests");
    let late = last.duration_since(deaths[0].over_at + NEXT_NODE_MIN);
    assert!(!late.is_positive(), "{late:?} {deaths:#?}");
    survived(&barq, &before);
    follows_the_last_plan(&barq).await;
    users_saw(barq, load, &deaths).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_killed_before_the_swap_of_a_rollback_at_rest_begins_with_it() {
    roll_back_at_rest(["node-file-beside", "node-written-ahead"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_killed_after_the_swap_of_a_rollback_at_rest_stays_with_it() {
    roll_back_at_rest(["node-file-beside", "node-swapped-last"]).await;
}

/// No canary is there to fall back from: all traffic moves, once.
async fn roll_back_at_rest<const N: usize>(away_from_stable: [&str; N]) {
    let (barq, shop, load) = released("1s").await;
    let before = barq.instances();
    let stable = before.values().next().expect("an instance").clone();
    let id = barq.release(&shop, "good still").await;
    follows_the_last_plan(&barq).await;
    let deaths = Deaths::watch(&barq);
    arm_in_production(&barq, &away_from_stable);
    roll_back(&barq).await;
    let delivery = barq.get(&format!("/api/v1/deliveries/{id}")).await;
    assert_eq!(delivery["state"], "rolled_back", "{delivery:#}");
    let moved_at = Timestamp::now();
    load.goes_on(100).await;
    let deaths = deaths.end();

    assert_eq!(moments(&deaths), BTreeSet::from(away_from_stable));
    let taken = delivery["rollouts"][1]["revision"].as_str().expect("one");
    let last = *barq.arrivals(taken).last().expect("requests");
    assert!(last <= moved_at, "{last} {moved_at}");
    assert!(barq.arrivals(&stable).last() > Some(&moved_at));
    survived(&barq, &before);
    follows_the_last_plan(&barq).await;
    users_saw(barq, load, &deaths).await;
}

/// A shop in production, whose canaries get half of the traffic for so long, and load on it; each request over a connection of
/// its own, so that none is sent into one that has died.
async fn released(hold: &str) -> (Barq, Repository, Load) {
    let barq = Barq::start().await;
    let shop = barq.repository("shop");
    shop.configure(&Settings {
        steps: format!(
            "{{ traffic = 50, hold = \"{hold}\", max_errors = {MAX_ERRORS} }}, {{ traffic = 100 }}"
        ),
        // Requests that queued while no node was there are no reason to scale.
        production: "lease = \"10s\"\nconcurrency = 500".to_owned(),
        ..Settings::default()
    });
    barq.release(&shop, "good").await;
    let load = barq.load_unpooled("shop-production");
    load.goes_on(100).await;
    (barq, shop, load)
}

/// The node dies once at each of these moments of the service in production.
fn arm_in_production(barq: &Barq, moments: &[&str]) {
    let armed: Vec<String> = moments
        .iter()
        .map(|moment| format!("once {moment} shop-production"))
        .collect();
    let armed: Vec<&str> = armed.iter().map(String::as_str).collect();
    barq.arm(&armed);
}

async fn roll_back(barq: &Barq) {
    let path = "/api/v1/services/shop-production/rollback";
    let (status, answer) = barq.post(path, json!({"reason": "a test"})).await;
    assert_eq!(status, 200, "{answer:#}");
}

/// From outside, at whatever the node is doing.
async fn kill(barq: &Barq, load: &Load) -> Death {
    let begun = Instant::now();
    barq.kill_node_for_sure();
    let (over, over_at) = (Instant::now(), Timestamp::now());
    load.goes_on(100).await;
    let moment = "from outside".to_owned();
    Death {
        moment,
        begun,
        over,
        over_at,
    }
}

/// When the rollout in production lost its traffic with no verdict.
fn interruptions(delivery: &Value) -> Vec<Timestamp> {
    let timeline = delivery["timeline"].as_array().expect("a timeline");
    timeline
        .iter()
        .filter(|entry| entry["event"] == "rollout.interrupted")
        .map(|entry| {
            let at = entry["at"].as_str().expect("a time");
            at.parse().expect("a time")
        })
        .collect()
}

/// The processes that ran before run still, and no other one was started of their revisions.
fn survived(barq: &Barq, before: &BTreeMap<u32, String>) {
    let after = barq.instances();
    println!("started: {:?}", barq.starts());
    for (id, revision) in before {
        assert_eq!(after.get(id), Some(revision), "{before:?} {after:?}");
        assert_eq!(barq.starts().get(revision), Some(&1), "{revision}");
    }
}

/// What the node has on disk is what the server planned last.
async fn follows_the_last_plan(barq: &Barq) {
    let path = "/api/v1/audit?subject=service/shop-production&order=newest&limit=20";
    let file = barq.data().join("node/configuration/shop-production.json");
    eventually("the node has the last plan on disk", async || {
        let entries = barq.get(path).await;
        let mut entries = entries["items"].as_array().expect("a list").iter();
        let last = entries.find(|entry| entry["event"] == "service.planned")?;
        let planned = &last["data"]["event"]["service"][1]["planned"];
        let text = std::fs::read_to_string(&file).ok()?;
        let (_digest, json) = text.split_once('\n')?;
        let stored: Value = serde_json::from_str(json).ok()?;
        let on_disk = &stored["configuration"]["generation"];
        (on_disk == planned["generation"].as_u64()?).then_some(())
    })
    .await;
}

/// What users saw of all this, and that the shop says the same.
async fn users_saw(barq: Barq, load: Load, deaths: &[Death]) {
    load.goes_on(100).await;
    let samples = load.stop().await;
    let broken = only_those_in_flight_broke(&samples, deaths, RESUME_MAX);
    barq.agrees(&samples, broken);
    barq.end();
}
