//! The whole flow with real processes: a commit goes to production, a bad one comes back, and a server that is killed in
//! the middle goes on. What arrived is counted by the shop and by the client, apart from barq.

mod support;

use serde_json::json;
use support::{Barq, eventually, failed};

/// The limit of the first step.
const MAX_ERRORS: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_commit_is_taken_back_and_nobody_notices() {
    let barq = Barq::start().await;
    let shop = barq.repository("shop");
    barq.release(&shop, "good").await;
    let load = barq.load("shop-production");
    let id = shop.push("bad");
    barq.approve(&id).await;
    let delivery = barq.delivery_in(&id, &["rolled_back"]).await;
    // Requests go on for a while, to see that none reaches the bad revision any more.
    load.goes_on(201).await;
    let samples = load.stop().await;

    assert_eq!(failed(&samples), Vec::<String>::new());
    let rollout = &delivery["rollouts"][1];
    assert_eq!(rollout["state"], "rolled_back");
    assert!(rollout["rollback"]["shifted_ms"].as_f64().expect("a span") < 100.0);
    let bad = rollout["revision"].as_str().expect("a revision");
    let arrived = barq.counted().iter().filter(|it| it.0 == bad).count();
    // In flight at the trip: a request every 5 ms, each answered within far less than a second.
    assert!(
        (MAX_ERRORS..MAX_ERRORS + 20).contains(&arrived),
        "{arrived}"
    );
    report_is_complete(&barq, &id).await;
}

async fn report_is_complete(barq: &Barq, id: &str) {
    let incidents = barq.get("/api/v1/incidents?app=shop").await;
    assert_eq!(incidents["items"][0]["id"], "shop-incident-1");
    let path = "/api/v1/incidents/shop-incident-1";
    let report = eventually("the evidence", async || {
        let report = barq.get(path).await;
        (!report["blast_radius"].is_null()).then_some(report)
    })
    .await;
    assert_eq!(report["delivery"], id);
    assert_eq!(report["commits"][0]["author"], "Ann");
    assert_eq!(report["endpoints"][0]["endpoint"], "/items/{id}");
    assert_eq!(report["endpoints"][0]["status"], 500);
    let lines = report["failures"][0]["log_lines"]
        .as_array()
        .expect("lines");
    assert!(!lines.is_empty(), "{report:#}");
    assert!(report["detection_ms"].as_f64().is_some());
    // The journal alone: the same after a restart.
    barq.kill_server();
    assert_eq!(barq.get(path).await, report);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_in_a_canary_goes_on() {
    let barq = Barq::start().await;
    let shop = barq.repository("shop");
    barq.release(&shop, "good").await;
    let load = barq.load("shop-production");
    let id = shop.push("good still");
    barq.approve(&id).await;
    barq.rollout_in(&format!("{id}-production"), &["canary"])
        .await;
    barq.kill_server();
    let delivery = barq.delivery_in(&id, &["succeeded"]).await;
    let samples = load.stop().await;
    assert_eq!(failed(&samples), Vec::<String>::new());
    assert_eq!(delivery["rollouts"][1]["traffic"], 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_by_hand_moves_the_traffic_at_once() {
    let barq = Barq::start().await;
    let shop = barq.repository("shop");
    barq.release(&shop, "good").await;
    let load = barq.load("shop-production");
    barq.release(&shop, "good too").await;
    let path = "/api/v1/services/shop-production/rollback";
    let body = json!({"reason": "slow", "dry_run": true});
    let (status, plan) = barq.post(path, body).await;
    assert_eq!(status, 200, "{plan:#}");
    assert_eq!(plan["to"], "shop-production-00001");
    assert!(plan["shifted_ms"].is_null());
    let body = json!({"reason": "slow"});
    let (status, done) = barq.request("POST", path, Some(body), Some("k1")).await;
    assert_eq!(status, 200, "{done:#}");
    assert_eq!(done["from"], "shop-production-00002");
    assert!(
        done["shifted_ms"].as_f64().expect("a span") < 100.0,
        "{done:#}"
    );
    let samples = load.stop().await;
    assert_eq!(failed(&samples), Vec::<String>::new());
    let service = barq.get("/api/v1/services/shop-production").await;
    assert_eq!(service["revisions"][0]["rolled_back"], true);
    assert_eq!(service["revisions"][1]["traffic"], 100);
}
