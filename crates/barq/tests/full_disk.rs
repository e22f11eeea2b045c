//! A full disk, with real processes and real traffic: the traffic still goes back, users see nothing, whoever asks is told,
//! and when there is room again everything is recorded, once.

mod support;

use serde_json::{Value, json};
use support::{Barq, Load, Repository, Sample, Settings, eventually, on_a_disk_of_its_own};

/// A canary that stays as long as the test needs it.
const LONG_STEP: &str = "{ traffic = 50, hold = \"10m\", max_errors = 5 }, { traffic = 100 }";
/// Requests after which traffic would have been seen where it must not be.
const REQUESTS: usize = 100;

#[test]
fn a_trip_on_a_full_disk_moves_the_traffic_at_once_and_is_recorded_later() {
    on_a_disk_of_its_own(
        "a_trip_on_a_full_disk_moves_the_traffic_at_once_and_is_recorded_later",
        async {
            let (barq, shop, load) = canary("turning").await;
            barq.fill_the_disk().await;
            std::fs::write(barq.count_file().with_extension("turned"), "").expect("written");
            no_more_on(&barq, &load, CANARY).await;
            let rollout = barq.get("/api/v1/rollouts/shop-2-production").await;
            assert_eq!(
                rollout["state"], "canary",
                "nothing can be recorded: {rollout:#}"
            );
            answers_on_a_full_disk(&barq).await;

            barq.make_room();
            let delivery = barq.delivery_in("shop-2", &["rolled_back"]).await;
            let reason = delivery["reason"].as_str().expect("a reason");
            assert!(reason.contains("tripwire"), "{reason}");
            let incident = one_incident(&barq).await;
            assert!(
                incident["blast_radius"]["errors"].as_u64() >= Some(5),
                "{incident:#}"
            );
            let (status, refused) = barq
                .post("/api/v1/deliveries/shop-2/retry", json!({}))
                .await;
            assert_eq!(status, 409, "quarantined: {refused:#}");
            // Whatever was begun meanwhile is whole: the next one goes through.
            shop.configure(&Settings::default());
            barq.release(&shop, "good too").await;
            assert_eq!(failed(&load.stop().await), Vec::<String>::new());
            barq.end();
        },
    );
}

#[test]
fn a_rollback_in_a_canary_moves_the_traffic_and_outlives_the_server() {
    on_a_disk_of_its_own(
        "a_rollback_in_a_canary_moves_the_traffic_and_outlives_the_server",
        async {
            let (barq, _shop, load) = canary("good too").await;
            barq.fill_the_disk().await;
            let done = rolled_back(&barq).await;
            assert_eq!(done["to"], STABLE, "{done:#}");
            let why = done["unrecorded"].as_str().expect("it says why");
            assert!(
                why.contains("is full") && why.contains("Make room"),
                "{why}"
            );
            no_more_on(&barq, &load, CANARY).await;
            // The same again changes nothing.
            assert_eq!(rolled_back(&barq).await["to"], STABLE);

            barq.kill_server();
            barq.fill_the_disk().await;
            answers_on_a_full_disk(&barq).await;
            barq.make_room();
            let delivery = barq.delivery_in("shop-2", &["rolled_back"]).await;
            let samples = load.stop().await;
            assert_eq!(failed(&samples), Vec::<String>::new());
            told_once_by_admin(&delivery);
            one_incident(&barq).await;
            barq.end();
        },
    );
}

#[test]
fn a_rollback_after_success_is_told_again_to_a_node_that_forgot_it() {
    on_a_disk_of_its_own(
        "a_rollback_after_success_is_told_again_to_a_node_that_forgot_it",
        async {
            let barq = Barq::start_on_a_disk().await;
            let shop = barq.repository("shop");
            barq.release(&shop, "good").await;
            let load = barq.load("shop-production");
            barq.release(&shop, "good too").await;
            barq.fill_the_disk().await;
            let done = rolled_back(&barq).await;
            assert_eq!(
                (&done["from"], &done["to"]),
                (&json!(CANARY), &json!(STABLE))
            );
            assert!(done["unrecorded"].is_string(), "{done:#}");
            no_more_on(&barq, &load, CANARY).await;
            let samples = load.stop().await;
            assert_eq!(failed(&samples), Vec::<String>::new());

            barq.kill_node_for_sure();
            let load = barq.load("shop-production");
            eventually("the node is told again", async || {
                let last: Vec<Sample> = load.samples();
                let last = last.iter().rev().take(20);
                let said: Vec<bool> = last.map(|it| it.said.contains(STABLE)).collect();
                (said.len() == 20 && said.iter().all(|it| *it)).then_some(())
            })
            .await;
            no_more_on(&barq, &load, CANARY).await;
            barq.make_room();
            // It had succeeded: that end is not its last.
            let delivery = eventually("it is recorded", async || {
                let delivery = barq.get("/api/v1/deliveries/shop-2").await;
                (delivery["state"] == "rolled_back").then_some(delivery)
            })
            .await;
            told_once_by_admin(&delivery);
            one_incident(&barq).await;
            load.stop().await;
            let service = barq.get("/api/v1/services/shop-production").await;
            assert_eq!(service["stable"], STABLE, "{service:#}");
            barq.end();
        },
    );
}

#[test]
fn a_push_on_a_full_disk_says_so_and_is_made_again() {
    on_a_disk_of_its_own("a_push_on_a_full_disk_says_so_and_is_made_again", async {
        let barq = Barq::start_on_a_disk().await;
        let shop = barq.repository("shop");
        barq.release(&shop, "good").await;
        let load = barq.load("shop-production");
        barq.fill_the_disk().await;
        let told = shop.try_push("good too");
        assert!(told.contains("No space left on device"), "{told}");
        barq.make_room();
        barq.release(&shop, "good three").await;
        let samples = load.stop().await;
        assert_eq!(failed(&samples), Vec::<String>::new());
        barq.end();
    });
}

#[test]
fn a_check_that_ends_on_a_full_disk_counts_when_there_is_room() {
    on_a_disk_of_its_own(
        "a_check_that_ends_on_a_full_disk_counts_when_there_is_room",
        async {
            let barq = Barq::start_on_a_disk().await;
            let shop = barq.repository("shop");
            shop.configure(&Settings {
                check: "echo begun; sleep 2; seq 10000".to_owned(),
                ..Settings::default()
            });
            let id = shop.push("good");
            eventually("the check writes", async || {
                let path = format!("/api/v1/deliveries/{id}/checks/unit/output");
                let url = format!("{}{path}", barq.server);
                let request = barq.http().get(url).bearer_auth(barq.token());
                let text = request.send().await.ok()?.text().await.ok()?;
                text.contains("begun").then_some(())
            })
            .await;
            barq.fill_the_disk().await;
            eventually("its end can't be recorded", async || {
                let (_, text) = barq.ready_text().await?;
                text.contains("could not commit").then_some(())
            })
            .await;
            barq.make_room();
            let delivery = barq.delivery_in(&id, &["awaiting_approval"]).await;
            assert_eq!(delivery["checks"][0]["state"], "passed", "{delivery:#}");
            barq.end();
        },
    );
}

const STABLE: &str = "shop-production-00001";
const CANARY: &str = "shop-production-00002";

/// A good release, and a canary beside it that has half of the load.
async fn canary(mode: &str) -> (Barq, Repository, Load) {
    let barq = Barq::start_on_a_disk().await;
    let shop = barq.repository("shop");
    shop.configure(&Settings {
        steps: LONG_STEP.to_owned(),
        production: "lease = \"5m\"".to_owned(),
        ..Settings::default()
    });
    barq.release(&shop, "good").await;
    let load = barq.load("shop-production");
    let id = shop.push(mode);
    barq.approve(&id).await;
    barq.rollout_in("shop-2-production", &["canary"]).await;
    eventually("the canary is asked", async || {
        (barq.arrivals(CANARY).len() > 20).then_some(())
    })
    .await;
    (barq, shop, load)
}

/// Commands are refused with what to do; questions are answered.
async fn answers_on_a_full_disk(barq: &Barq) {
    let live = barq
        .http()
        .get(format!("{}/health/live", barq.server))
        .send()
        .await;
    assert!(live.expect("answered").status().is_success());
    let (status, text) = barq.ready_text().await.expect("answered");
    assert_eq!(status, 503);
    assert!(
        text.contains(&format!("the disk of {} is full", barq.data().display())),
        "{text}"
    );
    barq.get("/api/v1/services").await;
    let path = "/api/v1/services/shop-production/lock";
    let (status, refused) = barq.post(path, json!({"message": "wait"})).await;
    assert_eq!(status, 507, "{refused:#}");
    assert!(
        refused["detail"]
            .as_str()
            .is_some_and(|it| it.contains("is full")),
        "{refused:#}"
    );
    assert!(
        refused["hint"]
            .as_str()
            .is_some_and(|it| it.contains("make room")),
        "{refused:#}"
    );
}

/// What the command line does, and says in JSON.
async fn rolled_back(barq: &Barq) -> Value {
    let output = barq.roll_back().await;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{told}");
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    document["rollback"].clone()
}

/// Under load nothing arrives there any more, by the shop's own books.
async fn no_more_on(barq: &Barq, load: &Load, revision: &str) {
    eventually("the traffic has left it", async || {
        let before = barq.arrivals(revision).len();
        load.goes_on(REQUESTS).await;
        (barq.arrivals(revision).len() == before).then_some(())
    })
    .await;
}

async fn one_incident(barq: &Barq) -> Value {
    let incidents = barq.get("/api/v1/incidents").await;
    let items = incidents["items"].as_array().expect("a list");
    assert_eq!(items.len(), 1, "{incidents:#}");
    let id = items[0]["id"].as_str().expect("an id");
    let path = format!("/api/v1/incidents/{id}");
    eventually("the evidence is gathered", async || {
        let incident = barq.get(&path).await;
        incident["blast_radius"].is_object().then_some(incident)
    })
    .await
}

/// The rollback stands in the timeline once, under the name of who ordered it.
fn told_once_by_admin(delivery: &Value) {
    let timeline = delivery["timeline"].as_array().expect("a timeline");
    let begun: Vec<&Value> = timeline
        .iter()
        .filter(|it| it["event"] == "rollout.rollback_started")
        .collect();
    assert_eq!(begun.len(), 1, "{timeline:#?}");
    assert_eq!(begun[0]["actor"], "admin", "{:#}", begun[0]);
}

/// What clients saw that was no success.
fn failed(samples: &[Sample]) -> Vec<String> {
    assert!(samples.len() > REQUESTS, "there was hardly any load");
    samples
        .iter()
        .filter(|sample| sample.status != Some(200))
        .map(|sample| format!("{:?} {}", sample.status, sample.said))
        .collect()
}
